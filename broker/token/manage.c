/* manage.c: an administrator's hand on the signing keys: take in a key made elsewhere, take one out at once. Called by
 * `idbridge key import` and `idbridge key retire` inside a store transaction; planned life is tend.c. */
#include "ring.h"

#include <string.h>

/* The public JWK that belongs to a private one: only what RFC 7518 §6 calls public, with our kid, alg and use. */
enum result token_public_jwk(struct fault *f, struct arena *a, const char *private_jwk, const char *alg,
                             const char **kid_r, const char **public_jwk_r)
{
    static const char *const names[] = {"kty", "crv", "n", "e", "x", "y"};
    struct token_private *k = NULL;
    json_t *from = NULL, *to = arena_json(a, json_object());

    NEED(f, to);
    TRY(token_private_parse(f, private_jwk, alg, &k));
    *kid_r = arena_strdup(a, token_private_kid(k));
    const struct jose_alg *use = k->alg;
    token_private_free(k);
    if (use->kty == KTY_OCT)
        return FAULT(f, RESULT_INVALID, "a secret has no public part");
    TRY(jwk_parse(f, a, private_jwk, &from));
    bool ok = *kid_r != NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_object_get(from, names[i]) != NULL)
            ok = ok && json_object_set(to, names[i], json_object_get(from, names[i])) == 0;
    ok = ok && json_object_set_new(to, "kid", json_string(*kid_r)) == 0 &&
         json_object_set_new(to, "alg", json_string(use->name)) == 0 &&
         json_object_set_new(to, "use", json_string(use->purpose == JWK_DECRYPT ? "enc" : "sig")) == 0;
    *public_jwk_r = ok ? json_compact(a, to) : NULL;
    NEED(f, *public_jwk_r);
    return RESULT_OK;
}

static enum result rows_of(struct fault *f, struct store_view *v, struct arena *a, struct ring_rows **out_r)
{
    *out_r = arena_alloc(a, sizeof **out_r);
    NEED(f, *out_r);
    return ring_rows_read(f, v, a, *out_r);
}

static enum result check_import(struct fault *f, const struct ring_rows *rows, const struct key_row *k)
{
    if (!jose_name_in(ring_algs, k->alg))
        return FAULT(f, RESULT_INVALID, "our tokens are signed with RS256 and ES256 only");
    for (size_t i = 0; i < rows->count; i++) {
        if (text_equal(rows->row[i].kid, k->kid))
            return FAULT(f, RESULT_CONFLICT, "a key with this kid is stored already");
        if (text_equal(rows->row[i].alg, k->alg) && text_equal(rows->row[i].state, KEY_NEXT))
            return FAULT(f, RESULT_CONFLICT, "another key waits to be the next for %s", k->alg);
    }
    return RESULT_OK;
}

enum result token_ring_import(struct fault *f, struct store_view *v, struct arena *a, const char *private_jwk,
                              const char *alg, int64_t now, int64_t publish_s, const char **kid_r)
{
    struct key_row k = {.use = KEY_USE_SIGN,
                        .private_jwk = private_jwk,
                        .state = KEY_NEXT,
                        .created = now,
                        .active_from = now + publish_s};
    struct ring_rows *rows = NULL;
    json_t *public_jwk = NULL;

    TRY(token_public_jwk(f, a, private_jwk, alg, kid_r, &k.public_jwk));
    TRY(jwk_parse(f, a, k.public_jwk, &public_jwk));
    k.alg = json_text(public_jwk, "alg");
    k.kid = *kid_r;
    TRY(rows_of(f, v, a, &rows));
    TRY(check_import(f, rows, &k));
    return store_key_put(f, v, &k);
}

enum result token_ring_retire(struct fault *f, struct store_view *v, struct arena *a, const char *kid, int64_t now)
{
    struct ring_rows *rows = NULL;

    TRY(rows_of(f, v, a, &rows));
    for (size_t i = 0; i < rows->count; i++) {
        struct key_row *k = &rows->row[i];
        if (!text_equal(k->kid, kid))
            continue;
        if (text_equal(k->state, KEY_ACTIVE))
            return FAULT(f, RESULT_CONFLICT, "this key signs: rotate first, in an emergency at once");
        k->state = KEY_RETIRED;
        k->private_jwk = NULL;
        k->retire_at = now;
        return store_key_put(f, v, k);
    }
    return FAULT(f, RESULT_NOT_FOUND, "no signing key has this kid");
}
