/* Did this happen before, and how often? One-time values (RFC 7523 §3: the jti of a client assertion; used state) and
 * counters that guard passwords. Also the sweep of everything that expired. Values and counter keys come from outside
 * and may hold names: only digests of them are stored, which bounds their size too. */
#include "db.h"

#include <string.h>

enum result store_once(struct fault *f, struct store_view *v, const char *kind, const char *value, int64_t expires)
{
    CLEANUP(statement) struct statement st = {0};
    unsigned char digest[32];
    sha256(value, strlen(value), digest);
    TRY(statement_open_brief(f, v, "INSERT INTO once(kind, value, expires) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", &st));
    put_text(&st, kind);
    put_bytes(&st, (struct bytes){digest, sizeof digest});
    put_int(&st, expires);
    enum result r = statement_run_one(f, &st);
    return r == RESULT_NOT_FOUND ? FAULT(f, RESULT_CONFLICT, "%s was used before", kind) : r;
}

enum result store_once_seen(struct fault *f, struct store_view *v, const char *kind, const char *value, bool *seen_r)
{
    CLEANUP(statement) struct statement st = {0};
    unsigned char digest[32];
    sha256(value, strlen(value), digest);
    TRY(statement_open(f, v, "SELECT count(*) FROM once WHERE kind = ? AND value = ?", &st));
    put_text(&st, kind);
    put_bytes(&st, (struct bytes){digest, sizeof digest});
    TRY(statement_row(f, &st));
    *seen_r = get_int(&st) > 0;
    return statement_read(f, &st);
}

static enum result attempt_key(struct fault *f, struct store_view *v, struct arena *a, const char *key,
                               const char **out_r)
{
    *out_r = keyed_hash(a, v->store->master, "store attempt", key);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* The window begins with the first attempt. An end further away than the window can only come from a clock that was
 * set back: the counter starts anew rather than locking a person out until that day. */
enum result store_attempt(struct fault *f, struct store_view *v, const char *key, int64_t now, int64_t window_s,
                          int64_t *count_r)
{
    static const char sql[] =
        "INSERT INTO attempt(key, count, expires) VALUES(?1, 1, ?3)"
        " ON CONFLICT(key) DO UPDATE SET"
        " count = CASE WHEN expires > ?2 AND expires <= ?3 THEN count + 1 ELSE 1 END,"
        " expires = CASE WHEN expires > ?2 AND expires <= ?3 THEN expires ELSE ?3 END RETURNING count";
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *hash;
    NEED(f, a);
    TRY(attempt_key(f, v, a, key, &hash));
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, hash);
    put_int(&st, now);
    put_int(&st, now + window_s);
    TRY(statement_row(f, &st));
    *count_r = get_int(&st);
    return statement_run(f, &st);
}

enum result store_attempt_return(struct fault *f, struct store_view *v, const char *key)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *hash;
    NEED(f, a);
    TRY(attempt_key(f, v, a, key, &hash));
    TRY(statement_open(f, v, "UPDATE attempt SET count = max(count - 1, 0) WHERE key = ?", &st));
    put_text(&st, hash);
    return statement_run(f, &st);
}

enum result store_attempt_clear(struct fault *f, struct store_view *v, const char *key)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *hash;
    NEED(f, a);
    TRY(attempt_key(f, v, a, key, &hash));
    TRY(statement_open(f, v, "DELETE FROM attempt WHERE key = ?", &st));
    put_text(&st, hash);
    return statement_run(f, &st);
}

/* At most this many rows of a table in one call: everybody else's commit waits meanwhile. */
#define SWEEP " LIMIT 10000)"
static const struct {
    const char *sql;
    int64_t later; /* how long a row is kept after it expired */
} sweeps[] = {
    {"DELETE FROM code WHERE rowid IN (SELECT rowid FROM code WHERE expires < ?" SWEEP, FORGET_S},
    {"DELETE FROM refresh WHERE rowid IN (SELECT rowid FROM refresh WHERE expires < ?" SWEEP, 0},
    {"DELETE FROM session WHERE rowid IN (SELECT rowid FROM session WHERE expires < ?" SWEEP, 0},
    {"DELETE FROM family WHERE family IN (SELECT family FROM family WHERE expires < ?" SWEEP, 0},
    {"DELETE FROM once WHERE (kind, value) IN (SELECT kind, value FROM once WHERE expires < ?" SWEEP, 0},
    {"DELETE FROM attempt WHERE key IN (SELECT key FROM attempt WHERE expires < ?" SWEEP, 0},
};

enum result store_expire(struct fault *f, struct store_view *v, int64_t now)
{
    for (size_t i = 0; i < COUNT_OF(sweeps); i++) {
        CLEANUP(statement) struct statement st = {0};
        TRY(statement_open(f, v, sweeps[i].sql, &st));
        put_int(&st, now - sweeps[i].later);
        TRY(statement_run(f, &st));
    }
    return RESULT_OK;
}
