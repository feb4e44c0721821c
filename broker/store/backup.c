/* How is a copy of the whole store made while it is in use? Called by `idbridge backup`, before a migration, and by
 * restore. VACUUM INTO copies one snapshot without stopping the writer, and leaves out freed pages (SQLite manual,
 * lang_vacuum.html). The copy is sealed as the store is: without the master key it tells little. */
#include "db.h"

#include <unistd.h>

static enum result vacuum_into(struct fault *f, sqlite3 *db, const char *file)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(stmt, 1, file, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    sqlite3_finalize(stmt);
    if (rc == SQLITE_DONE)
        return RESULT_OK;
    return FAULT(f, RESULT_INTERNAL, "cannot copy the store: %s", sqlite3_errmsg(db));
}

/* The empty file is made first: it must not exist, and nobody else may read it from its first byte on. */
enum result backup_copy(struct fault *f, sqlite3 *db, const char *file)
{
    TRY(folder_create_file(f, file));
    enum result r = vacuum_into(f, db, file);
    if (r == RESULT_OK)
        r = folder_sync(f, file);
    if (r != RESULT_OK)
        unlink(file);
    return r;
}

enum result store_backup(struct fault *f, struct store *s, const char *file)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    TRY(connection_open(f, s->path, SQLITE_OPEN_READWRITE, &db));
    return backup_copy(f, db, file);
}
