/* Which applications trust us? Written by `idbridge client ...`, read by every endpoint of provider/ and by
 * verification/. Metadata names are those of RFC 7591 §2. */
#include "db.h"

#include <string.h>

#define COLUMNS                                                                                                        \
    "client_id, name, profile, dhis2, auth_method, secret_hash, jwks, jwks_uri, redirect_uris,"                        \
    " post_logout_redirect_uris, scopes, grant_types, audience, sso, upstream, acr_values, require_pkce, disabled,"    \
    " created"

static const struct field fields[] = {
    FIELD(client, TEXT, client_id),     FIELD(client, TEXT, name),
    FIELD(client, TEXT, profile),       FIELD(client, TEXT, dhis2),
    FIELD(client, TEXT, auth_method),   FIELD(client, TEXT, secret_hash),
    FIELD(client, TEXT, jwks),          FIELD(client, TEXT, jwks_uri),
    FIELD(client, TEXT, redirect_uris), FIELD(client, TEXT, post_logout_redirect_uris),
    FIELD(client, TEXT, scopes),        FIELD(client, TEXT, grant_types),
    FIELD(client, TEXT, audience),      FIELD(client, TEXT, sso),
    FIELD(client, TEXT, upstream),      FIELD(client, TEXT, acr_values),
    FIELD(client, BOOL, require_pkce),  FIELD(client, BOOL, disabled),
    FIELD(client, INT, created),
};

enum result store_client_put(struct fault *f, struct store_view *v, const struct client *c)
{
    static const char sql[] =
        "INSERT INTO client(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(client_id) DO UPDATE SET name = excluded.name, profile = excluded.profile,"
        " dhis2 = excluded.dhis2, auth_method = excluded.auth_method, secret_hash = excluded.secret_hash,"
        " jwks = excluded.jwks, jwks_uri = excluded.jwks_uri, redirect_uris = excluded.redirect_uris,"
        " post_logout_redirect_uris = excluded.post_logout_redirect_uris, scopes = excluded.scopes,"
        " grant_types = excluded.grant_types, audience = excluded.audience, sso = excluded.sso,"
        " upstream = excluded.upstream, acr_values = excluded.acr_values, require_pkce = excluded.require_pkce,"
        " disabled = excluded.disabled, created = excluded.created";
    CLEANUP(statement) struct statement st = {0};
    if (c->client_id == NULL || *c->client_id == '\0')
        return FAULT(f, RESULT_INVALID, "a client needs a client_id");
    TRY(statement_open(f, v, sql, &st));
    put_fields(&st, fields, COUNT_OF(fields), c);
    return statement_run(f, &st);
}

enum result store_client_get(struct fault *f, struct store_view *v, struct arena *a, const char *client_id,
                             struct client *out_r)
{
    static const char sql[] = "SELECT " COLUMNS " FROM client WHERE client_id = ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, client_id);
    TRY(statement_row(f, &st));
    get_fields(&st, fields, COUNT_OF(fields), a, out_r);
    return statement_read(f, &st);
}

/* What the client still holds goes with it: a new client of the same name must not inherit refresh tokens. */
static enum result revoke_all_of(struct fault *f, struct store_view *v, const char *client_id)
{
    static const char *const sql[] = {
        "DELETE FROM code WHERE client_id = ? AND used IS NULL",
        "DELETE FROM refresh WHERE client_id = ?",
        "UPDATE family SET revoked = 1 WHERE client_id = ?",
    };
    for (size_t i = 0; i < COUNT_OF(sql); i++) {
        CLEANUP(statement) struct statement st = {0};
        TRY(statement_open(f, v, sql[i], &st));
        put_text(&st, client_id);
        TRY(statement_run(f, &st));
    }
    return RESULT_OK;
}

enum result store_client_remove(struct fault *f, struct store_view *v, const char *client_id)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM client WHERE client_id = ?", &st));
    put_text(&st, client_id);
    TRY(statement_run_one(f, &st));
    return revoke_all_of(f, v, client_id);
}

struct walk {
    enum result (*each)(void *arg, const struct client *c);
    void *arg;
};

static enum result row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    const struct walk *w = arg;
    struct client c;
    get_fields(st, fields, COUNT_OF(fields), a, &c);
    TRY(statement_read(f, st));
    return w->each(w->arg, &c);
}

enum result store_client_each(struct fault *f, struct store_view *v, struct arena *a,
                              enum result (*each)(void *arg, const struct client *c), void *arg)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT " COLUMNS " FROM client ORDER BY client_id", &st));
    return statement_each(f, &st, a, row, &(struct walk){each, arg});
}
