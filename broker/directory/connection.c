/* connection: one LDAP handle with every option set by us, TLS up and the service account bound. Called by pool.c and
 * probe.c. Options after ldap_set_option(3); nothing is left to the machine's ldap.conf (a site's `TLS_REQCERT never` would
 * switch certificate checks off). */
#include "internal.h"

#include <openldap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cleanup_ldapmsg(LDAPMessage **m)
{
    if (*m != NULL)
        (void)ldap_msgfree(*m);
}

void cleanup_ldapcontrol(LDAPControl **c)
{
    if (*c != NULL)
        ldap_control_free(*c);
}

void cleanup_ldapcontrols(LDAPControl ***c)
{
    if (*c != NULL)
        ldap_controls_free(*c);
}

void dir_close(struct connection *c)
{
    if (c == NULL)
        return;
    if (c->ld != NULL)
        (void)ldap_unbind_ext(c->ld, NULL, NULL);
    free(c);
}

/* Codes that speak of the connection or the server, not of the question: another server may answer it. */
static bool is_connection_code(int code)
{
    static const int codes[] = {LDAP_SERVER_DOWN,    LDAP_TIMEOUT,     LDAP_CONNECT_ERROR, LDAP_DECODING_ERROR,
                                LDAP_ENCODING_ERROR, LDAP_LOCAL_ERROR, LDAP_BUSY,          LDAP_UNAVAILABLE};
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* The server's own diagnostic text stays out: it may hold DNs. */
enum result dir_fault(struct fault *f, struct connection *c, int code, const char *doing)
{
    const char *url = c->directory->servers[c->server].url;
    if (is_connection_code(code))
        c->broken = true;
    if (code == LDAP_TIMEOUT || code == LDAP_TIMELIMIT_EXCEEDED || code == LDAP_ADMINLIMIT_EXCEEDED)
        return FAULT(f, RESULT_TIMEOUT, "%s: %s: %s", url, doing, ldap_err2string(code));
    if (code == LDAP_NO_MEMORY)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return FAULT(f, RESULT_UNAVAILABLE, "%s: %s: %s (%d)", url, doing, ldap_err2string(code), code);
}

/* The same before anybody but the service account spoke: here libldap's text helps. For a certificate that it refuses it has
 * none but GnuTLS' word for an error that is not GnuTLS' own. */
static enum result open_fault(struct fault *f, struct connection *c, int code, const char *doing)
{
    char *text = NULL;
    (void)ldap_get_option(c->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    enum result r = dir_fault(f, c, code, doing);
    bool refused = text != NULL && text_has_prefix(text, "(unknown error");
    if (text != NULL && text[0] != '\0' && r != RESULT_TIMEOUT)
        r = FAULT(f, r, "%s: %s: %s", c->directory->servers[c->server].url, doing,
                  refused ? "the server's certificate is not accepted" : text);
    ldap_memfree(text);
    return r;
}

static struct timeval timeval_of(int64_t us)
{
    return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

static bool set_base_options(LDAP *ld, const struct directory *d, int64_t timeout_us)
{
    const struct timeval network = timeval_of(timeout_us), search = timeval_of(d->search_timeout_us);
    /* The server's own limit lies above ours: Samba counts it in whole seconds and may end a second early. */
    const int version = LDAP_VERSION3, never = LDAP_DEREF_NEVER, none = 0, seconds = (int)search.tv_sec + 1;
    const struct {
        int option;
        const void *value;
    } options[] = {
        {LDAP_OPT_PROTOCOL_VERSION, &version},
        {LDAP_OPT_REFERRALS, LDAP_OPT_OFF}, /* AD refers to ldap://domain names that lead nowhere */
        {LDAP_OPT_DEREF, &never},
        {LDAP_OPT_RESTART, LDAP_OPT_ON},
        {LDAP_OPT_SIZELIMIT, &none},
        {LDAP_OPT_TIMELIMIT, &seconds},
        {LDAP_OPT_NETWORK_TIMEOUT, &network},
        {LDAP_OPT_TIMEOUT, &search},
        {LDAP_OPT_CONNECT_ASYNC, LDAP_OPT_ON}, /* or NETWORK_TIMEOUT does not bound the TLS handshake */
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (ldap_set_option(ld, options[i].option, options[i].value) != LDAP_OPT_SUCCESS)
            return false;
    Sockbuf *sb = NULL;
    ber_len_t max = DIR_MESSAGE_MAX; /* before it, a server could make us allocate what it likes */
    return ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_OPT_SUCCESS && sb != NULL &&
           ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max) >= 0;
}

static enum result start_tls(struct fault *f, struct connection *c)
{
    const struct directory *d = c->directory;
    const struct server *s = &d->servers[c->server];
    bool ldaps = s->scheme == SCHEME_LDAPS;
    if (!ldaps && (!d->starttls || s->scheme == SCHEME_LDAPI))
        return RESULT_OK;
    if (!dir_tls_set(c->directory, c->ld))
        return FAULT(f, RESULT_UNAVAILABLE, "%s: %s %s cannot be used", s->url,
                     d->client_cert_file == NULL ? "ca_file" : "client_cert_file, client_key_file or ca_file", d->ca_file);
    int code = ldaps ? ldap_install_tls(c->ld) : ldap_start_tls_s(c->ld, NULL, NULL);
    if (code != LDAP_SUCCESS)
        return open_fault(f, c, code, ldaps ? "TLS" : "StartTLS");
    if (!dir_tls_modern(c->ld))
        return FAULT(f, RESULT_UNAVAILABLE, "%s: the server speaks no TLS 1.2, nothing was sent", s->url);
    return RESULT_OK;
}

static enum result attach(struct fault *f, struct connection *c, int64_t timeout_us)
{
    const struct server *s = &c->directory->servers[c->server];
    int fd = -1;
    TRY(dir_dial(f, s, timeout_us, &fd));
    int proto = s->scheme == SCHEME_LDAPI ? LDAP_PROTO_IPC : LDAP_PROTO_TCP;
    if (ldap_init_fd(fd, proto, s->url, &c->ld) != LDAP_SUCCESS) {
        (void)close(fd);
        return FAULT(f, RESULT_INTERNAL, "%s: libldap refuses the connection", s->url);
    }
    if (!set_base_options(c->ld, c->directory, timeout_us))
        return FAULT(f, RESULT_INTERNAL, "%s: libldap refuses an option", s->url);
    return start_tls(f, c);
}

/* Connects and starts TLS; binds nobody. `timeout_us` bounds the connect, then again the TLS handshake. */
enum result dir_connect(struct fault *f, struct directory *d, size_t server, int64_t timeout_us,
                        struct connection **out_r)
{
    struct connection *c = calloc(1, sizeof *c);
    NEED(f, c);
    *c = (struct connection){.directory = d, .server = server, .fresh = true, .opened_us = clock_monotonic_us()};
    enum result r = attach(f, c, timeout_us);
    if (r != RESULT_OK) {
        dir_close(c);
        return r;
    }
    *out_r = c;
    return RESULT_OK;
}

static enum result bind_external(struct fault *f, struct connection *c)
{
    static char empty[] = ""; /* a response of no bytes: without one the server asks for it first (RFC 4422 appendix A) */
    struct berval *answer = NULL, nobody = {0, empty};
    int code = ldap_sasl_bind_s(c->ld, NULL, "EXTERNAL", &nobody, NULL, NULL, &answer);
    ber_bvfree(answer);
    return code == LDAP_SUCCESS ? RESULT_OK : open_fault(f, c, code, "SASL EXTERNAL");
}

/* Binds as bind_dn. RESULT_DENIED: the server refuses that account. */
enum result dir_bind_service(struct fault *f, struct connection *c)
{
    const struct directory *d = c->directory;
    const struct server *s = &d->servers[c->server];
    if (d->bind_dn == NULL)
        return s->scheme == SCHEME_LDAPI || d->client_cert_file != NULL ? bind_external(f, c) : RESULT_OK;
    struct arena *a = arena_new(65536);
    NEED(f, a);
    struct bind_answer answer;
    enum account_status status = ACCOUNT_OK;
    enum result r = dir_bind_send(f, a, c, d->bind_dn, d->bind_password, &answer);
    if (r == RESULT_OK && answer.code != LDAP_SUCCESS) {
        if (dir_bind_status(d->type, &answer, &status))
            r = FAULT(f, RESULT_DENIED, "%s: bind_dn is refused: %s", s->url,
                      status == ACCOUNT_OK ? "its password has expired" : account_status_name(status));
        else
            r = dir_fault(f, c, answer.code, "bind as bind_dn");
    }
    arena_free(a);
    return r;
}
