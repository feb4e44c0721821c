/* certificate: why is a directory's certificate refused? Called by probe.c when a server cannot be used: libldap says no more
 * than "no". OpenSSL shakes hands once more, trusting nobody, and its verdict is put into a sentence. Only for ldaps://: with
 * StartTLS the certificate is the same one, behind an LDAP exchange. Nothing is sent over this connection. */
#include "internal.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

/* From here on reads and writes block, but no longer than `us` each. */
static void bound(int fd, int64_t us)
{
    struct timeval limit = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* The names that count: those of the SAN, or else the CN (as LDAP_OPT_X_TLS_REQUIRE_SAN try). */
static const char *names_of(struct arena *a, X509 *cert)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *text = NULL;
    int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
    if (b == NULL)
        return "?";
    if (at >= 0)
        (void)X509V3_EXT_print(b, X509_get_ext(cert, at), 0, 0);
    else
        (void)X509_NAME_print_ex(b, X509_get_subject_name(cert), 0, XN_FLAG_ONELINE);
    long len = BIO_get_mem_data(b, &text);
    const char *names = len > 0 ? arena_strndup(a, text, (size_t)len) : NULL;
    BIO_free(b);
    return names == NULL ? "?" : names;
}

static const char *verdict(struct arena *a, SSL *ssl, const struct server *s)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    long error = SSL_get_verify_result(ssl);
    const char *why = NULL;
    if (cert == NULL)
        return NULL;
    if (error != X509_V_OK)
        why = arena_printf(a, " Its check says: %s.", X509_verify_cert_error_string(error));
    else if (X509_check_host(cert, s->host, 0, 0, NULL) != 1 && X509_check_ip_asc(cert, s->host, 0) != 1)
        why = arena_printf(a, " It is for %s, and the URL says %s.", names_of(a, cert), s->host);
    else if (text_equal(s->host, "localhost"))
        why = " For localhost, libldap wants this machine's own host name in it: write 127.0.0.1 or that name.";
    X509_free(cert);
    return why;
}

static const char *shake_hands(struct arena *a, SSL_CTX *context, int fd, const struct server *s)
{
    SSL *ssl = SSL_new(context);
    const char *why = NULL;
    if (ssl == NULL)
        return NULL;
    (void)SSL_set_tlsext_host_name(ssl, s->host);
    if (SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1)
        why = verdict(a, ssl, s);
    SSL_free(ssl);
    return why;
}

const char *dir_probe_certificate(struct arena *a, const struct directory *d, const struct server *s)
{
    struct fault f = {0};
    int fd = -1;
    const char *why = NULL;
    if (s->scheme != SCHEME_LDAPS || dir_dial(&f, s, d->network_timeout_us, &fd) != RESULT_OK)
        return NULL;
    bound(fd, d->network_timeout_us);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context != NULL && SSL_CTX_load_verify_file(context, d->ca_file) != 1) {
        why = arena_printf(a, " There is no certificate in %s.", d->ca_file);
    } else if (context != NULL) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* the verdict is asked for, not obeyed: nothing follows */
        why = shake_hands(a, context, fd, s);
    }
    SSL_CTX_free(context);
    ERR_clear_error();
    (void)close(fd);
    return why;
}
