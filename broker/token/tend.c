/* tend.c: how does a signing key live and die? next (in every JWKS, not signing) -> active -> retiring (listed, not
 * signing) -> retired (gone, its private part deleted as soon as it signs no more). Called inside a store transaction
 * at start, hourly, and by `idbridge key rotate`; a node that comes second finds nothing to do. OpenID Connect Core
 * §10.1.1 (rotation by publishing first): a relying party that cached the JWKS must never meet an unseen key. */
#include "ring.h"

#include <string.h>

enum { RETIRING_MAX = 12, RETIRED_KEPT = 24 };

const struct config_key token_config_keys[] = {
    {"keys", false, "publish", CONFIG_DURATION, CONFIG_OPTIONAL, "10m", NULL, 1, 604800,
     "How long a new signing key is listed in the JWKS before it signs."},
    {"keys", false, "rotate", CONFIG_DURATION, CONFIG_OPTIONAL, "90d", NULL, 3600, 31536000,
     "Age at which a signing key gets a successor."},
    {"keys", false, "retire", CONFIG_DURATION, CONFIG_OPTIONAL, "7d", NULL, 60, 31536000,
     "How long a signing key stays listed after its successor took over; longer than any token it signed lives."},
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};

struct tending {
    struct store_view *view;
    struct arena *arena;
    struct ring_rows rows;
    int64_t now, publish_s, rotate_s, retire_s;
    bool rotate_now, emergency, changed;
};

static bool in_state(const struct key_row *k, const char *alg, const char *state)
{
    return text_equal(k->alg, alg) && text_equal(k->state, state);
}

/* The newest key of this alg in this state, or NULL. */
static struct key_row *newest(struct tending *t, const char *alg, const char *state)
{
    struct key_row *found = NULL;

    for (size_t i = 0; i < t->rows.count; i++)
        if (in_state(&t->rows.row[i], alg, state))
            found = &t->rows.row[i];
    return found;
}

static enum result put(struct fault *f, struct tending *t, const struct key_row *k)
{
    t->changed = true;
    return store_key_put(f, t->view, k);
}

static enum result make(struct fault *f, struct tending *t, const char *alg, const char *state, int64_t active_from)
{
    struct key_row k = {.use = KEY_USE_SIGN, .alg = alg, .state = state, .created = t->now, .active_from = active_from};

    TRY(token_generate(f, t->arena, alg, "sig", &k.kid, &k.private_jwk, &k.public_jwk));
    if (t->rows.count == RING_ROWS_MAX)
        return FAULT(f, RESULT_OVERLOADED, "more than %d signing keys are stored", RING_ROWS_MAX);
    t->rows.row[t->rows.count++] = k;
    return put(f, t, &k);
}

static size_t count_in(const struct tending *t, const char *alg, const char *state)
{
    size_t n = 0;

    for (size_t i = 0; i < t->rows.count; i++)
        n += in_state(&t->rows.row[i], alg, state);
    return n;
}

static enum result retire(struct fault *f, struct tending *t, struct key_row *k)
{
    k->state = KEY_RETIRED;
    k->private_jwk = NULL;
    if (k->retire_at == 0 || k->retire_at > t->now)
        k->retire_at = t->now;
    return put(f, t, k);
}

/* The JWKS stays small whatever [keys] says: with enough keys waiting to retire, a planned rotation waits too. An
 * emergency never waits: the oldest has to go. */
static enum result make_room(struct fault *f, struct tending *t, const char *alg, bool *room_r)
{
    *room_r = count_in(t, alg, KEY_RETIRING) < RETIRING_MAX;
    if (*room_r || (!t->rotate_now && !t->emergency))
        return RESULT_OK;
    if (!t->emergency)
        return FAULT(f, RESULT_CONFLICT, "%d keys for %s are still listed until they retire", RETIRING_MAX, alg);
    for (size_t i = 0; i < t->rows.count && !*room_r; i++)
        if (in_state(&t->rows.row[i], alg, KEY_RETIRING)) {
            TRY(retire(f, t, &t->rows.row[i]));
            *room_r = true;
        }
    return RESULT_OK;
}

/* A key that signs no more needs no private part: what is not there cannot be stolen. */
static enum result retire_active(struct fault *f, struct tending *t, const char *alg)
{
    for (size_t i = 0; i < t->rows.count; i++) {
        struct key_row *k = &t->rows.row[i];
        if (!in_state(k, alg, KEY_ACTIVE))
            continue;
        k->state = KEY_RETIRING;
        k->retire_at = t->now + t->retire_s;
        k->private_jwk = NULL;
        TRY(put(f, t, k));
    }
    return RESULT_OK;
}

static enum result promote(struct fault *f, struct tending *t, struct key_row *next)
{
    TRY(retire_active(f, t, next->alg));
    next->state = KEY_ACTIVE;
    if (next->active_from > t->now) /* an emergency does not wait */
        next->active_from = t->now;
    return put(f, t, next);
}

static bool wants_successor(const struct tending *t, const struct key_row *active)
{
    return t->rotate_now || t->emergency || t->now - active->active_from >= t->rotate_s;
}

/* One algorithm's keys, one step. The very first key signs at once: nobody holds an older JWKS. */
static enum result tend_alg(struct fault *f, struct tending *t, const char *alg)
{
    struct key_row *active = newest(t, alg, KEY_ACTIVE), *next = newest(t, alg, KEY_NEXT);
    bool room = false;

    if (active == NULL && next == NULL)
        return make(f, t, alg, KEY_ACTIVE, t->now);
    if (active != NULL && next == NULL && wants_successor(t, active)) {
        TRY(make_room(f, t, alg, &room));
        if (room)
            TRY(make(f, t, alg, KEY_NEXT, t->now + t->publish_s));
        next = newest(t, alg, KEY_NEXT);
    }
    if (next != NULL && (t->emergency || active == NULL || next->active_from <= t->now))
        return promote(f, t, next);
    return RESULT_OK;
}

static enum result retire_past(struct fault *f, struct tending *t)
{
    for (size_t i = 0; i < t->rows.count; i++)
        if (text_equal(t->rows.row[i].state, KEY_RETIRING) && t->rows.row[i].retire_at <= t->now)
            TRY(retire(f, t, &t->rows.row[i]));
    return RESULT_OK;
}

/* Of the retired only the newest rows stay, for `key list`; nothing secret is in them. */
static enum result forget_old(struct fault *f, struct tending *t)
{
    size_t kept = 0;

    for (size_t i = t->rows.count; i-- > 0;)
        if (text_equal(t->rows.row[i].state, KEY_RETIRED) && ++kept > RETIRED_KEPT)
            TRY(store_key_remove(f, t->view, t->rows.row[i].kid));
    return RESULT_OK;
}

static enum result tend_all(struct fault *f, struct tending *t)
{
    TRY(ring_rows_read(f, t->view, t->arena, &t->rows));
    for (size_t i = 0; ring_algs[i] != NULL; i++)
        TRY(tend_alg(f, t, ring_algs[i]));
    TRY(retire_past(f, t));
    return forget_old(f, t);
}

enum result token_ring_tend(struct fault *f, struct store_view *v, int64_t now, int64_t publish_s, int64_t rotate_s,
                            int64_t retire_s, bool rotate_now, bool emergency, bool *changed_r)
{
    CLEANUP(arena) struct arena *a = arena_new(4 * 1024 * 1024);

    *changed_r = false;
    NEED(f, a);
    struct tending *t = arena_alloc(a, sizeof *t);
    NEED(f, t);
    *t = (struct tending){.view = v,
                          .arena = a,
                          .now = now,
                          .publish_s = publish_s,
                          .rotate_s = rotate_s,
                          .retire_s = retire_s,
                          .rotate_now = rotate_now,
                          .emergency = emergency};
    TRY(tend_all(f, t));
    *changed_r = t->changed;
    return RESULT_OK;
}
