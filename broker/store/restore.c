/* How does a backup take the store's place? Called by `idbridge restore`, while nothing has the store open. The copy is
 * checked, prepared beside the store and put in place by one rename; the old database stays as idbridge.db.replaced-N.
 *
 * A backup knows codes, sessions and refresh tokens that were used or revoked since: all are revoked. An audit row
 * marks the place in the chain. */
#include "db.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_NAME "idbridge.db.restoring"
static const char *const sidecars[] = {"-wal", "-shm", "-journal"};

/* ---- the copy -------------------------------------------------------------------------------------- */

static enum result check_integrity(struct fault *f, sqlite3 *db)
{
    int64_t good;
    TRY(connection_number(f, db, "SELECT integrity_check = 'ok' FROM pragma_integrity_check LIMIT 1", &good));
    return good == 1 ? RESULT_OK : FAULT(f, RESULT_INVALID, "the backup is damaged (integrity_check)");
}

static enum result copy_checked(struct fault *f, const char *file, const char *to)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    int64_t version = 0;
    TRY(connection_open(f, file, SQLITE_OPEN_READONLY, &db));
    TRY(schema_check(f, db, schema_migration_count, &version));
    if (version == 0)
        return FAULT(f, RESULT_INVALID, "%s holds no idbridge store", file);
    TRY(check_integrity(f, db));
    return backup_copy(f, db, to);
}

static enum result mark(struct fault *f, struct store_view *v, void *arg)
{
    static const char *const revoke[] = {"DELETE FROM code", "DELETE FROM refresh", "DELETE FROM session",
                                         "UPDATE family SET revoked = 1",
                                         "UPDATE revision SET number = number + 1"};
    for (size_t i = 0; i < COUNT_OF(revoke); i++)
        TRY(view_exec(f, v, revoke[i]));
    return store_audit_add(f, v, &(struct audit){.event = "restore", .actor = arg, .outcome = "ok"});
}

/* Opens the copy as a store of its own: migrates it, checks the master key, marks it, folds its log in. */
static enum result prepare(struct fault *f, const char *folder, const struct master *m, const char *actor)
{
    struct store *s;
    TRY(store_open_at(f, folder, NEW_NAME, m, &s));
    enum result r = store_transaction(f, s, mark, (void *)(uintptr_t)actor);
    store_close(s);
    return r;
}

/* ---- changing places ------------------------------------------------------------------------------- */

static enum result drop(struct fault *f, const char *path, const char *suffix)
{
    char name[PATH_ROOM];
    TRY(folder_path(f, path, "", suffix, name));
    if (unlink(name) != 0 && errno != ENOENT)
        return FAULT(f, RESULT_INTERNAL, "cannot remove %s: %s", name, strerror(errno));
    return RESULT_OK;
}

static enum result drop_all(struct fault *f, const char *path)
{
    TRY(drop(f, path, ""));
    for (size_t i = 0; i < COUNT_OF(sidecars); i++)
        TRY(drop(f, path, sidecars[i]));
    return RESULT_OK;
}

/* Closing the last connection folds the log into the database. A database too damaged for that keeps its log, under
 * the new name. */
static void fold_log(const char *path)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    struct fault f = {0};
    enum result r = connection_open(&f, path, SQLITE_OPEN_READWRITE, &db);
    if (r == RESULT_OK)
        r = connection_exec(&f, db, "PRAGMA wal_checkpoint(TRUNCATE)");
    if (r != RESULT_OK)
        log_fault(LEVEL_WARN, "store.restore", &f);
}

static enum result move_sidecar(struct fault *f, const char *path, const char *aside, const char *suffix)
{
    char from[PATH_ROOM], to[PATH_ROOM];
    TRY(folder_path(f, path, "", suffix, from));
    TRY(folder_path(f, aside, "", suffix, to));
    if (rename(from, to) != 0 && errno != ENOENT)
        return FAULT(f, RESULT_INTERNAL, "cannot move %s: %s", from, strerror(errno));
    return RESULT_OK;
}

/* The log goes first: beside the new database SQLite would replay it into that. Then the old database gets its second
 * name, so that at no moment there is none. */
static enum result put_aside(struct fault *f, const char *path)
{
    char aside[PATH_ROOM];
    if (access(path, F_OK) != 0)
        return RESULT_OK;
    fold_log(path);
    TRY(folder_free_name(f, path, ".replaced-1", ".replaced-", aside));
    for (size_t i = 0; i < COUNT_OF(sidecars); i++)
        TRY(move_sidecar(f, path, aside, sidecars[i]));
    if (link(path, aside) != 0)
        return FAULT(f, RESULT_INTERNAL, "cannot keep the old database as %s: %s", aside, strerror(errno));
    return RESULT_OK;
}

static enum result restore_locked(struct fault *f, const char *folder, const char *file, const struct master *m,
                                  const char *actor)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    TRY(folder_path(f, folder, "/", "idbridge.db", path));
    TRY(folder_path(f, folder, "/", NEW_NAME, fresh));
    TRY(drop_all(f, fresh)); /* of a restore that was killed */
    enum result r = copy_checked(f, file, fresh);
    if (r == RESULT_OK)
        r = prepare(f, folder, m, actor);
    if (r == RESULT_OK)
        r = put_aside(f, path);
    if (r == RESULT_OK && rename(fresh, path) != 0)
        r = FAULT(f, RESULT_INTERNAL, "cannot put %s in place: %s", fresh, strerror(errno));
    if (r != RESULT_OK) {
        struct fault ignored = {0};
        if (drop_all(&ignored, fresh) != RESULT_OK)
            log_fault(LEVEL_WARN, "store.restore", &ignored);
        return r;
    }
    return folder_sync(f, path);
}

enum result store_restore(struct fault *f, const char *folder, const char *file, const struct master *m, const char *actor)
{
    int lock_fd;
    TRY(folder_make(f, folder));
    TRY(folder_lock(f, folder, true, &lock_fd));
    enum result r = restore_locked(f, folder, file, m, actor);
    close(lock_fd);
    return r;
}
