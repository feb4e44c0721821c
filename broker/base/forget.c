/* forget.c: what a library frees is wiped first. Codes, passwords, client secrets and tokens are copied by jansson, libcurl,
 * OpenSSL, cjose and liblber into memory that only they free, so each of them is given these functions. Called by main
 * before any of them allocates; libmicrohttpd and SQLite take none: see front/http.c, and what the store holds is sealed. */
#include "internal.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* The usable size, not the one asked for: nothing else knows how long it was. */
void wipe_free(void *p)
{
    if (p == NULL)
        return;
    wipe(p, malloc_usable_size(p));
    free(p);
}

/* realloc() itself would leave the old copy behind where it has to move. */
void *wipe_realloc(void *p, size_t n)
{
    size_t had = p == NULL ? 0 : malloc_usable_size(p);
    if (p != NULL && n <= had && n > had / 2)
        return p;
    void *moved = malloc(n == 0 ? 1 : n);
    if (moved == NULL)
        return NULL;
    if (p != NULL)
        memcpy(moved, p, had < n ? had : n);
    wipe_free(p);
    return moved;
}

static void *openssl_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return n == 0 ? NULL : malloc(n);
}

static void openssl_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    wipe_free(p);
}

/* CRYPTO_realloc(3): "If num is 0, the memory is freed and NULL returned". */
static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
    if (n > 0)
        return wipe_realloc(p, n);
    openssl_free(p, file, line);
    return NULL;
}

enum result wipe_openssl(struct fault *f)
{
    if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
        return FAULT(f, RESULT_INTERNAL, "OpenSSL has allocated already");
    return RESULT_OK;
}
