/* How is a store opened and closed? Called by main, the command line and tests. Settings follow the SQLite manual's
 * pages on WAL, on PRAGMA, and on defence against hostile files (trusted_schema, defensive, cell_size_check). */
#include "db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct config_key store_config_keys[] = {
    {.section = "store", .key = "folder", .type = CONFIG_PATH, .fallback = "/var/lib/idbridge",
     .help = "The folder that holds the database idbridge.db; it belongs to the user idbridge alone."},
    {.section = "store", .key = "queue", .type = CONFIG_INT, .fallback = "4096", .min = 16, .max = 1000000,
     .help = "How many writes may wait for the disk before new ones are refused with 503."},
    {0},
};

/* ---- connections ----------------------------------------------------------------------------------- */

static const char settings[] =
    "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON;"
    "PRAGMA cell_size_check = ON; PRAGMA cache_size = -2000; PRAGMA journal_size_limit = 67108864";

void cleanup_connection(sqlite3 **db)
{
    sqlite3_close_v2(*db);
    *db = NULL;
}

enum result connection_exec(struct fault *f, sqlite3 *db, const char *sql)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RESULT_OK : connection_failed(f, db, rc);
}

enum result connection_number(struct fault *f, sqlite3 *db, const char *sql, int64_t *out_r)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out_r = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? RESULT_OK : connection_failed(f, db, rc);
}

static void defend(sqlite3 *db)
{
    static const int on[] = {SQLITE_DBCONFIG_DEFENSIVE, SQLITE_DBCONFIG_ENABLE_FKEY};
    static const int off[] = {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_DQS_DDL,
                              SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER};
    for (size_t i = 0; i < COUNT_OF(on); i++)
        sqlite3_db_config(db, on[i], 1, NULL);
    for (size_t i = 0; i < COUNT_OF(off); i++)
        sqlite3_db_config(db, off[i], 0, NULL);
}

enum result connection_open(struct fault *f, const char *path, int flags, sqlite3 **out_r)
{
    CLEANUP(connection) sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return FAULT(f, RESULT_INVALID, "cannot open %s: %s", path, sqlite3_errstr(rc));
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    defend(db);
    TRY(connection_exec(f, db, settings));
    *out_r = db;
    db = NULL;
    return RESULT_OK;
}

enum result view_open(struct fault *f, struct store *s, struct store_view *v)
{
    v->store = s;
    return connection_open(f, s->path, SQLITE_OPEN_READWRITE, &v->db);
}

void view_close(struct store_view *v)
{
    for (size_t i = 0; i < STATEMENT_SLOTS; i++)
        sqlite3_finalize(v->slots[i].stmt);
    memset(v->slots, 0, sizeof v->slots);
    cleanup_connection(&v->db);
}

/* ---- the store ------------------------------------------------------------------------------------- */

const struct master *store_master(const struct store *s)
{
    return s->master;
}

#define MASTER_CHECK "store master check"

static enum result read_master_check(struct fault *f, struct store_view *v)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *word;
    NEED(f, a);
    TRY(statement_open(f, v, "SELECT value FROM meta WHERE name = 'master'", &st));
    TRY(statement_row(f, &st));
    if (get_sealed(f, &st, a, MASTER_CHECK, "", &word) != RESULT_OK)
        return FAULT(f, RESULT_DENIED, "the master key is not the one this store was made with");
    return RESULT_OK;
}

static enum result add_master_check(struct fault *f, struct store_view *v, void *arg)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    (void)arg;
    NEED(f, a);
    TRY(statement_open(f, v, "INSERT INTO meta VALUES('master', ?) ON CONFLICT DO NOTHING", &st));
    TRY(put_sealed(f, &st, a, MASTER_CHECK, "", "fits"));
    return statement_run(f, &st);
}

/* A value sealed when the store was made: opening with another master key is refused here, in words, and not at the
 * first login. */
static enum result check_master(struct fault *f, struct store *s)
{
    enum result r = read_master_check(f, &s->write);
    if (r != RESULT_NOT_FOUND)
        return r;
    TRY(store_transaction(f, s, add_master_check, NULL));
    return read_master_check(f, &s->write);
}

static enum result set_wal(struct fault *f, sqlite3 *db)
{
    int64_t ignored;
    TRY(connection_number(f, db, "PRAGMA journal_mode = WAL", &ignored));
    TRY(connection_number(f, db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &ignored));
    return ignored == 1 ? RESULT_OK : FAULT(f, RESULT_INVALID, "the file system cannot do a write-ahead log");
}

static void store_free(struct store *s)
{
    pthread_mutex_destroy(&s->write_lock);
    pthread_mutex_destroy(&s->readers_lock);
    pthread_mutex_destroy(&s->queue_lock);
    pthread_cond_destroy(&s->queue_filled);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->turn_fd >= 0)
        close(s->turn_fd);
    free(s);
}

static struct store *store_alloc(const struct master *m)
{
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->master = m;
    s->lock_fd = s->turn_fd = -1;
    s->last = &s->first;
    s->write.store = s;
    pthread_mutex_init(&s->write_lock, NULL);
    pthread_mutex_init(&s->readers_lock, NULL);
    pthread_mutex_init(&s->queue_lock, NULL);
    pthread_cond_init(&s->queue_filled, NULL);
    return s;
}

/* The disk is waited for by writer.c, and only for what must last; everything before was done with FULL. */
static enum result set_sync(struct fault *f, struct store *s)
{
    return connection_exec(f, s->write.db, "PRAGMA synchronous = NORMAL");
}

static enum result set_up_database(struct fault *f, struct store *s)
{
    int64_t version;
    TRY(view_open(f, s, &s->write));
    TRY(schema_check(f, s->write.db, schema_migration_count, &version)); /* before anything is changed in it */
    TRY(set_wal(f, s->write.db));
    return schema_migrate(f, s->write.db, s->path, schema_migrations, schema_migration_count);
}

/* One process at a time: for the switch to WAL, SQLite does not wait for another that does the same. */
static enum result store_set_up(struct fault *f, struct store *s, const char *folder, const char *name)
{
    TRY(folder_path(f, folder, "/", name, s->path));
    TRY(folder_turn(f, folder, &s->turn_fd));
    bool mine = turn_take(s->turn_fd, BUSY_TIMEOUT_MS);
    enum result r = set_up_database(f, s);
    if (mine)
        turn_leave(s->turn_fd);
    TRY(r);
    TRY(check_master(f, s));
    return set_sync(f, s);
}

enum result store_open_at(struct fault *f, const char *folder, const char *name, const struct master *m,
                          struct store **out_r)
{
    struct store *s = store_alloc(m);
    NEED(f, s);
    enum result r = store_set_up(f, s, folder, name);
    if (r == RESULT_OK)
        r = readers_start(f, s);
    if (r != RESULT_OK) {
        view_close(&s->write);
        store_free(s);
        return r;
    }
    *out_r = s;
    return RESULT_OK;
}

/* Two first starts at once: the second finds the file there, which is as good. */
static enum result make_file(struct fault *f, const char *path)
{
    enum result r = folder_create_file(f, path);
    return r == RESULT_CONFLICT ? RESULT_OK : r;
}

/* Only the database's owner may read it, also when somebody unpacked it with other rights. */
static enum result prepare_file(struct fault *f, const char *folder, enum store_open_mode mode)
{
    char path[PATH_ROOM];
    struct stat st;
    TRY(folder_path(f, folder, "/", "idbridge.db", path));
    if (stat(path, &st) != 0) {
        if (errno != ENOENT)
            return FAULT(f, RESULT_INVALID, "cannot read %s: %s", path, strerror(errno));
        if (mode != STORE_CREATE)
            return FAULT(f, RESULT_NOT_FOUND, "no store in %s: make one with `idbridge init`", folder);
        return make_file(f, path);
    }
    if ((st.st_mode & 077) != 0 && chmod(path, 0600) != 0)
        return FAULT(f, RESULT_INVALID, "others can read %s, and that cannot be changed", path);
    return RESULT_OK;
}

enum result store_open(struct fault *f, const char *folder, enum store_open_mode mode, const struct master *m,
                       struct store **out_r)
{
    int lock_fd;
    if (mode == STORE_CREATE)
        TRY(folder_make(f, folder));
    TRY(folder_lock(f, folder, false, &lock_fd));
    enum result r = prepare_file(f, folder, mode);
    if (r == RESULT_OK)
        r = store_open_at(f, folder, "idbridge.db", m, out_r);
    if (r == RESULT_OK)
        (*out_r)->lock_fd = lock_fd;
    else
        close(lock_fd);
    return r;
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    writer_stop(s);
    readers_stop(s);
    view_close(&s->write);
    store_free(s);
}
