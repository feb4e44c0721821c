/* Where may people sign in with a directory's own password instead of at an ID provider? Nowhere, unless [directory NAME] lists
 * applications (password_login_clients) or networks (password_login_networks); with both, both must hold. Asked when the ways
 * to sign in are listed, when the form is shown and when it comes back, before such a session answers for another application,
 * and at every refresh: what was turned off or never offered is not accepted either. */
#include "private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_BYTES = 16, MAPPED_BITS = 96, NETWORK_MAX = 64 };

struct network {
    unsigned char address[ADDRESS_BYTES];
    unsigned bits;
};

const char *login_password_directory(const char *upstream)
{
    return text_has_prefix(upstream, LINK_DIRECTORY) ? upstream + strlen(LINK_DIRECTORY) : NULL; /* no [upstream x] has a colon */
}

const char *login_provider_label(const struct exchange *x, const char *upstream)
{
    const char *directory = login_password_directory(upstream);
    if (directory == NULL)
        return upstream_label(x->bridge->upstreams, upstream);
    const char *label = config_text(x->bridge->config, "directory", directory, "password_login_label");
    return label != NULL ? label : message_text(x->language == NULL ? "en" : x->language, "password.choice");
}

/* ---- networks --------------------------------------------------------------------------------------------------- */

/* IPv4 as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2): one comparison, and ::ffff:10.0.0.1 is 10.0.0.1. */
static bool read_address(const char *text, unsigned char out[ADDRESS_BYTES])
{
    struct in_addr four;
    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    if (inet_pton(AF_INET, text, &four) != 1)
        return false;
    memset(out, 0, ADDRESS_BYTES);
    memset(out + 10, 0xff, 2);
    memcpy(out + 12, &four, sizeof(four));
    return true;
}

/* ADDRESS or ADDRESS/BITS (RFC 4632 §3.1) */
static bool read_network(const char *text, struct network *out)
{
    char address[NETWORK_MAX];
    size_t n = strcspn(text, "/");
    if (n >= sizeof(address))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    bool four = strchr(address, ':') == NULL;
    unsigned max = four ? 32 : 128;
    out->bits = max;
    if (text[n] == '/') {
        const char *bits = text + n + 1;
        if (bits[0] == '\0' || strlen(bits) > 3 || strspn(bits, "0123456789") != strlen(bits))
            return false;
        out->bits = (unsigned)strtoul(bits, NULL, 10);
    }
    if (out->bits > max || !read_address(address, out->address))
        return false;
    out->bits += four ? MAPPED_BITS : 0;
    return true;
}

static bool within(const struct network *n, const unsigned char address[ADDRESS_BYTES])
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address, address, whole) != 0)
        return false;
    return rest == 0 || ((n->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

static bool any(char *const *list)
{
    return list != NULL && *list != NULL;
}

/* A proxy that did not say whom it asks for speaks for nobody. */
static bool from_network(const struct exchange *x, char *const *networks)
{
    unsigned char address[ADDRESS_BYTES];
    struct network n;
    if (text_listed(config_list(x->bridge->config, "listen", NULL, "trusted_proxies"), x->request->address) ||
        !read_address(x->request->address, address))
        return false;
    for (; *networks != NULL; networks++)
        if (read_network(*networks, &n) && within(&n, address))
            return true;
    return false;
}

/* Who has one IPv6 address has the whole /64 (RFC 4291 §2.5.1). */
const char *offer_address_key(struct arena *a, const char *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char b[ADDRESS_BYTES];
    if (!read_address(address, b))
        return address;
    return base64url_encode(a, b, memcmp(b, mapped, sizeof(mapped)) == 0 ? ADDRESS_BYTES : ADDRESS_BYTES / 2);
}

/* ---- the offer ---------------------------------------------------------------------------------------------------- */

static char *const *clients_of(const struct bridge *b, const char *directory)
{
    return config_list(b->config, "directory", directory, "password_login_clients");
}
static char *const *networks_of(const struct bridge *b, const char *directory)
{
    return config_list(b->config, "directory", directory, "password_login_networks");
}

bool login_password_offered(const struct exchange *x, const struct client *c, const char *acr_values, const char *directory)
{
    char *const *clients = clients_of(x->bridge, directory), *const *networks = networks_of(x->bridge, directory);
    bool named = text_listed(clients, c->client_id);
    bool here = (any(clients) || any(networks)) && (named || !any(clients)) && (!any(networks) || from_network(x, networks));
    if (GUARD(password_where, !here))
        return false;
    if (GUARD(password_pinned, c->upstream != NULL && !named)) /* it keeps to one provider: only by name it has this one too */
        return false;
    return !GUARD(password_acr, acr_values != NULL && !text_has_word(acr_values, LOGIN_PASSWORD_ACR));
}

size_t login_password_ways(const struct exchange *x, const struct client *c, const char *acr_values, const char **out, size_t max)
{
    const char *const *names;
    size_t n = config_names(x->bridge->config, "directory", &names), kept = 0;
    for (size_t i = 0; i < n && kept < max; i++)
        if (login_password_offered(x, c, acr_values, names[i]) &&
            (out[kept] = arena_printf(x->arena, LINK_DIRECTORY "%s", names[i])) != NULL)
            kept++;
    return kept;
}

/* A refresh comes from the application's own address: only who is listed counts. */
bool login_password_kept(const struct bridge *b, const char *client_id, const char *upstream)
{
    const char *directory = login_password_directory(upstream);
    if (directory == NULL)
        return true;
    char *const *clients = clients_of(b, directory);
    return !GUARD(password_kept, any(clients) ? !text_listed(clients, client_id) : !any(networks_of(b, directory)));
}

/* ---- start and doctor ----------------------------------------------------------------------------------------------- */

enum result offer_check(struct fault *f, const struct config *c, const char *directory)
{
    char *const *networks = config_list(c, "directory", directory, "password_login_networks");
    struct network n;
    if (any(networks) && text_has_prefix(config_text(c, "bridge", NULL, "issuer"), "https:") &&
        !any(config_list(c, "listen", NULL, "trusted_proxies")))
        return FAULT(f, RESULT_INVALID, "[directory %.40s] password_login_networks needs [listen] trusted_proxies: behind the "
                     "proxy that carries TLS everybody has its address", directory);
    for (; networks != NULL && *networks != NULL; networks++)
        if (!read_network(*networks, &n))
            return FAULT(f, RESULT_INVALID, "[directory %.40s] password_login_networks: %.60s is no ADDRESS/BITS", directory, *networks);
    return RESULT_OK;
}

static void join(struct buf *out, const char *before, char *const *list)
{
    if (any(list))
        buf_text(out, before);
    for (; list != NULL && *list != NULL; list++)
        buf_printf(out, " %s", *list);
}

bool login_password_describe(const struct bridge *b, const char *directory, struct buf *out)
{
    char *const *clients = clients_of(b, directory), *const *networks = networks_of(b, directory);
    if (!any(clients) && !any(networks)) {
        buf_text(out, "not offered anywhere");
        return false;
    }
    buf_text(out, "offered");
    join(out, " to", clients);
    join(out, " from", networks);
    return true;
}

static void no_such_client(struct store_view *v, struct arena *a, char *const *clients, struct buf *findings)
{
    struct client c;
    for (; clients != NULL && *clients != NULL; clients++) {
        struct fault ignored = {0};
        if (store_client_get(&ignored, v, a, *clients, &c) == RESULT_NOT_FOUND)
            buf_printf(findings, "warning: password_login_clients names %s, and no application of that name is registered\n", *clients);
    }
}

void login_password_probe(struct bridge *b, struct arena *a, const char *directory, struct buf *findings)
{
    struct fault ignored = {0};
    struct store_view *v = store_reader(&ignored, b->store);
    char *const *clients = clients_of(b, directory);
    buf_text(findings, "ok: login by this directory's password is ");
    (void)login_password_describe(b, directory, findings);
    buf_text(findings, "\n");
    if (v != NULL)
        no_such_client(v, a, clients, findings);
}
