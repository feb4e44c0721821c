/* private.c: one private key of ours, read once and kept for its whole life: to sign (cjose) or to decrypt (EVP).
 * Called by ring.c, upstream/ and the command line. RFC 7517 §4, RFC 7518 §6. */
#include "jose.h"

#include <string.h>

enum { ARENA_MAX = 512 * 1024 };

/* RFC 7518 §3.2 and §4.4, §4.5: how long the secret must be. 0: any. */
static bool secret_fits(const struct jose_alg *alg, size_t n)
{
    static const struct {
        const char *alg;
        size_t bytes;
    } exact[] = {{"A128KW", 16}, {"A192KW", 24}, {"A256KW", 32}};

    for (size_t i = 0; i < COUNT_OF(exact); i++)
        if (strcmp(exact[i].alg, alg->name) == 0)
            return n == exact[i].bytes;
    return n >= alg->hash_len;
}

/* The algorithm comes from the caller or from the key; when both say one they must agree. */
static enum result choose_alg(struct fault *f, const struct jwk *k, const char *wanted, const struct jose_alg **out_r)
{
    const struct jose_alg *alg = jose_alg_find(wanted != NULL ? wanted : k->alg);

    if (alg == NULL)
        return FAULT(f, RESULT_INVALID, "the private key is for no alg we do");
    if (alg->kty != k->kty || (alg->crv != NULL && strcmp(alg->crv, k->crv) != 0))
        return FAULT(f, RESULT_INVALID, "the private key's type or curve is not for %s", alg->name);
    if (!jose_alg_allowed(k->alg, alg->name))
        return FAULT(f, RESULT_INVALID, "the private key is for another alg than %s", alg->name);
    if ((k->allows & alg->purpose & (JWK_SIGN | JWK_DECRYPT)) == 0)
        return FAULT(f, RESULT_INVALID, "use or key_ops of the private key do not allow %s", alg->name);
    if (alg->kty == KTY_OCT && !secret_fits(alg, k->k.len))
        return FAULT(f, RESULT_INVALID, "the secret of %zu bytes has not the size for %s", k->k.len, alg->name);
    *out_r = alg;
    return RESULT_OK;
}

static void free_pkey(void *p)
{
    EVP_PKEY_free(p);
}

static enum result ready_to_decrypt(struct fault *f, const struct jwk *k, struct token_private *to)
{
    if (k->kty == KTY_OCT) {
        to->secret = k->k;
        return RESULT_OK;
    }
    TRY(jwk_evp(f, k, &to->pkey));
    return arena_defer(to->arena, free_pkey, to->pkey) ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "out of memory");
}

static void wipe_number(struct bytes b)
{
    if (b.len > 0)
        wipe((void *)(uintptr_t)b.data, b.len);
}

/* The decoded private numbers are copies: cjose or EVP have their own. */
static void wipe_numbers(const struct jwk *k, bool keep_secret)
{
    wipe_number(k->d);
    wipe_number(k->p);
    wipe_number(k->q);
    wipe_number(k->dp);
    wipe_number(k->dq);
    wipe_number(k->qi);
    if (!keep_secret)
        wipe_number(k->k);
}

static enum result take_kid(struct fault *f, const json_t *j, const struct jwk *k, struct token_private *to)
{
    to->kid = k->kid;
    return k->kid != NULL ? RESULT_OK : jwk_thumbprint(f, to->arena, j, &to->kid);
}

static enum result read_key(struct fault *f, const json_t *j, const char *alg, struct token_private *to)
{
    struct jwk k;
    enum result r = jwk_read(f, to->arena, j, true, &k);

    if (r == RESULT_OK)
        r = choose_alg(f, &k, alg, &to->alg);
    if (r == RESULT_OK)
        r = take_kid(f, j, &k, to);
    bool decrypts = r == RESULT_OK && to->alg->purpose == JWK_DECRYPT;
    if (r == RESULT_OK)
        r = decrypts ? ready_to_decrypt(f, &k, to) : jwk_cjose(f, to->arena, j, &k, true, &to->cjose);
    wipe_numbers(&k, decrypts);
    return r;
}

/* jansson frees without wiping, so its copies of the private members are overwritten in place first. */
static void wipe_json(const json_t *j)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "k"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const json_t *v = json_object_get(j, names[i]);
        if (json_is_string(v))
            wipe((void *)(uintptr_t)json_string_value(v), json_string_length(v));
    }
}

static enum result private_new(struct fault *f, struct token_private **out_r)
{
    struct arena *a = arena_new(ARENA_MAX);

    NEED(f, a);
    *out_r = arena_alloc(a, sizeof **out_r);
    if (*out_r == NULL) {
        arena_free(a);
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    (*out_r)->arena = a;
    return RESULT_OK;
}

enum result token_private_parse(struct fault *f, const char *jwk_json, const char *alg, struct token_private **out_r)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);
    struct token_private *k = NULL;
    json_t *j = NULL;

    *out_r = NULL;
    NEED(f, a);
    TRY(jwk_parse(f, a, jwk_json, &j));
    TRY(private_new(f, &k));
    enum result r = read_key(f, j, alg, k);
    wipe_json(j);
    if (r == RESULT_OK)
        *out_r = k;
    else
        token_private_free(k);
    return r;
}

void token_private_free(struct token_private *k)
{
    if (k == NULL)
        return;
    wipe_number(k->secret);
    arena_free(k->arena);
}

const char *token_private_kid(const struct token_private *k)
{
    return k->kid;
}

const char *token_private_alg(const struct token_private *k)
{
    return k->alg->name;
}
