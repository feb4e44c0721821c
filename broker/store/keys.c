/* Which keys do we sign with, and which settings were kept? Written by token/ (rotation) and the command line. Private
 * keys are sealed under the master key. */
#include "db.h"

#define PURPOSE "store key"
#define PLAIN "kid, use, alg, public_jwk, state, created, active_from, retire_at"

static const struct field fields[] = {
    FIELD(key_row, TEXT, kid),   FIELD(key_row, TEXT, use),    FIELD(key_row, TEXT, alg),
    FIELD(key_row, TEXT, public_jwk), FIELD(key_row, TEXT, state), FIELD(key_row, INT, created),
    FIELD(key_row, INT, active_from), FIELD(key_row, INT, retire_at),
};

enum result store_key_put(struct fault *f, struct store_view *v, const struct key_row *k)
{
    static const char sql[] =
        "INSERT INTO key(" PLAIN ", private_jwk) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(kid) DO UPDATE SET use = excluded.use, alg = excluded.alg, public_jwk = excluded.public_jwk,"
        " state = excluded.state, created = excluded.created, active_from = excluded.active_from,"
        " retire_at = excluded.retire_at, private_jwk = excluded.private_jwk";
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    NEED(f, a);
    if (k->kid == NULL)
        return FAULT(f, RESULT_INVALID, "a key needs a kid");
    TRY(statement_open(f, v, sql, &st));
    put_fields(&st, fields, COUNT_OF(fields), k);
    TRY(put_sealed(f, &st, a, PURPOSE, k->kid, k->private_jwk));
    return statement_run(f, &st);
}

struct walk {
    enum result (*each)(void *arg, const struct key_row *k);
    void *arg;
};

static enum result row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    const struct walk *w = arg;
    struct key_row k;
    get_fields(st, fields, COUNT_OF(fields), a, &k);
    TRY(statement_read(f, st));
    TRY(get_sealed(f, st, a, PURPOSE, k.kid, &k.private_jwk));
    return w->each(w->arg, &k);
}

enum result store_key_each(struct fault *f, struct store_view *v, struct arena *a, const char *use,
                           enum result (*each)(void *arg, const struct key_row *k), void *arg)
{
    static const char all[] = "SELECT " PLAIN ", private_jwk FROM key ORDER BY created, rowid";
    static const char of_use[] = "SELECT " PLAIN ", private_jwk FROM key WHERE use = ? ORDER BY created, rowid";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, use == NULL ? all : of_use, &st));
    if (use != NULL)
        put_text(&st, use);
    return statement_each(f, &st, a, row, &(struct walk){each, arg});
}

enum result store_key_remove(struct fault *f, struct store_view *v, const char *kid)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM key WHERE kid = ?", &st));
    put_text(&st, kid);
    return statement_run_one(f, &st);
}

/* ---- settings -------------------------------------------------------------------------------------- */

enum result store_setting_put(struct fault *f, struct store_view *v, const char *name, const char *value)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "INSERT INTO setting(name, value) VALUES(?, ?)"
                             " ON CONFLICT DO UPDATE SET value = excluded.value", &st));
    put_text(&st, name);
    put_text(&st, value);
    return statement_run(f, &st);
}

enum result store_setting_get(struct fault *f, struct store_view *v, struct arena *a, const char *name,
                              const char **value_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT value FROM setting WHERE name = ?", &st));
    put_text(&st, name);
    TRY(statement_row(f, &st));
    *value_r = get_text(&st, a);
    return statement_read(f, &st);
}
