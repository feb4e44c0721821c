/* keys.c: which keys does this JWKS give us? Called by upstream/ for the ID providers' keys, by provider/ for clients'
 * and by ring.c for our own. RFC 7517 §5: "Implementations SHOULD ignore JWKs within a JWK Set that use 'kty' (key
 * type) values that are not understood by them [...] or for which values are out of the supported ranges." */
#include "jose.h"

#include <string.h>

enum { JWKS_MAX_BYTES = 256 * 1024, JWKS_MAX_KEYS = 64, ARENA_MAX = 4 * 1024 * 1024 };

static enum result keep(struct fault *f, struct arena *a, const json_t *j, struct token_key *to)
{
    struct jwk k;

    TRY(jwk_read(f, a, j, false, &k));
    TRY(jwk_cjose(f, a, j, &k, false, &to->cjose));
    to->kid = k.kid;
    to->alg = k.alg;
    to->kty = k.kty;
    to->crv = k.crv;
    to->bytes = k.kty == KTY_RSA ? (k.bits + 7) / 8 : k.k.len;
    to->allows = k.allows;
    return RESULT_OK;
}

/* Is this kid on several keys of the set, usable ones or not? */
static bool kid_is_shared(const json_t *list, const char *kid)
{
    size_t bearers = 0;

    for (size_t i = 0; kid != NULL && i < json_array_size(list); i++)
        bearers += text_equal(json_text(json_array_get(list, i), "kid"), kid);
    return bearers > 1;
}

static bool holds_public(const struct token_keys *ks)
{
    for (size_t i = 0; i < ks->count; i++)
        if (ks->key[i].kty != KTY_OCT)
            return true;
    return false;
}

/* A secret beside public keys was published with them, and a secret whose kid is not its own is ambiguous: neither is a
 * secret to rely on. Public keys may share a kid; each is tried. */
static void drop_doubtful_secrets(struct token_keys *ks, const json_t *list)
{
    bool mixed = holds_public(ks);
    size_t kept = 0;

    for (size_t i = 0; i < ks->count; i++)
        if (!GUARD(published_secret, ks->key[i].kty == KTY_OCT && (mixed || kid_is_shared(list, ks->key[i].kid))))
            ks->key[kept++] = ks->key[i];
    ks->count = kept;
}

static enum result keys_new(struct fault *f, size_t room, struct token_keys **out_r)
{
    struct arena *a = arena_new(ARENA_MAX);

    NEED(f, a);
    *out_r = arena_alloc(a, sizeof **out_r);
    if (*out_r != NULL && ((*out_r)->key = arena_alloc(a, (room + 1) * sizeof(struct token_key))) != NULL) {
        (*out_r)->arena = a;
        return RESULT_OK;
    }
    *out_r = NULL;
    arena_free(a);
    return FAULT(f, RESULT_INTERNAL, "out of memory");
}

static enum result fill(struct fault *f, const json_t *list, struct token_keys *ks)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        enum result r = keep(f, ks->arena, json_array_get(list, i), &ks->key[ks->count]);
        if (r == RESULT_OK)
            ks->count++;
        else if (r != RESULT_INVALID)
            return r;
    }
    drop_doubtful_secrets(ks, list);
    return RESULT_OK;
}

static enum result keys_of(struct fault *f, const json_t *list, struct token_keys **out_r)
{
    struct token_keys *ks = NULL;

    TRY(keys_new(f, json_array_size(list), &ks));
    enum result r = fill(f, list, ks);
    if (r != RESULT_OK) {
        token_keys_free(ks);
        return r;
    }
    *out_r = ks;
    return RESULT_OK;
}

enum result token_keys_parse(struct fault *f, const char *json, size_t n, struct token_keys **out_r)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);
    json_t *set = NULL;

    *out_r = NULL;
    NEED(f, a);
    TRY(json_parse(f, a, json, n, JWKS_MAX_BYTES, &set));
    const json_t *list = json_object_get(set, "keys");
    if (!json_is_array(list))
        return FAULT(f, RESULT_INVALID, "the JWKS has no array `keys`");
    if (json_array_size(list) > JWKS_MAX_KEYS)
        return FAULT(f, RESULT_INVALID, "the JWKS has %zu keys, more than %d", json_array_size(list), JWKS_MAX_KEYS);
    return keys_of(f, list, out_r);
}

static enum result keep_only(struct fault *f, const json_t *j, struct token_keys *ks)
{
    TRY(keep(f, ks->arena, j, &ks->key[0]));
    ks->count = 1;
    return RESULT_OK;
}

/* Of one key the caller wants to hear why it will not do. */
enum result token_keys_parse_one(struct fault *f, const char *jwk_json, size_t n, struct token_keys **out_r)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);
    struct token_keys *ks = NULL;
    json_t *j = NULL;

    *out_r = NULL;
    NEED(f, a);
    TRY(json_parse(f, a, jwk_json, n, JWKS_MAX_BYTES, &j));
    TRY(keys_new(f, 1, &ks));
    enum result r = keep_only(f, j, ks);
    if (r != RESULT_OK)
        token_keys_free(ks);
    else
        *out_r = ks;
    return r;
}

void token_keys_free(struct token_keys *k)
{
    if (k != NULL)
        arena_free(k->arena);
}

size_t token_keys_count(const struct token_keys *k)
{
    return k == NULL ? 0 : k->count;
}
