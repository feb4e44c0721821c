/* Which identity (iss, sub) is which person? Written at the first sign-in and by `idbridge link ...`, read at every
 * login. OpenID Connect Core §5.7: only iss and sub together identify an end-user, never an e-mail address. `dn` and
 * `claims` hold names and birth dates: they are sealed. */
#include "db.h"

#include <string.h>

#define PLAIN "upstream, iss, sub, person_key, person_id, method, state, created, last_used"
#define IS_ENTRY "(upstream GLOB '" LINK_DIRECTORY "*')"
#define SEALED_DN "store link dn"
#define SEALED_CLAIMS "store link claims"

static const struct field fields[] = {
    FIELD(link, TEXT, upstream),  FIELD(link, TEXT, iss),       FIELD(link, TEXT, sub),
    FIELD(link, TEXT, person_key), FIELD(link, TEXT, person_id), FIELD(link, TEXT, method),
    FIELD(link, TEXT, state),     FIELD(link, INT, created),    FIELD(link, INT, last_used),
};

/* A sealed value belongs to its row: moved to another one it does not open. */
static enum result key_of(struct fault *f, struct arena *a, const char *iss, const char *sub, const char **out_r)
{
    *out_r = arena_printf(a, "%s\n%s", iss, sub);
    NEED(f, *out_r);
    return RESULT_OK;
}

static enum result read_link(struct fault *f, struct statement *st, struct arena *a, struct link *out_r)
{
    const char *aad;
    get_fields(st, fields, COUNT_OF(fields), a, out_r);
    TRY(statement_read(f, st));
    TRY(key_of(f, a, out_r->iss, out_r->sub, &aad));
    TRY(get_sealed(f, st, a, SEALED_DN, aad, &out_r->dn));
    return get_sealed(f, st, a, SEALED_CLAIMS, aad, &out_r->claims);
}

enum result store_link_get(struct fault *f, struct store_view *v, struct arena *a, const char *iss, const char *sub,
                           struct link *out_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT " PLAIN ", dn, claims FROM link WHERE iss = ? AND sub = ?", &st));
    put_text(&st, iss);
    put_text(&st, sub);
    TRY(statement_row(f, &st));
    return read_link(f, &st, a, out_r);
}

/* The oldest active link speaks for the person, one of an ID provider before the entry's own; a pending one only when there is
 * no other. */
enum result store_link_by_person_id(struct fault *f, struct store_view *v, struct arena *a, const char *person_id,
                                    struct link *out_r)
{
    static const char sql[] = "SELECT " PLAIN ", dn, claims FROM link WHERE person_id = ?"
                              " ORDER BY state = 'active' DESC, " IS_ENTRY ", created, rowid LIMIT 1";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, person_id);
    TRY(statement_row(f, &st));
    return read_link(f, &st, a, out_r);
}

enum result store_link_add(struct fault *f, struct store_view *v, const struct link *l)
{
    static const char sql[] =
        "INSERT INTO link(" PLAIN ", dn, claims) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *aad;
    NEED(f, a);
    TRY(key_of(f, a, l->iss, l->sub, &aad));
    TRY(statement_open(f, v, sql, &st));
    put_fields(&st, fields, COUNT_OF(fields), l);
    TRY(put_sealed(f, &st, a, SEALED_DN, aad, l->dn));
    TRY(put_sealed(f, &st, a, SEALED_CLAIMS, aad, l->claims));
    return statement_run(f, &st);
}

enum result store_link_touch(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                             const char *claims, const char *dn, int64_t now)
{
    static const char sql[] = "UPDATE link SET claims = coalesce(?, claims), dn = coalesce(?, dn), last_used = ?"
                              " WHERE iss = ? AND sub = ?";
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *aad;
    NEED(f, a);
    TRY(key_of(f, a, iss, sub, &aad));
    TRY(statement_open(f, v, sql, &st));
    TRY(put_sealed(f, &st, a, SEALED_CLAIMS, aad, claims));
    TRY(put_sealed(f, &st, a, SEALED_DN, aad, dn));
    put_int(&st, now);
    put_text(&st, iss);
    put_text(&st, sub);
    return statement_run_one(f, &st);
}

/* A person keeps the id when the link goes, or a reissued national ID would become another DHIS2 user. */
static enum result remember_person(struct fault *f, struct store_view *v, const char *iss, const char *sub)
{
    static const char sql[] = "INSERT INTO setting(name, value) SELECT 'person-id:' || person_key, person_id FROM link"
                              " WHERE iss = ? AND sub = ? ON CONFLICT(name) DO UPDATE SET value = excluded.value";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, iss);
    put_text(&st, sub);
    return statement_run(f, &st);
}

/* An id that went to another entry meanwhile (store_link_follow) is no more the one of an entry that comes back. */
static enum result former_person(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                                 const char **person_id_r)
{
    static const char sql[] = "SELECT value FROM setting WHERE name = 'person-id:' || ?"
                              " AND NOT EXISTS (SELECT 1 FROM link WHERE person_id = setting.value)";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, person_key);
    TRY(statement_row(f, &st));
    *person_id_r = get_text(&st, a);
    return statement_read(f, &st);
}

enum result store_link_person(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                              const char **person_id_r, bool *linked_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT person_id, " IS_ENTRY " FROM link WHERE person_key = ? ORDER BY " IS_ENTRY ", created, rowid LIMIT 1", &st));
    put_text(&st, person_key);
    enum result r = statement_row(f, &st);
    *linked_r = false;
    if (r == RESULT_NOT_FOUND)
        return former_person(f, v, a, person_key, person_id_r);
    TRY(r);
    *person_id_r = get_text(&st, a);
    *linked_r = get_int(&st) == 0;
    return statement_read(f, &st);
}

static enum result run_for(struct fault *f, struct store_view *v, const char *sql, const char *first, const char *second)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, first);
    put_text(&st, second);
    return statement_run_one(f, &st);
}

static const char own_id[] = "INSERT INTO setting(name, value) VALUES('person-id:' || ?, ?)"
                             " ON CONFLICT(name) DO UPDATE SET value = excluded.value";

enum result store_link_rename(struct fault *f, struct store_view *v, const char *from, const char *person_id, const char *person_key)
{
    enum result r = run_for(f, v, "UPDATE link SET person_id = ? WHERE person_id = ?", person_id, from);
    return r == RESULT_OK || r == RESULT_NOT_FOUND ? run_for(f, v, own_id, person_key, person_id) : r;
}

/* The identity that is the old entry itself ends here; the new entry has its own. Where that is, the next sign-in tells. */
enum result store_link_follow(struct fault *f, struct store_view *v, const char *person_id, const char *person_key)
{
    static const char own[] = "DELETE FROM link WHERE " IS_ENTRY " AND person_id = ? AND person_key <> ?";
    struct fault none = {0};
    enum result left = run_for(&none, v, own, person_id, person_key);
    enum result went = run_for(f, v, "UPDATE link SET person_key = ?, dn = NULL WHERE person_id = ?", person_key, person_id);
    if (left != RESULT_OK && left != RESULT_NOT_FOUND)
        return FAULT(f, left, "%s", none.detail);
    if (went != RESULT_OK && (went != RESULT_NOT_FOUND || left != RESULT_OK))
        return went;
    return run_for(f, v, own_id, person_key, person_id);
}

enum result store_link_move(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                            const char *person_key, const char *person_id, const char *dn)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *aad;
    NEED(f, a);
    TRY(key_of(f, a, iss, sub, &aad));
    TRY(remember_person(f, v, iss, sub));
    TRY(statement_open(f, v, "UPDATE link SET person_key = ?, person_id = ?, dn = ? WHERE iss = ? AND sub = ?", &st));
    put_text(&st, person_key);
    put_text(&st, person_id);
    TRY(put_sealed(f, &st, a, SEALED_DN, aad, dn));
    put_text(&st, iss);
    put_text(&st, sub);
    return statement_run_one(f, &st);
}

enum result store_link_set_state(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                                 const char *state)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "UPDATE link SET state = ? WHERE iss = ? AND sub = ?", &st));
    put_text(&st, state);
    put_text(&st, iss);
    put_text(&st, sub);
    return statement_run_one(f, &st);
}

enum result store_link_remove(struct fault *f, struct store_view *v, const char *iss, const char *sub)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(remember_person(f, v, iss, sub));
    TRY(statement_open(f, v, "DELETE FROM link WHERE iss = ? AND sub = ?", &st));
    put_text(&st, iss);
    put_text(&st, sub);
    return statement_run_one(f, &st);
}

struct walk {
    enum result (*each)(void *arg, const struct link *l);
    void *arg;
};

static enum result row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    const struct walk *w = arg;
    struct link l;
    TRY(read_link(f, st, a, &l));
    return w->each(w->arg, &l);
}

enum result store_link_each(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                            enum result (*each)(void *arg, const struct link *l), void *arg)
{
    static const char all[] = "SELECT " PLAIN ", dn, claims FROM link ORDER BY iss, sub";
    static const char of_person[] = "SELECT " PLAIN ", dn, claims FROM link WHERE person_key = ?"
                                    " ORDER BY " IS_ENTRY ", created, rowid";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, person_key == NULL ? all : of_person, &st));
    if (person_key != NULL)
        put_text(&st, person_key);
    return statement_each(f, &st, a, row, &(struct walk){each, arg});
}
