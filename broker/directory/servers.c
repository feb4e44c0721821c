/* servers: the keys of [directory NAME] that say where its servers are and how the bridge reaches them. Called by config.c for
 * each directory. RFC 4516 for the URLs; a password never goes over an open wire to another machine. */
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- reading one key, copied: the configuration may be freed before the directories are */

static char *const *urls_of(const struct config *c, const struct directory *d)
{
    return config_list(c, "directory", d->name, "urls");
}

static const char *copy(struct arena *a, const struct config *c, const struct directory *d, const char *key)
{
    const char *s = config_text(c, "directory", d->name, key);
    return s == NULL || s[0] == '\0' ? NULL : arena_strdup(a, s);
}

/* ---- servers */

static bool is_loopback(const char *host)
{
    return text_equal(host, "localhost") || text_equal(host, "::1") || text_has_prefix(host, "127.");
}

static enum result read_server(struct fault *f, struct arena *a, struct directory *d, const char *url, struct server *s)
{
    static const struct {
        const char *word;
        enum scheme scheme;
        int port;
    } schemes[] = {{"ldap", SCHEME_LDAP, 389}, {"ldaps", SCHEME_LDAPS, 636}, {"ldapi", SCHEME_LDAPI, 0}};
    LDAPURLDesc *u = NULL;
    bool known = false;
    if (ldap_url_parse(url, &u) != LDAP_URL_SUCCESS)
        return FAULT(f, RESULT_INVALID, "[directory %s] urls: not an LDAP URL: %s", d->name, url);
    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (text_equal(u->lud_scheme, schemes[i].word)) {
            *s = (struct server){.url = url, .directory = d, .scheme = schemes[i].scheme, .port = schemes[i].port};
            known = true;
        }
    if (u->lud_port != 0)
        s->port = u->lud_port;
    const char *host = u->lud_host == NULL ? "" : u->lud_host;
    s->host = arena_strdup(a, host);
    bool usable = known && host[0] != '\0' && (u->lud_dn == NULL || u->lud_dn[0] == '\0') && u->lud_exts == NULL;
    s->loopback = is_loopback(host);
    ldap_free_urldesc(u);
    NEED(f, s->host);
    if (!usable)
        return FAULT(f, RESULT_INVALID, "[directory %s] urls: want ldaps://host[:port] and no more: %s", d->name, url);
    if (s->scheme == SCHEME_LDAP && !s->loopback && !d->starttls)
        return FAULT(f, RESULT_INVALID, "[directory %s] %s would send passwords in the clear: use ldaps:// or starttls = on",
                     d->name, url);
    return RESULT_OK;
}

/* The URL is the name of its metrics, unless a character of it would need escaping there. */
static enum result make_server(struct fault *f, struct directory *d, struct server *s)
{
    bool plain = strpbrk(s->url, "\"\\") == NULL && strpbrk(d->name, "\"\\") == NULL;
    if (plain)
        (void)snprintf(s->labels, sizeof s->labels, "directory=\"%.36s\",server=\"%.50s\"", d->name, s->url);
    else
        (void)snprintf(s->labels, sizeof s->labels, "server=\"%zu\"", d->server_count + 1);
    metric_set("idbridge_directory_server_up", s->labels, 1);
    return s->scheme == SCHEME_LDAPI ? RESULT_OK : dir_endpoint_new(f, s->host, s->port, &s->endpoint);
}

static enum result read_servers(struct fault *f, struct arena *a, const struct config *c, struct directory *d)
{
    char *const *urls = urls_of(c, d);
    for (; urls != NULL && urls[d->server_count] != NULL; d->server_count++) {
        if (d->server_count == DIR_SERVERS_MAX)
            return FAULT(f, RESULT_INVALID, "[directory %s] urls: more than %d", d->name, DIR_SERVERS_MAX);
        struct server *s = &d->servers[d->server_count];
        const char *url = arena_strdup(a, urls[d->server_count]);
        NEED(f, url);
        TRY(read_server(f, a, d, url, s));
        TRY(make_server(f, d, s));
    }
    if (d->server_count == 0)
        return FAULT(f, RESULT_INVALID, "[directory %s] urls: there is none", d->name);
    return RESULT_OK;
}

/* ---- the bridge's own certificate */

static bool has_tls(const struct directory *d)
{
    bool some = false;
    for (size_t i = 0; i < d->server_count; i++)
        some = some || d->servers[i].scheme == SCHEME_LDAPS || (d->servers[i].scheme == SCHEME_LDAP && d->starttls);
    return some;
}

/* The files are read at each connect, so that a certificate that was renewed counts without a reload. */
static enum result read_client_certificate(struct fault *f, struct arena *a, const struct config *c, struct directory *d)
{
    d->client_cert_file = copy(a, c, d, "client_cert_file");
    d->client_key_file = copy(a, c, d, "client_key_file");
    const char *const files[] = {d->client_cert_file, d->client_key_file};
    if ((files[0] == NULL) != (files[1] == NULL))
        return FAULT(f, RESULT_INVALID, "[directory %s] client_cert_file and client_key_file go together", d->name);
    if (files[0] == NULL || files[1] == NULL)
        return RESULT_OK;
    if (!has_tls(d))
        return FAULT(f, RESULT_INVALID, "[directory %s] client_cert_file is shown over TLS only: ldaps:// or starttls = on", d->name);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        if (access(files[i], R_OK) != 0)
            return FAULT(f, RESULT_INVALID, "[directory %s] %s cannot be read: %s", d->name, files[i], strerrordesc_np(errno));
    return RESULT_OK;
}

enum result dir_servers(struct fault *f, struct arena *a, const struct config *c, struct directory *d)
{
    d->starttls = config_flag(c, "directory", d->name, "starttls");
    d->ca_file = copy(a, c, d, "ca_file");
    NEED(f, d->ca_file);
    TRY(read_servers(f, a, c, d));
    return read_client_certificate(f, a, c, d);
}
