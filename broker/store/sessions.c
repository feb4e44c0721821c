/* Is this browser signed in at the bridge? The cookie's value is stored as its SHA-256 only. Called by provider/. */
#include "db.h"

#define PURPOSE "store session"

static const struct field fields[] = {
    FIELD(session, TEXT, id_hash), FIELD(session, TEXT, person_id), FIELD(session, INT, created),
    FIELD(session, INT, last_seen), FIELD(session, INT, expires),
};

enum result store_session_add(struct fault *f, struct store_view *v, const struct session *s)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    NEED(f, a);
    if (s->id_hash == NULL)
        return FAULT(f, RESULT_INVALID, "a session needs an id");
    TRY(statement_open(f, v, "INSERT INTO session(id_hash, person_id, created, last_seen, expires, data)"
                             " VALUES(?, ?, ?, ?, ?, ?)", &st));
    put_fields(&st, fields, COUNT_OF(fields), s);
    TRY(put_sealed(f, &st, a, PURPOSE, s->id_hash, s->data));
    return statement_run(f, &st);
}

enum result store_session_get(struct fault *f, struct store_view *v, struct arena *a, const char *id_hash, int64_t now,
                              int64_t idle_s, struct session *out_r)
{
    static const char sql[] = "SELECT id_hash, person_id, created, last_seen, expires, data FROM session"
                              " WHERE id_hash = ? AND expires > ? AND last_seen >= ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, id_hash);
    put_int(&st, now);
    put_int(&st, now - idle_s);
    TRY(statement_row(f, &st));
    get_fields(&st, fields, COUNT_OF(fields), a, out_r);
    TRY(statement_read(f, &st));
    return get_sealed(f, &st, a, PURPOSE, id_hash, &out_r->data);
}

enum result store_session_touch(struct fault *f, struct store_view *v, const char *id_hash, int64_t now)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "UPDATE session SET last_seen = max(last_seen, ?) WHERE id_hash = ?", &st));
    put_int(&st, now);
    put_text(&st, id_hash);
    return statement_run_one(f, &st);
}

enum result store_session_remove(struct fault *f, struct store_view *v, const char *id_hash)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM session WHERE id_hash = ?", &st));
    put_text(&st, id_hash);
    return statement_run_one(f, &st);
}
