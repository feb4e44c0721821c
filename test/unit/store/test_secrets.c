/* What must never stand in the file: canaries are put through every function that takes something secret or personal,
 * and looked for in every byte of the database, its log, a backup, and what was logged. */
#include "rig.h"

#define SECRET "canary-secret"

static void put_canaries(struct rig *rig, struct store_view *v)
{
    struct grant g = {.client_id = "c", .person_id = "p1", .family = "fam", .created = 1, .expires = 2000000000,
                      .data = "{\"name\":\"" SECRET " of a code\"}"};
    struct grant out;
    const char *text;
    int64_t n;
    OK(store_code_add(F, v, "code", &g));
    OK(store_code_redeem(F, v, rig->arena, "code", "c", 2, &out, &text));
    OK(store_refresh_add(F, v, "refresh", &g));
    OK(store_refresh_rotate(F, v, rig->arena, "refresh", "next", SECRET " successor", 2, 2000000000, 30, &out, &text));
    OK(store_session_add(F, v, &(struct session){.id_hash = "s", .data = SECRET " session", .expires = 2000000000}));
    OK(store_link_add(F, v, &(struct link){.upstream = "u", .iss = "i", .sub = "s", .person_key = "k",
                                           .person_id = "p1", .dn = "cn=" SECRET, .claims = SECRET " claims",
                                           .method = "admin", .state = "active"}));
    OK(store_link_touch(F, v, "i", "s", SECRET " claims again", "cn=" SECRET " again", 2));
    OK(store_link_move(F, v, "i", "s", "k2", "p2", "cn=" SECRET " moved"));
    OK(store_person_put(F, v, "k", SECRET " person", 2));
    OK(store_held_put(F, v, "p1", "hmis", SECRET " held", 2));
    OK(store_key_put(F, v, &(struct key_row){.kid = "kid", .use = "sign", .alg = "RS256", .public_jwk = "{}",
                                             .private_jwk = SECRET " private", .state = "active"}));
    OK(store_audit_add(F, v, &(struct audit){.event = "login", .actor = "bridge", .outcome = "ok",
                                             .subject = SECRET " subject", .detail = SECRET " detail",
                                             .ref = SECRET " ref"}));
    OK(store_once(F, v, "jti", SECRET " jti", 2000000000));
    OK(store_attempt(F, v, SECRET " login name", 2, 300, &n));
}

/* Refusals too: a fault is logged, so its text holds none either. */
static void provoke_faults(struct rig *rig, struct store_view *v)
{
    REFUSED(store_once(F, v, "jti", SECRET " jti", 1), RESULT_CONFLICT);
    log_fault(LEVEL_ERROR, "test", F);
    REFUSED(store_session_add(F, v, &(struct session){.id_hash = "s", .data = SECRET}), RESULT_CONFLICT);
    log_fault(LEVEL_ERROR, "test", F);
    REFUSED(store_link_set_state(F, v, "i", "s", SECRET), RESULT_INVALID);
    log_fault(LEVEL_ERROR, "test", F);
    REFUSED(store_audit_add(F, v, &(struct audit){.event = SECRET, .detail = SECRET}), RESULT_INVALID);
    log_fault(LEVEL_ERROR, "test", F);
}

static void look_into(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    char *all = malloc((size_t)st.st_size + 1);
    FILE *file = fopen(path, "r");
    assert_non_null(all);
    assert_non_null(file);
    assert_int_equal(fread(all, 1, (size_t)st.st_size, file), st.st_size);
    fclose(file);
    const void *found = memmem(all, (size_t)st.st_size, SECRET, strlen(SECRET));
    free(all);
    if (found != NULL)
        fail_msg("a canary stands in %s", path);
}

static void no_canary_anywhere(void **state)
{
    struct rig *rig = *state;
    const char *log = arena_printf(rig->arena, "%s/log", rig->folder);
    FILE *to = fopen(log, "w");
    log_setup(LEVEL_DEBUG, to);
    struct store_view *v = rig_begin(rig);
    put_canaries(rig, v);
    provoke_faults(rig, v);
    rig_commit(rig);
    look_into(rig_path(rig, "idbridge.db-wal"));
    OK(store_backup(F, rig->store, rig_path(rig, "copy")));
    look_into(rig_path(rig, "copy"));
    rig_close(rig);
    look_into(rig_path(rig, "idbridge.db"));
    log_setup(LEVEL_ERROR, stderr);
    assert_true(ftell(to) > 100);
    fclose(to);
    look_into(log);
}

/* The test can fail: what is stored in the open is found. */
static void the_search_finds(void **state)
{
    struct rig *rig = *state;
    const char *copy = rig_path(rig, "copy");
    char all[1 << 16];
    OK(store_setting_put(F, rig_begin(rig), "plain", "canary-in-the-open"));
    rig_commit(rig);
    OK(store_backup(F, rig->store, copy));
    bool found = false;
    FILE *file = fopen(copy, "r");
    for (size_t n; (n = fread(all, 1, sizeof all, file)) > 0;)
        found = found || memmem(all, n, "canary-in-the-open", 18) != NULL;
    fclose(file);
    assert_true(found);
}

/* secure_delete: what was removed is overwritten, not only unlinked. */
static void what_is_deleted_is_overwritten(void **state)
{
    struct rig *rig = *state;
    char value[2000];
    memset(value, 'z', sizeof value - 1);
    memcpy(value, SECRET, strlen(SECRET));
    value[sizeof value - 1] = '\0';
    OK(store_setting_put(F, rig_begin(rig), "plain", value));
    rig_commit(rig);
    OK(connection_exec(F, rig->store->write.db, "PRAGMA wal_checkpoint(TRUNCATE)"));
    rig_sql(rig, "DELETE FROM setting");
    rig_close(rig);
    look_into(rig_path(rig, "idbridge.db"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(no_canary_anywhere), TEST(the_search_finds),
                                       TEST(what_is_deleted_is_overwritten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
