/* What descends from one login, and is it revoked? A family is a code and every refresh token that came from it;
 * access tokens carry its name, so one point read answers for them (RFC 9700 §4.14.2: reuse of a refresh token revokes
 * what came from the same grant; RFC 6749 §4.1.2: so does reuse of a code). A family outlives the last of its tokens
 * by FORGET_S, the longest that an access token lives. */
#include "grants.h"

#include <string.h>

const struct field grant_fields[GRANT_FIELDS] = {
    FIELD(grant, TEXT, client_id),      FIELD(grant, TEXT, person_id), FIELD(grant, TEXT, session_id),
    FIELD(grant, TEXT, redirect_uri),   FIELD(grant, TEXT, scope),     FIELD(grant, TEXT, nonce),
    FIELD(grant, TEXT, code_challenge), FIELD(grant, TEXT, family),    FIELD(grant, INT, created),
    FIELD(grant, INT, expires),
};

enum result grant_insert(struct fault *f, struct store_view *v, const char *sql, const char *purpose,
                         const char *hash, const struct grant *g)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    NEED(f, a);
    TRY(family_enter(f, v, g));
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, hash);
    put_fields(&st, grant_fields, GRANT_FIELDS, g);
    TRY(put_sealed(f, &st, a, purpose, hash, g->data));
    return statement_run(f, &st);
}

enum result grant_read(struct fault *f, struct statement *st, struct arena *a, const char *purpose, const char *hash,
                       struct grant *out_r)
{
    *out_r = (struct grant){0};
    get_fields(st, grant_fields, GRANT_FIELDS, a, out_r);
    TRY(statement_read(f, st));
    return get_sealed(f, st, a, purpose, hash, &out_r->data);
}

enum result family_enter(struct fault *f, struct store_view *v, const struct grant *g)
{
    static const char sql[] = "INSERT INTO family(family, client_id, person_id, session_id, expires)"
                              " VALUES(?, ?, ?, ?, ?)"
                              " ON CONFLICT(family) DO UPDATE SET expires = max(expires, excluded.expires)"
                              " RETURNING revoked";
    CLEANUP(statement) struct statement st = {0};
    if (g->family == NULL || g->client_id == NULL)
        return FAULT(f, RESULT_INVALID, "a grant needs a family and a client");
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, g->family);
    put_text(&st, g->client_id);
    put_text(&st, g->person_id);
    put_text(&st, g->session_id);
    put_int(&st, g->expires + FORGET_S);
    TRY(statement_row(f, &st));
    bool revoked = get_int(&st) != 0;
    TRY(statement_run(f, &st));
    return revoked ? FAULT(f, RESULT_DENIED, "the family is revoked") : RESULT_OK;
}

/* ---- revoking -------------------------------------------------------------------------------------- */

/* Used codes stay: their second redeem must still be seen as one. */
#define REVOKE_WHERE(condition)                                                                                        \
    {                                                                                                                  \
        "DELETE FROM code WHERE used IS NULL AND family IN (SELECT family FROM family WHERE " condition ")",           \
            "DELETE FROM refresh WHERE family IN (SELECT family FROM family WHERE " condition ")",                     \
            "UPDATE family SET revoked = 1 WHERE " condition                                                           \
    }
static const char *const revoke_family[] = REVOKE_WHERE("family = ?");
static const char *const revoke_session[] = REVOKE_WHERE("session_id = ?");
static const char *const revoke_person[] = REVOKE_WHERE("person_id = ?");
enum { REVOKE_STEPS = COUNT_OF(revoke_family) };

static enum result run_with(struct fault *f, struct store_view *v, const char *sql, const char *value)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, value);
    return statement_run(f, &st);
}

static enum result revoke_by(struct fault *f, struct store_view *v, const char *const steps[REVOKE_STEPS],
                             const char *value)
{
    for (size_t i = 0; i < REVOKE_STEPS; i++)
        TRY(run_with(f, v, steps[i], value));
    return RESULT_OK;
}

enum result store_revoke(struct fault *f, struct store_view *v, const char *family, const char *session_id,
                         const char *person_id)
{
    if (family != NULL)
        TRY(revoke_by(f, v, revoke_family, family));
    if (session_id != NULL) {
        TRY(revoke_by(f, v, revoke_session, session_id));
        TRY(run_with(f, v, "DELETE FROM session WHERE id_hash = ?", session_id));
    }
    if (person_id != NULL) {
        TRY(revoke_by(f, v, revoke_person, person_id));
        TRY(run_with(f, v, "DELETE FROM session WHERE person_id = ?", person_id));
    }
    return RESULT_OK;
}

enum result store_family_revoked(struct fault *f, struct store_view *v, const char *family, bool *out_r)
{
    CLEANUP(statement) struct statement st = {0};
    *out_r = true; /* a caller that ignores the result refuses */
    TRY(statement_open(f, v, "SELECT coalesce((SELECT revoked FROM family WHERE family = ?), 0)", &st));
    put_text(&st, family);
    TRY(statement_row(f, &st));
    *out_r = get_int(&st) != 0;
    return RESULT_OK;
}
