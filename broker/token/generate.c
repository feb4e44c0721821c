/* generate.c: a new key pair as two JWKs. Called by ring.c for our signing keys and by `idbridge key` and `upstream
 * add` for the client keys at ID providers. RFC 7518 §6, RFC 7638 for the kid. The private text is written without
 * jansson, so that no copy of it stays in the heap: it lives in the caller's arena and is wiped when that goes. */
#include "jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

enum { RSA_BITS = 2048, NUMBER_MAX = RSA_BITS / 8 };

/* What a key of this algorithm is made of. RSA-2048, because RSA-3072 signs seven times
 * slower and these keys live months. */
static const struct making {
    const char *alg, *kty, *crv, *use;
} makings[] = {
    {"RS256", "RSA", NULL, "sig"},
    {"PS256", "RSA", NULL, "sig"},
    {"ES256", "EC", "P-256", "sig"},
    {"RSA-OAEP-256", "RSA", NULL, "enc"},
};

/* One row per number. `size` 0: as long as it is; RFC 7518 §6.2.1: EC numbers have the size of the curve. */
static const struct number {
    const char *kty, *member, *param;
    bool private_part;
    size_t size;
} numbers[] = {
    {"RSA", "n", OSSL_PKEY_PARAM_RSA_N, false, 0},         {"RSA", "e", OSSL_PKEY_PARAM_RSA_E, false, 0},
    {"RSA", "d", OSSL_PKEY_PARAM_RSA_D, true, 0},          {"RSA", "p", OSSL_PKEY_PARAM_RSA_FACTOR1, true, 0},
    {"RSA", "q", OSSL_PKEY_PARAM_RSA_FACTOR2, true, 0},    {"RSA", "dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, true, 0},
    {"RSA", "dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, true, 0}, {"RSA", "qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, true, 0},
    {"EC", "x", OSSL_PKEY_PARAM_EC_PUB_X, false, 32},      {"EC", "y", OSSL_PKEY_PARAM_EC_PUB_Y, false, 32},
    {"EC", "d", OSSL_PKEY_PARAM_PRIV_KEY, true, 32},
};

void jwk_wipe_text(void *p)
{
    wipe(p, strlen(p));
}

/* The number as base64url; a private one is wiped with the arena. */
static enum result number_text(struct fault *f, struct arena *a, const EVP_PKEY *pkey, const struct number *row,
                               char **out_r)
{
    unsigned char raw[NUMBER_MAX];
    BIGNUM *bn = NULL;

    if (EVP_PKEY_get_bn_param(pkey, row->param, &bn) != 1)
        return FAULT(f, RESULT_INTERNAL, "OpenSSL gives no %s", row->member);
    size_t len = row->size != 0 ? row->size : (size_t)BN_num_bytes(bn);
    bool ok = len <= sizeof raw && BN_bn2binpad(bn, raw, (int)len) == (int)len;
    BN_clear_free(bn);
    *out_r = ok ? base64url_encode(a, raw, len) : NULL;
    wipe(raw, sizeof raw);
    NEED(f, *out_r);
    if (row->private_part && !arena_defer(a, jwk_wipe_text, *out_r))
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

/* The JWK without its closing brace, to be completed with labels. */
static enum result write_numbers(struct fault *f, struct arena *a, const EVP_PKEY *pkey, const struct making *m,
                                 bool with_private, struct buf *to)
{
    buf_printf(to, "{\"kty\":\"%s\"", m->kty);
    if (m->crv != NULL)
        buf_printf(to, ",\"crv\":\"%s\"", m->crv);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        char *text = NULL;
        if (strcmp(numbers[i].kty, m->kty) != 0 || (numbers[i].private_part && !with_private))
            continue;
        TRY(number_text(f, a, pkey, &numbers[i], &text));
        buf_printf(to, ",\"%s\":\"%s\"", numbers[i].member, text);
    }
    return to->failed ? FAULT(f, RESULT_INTERNAL, "out of memory") : RESULT_OK;
}

static enum result kid_of(struct fault *f, struct arena *a, const EVP_PKEY *pkey, const struct making *m,
                          const char **kid_r)
{
    CLEANUP(buf) struct buf bare;

    buf_init(&bare, 4096);
    TRY(write_numbers(f, a, pkey, m, false, &bare));
    buf_text(&bare, "}");
    if (bare.failed)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return token_thumbprint(f, a, bare.data, kid_r);
}

static enum result write_jwk(struct fault *f, struct arena *a, const EVP_PKEY *pkey, const struct making *m,
                             const char *kid, bool with_private, const char **out_r)
{
    struct buf text;
    char *kept = NULL;

    buf_init(&text, 16 * 1024);
    enum result r = write_numbers(f, a, pkey, m, with_private, &text);
    if (r == RESULT_OK) {
        buf_printf(&text, ",\"kid\":\"%s\",\"alg\":\"%s\",\"use\":\"%s\"}", kid, m->alg, m->use);
        kept = text.failed ? NULL : arena_strndup(a, text.data, text.len);
    }
    if (text.data != NULL)
        wipe(text.data, text.len);
    buf_free(&text);
    TRY(r);
    NEED(f, kept);
    *out_r = kept;
    return !with_private || arena_defer(a, jwk_wipe_text, kept) ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "out of memory");
}

enum result token_generate(struct fault *f, struct arena *a, const char *alg, const char *use, const char **kid_r,
                           const char **private_jwk_r, const char **public_jwk_r)
{
    const struct making *m = NULL;

    for (size_t i = 0; i < COUNT_OF(makings); i++)
        if (text_equal(makings[i].alg, alg))
            m = &makings[i];
    if (m == NULL || (use != NULL && strcmp(use, m->use) != 0))
        return FAULT(f, RESULT_INVALID, "no keys are made for this alg and use");
    CLEANUP(pkey) EVP_PKEY *pkey = m->crv != NULL ? EVP_EC_gen(m->crv) : EVP_RSA_gen(RSA_BITS);
    if (pkey == NULL) {
        ERR_clear_error();
        return FAULT(f, RESULT_INTERNAL, "OpenSSL makes no key");
    }
    TRY(kid_of(f, a, pkey, m, kid_r));
    TRY(write_jwk(f, a, pkey, m, *kid_r, true, private_jwk_r));
    return write_jwk(f, a, pkey, m, *kid_r, false, public_jwk_r);
}
