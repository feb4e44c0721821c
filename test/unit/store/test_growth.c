/* Cost must not grow with rows: every statement that a login can run is asked for its query plan, and none may walk a
 * table or an index (SQLite says SCAN). Lists walk by nature and are named here. */
#include "rig.h"

static const char *const may_walk[] = {
    "FROM client ORDER BY client_id", "FROM link ORDER BY iss, sub", "FROM key ORDER BY created",
    "FROM key WHERE use", "FROM rule ORDER BY name", "FROM revision", "UPDATE revision", "FROM audit WHERE seq > ?",
    ", hash FROM audit ORDER BY seq", "FROM audit ORDER BY seq DESC LIMIT 1", /* the last entry only */
    "DELETE FROM code WHERE client_id", "DELETE FROM refresh WHERE client_id", /* removing a client */
    "UPDATE family SET revoked = 1 WHERE client_id", "SELECT coalesce((SELECT revoked", /* SCAN CONSTANT ROW */
};

static void run_everything(struct rig *rig, struct store_view *v)
{
    struct arena *a = rig->arena;
    struct grant g = {.client_id = "c", .person_id = "p", .session_id = "s", .family = "f", .data = "{}", .expires = 99};
    struct link l = {.upstream = "u", .iss = "i", .sub = "s", .person_key = "k", .person_id = "p", .method = "admin",
                     .state = "active"};
    struct session s = {.id_hash = "s", .person_id = "p", .data = "{}", .expires = 99};
    struct client c = {.client_id = "c", .profile = "dhis2", .auth_method = "none"};
    struct audit row = {.event = "e", .subject = "p", .actor = "a", .outcome = "o", .ref = "r"};
    const char *text;
    int64_t n;
    bool b;
    OK(store_client_put(F, v, &c));
    OK(store_client_get(F, v, a, "c", &c));
    OK(store_link_add(F, v, &l));
    OK(store_link_get(F, v, a, "i", "s", &l));
    OK(store_link_by_person_id(F, v, a, "p", &l));
    OK(store_link_touch(F, v, "i", "s", "{}", "dn", 1));
    OK(store_link_move(F, v, "i", "s", "k", "p", "dn"));
    OK(store_link_set_state(F, v, "i", "s", "active"));
    OK(store_link_person(F, v, a, "k", &text, &b));
    OK(store_link_follow(F, v, "p", "k2"));
    OK(store_link_rename(F, v, "p-none", "p", "k2"));
    REFUSED(store_link_person(F, v, a, "k", &text, &b), RESULT_NOT_FOUND);
    OK(store_code_add(F, v, "h", &g));
    OK(store_code_redeem(F, v, a, "h", "c", 1, &g, &text));
    REFUSED(store_code_redeem(F, v, a, "h", "c", 1, &g, &text), RESULT_CONFLICT);
    OK(store_refresh_add(F, v, "h", &g));
    OK(store_refresh_peek(F, v, a, "h", 1, &g));
    OK(store_refresh_rotate(F, v, a, "h", "h2", "t", 1, 99, 30, &g, &text));
    REFUSED(store_refresh_rotate(F, v, a, "h", "h2", "t", 1, 99, 30, &g, &text), RESULT_CONFLICT);
    OK(store_family_revoked(F, v, "f", &b));
    OK(store_session_add(F, v, &s));
    OK(store_session_get(F, v, a, "s", 1, 99, &s));
    OK(store_session_touch(F, v, "s", 1));
    OK(store_revoke(F, v, "f", "s", "p"));
    REFUSED(store_session_remove(F, v, "s"), RESULT_NOT_FOUND);
    OK(store_once(F, v, "k", "v", 1));
    OK(store_attempt(F, v, "k", 1, 1, &n));
    OK(store_attempt_clear(F, v, "k"));
    OK(store_expire(F, v, 1));
    OK(store_person_put(F, v, "k", "{}", 1));
    OK(store_person_get(F, v, a, "k", &text, &n));
    OK(store_person_expire(F, v, 1));
    OK(store_held_put(F, v, "p", "d", "[]", 1));
    OK(store_held_get(F, v, a, "p", "d", &text));
    OK(store_setting_put(F, v, "n", "v"));
    OK(store_setting_get(F, v, a, "n", &text));
    OK(store_revision(F, v, &n));
    OK(store_audit_add(F, v, &row));
    OK(store_audit_hash(F, v, a, 1, &n, &text));
    OK(store_audit_erase(F, v, "p"));
    OK(store_link_remove(F, v, "i", "s"));
    OK(store_client_remove(F, v, "c"));
}

static enum result no_row(void *arg, const struct audit_row *r)
{
    (void)arg, (void)r;
    return RESULT_OK;
}

static bool excused(const char *sql)
{
    for (size_t i = 0; i < COUNT_OF(may_walk); i++)
        if (strstr(sql, may_walk[i]) != NULL)
            return true;
    return false;
}

static void check_plan(struct rig *rig, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    const char *explain = arena_printf(rig->arena, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(rig->store->write.db, explain, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(stmt, 3);
        if (strncmp(step, "SCAN", 4) == 0 && !excused(sql))
            fail_msg("%s: %s", step, sql);
    }
    sqlite3_finalize(stmt);
}

static void no_statement_walks(void **state)
{
    struct rig *rig = *state;
    size_t checked = 0;
    struct store_view *v = rig_begin(rig);
    run_everything(rig, v);
    OK(store_audit_find(F, v, rig->arena, "p", NULL, no_row, NULL));
    OK(store_audit_find(F, v, rig->arena, NULL, "r", no_row, NULL));
    rig_commit(rig);
    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        if (v->slots[i].sql == NULL)
            continue;
        check_plan(rig, v->slots[i].sql);
        checked++;
    }
    assert_in_range(checked, 50, STATEMENT_SLOTS / 2); /* and the table of statements has room */
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(no_statement_walks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
