/* How was this person when last seen, and what was the person given in one DHIS2? Written at every login; the first is
 * read when the directory is down (grace), the second by login/ and `idbridge explain`. All of it is sealed. */
#include "db.h"

#define PURPOSE_PERSON "store person"
#define PURPOSE_HELD "store held"

enum result store_person_put(struct fault *f, struct store_view *v, const char *person_key, const char *data,
                             int64_t now)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    NEED(f, a);
    TRY(statement_open(f, v, "INSERT INTO person(person_key, seen, data) VALUES(?, ?, ?)"
                             " ON CONFLICT DO UPDATE SET seen = excluded.seen, data = excluded.data", &st));
    put_text(&st, person_key);
    put_int(&st, now);
    TRY(put_sealed(f, &st, a, PURPOSE_PERSON, person_key, data));
    return statement_run(f, &st);
}

enum result store_person_get(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                             const char **data_r, int64_t *seen_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT seen, data FROM person WHERE person_key = ?", &st));
    put_text(&st, person_key);
    TRY(statement_row(f, &st));
    *seen_r = get_int(&st);
    return get_sealed(f, &st, a, PURPOSE_PERSON, person_key, data_r);
}

enum result store_person_remove(struct fault *f, struct store_view *v, const char *person_key)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM person WHERE person_key = ?", &st));
    put_text(&st, person_key);
    return statement_run(f, &st);
}

enum result store_person_expire(struct fault *f, struct store_view *v, int64_t before)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM person WHERE rowid IN"
                             " (SELECT rowid FROM person WHERE seen < ? LIMIT 10000)", &st));
    put_int(&st, before);
    return statement_run(f, &st);
}

static enum result held_aad(struct fault *f, struct arena *a, const char *person_id, const char *dhis2,
                            const char **out_r)
{
    *out_r = arena_printf(a, "%s\n%s", person_id, dhis2);
    NEED(f, *out_r);
    return RESULT_OK;
}

enum result store_held_put(struct fault *f, struct store_view *v, const char *person_id, const char *dhis2,
                           const char *data, int64_t now)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *aad;
    NEED(f, a);
    TRY(held_aad(f, a, person_id, dhis2, &aad));
    TRY(statement_open(f, v, "INSERT INTO held(person_id, dhis2, changed, data) VALUES(?, ?, ?, ?)"
                             " ON CONFLICT DO UPDATE SET changed = excluded.changed, data = excluded.data", &st));
    put_text(&st, person_id);
    put_text(&st, dhis2);
    put_int(&st, now);
    TRY(put_sealed(f, &st, a, PURPOSE_HELD, aad, data));
    return statement_run(f, &st);
}

enum result store_held_get(struct fault *f, struct store_view *v, struct arena *a, const char *person_id,
                           const char *dhis2, const char **data_r)
{
    CLEANUP(statement) struct statement st = {0};
    const char *aad;
    TRY(held_aad(f, a, person_id, dhis2, &aad));
    TRY(statement_open(f, v, "SELECT data FROM held WHERE person_id = ? AND dhis2 = ?", &st));
    put_text(&st, person_id);
    put_text(&st, dhis2);
    TRY(statement_row(f, &st));
    return get_sealed(f, &st, a, PURPOSE_HELD, aad, data_r);
}
