/* For the tests of broker/store: a store in a temporary folder, and a transaction that stays open between calls so
 * that a test reads from top to bottom. (How transactions work is tested through the public interface, in
 * test_writer.c.) */
#ifndef IDBRIDGE_TEST_STORE_RIG_H
#define IDBRIDGE_TEST_STORE_RIG_H

#include "../../../broker/store/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    char folder[64], state[80];
    struct master *master;
    struct store *store;
    struct arena *arena;
    struct fault fault;
};

#define OK(expr) assert_result(expr, RESULT_OK)
#define REFUSED(expr, wanted) assert_result(expr, wanted)
#define assert_result(expr, wanted)                                                                                    \
    do {                                                                                                               \
        enum result got_ = (expr);                                                                                     \
        if (got_ != (wanted))                                                                                          \
            fail_msg("%s: %s, not %s (%s)", #expr, result_name(got_), result_name(wanted), rig->fault.detail);         \
    } while (0)
#define F (&rig->fault)

__attribute__((unused)) static const char *rig_path(struct rig *rig, const char *name)
{
    const char *path = arena_printf(rig->arena, "%s/%s", rig->state, name);
    assert_non_null(path);
    return path;
}

__attribute__((unused)) static void rig_open(struct rig *rig)
{
    OK(store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store));
}

__attribute__((unused)) static void rig_close(struct rig *rig)
{
    store_close(rig->store);
    rig->store = NULL;
}

static int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    *state = rig;
    log_setup(LEVEL_ERROR, stderr);
    rig->arena = arena_new(64u << 20);
    snprintf(rig->folder, sizeof rig->folder, "/tmp/idbridge-store-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->state, sizeof rig->state, "%s/state", rig->folder);
    const char *key = arena_printf(rig->arena, "%s/master.key", rig->folder);
    OK(master_create(F, key, 0600));
    OK(master_load(F, key, &rig->master));
    OK(store_open(F, rig->state, STORE_CREATE, rig->master, &rig->store));
    return 0;
}

static int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int rig_teardown(void **state)
{
    struct rig *rig = *state;
    store_close(rig->store);
    master_free(rig->master);
    nftw(rig->folder, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    arena_free(rig->arena);
    free(rig);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

__attribute__((unused)) static struct store_view *rig_begin(struct rig *rig)
{
    struct store_view *v = &rig->store->write;
    v->writing = true;
    OK(view_exec(F, v, "BEGIN IMMEDIATE"));
    OK(view_exec(F, v, "SAVEPOINT job"));
    return v;
}

__attribute__((unused)) static void rig_commit(struct rig *rig)
{
    OK(view_exec(F, &rig->store->write, "COMMIT"));
    rig->store->write.writing = false;
}

__attribute__((unused)) static struct store_view *rig_reader(struct rig *rig)
{
    struct store_view *v = store_reader(F, rig->store);
    assert_non_null(v);
    return v;
}

/* Any SQL on a connection of its own: what a thief or a vandal with the file would do. */
__attribute__((unused)) static void rig_sql(struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    OK(connection_open(F, rig_path(rig, "idbridge.db"), SQLITE_OPEN_READWRITE, &db));
    OK(connection_exec(F, db, sql));
    sqlite3_close(db);
}

__attribute__((unused)) static int64_t rig_number(struct rig *rig, const char *sql)
{
    sqlite3 *db = NULL;
    int64_t n = 0;
    OK(connection_open(F, rig_path(rig, "idbridge.db"), SQLITE_OPEN_READWRITE, &db));
    OK(connection_number(F, db, sql, &n));
    sqlite3_close(db);
    return n;
}

#endif
