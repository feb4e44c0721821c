/* The files that configuration keys name. A secret out of one: passwords of service accounts, tokens, client secrets; called
 * by the folders that talk to a dependency, when they are made. And whether a ca_file is one; called by `config check`. */
#include "config_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX 4095

enum result config_secret(struct fault *f, const struct config *c, const char *section, const char *name, const char *key,
                          char **out_r)
{
    const char *path = config_text(c, section, name, key);
    char text[SECRET_MAX + 1] = "";
    if (path == NULL)
        return FAULT(f, RESULT_INVALID, "[%s %s] needs %s", section, name == NULL ? "" : name, key);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        (void)close(fd);
    size_t len = n <= 0 ? 0 : strcspn(text, "\r\n");
    bool fits = n > 0 && len > 0 && len < SECRET_MAX;
    *out_r = fits ? strndup(text, len) : NULL;
    wipe(text, sizeof(text));
    if (!fits)
        return FAULT(f, RESULT_INVALID, "[%s %s] %s %s: %s", section, name == NULL ? "" : name, key,
                     n < 0 ? "cannot be read" : "is empty or too long", path); /* last: it is the one that may be cut off */
    NEED(f, *out_r);
    return RESULT_OK;
}

void secret_free(char *secret)
{
    if (secret != NULL)
        wipe(secret, strlen(secret));
    free(secret);
}

enum result config_certificates(struct fault *f, const struct config *c, const char *section, const char *name)
{
    if (!config_has(c, section, name, "ca_file"))
        return RESULT_OK;
    const char *path = config_text(c, section, name, "ca_file");
    CLEANUP(file) FILE *file = fopen(path, "re");
    if (file == NULL)
        return FAULT(f, RESULT_INVALID, "[%s %s] ca_file cannot be read: %s: %s", section, name, strerror(errno), path);
    X509 *first = PEM_read_X509(file, NULL, NULL, NULL);
    ERR_clear_error();
    if (first == NULL)
        return FAULT(f, RESULT_INVALID, "[%s %s] ca_file holds no certificate (PEM, BEGIN CERTIFICATE): %s", section, name, path);
    X509_free(first);
    return RESULT_OK;
}
