/* Opening: file rights, settings of every connection, whose store it is, schema versions and migrations. */
#include "rig.h"

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void reopen_refused(struct rig *rig, enum result wanted, const char *words)
{
    REFUSED(store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store), wanted);
    rig->store = NULL;
    if (strstr(rig->fault.detail, words) == NULL)
        fail_msg("'%s' does not say '%s'", rig->fault.detail, words);
}

static void only_the_owner_reads_it(void **state)
{
    struct rig *rig = *state;
    static const char *const files[] = {"idbridge.db", "idbridge.db-wal", "idbridge.db-shm", "idbridge.lock",
                                        "idbridge.turn"};
    rig_close(rig);
    snprintf(rig->state, sizeof rig->state, "%s/open", rig->folder);
    mode_t before = umask(0);
    OK(store_open(F, rig->state, STORE_CREATE, rig->master, &rig->store));
    umask(before);
    assert_int_equal(mode_of(rig->state), 0700);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        assert_int_equal(mode_of(rig_path(rig, files[i])), 0600);
    rig_close(rig);
    assert_int_equal(chmod(rig_path(rig, "idbridge.db"), 0644), 0);
    rig_open(rig);
    assert_int_equal(mode_of(rig_path(rig, "idbridge.db")), 0600);
}

static void settings_of_a_connection(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *sql;
        int64_t value;
    } rows[] = {
        {"SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1}, {"PRAGMA foreign_keys", 1}, {"PRAGMA busy_timeout", 5000}, {"PRAGMA temp_store", 2},
        {"PRAGMA secure_delete", 1}, {"PRAGMA trusted_schema", 0}, {"PRAGMA cell_size_check", 1},
    };
    struct store_view *views[] = {&rig->store->write, rig_reader(rig)};
    for (size_t i = 0; i < COUNT_OF(rows) * 2; i++) {
        int64_t n = -1;
        OK(connection_number(F, views[i % 2]->db, rows[i / 2].sql, &n));
        if (n != rows[i / 2].value)
            fail_msg("%s is %lld", rows[i / 2].sql, (long long)n);
    }
    assert_int_equal(sqlite3_exec(views[1]->db, "DELETE FROM setting", NULL, NULL, NULL) & 0xff, SQLITE_READONLY);
}

static void no_store_there(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    assert_int_equal(unlink(rig_path(rig, "idbridge.db")), 0);
    reopen_refused(rig, RESULT_NOT_FOUND, "idbridge init");
    assert_int_not_equal(access(rig_path(rig, "idbridge.db"), F_OK), 0); /* and none was made by looking */
    snprintf(rig->state, sizeof rig->state, "%s/nowhere", rig->folder);
    reopen_refused(rig, RESULT_NOT_FOUND, "nowhere");
}

static void creating_again_keeps_what_is_there(void **state)
{
    struct rig *rig = *state;
    const char *value;
    OK(store_setting_put(F, rig_begin(rig), "a", "1"));
    rig_commit(rig);
    rig_close(rig);
    OK(store_open(F, rig->state, STORE_CREATE, rig->master, &rig->store));
    OK(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value));
    assert_ptr_equal(store_master(rig->store), rig->master);
}

static void another_master_key(void **state)
{
    struct rig *rig = *state;
    const char *path = rig_path(rig, "other.key");
    struct master *mine = rig->master, *other;
    OK(master_create(F, path, 0600));
    OK(master_load(F, path, &other));
    rig_close(rig);
    rig->master = other;
    reopen_refused(rig, RESULT_DENIED, "master key");
    rig->master = mine;
    master_free(other);
    rig_open(rig);
}

static void a_newer_schema(void **state)
{
    struct rig *rig = *state;
    char both[64];
    rig_sql(rig, "PRAGMA user_version = 99");
    rig_close(rig);
    snprintf(both, sizeof both, "schema 99, this program knows up to %d", store_schema_version());
    reopen_refused(rig, RESULT_INVALID, both);
    REFUSED(store_open(F, rig->state, STORE_CREATE, rig->master, &rig->store), RESULT_INVALID);
    rig->store = NULL;
}

static void somebody_elses_database(void **state)
{
    struct rig *rig = *state;
    rig_sql(rig, "PRAGMA application_id = 7");
    rig_close(rig);
    reopen_refused(rig, RESULT_INVALID, "not an idbridge store");
}

static void no_database_at_all(void **state)
{
    struct rig *rig = *state;
    rig_close(rig);
    int fd = open(rig_path(rig, "idbridge.db"), O_WRONLY | O_TRUNC);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "This is a letter. ", 18), 18);
    close(fd);
    reopen_refused(rig, RESULT_INVALID, "not a database");
}

/* ---- migrations --------------------------------------------------------------------------------------- */

static const char *const two[] = {"unused: this store is version 1 already",
                                  "ALTER TABLE setting ADD COLUMN extra TEXT; UPDATE setting SET extra = 'moved'"};
static const char *const broken[] = {"", "UPDATE setting SET value = 'half'; SELECT nonsense FROM nowhere"};

static enum result migrate(struct rig *rig, const char *const *migrations, int count)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    const char *path = rig_path(rig, "idbridge.db");
    TRY(connection_open(F, path, SQLITE_OPEN_READWRITE, &db));
    return schema_migrate(F, db, path, migrations, count);
}

static int64_t version_of(struct rig *rig, const char *name)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    int64_t n = -1;
    OK(connection_open(F, rig_path(rig, name), SQLITE_OPEN_READONLY, &db));
    OK(connection_number(F, db, "PRAGMA user_version", &n));
    return n;
}

static void forward_after_a_backup(void **state)
{
    struct rig *rig = *state;
    OK(store_setting_put(F, rig_begin(rig), "a", "1"));
    rig_commit(rig);
    rig_close(rig);
    OK(migrate(rig, two, 2));
    assert_int_equal(version_of(rig, "idbridge.db"), 2);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM setting WHERE extra = 'moved' AND value = '1'"), 1);
    assert_int_equal(version_of(rig, "idbridge.db.before-2"), 1);
    assert_int_equal(mode_of(rig_path(rig, "idbridge.db.before-2")), 0600);
    OK(migrate(rig, two, 2)); /* nothing left to do, no second backup */
    assert_int_not_equal(access(rig_path(rig, "idbridge.db.before-2.2"), F_OK), 0);
    reopen_refused(rig, RESULT_INVALID, "schema 2"); /* for the program of today it is newer */
}

static void a_migration_that_fails_changes_nothing(void **state)
{
    struct rig *rig = *state;
    OK(store_setting_put(F, rig_begin(rig), "a", "1"));
    rig_commit(rig);
    rig_close(rig);
    REFUSED(migrate(rig, broken, 2), RESULT_INTERNAL);
    REFUSED(migrate(rig, broken, 2), RESULT_INTERNAL);
    assert_int_equal(version_of(rig, "idbridge.db"), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM setting WHERE value = '1'"), 1);
    assert_int_equal(version_of(rig, "idbridge.db.before-2.2"), 1); /* the first backup was not overwritten */
    rig_open(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_owner_reads_it), TEST(settings_of_a_connection), TEST(no_store_there),
        TEST(creating_again_keeps_what_is_there), TEST(another_master_key), TEST(a_newer_schema),
        TEST(somebody_elses_database), TEST(no_database_at_all), TEST(forward_after_a_backup),
        TEST(a_migration_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
