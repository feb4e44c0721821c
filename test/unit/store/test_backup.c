/* Backup while the store is in use; restore: what it keeps, what it revokes, what it refuses. */
#include "rig.h"

static const struct grant grant = {.client_id = "c", .person_id = "p1", .family = "fam", .data = "{}",
                                   .created = 1000, .expires = 2000000000};

static void fill(struct rig *rig)
{
    struct store_view *v = rig_begin(rig);
    OK(store_setting_put(F, v, "a", "before"));
    OK(store_code_add(F, v, "code", &grant));
    OK(store_refresh_add(F, v, "refresh", &grant));
    OK(store_session_add(F, v, &(struct session){.id_hash = "s", .data = "{}", .expires = 2000000000}));
    OK(store_person_put(F, v, "staff:1", "{}", 1));
    OK(store_audit_add(F, v, &(struct audit){.event = "login", .actor = "bridge", .outcome = "ok", .subject = "p1"}));
    rig_commit(rig);
}

static void set(struct rig *rig, const char *value)
{
    OK(store_setting_put(F, rig_begin(rig), "a", value));
    rig_commit(rig);
}

static const char *setting(struct rig *rig)
{
    const char *value = NULL;
    OK(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value));
    return value;
}

static bool exists(struct rig *rig, const char *name)
{
    return access(rig_path(rig, name), F_OK) == 0;
}

static const char *backup(struct rig *rig)
{
    const char *copy = arena_printf(rig->arena, "%s/copy", rig->folder);
    OK(store_backup(F, rig->store, copy));
    return copy;
}

static void a_backup_is_private_and_overwrites_nothing(void **state)
{
    struct rig *rig = *state;
    struct stat st;
    const char *copy;
    fill(rig);
    copy = backup(rig);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    REFUSED(store_backup(F, rig->store, copy), RESULT_CONFLICT);
    REFUSED(store_backup(F, rig->store, "/nowhere/at/all"), RESULT_INVALID);
}

static enum result add_value(struct fault *f, struct store_view *v, void *arg)
{
    return store_once(f, v, "value", arg, 2000000000);
}

struct background {
    struct store *store;
    atomic_bool stop;
    struct fault fault;
};

static void *keep_writing(void *arg)
{
    struct background *b = arg;
    char value[32];
    for (int n = 0; !atomic_load(&b->stop) && b->fault.result == RESULT_OK; n++) {
        snprintf(value, sizeof value, "%d", n);
        (void)!store_transaction(&b->fault, b->store, add_value, value);
    }
    return NULL;
}

static void a_backup_under_load_is_one_moment(void **state)
{
    struct rig *rig = *state;
    struct background b = {.store = rig->store};
    pthread_t thread;
    int64_t rows, highest;
    fill(rig);
    OK(store_writer_start(F, rig->store, 100));
    pthread_create(&thread, NULL, keep_writing, &b);
    usleep(50000);
    const char *copy = backup(rig);
    atomic_store(&b.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(b.fault.result, RESULT_OK);
    CLEANUP(connection) sqlite3 *db = NULL;
    OK(connection_open(F, copy, SQLITE_OPEN_READONLY, &db));
    OK(connection_number(F, db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check", &highest));
    assert_int_equal(highest, 1);
    OK(connection_number(F, db, "SELECT count(*) FROM once", &rows));
    assert_true(rows > 0);
}

static enum result last_event(void *arg, const struct audit_row *r)
{
    snprintf(arg, 32, "%s by %s", r->event, r->actor);
    return RESULT_OK;
}

static void restore_keeps_and_revokes(void **state)
{
    struct rig *rig = *state;
    char event[32];
    int64_t rows, bad, revision, revision_then, seen;
    bool revoked;
    const char *data;
    fill(rig);
    const char *copy = backup(rig);
    OK(store_revision(F, rig_reader(rig), &revision_then));
    set(rig, "after");
    rig_close(rig);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    rig_open(rig);
    assert_string_equal(setting(rig), "before");
    OK(store_person_get(F, rig_reader(rig), rig->arena, "staff:1", &data, &seen));
    static const char *const gone[] = {"SELECT count(*) FROM code", "SELECT count(*) FROM refresh",
                                       "SELECT count(*) FROM session"};
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        assert_int_equal(rig_number(rig, gone[i]), 0);
    OK(store_family_revoked(F, rig_reader(rig), "fam", &revoked));
    assert_true(revoked);
    OK(store_audit_each(F, rig_reader(rig), rig->arena, 0, last_event, event));
    assert_string_equal(event, "restore by cli uid=4711"); /* who typed it, not whom the process became */
    OK(store_audit_verify(F, rig_reader(rig), &rows, &bad));
    assert_int_equal(rows, 2);
    OK(store_revision(F, rig_reader(rig), &revision)); /* snapshots made before are loaded anew */
    assert_true(revision > revision_then);
    assert_false(exists(rig, "idbridge.db.restoring") || exists(rig, "idbridge.db.restoring-wal"));
}

static void what_was_there_is_put_aside(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    const char *copy = backup(rig);
    set(rig, "first");
    rig_close(rig);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    rig_open(rig);
    set(rig, "second");
    rig_close(rig);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    OK(store_restore(F, rig->state, rig_path(rig, "idbridge.db.replaced-1"), rig->master, "cli uid=4711"));
    rig_open(rig);
    assert_string_equal(setting(rig), "first");
    rig_close(rig);
    OK(store_restore(F, rig->state, rig_path(rig, "idbridge.db.replaced-2"), rig->master, "cli uid=4711"));
    rig_open(rig);
    assert_string_equal(setting(rig), "second");
}

static void onto_an_empty_machine(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    const char *copy = backup(rig);
    rig_close(rig);
    snprintf(rig->state, sizeof rig->state, "%s/new", rig->folder);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    rig_open(rig);
    assert_string_equal(setting(rig), "before");
    assert_false(exists(rig, "idbridge.db.replaced-1"));
}

/* The usual reason for a restore: the database is broken. Its log must not be replayed into the new one. */
static void over_a_broken_database(void **state)
{
    struct rig *rig = *state;
    fill(rig);
    const char *copy = backup(rig);
    rig_close(rig);
    static const char *const files[] = {"idbridge.db", "idbridge.db-wal"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        int fd = open(rig_path(rig, files[i]), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, "broken", 6), 6);
        close(fd);
    }
    log_setup(LEVEL_ERROR, stderr);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    assert_true(exists(rig, "idbridge.db.replaced-1"));
    rig_open(rig);
    assert_string_equal(setting(rig), "before");
}

/* ---- refusals: the store that is there stays as it is ------------------------------------------------- */

static void refused(struct rig *rig, const char *file, enum result wanted, const char *words)
{
    REFUSED(store_restore(F, rig->state, file, rig->master, "cli uid=4711"), wanted);
    if (strstr(rig->fault.detail, words) == NULL)
        fail_msg("'%s' does not say '%s'", rig->fault.detail, words);
    assert_false(exists(rig, "idbridge.db.restoring") || exists(rig, "idbridge.db.replaced-1"));
    rig_open(rig);
    assert_string_equal(setting(rig), "after");
    rig_close(rig);
}

static void change(struct rig *rig, const char *file, const char *sql)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    OK(connection_open(F, file, SQLITE_OPEN_READWRITE, &db));
    OK(connection_exec(F, db, sql));
}

static const char *prepared(struct rig *rig)
{
    fill(rig);
    const char *copy = backup(rig);
    set(rig, "after");
    rig_close(rig);
    return copy;
}

static void no_file(void **state)
{
    struct rig *rig = *state;
    prepared(rig);
    refused(rig, "/nowhere/at/all", RESULT_INVALID, "/nowhere/at/all");
}

static void no_store_in_it(void **state)
{
    struct rig *rig = *state;
    prepared(rig);
    const char *letter = arena_printf(rig->arena, "%s/letter", rig->folder);
    int fd = open(letter, O_WRONLY | O_CREAT, 0600);
    refused(rig, letter, RESULT_INVALID, "no idbridge store"); /* empty */
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "This is a letter. ", 18), 18);
    close(fd);
    refused(rig, letter, RESULT_INVALID, "not a database");
}

static void a_newer_one(void **state)
{
    struct rig *rig = *state;
    const char *copy = prepared(rig);
    change(rig, copy, "PRAGMA user_version = 99");
    refused(rig, copy, RESULT_INVALID, "schema 99");
}

static void a_damaged_one(void **state)
{
    struct rig *rig = *state;
    const char *copy = prepared(rig);
    int fd = open(copy, O_WRONLY);
    char noise[4000];
    memset(noise, 0x5a, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 5 * 4096), (ssize_t)sizeof noise);
    close(fd);
    refused(rig, copy, RESULT_INVALID, "damaged");
}

static void one_of_another_master_key(void **state)
{
    struct rig *rig = *state;
    const char *copy = prepared(rig);
    change(rig, copy, "UPDATE meta SET value = x'00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'");
    refused(rig, copy, RESULT_DENIED, "master key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_backup_is_private_and_overwrites_nothing), TEST(a_backup_under_load_is_one_moment),
        TEST(restore_keeps_and_revokes), TEST(what_was_there_is_put_aside), TEST(onto_an_empty_machine),
        TEST(over_a_broken_database), TEST(no_file), TEST(no_store_in_it), TEST(a_newer_one), TEST(a_damaged_one),
        TEST(one_of_another_master_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
