/* Refresh tokens: which grant does this one continue? Called by the token endpoint. Rotation with reuse detection as
 * RFC 9700 §4.14.2 has it; the one addition is the grace: within it the token that was just used up gets the same
 * successor again, because answers get lost on the networks of a clinic. As soon as the successor itself was used the
 * answer did arrive, so from then on the old token is a replay. */
#include "grants.h"

#define PURPOSE "store refresh"
#define PURPOSE_NEXT "store refresh successor"

static const char insert_sql[] =
    "INSERT INTO refresh(hash, " GRANT_COLUMNS ", data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

enum result store_refresh_add(struct fault *f, struct store_view *v, const char *hash, const struct grant *g)
{
    return grant_insert(f, v, insert_sql, PURPOSE, hash, g);
}

enum result store_refresh_peek(struct fault *f, struct store_view *v, struct arena *a, const char *hash, int64_t now,
                               struct grant *out_r)
{
    static const char sql[] = "SELECT " GRANT_COLUMNS ", data FROM refresh WHERE hash = ? AND expires > ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, hash);
    put_int(&st, now);
    TRY(statement_row(f, &st));
    return grant_read(f, &st, a, PURPOSE, hash, out_r);
}

/* ---- rotation -------------------------------------------------------------------------------------- */

struct successor {
    const char *hash, *text;
    int64_t expires;
};

/* One statement decides which of two rotations at once wins. */
static enum result use_up(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                          const struct successor *next, int64_t now, struct grant *out_r)
{
    static const char sql[] = "UPDATE refresh SET used = ?, next_hash = ?, next_text = ?"
                              " WHERE hash = ? AND used IS NULL AND expires > ? RETURNING " GRANT_COLUMNS ", data";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_int(&st, now);
    put_text(&st, next->hash);
    TRY(put_sealed(f, &st, a, PURPOSE_NEXT, hash, next->text));
    put_text(&st, hash);
    put_int(&st, now);
    TRY(statement_row(f, &st));
    TRY(grant_read(f, &st, a, PURPOSE, hash, out_r));
    return statement_run(f, &st);
}

/* The new row continues the grant: `created` stays the time of the login, so that callers can bound the whole life. */
static enum result add_successor(struct fault *f, struct store_view *v, const struct successor *next, struct grant *g)
{
    g->expires = next->expires;
    enum result r = grant_insert(f, v, insert_sql, PURPOSE, next->hash, g);
    return r == RESULT_CONFLICT ? FAULT(f, RESULT_INTERNAL, "a refresh token was made twice") : r;
}

struct used_token {
    int64_t used;
    bool successor_used;
    const char *successor;
};

static enum result find_used(struct fault *f, struct store_view *v, struct arena *a, const char *hash, int64_t now,
                             struct used_token *used_r, struct grant *out_r)
{
    static const char sql[] = "SELECT " GRANT_COLUMNS ", data, used, coalesce("
                              " (SELECT n.used IS NOT NULL FROM refresh n WHERE n.hash = refresh.next_hash), 1),"
                              " next_text FROM refresh WHERE hash = ? AND used IS NOT NULL AND expires > ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, hash);
    put_int(&st, now);
    TRY(statement_row(f, &st));
    TRY(grant_read(f, &st, a, PURPOSE, hash, out_r));
    used_r->used = get_int(&st);
    used_r->successor_used = get_int(&st) != 0;
    return get_sealed(f, &st, a, PURPOSE_NEXT, hash, &used_r->successor);
}

/* The revocation must outlive the caller's refusal, which rolls back what its job wrote. */
static enum result reuse(struct fault *f, struct store_view *v, struct grant *g)
{
    g->data = NULL;
    TRY(store_revoke(f, v, g->family, NULL, NULL));
    TRY(store_keep(f, v));
    return FAULT(f, RESULT_DENIED, "refresh token used again: its family is revoked");
}

enum result store_refresh_rotate(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                                 const char *next_hash, const char *next_text, int64_t now, int64_t next_expires,
                                 int64_t grace_s, struct grant *out_r, const char **successor_r)
{
    struct successor next = {next_hash, next_text, next_expires};
    struct used_token used;
    *out_r = (struct grant){0};
    *successor_r = NULL;
    enum result r = use_up(f, v, a, hash, &next, now, out_r);
    if (r == RESULT_OK)
        return add_successor(f, v, &next, out_r);
    if (r != RESULT_NOT_FOUND)
        return r;
    r = find_used(f, v, a, hash, now, &used, out_r);
    if (r == RESULT_NOT_FOUND)
        return FAULT(f, RESULT_NOT_FOUND, "refresh token unknown, expired or revoked");
    TRY(r);
    if (used.successor == NULL || GUARD(refresh_reuse, used.successor_used || now >= used.used + grace_s))
        return reuse(f, v, out_r);
    *successor_r = used.successor;
    return FAULT(f, RESULT_CONFLICT, "refresh token sent again within the grace");
}
