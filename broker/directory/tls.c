/* tls: who may a directory server be, and who are we to it? Called by connection.c before a handshake. Every TLS option is set by
 * us, and what libldap makes of them (CA certificates, our own certificate and key) is made once for all connections of a
 * directory, and again when a file changed: libldap over GnuTLS reads a whole CA bundle each time otherwise, and loses the
 * memory of a client certificate with every context. */
#include "internal.h"

#include <string.h>

/* Exported by libldap, in no header of its own that is installed: gives up what LDAP_OPT_X_TLS_CTX borrowed. */
void ldap_pvt_tls_ctx_free(void *context);

static bool set_all(LDAP *ld, const struct directory *d, bool with_context)
{
    const int demand = LDAP_OPT_X_TLS_DEMAND, san = LDAP_OPT_X_TLS_TRY,
              tls12 = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
    const struct {
        int option;
        const void *value;
    } options[] = {
        {LDAP_OPT_X_TLS_CACERTFILE, d->ca_file},
        {LDAP_OPT_X_TLS_CACERTDIR, ""}, /* "": none, whatever the process has as its default */
        {LDAP_OPT_X_TLS_CERTFILE, d->client_cert_file == NULL ? "" : d->client_cert_file},
        {LDAP_OPT_X_TLS_KEYFILE, d->client_key_file == NULL ? "" : d->client_key_file},
        {LDAP_OPT_X_TLS_CRLFILE, ""},
        {LDAP_OPT_X_TLS_CIPHER_SUITE, ""},
        {LDAP_OPT_X_TLS_REQUIRE_CERT, &demand},
        {LDAP_OPT_X_TLS_REQUIRE_SAN, &san}, /* RFC 6125: the CN counts only where there is no name in the SAN */
        {LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls12},
        {LDAP_OPT_X_TLS_NEWCTX, &client}, /* last: it makes the context out of the options before it */
    };
    for (size_t i = 0; i < COUNT_OF(options) - (with_context ? 0 : 1); i++)
        if (ldap_set_option(ld, options[i].option, options[i].value) != LDAP_OPT_SUCCESS)
            return false;
    return true;
}

/* ---- the shared context; the lock of the directory is held */

static void look_at_files(const struct directory *d, struct stat *now_r)
{
    const char *const files[TLS_FILES] = {d->ca_file, d->client_cert_file, d->client_key_file};
    memset(now_r, 0, TLS_FILES * sizeof *now_r);
    for (size_t i = 0; i < TLS_FILES; i++)
        if (files[i] == NULL || stat(files[i], &now_r[i]) != 0)
            memset(&now_r[i], 0, sizeof now_r[i]);
}

static bool same_files(const struct stat *a, const struct stat *b)
{
    bool same = true;
    for (size_t i = 0; i < TLS_FILES; i++)
        same = same && a[i].st_ino == b[i].st_ino && a[i].st_size == b[i].st_size &&
               memcmp(&a[i].st_mtim, &b[i].st_mtim, sizeof a[i].st_mtim) == 0;
    return same;
}

/* Files that are just being replaced and do not fit each other leave the context before in use. */
static bool make_context(struct directory *d)
{
    struct stat now[TLS_FILES];
    LDAP *fresh = NULL;
    look_at_files(d, now);
    if (d->tls.template != NULL && same_files(now, d->tls.made_of))
        return true;
    if (ldap_create(&fresh) != LDAP_SUCCESS)
        return d->tls.template != NULL;
    if (!set_all(fresh, d, true)) {
        (void)ldap_unbind_ext(fresh, NULL, NULL);
        return d->tls.template != NULL;
    }
    dir_tls_free(d);
    d->tls.template = fresh;
    memcpy(d->tls.made_of, now, sizeof now);
    return true;
}

void dir_tls_free(struct directory *d)
{
    if (d->tls.template != NULL)
        (void)ldap_unbind_ext(d->tls.template, NULL, NULL);
    d->tls.template = NULL;
}

/* ---- one connection */

bool dir_tls_set(struct directory *d, LDAP *ld)
{
    void *context = NULL;
    (void)pthread_mutex_lock(&d->lock);
    bool made = make_context(d) && ldap_get_option(d->tls.template, LDAP_OPT_X_TLS_CTX, &context) == LDAP_OPT_SUCCESS;
    (void)pthread_mutex_unlock(&d->lock);
    bool set = made && context != NULL && set_all(ld, d, false) &&
               ldap_set_option(ld, LDAP_OPT_X_TLS_CTX, context) == LDAP_OPT_SUCCESS;
    if (context != NULL)
        ldap_pvt_tls_ctx_free(context);
    return set;
}

/* libldap over GnuTLS, which is Debian's, does not heed LDAP_OPT_X_TLS_PROTOCOL_MIN, and what can be said to it by
 * LDAP_OPT_X_TLS_CIPHER_SUITE costs eight kilobytes that it loses. So it is looked at here, before anything is sent. */
bool dir_tls_modern(LDAP *ld)
{
    static const char *const old[] = {"SSL3", "SSLv3", "TLS1.0", "TLSv1", "TLS1.1", "TLSv1.1"};
    char *version = NULL;
    if (ldap_get_option(ld, LDAP_OPT_X_TLS_VERSION, &version) != LDAP_OPT_SUCCESS || version == NULL)
        return false;
    bool modern = true;
    for (size_t i = 0; i < COUNT_OF(old); i++)
        modern = modern && strcmp(version, old[i]) != 0;
    ldap_memfree(version);
    return modern;
}
