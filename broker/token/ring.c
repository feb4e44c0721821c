/* ring.c: which keys of ours sign now, and which ones does the world see? Loaded from the store as an immutable
 * snapshot; read by provider/ and verification/ (sign), by front/ (the JWKS) and by whoever verifies our own tokens.
 * RFC 7517 §5. How keys move from state to state is tend.c.
 *
 * The times in a row count as much as its state: a `next` key whose hour has come signs, and a `retiring` one whose
 * hour has passed is gone, whether or not some node has written that down yet. So all nodes agree by the clock. */
#include "ring.h"

#include <string.h>

enum { ARENA_MAX = 4 * 1024 * 1024 };

/* The one algorithm pair we sign with: RS256 because every relying party knows it, ES256 because it is ten times
 * cheaper. tend.c keeps a key of each. */
const char *const ring_algs[] = {"RS256", "ES256", NULL};

struct token_ring {
    struct arena *arena;
    struct token_private *signer[COUNT_OF(ring_algs)];
    struct token_keys *public_keys;
    const char *jwks;
    int64_t next_change;
};

static bool listed(const struct key_row *k, int64_t now)
{
    if (text_equal(k->state, KEY_RETIRED))
        return false;
    return !text_equal(k->state, KEY_RETIRING) || k->retire_at > now;
}

static bool signs(const struct key_row *k, int64_t now)
{
    if (k->private_jwk == NULL)
        return false;
    return text_equal(k->state, KEY_ACTIVE) || (text_equal(k->state, KEY_NEXT) && k->active_from <= now);
}

/* Oldest first, so that the JWKS reads the same from every node and after every restart. */
static int by_age(const void *left, const void *right)
{
    const struct key_row *l = left, *r = right;

    if (l->created != r->created)
        return l->created < r->created ? -1 : 1;
    return strcmp(l->kid, r->kid);
}

struct collecting {
    struct fault *fault;
    struct arena *arena;
    struct ring_rows *rows;
};

static enum result collect(void *arg, const struct key_row *k)
{
    const struct collecting *c = arg;
    struct ring_rows *rows = c->rows;

    if (rows->count == RING_ROWS_MAX)
        return FAULT(c->fault, RESULT_OVERLOADED, "more than %d signing keys are stored", RING_ROWS_MAX);
    rows->row[rows->count++] = *k;
    if (k->private_jwk != NULL && !arena_defer(c->arena, jwk_wipe_text, (void *)(uintptr_t)k->private_jwk))
        return FAULT(c->fault, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

enum result ring_rows_read(struct fault *f, struct store_view *v, struct arena *a, struct ring_rows *out_r)
{
    out_r->count = 0;
    TRY(store_key_each(f, v, a, KEY_USE_SIGN, collect, &(struct collecting){f, a, out_r}));
    qsort(out_r->row, out_r->count, sizeof out_r->row[0], by_age);
    return RESULT_OK;
}

/* Only what a public JWK has: an import with private members in the wrong column would still not leak. */
static enum result add_public(struct fault *f, struct arena *a, const struct key_row *k, json_t *list)
{
    static const char *const names[] = {"kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "x5c", "x5t#S256"};
    json_t *from = NULL, *to = json_object();

    NEED(f, arena_json(a, to));
    TRY(jwk_parse(f, a, k->public_jwk, &from));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_object_get(from, names[i]) != NULL &&
            json_object_set(to, names[i], json_object_get(from, names[i])) != 0)
            return FAULT(f, RESULT_INTERNAL, "out of memory");
    return json_array_append(list, to) == 0 ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "out of memory");
}

static enum result publish(struct fault *f, struct arena *a, const struct ring_rows *rows, int64_t now,
                           struct token_ring *ring)
{
    json_t *list = json_array(), *set = arena_json(a, json_pack("{s:o}", "keys", list));

    NEED(f, set);
    for (size_t i = 0; i < rows->count; i++)
        if (listed(&rows->row[i], now))
            TRY(add_public(f, a, &rows->row[i], list));
    ring->jwks = json_compact(ring->arena, set);
    NEED(f, ring->jwks);
    return token_keys_parse(f, ring->jwks, strlen(ring->jwks), &ring->public_keys);
}

/* The newest that may sign: right after a promotion the old one is still active for a moment. */
static const struct key_row *newest_signer(const struct ring_rows *rows, const char *alg, int64_t now)
{
    const struct key_row *best = NULL;

    for (size_t i = 0; i < rows->count; i++) {
        const struct key_row *k = &rows->row[i];
        if (text_equal(k->alg, alg) && signs(k, now) && (best == NULL || k->active_from >= best->active_from))
            best = k;
    }
    return best;
}

static enum result arm(struct fault *f, const struct ring_rows *rows, int64_t now, struct token_ring *ring)
{
    for (size_t i = 0; ring_algs[i] != NULL; i++) {
        const struct key_row *k = newest_signer(rows, ring_algs[i], now);
        if (k != NULL)
            TRY(token_private_parse(f, k->private_jwk, k->alg, &ring->signer[i]));
    }
    return RESULT_OK;
}

static void sooner(int64_t *next, int64_t at, int64_t now)
{
    if (at > now && at < *next)
        *next = at;
}

static int64_t next_change(const struct ring_rows *rows, int64_t now)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < rows->count; i++) {
        const struct key_row *k = &rows->row[i];
        if (text_equal(k->state, KEY_NEXT))
            sooner(&next, k->active_from, now);
        if (text_equal(k->state, KEY_RETIRING))
            sooner(&next, k->retire_at, now);
    }
    return next;
}

static enum result fill(struct fault *f, struct store_view *v, int64_t now, struct token_ring *ring)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);
    struct ring_rows *rows = NULL;

    NEED(f, a);
    rows = arena_alloc(a, sizeof *rows);
    NEED(f, rows);
    TRY(ring_rows_read(f, v, a, rows));
    TRY(publish(f, a, rows, now, ring));
    TRY(arm(f, rows, now, ring));
    ring->next_change = next_change(rows, now);
    return RESULT_OK;
}

static enum result ring_new(struct fault *f, struct token_ring **out_r)
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

enum result token_ring_load(struct fault *f, struct store_view *v, int64_t now, struct token_ring **out_r)
{
    struct token_ring *ring = NULL;

    *out_r = NULL;
    TRY(ring_new(f, &ring));
    enum result r = fill(f, v, now, ring);
    if (r == RESULT_OK)
        *out_r = ring;
    else
        token_ring_free(ring);
    return r;
}

void token_ring_free(struct token_ring *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(r->signer); i++)
        token_private_free(r->signer[i]);
    token_keys_free(r->public_keys);
    arena_free(r->arena);
}

const struct token_private *token_ring_signer(const struct token_ring *r, const char *alg)
{
    for (size_t i = 0; ring_algs[i] != NULL; i++)
        if (text_equal(ring_algs[i], alg))
            return r->signer[i];
    return NULL;
}

const char *token_ring_jwks(const struct token_ring *r)
{
    return r->jwks;
}

const struct token_keys *token_ring_public(const struct token_ring *r)
{
    return r->public_keys;
}

int64_t token_ring_next_change(const struct token_ring *r)
{
    return r->next_change;
}
