/* evp.c: a JWK's numbers as an OpenSSL key. For decryption only, which cjose does not do the way we need (unwrap.c);
 * signatures stay with cjose. Called by private.c and unwrap.c. */
#include "jose.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

enum { NUMBERS_MAX = 8 };

/* The numbers of a key while OpenSSL reads them. */
struct numbers {
    OSSL_PARAM_BLD *bld;
    BIGNUM *bn[NUMBERS_MAX];
    size_t count;
    bool failed;
};

static void add_number(struct numbers *s, const char *name, struct bytes v)
{
    if (v.len == 0 || s->failed)
        return;
    BIGNUM *bn = s->count < NUMBERS_MAX ? BN_secure_new() : NULL;
    s->failed = bn == NULL || BN_bin2bn(v.data, (int)v.len, bn) == NULL ||
                OSSL_PARAM_BLD_push_BN(s->bld, name, bn) != 1;
    if (bn != NULL)
        s->bn[s->count++] = bn;
}

static void add_rsa(struct numbers *s, const struct jwk *k)
{
    add_number(s, OSSL_PKEY_PARAM_RSA_N, k->n);
    add_number(s, OSSL_PKEY_PARAM_RSA_E, k->e);
    add_number(s, OSSL_PKEY_PARAM_RSA_D, k->d);
    add_number(s, OSSL_PKEY_PARAM_RSA_FACTOR1, k->p);
    add_number(s, OSSL_PKEY_PARAM_RSA_FACTOR2, k->q);
    add_number(s, OSSL_PKEY_PARAM_RSA_EXPONENT1, k->dp);
    add_number(s, OSSL_PKEY_PARAM_RSA_EXPONENT2, k->dq);
    add_number(s, OSSL_PKEY_PARAM_RSA_COEFFICIENT1, k->qi);
}

/* `point` is 04|x|y (SEC 1 §2.3.3) and outlives the builder. */
static void add_ec(struct numbers *s, const struct jwk *k, unsigned char point[1 + 2 * 66])
{
    point[0] = 4;
    memcpy(point + 1, k->x.data, k->x.len);
    memcpy(point + 1 + k->x.len, k->y.data, k->y.len);
    s->failed = OSSL_PARAM_BLD_push_utf8_string(s->bld, OSSL_PKEY_PARAM_GROUP_NAME, k->crv, 0) != 1 ||
                OSSL_PARAM_BLD_push_octet_string(s->bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + k->x.len + k->y.len) != 1;
    add_number(s, OSSL_PKEY_PARAM_PRIV_KEY, k->d);
}

static EVP_PKEY *build(const struct jwk *k, const OSSL_PARAM *params)
{
    const int selection = k->d.len > 0 ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, k->kty == KTY_RSA ? "RSA" : "EC", NULL);
    EVP_PKEY *pkey = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, selection, (OSSL_PARAM *)(uintptr_t)params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

enum result jwk_evp(struct fault *f, const struct jwk *k, EVP_PKEY **out_r)
{
    struct numbers s = {.bld = OSSL_PARAM_BLD_new()};
    unsigned char point[1 + 2 * 66];
    OSSL_PARAM *params = NULL;

    NEED(f, s.bld);
    if (k->kty == KTY_RSA)
        add_rsa(&s, k);
    else
        add_ec(&s, k, point);
    if (!s.failed)
        params = OSSL_PARAM_BLD_to_param(s.bld);
    *out_r = params != NULL ? build(k, params) : NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(s.bld);
    for (size_t i = 0; i < s.count; i++)
        BN_clear_free(s.bn[i]);
    ERR_clear_error();
    return *out_r != NULL ? RESULT_OK : FAULT(f, RESULT_INVALID, "the key's numbers are no key");
}

void cleanup_pkey(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}
