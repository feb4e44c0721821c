/* Private to broker/store: what an open store, a connection and a prepared statement are, and the few verbs that every
 * noun file (clients.c, links.c, ...) is written with. Nobody outside the folder includes this. */
#ifndef IDBRIDGE_STORE_DB_H
#define IDBRIDGE_STORE_DB_H

#include <idbridge/store.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

enum {
    STATEMENT_SLOTS = 256,  /* power of two, about twice the number of SQL texts in this folder */
    BUSY_TIMEOUT_MS = 5000, /* for the other process's transaction */
    ROW_MAX = 1 << 20,      /* bytes of one row with everything that reading it needs */
    FORGET_S = 3600,        /* used codes and dead families are remembered this long after they expired */
    PATH_ROOM = 4096
};

/* ---- connections ----------------------------------------------------------------------------------- */

struct statement_slot {
    const char *sql; /* the literal's address is the key */
    sqlite3_stmt *stmt;
};

/* One SQLite connection, used by one thread at a time. */
struct store_view {
    struct store *store;
    sqlite3 *db;
    bool writing; /* inside BEGIN IMMEDIATE ... COMMIT */
    bool lasting; /* something was written that a power cut must not take back */
    struct statement_slot slots[STATEMENT_SLOTS];
};

struct reader {
    struct store_view view;
    struct reader *next, **link;
};

struct store {
    const struct master *master; /* borrowed */
    char path[PATH_ROOM];
    int lock_fd, turn_fd;

    pthread_mutex_t write_lock; /* who holds it may use `write` */
    struct store_view write;
    atomic_llong committed_us; /* monotonic time of the last commit that succeeded */

    pthread_mutex_t readers_lock;
    pthread_key_t reader_key;
    struct reader *readers;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled;
    struct store_write *first, **last;
    unsigned queued, queue_max;
    bool running, stopping;
    pthread_t writer;
};

/* open.c */
CHECKED enum result store_open_at(struct fault *f, const char *folder, const char *name, const struct master *m,
                                  struct store **out_r);
CHECKED enum result connection_open(struct fault *f, const char *path, int flags, sqlite3 **out_r);
enum result connection_failed(struct fault *f, sqlite3 *db, int rc); /* what SQLite said, as a fault */
CHECKED enum result connection_exec(struct fault *f, sqlite3 *db, const char *sql);
CHECKED enum result connection_number(struct fault *f, sqlite3 *db, const char *sql, int64_t *out_r);
CHECKED enum result view_open(struct fault *f, struct store *s, struct store_view *v);
void view_close(struct store_view *v);
void cleanup_connection(sqlite3 **db);

/* folder.c: files and locks of the state folder */
CHECKED enum result folder_make(struct fault *f, const char *folder);
CHECKED enum result folder_path(struct fault *f, const char *folder, const char *between, const char *name,
                                char *out_r);
CHECKED enum result folder_lock(struct fault *f, const char *folder, bool alone, int *fd_r);
CHECKED enum result folder_turn(struct fault *f, const char *folder, int *fd_r);
bool turn_take(int fd, int ms);
void turn_leave(int fd);
CHECKED enum result folder_create_file(struct fault *f, const char *path);
CHECKED enum result folder_sync(struct fault *f, const char *path);
CHECKED enum result folder_free_name(struct fault *f, const char *path, const char *first, const char *more,
                                     char *out_r);

/* schema.c */
extern const char *const schema_migrations[];
extern const int schema_migration_count;
enum { SCHEMA_APPLICATION_ID = 0x69646272 }; /* "idbr" */
/* Brings `db` (at `path`) to version `count`; `path` NULL: without the automatic backup. */
CHECKED enum result schema_migrate(struct fault *f, sqlite3 *db, const char *path, const char *const *migrations,
                                   int count);
CHECKED enum result schema_check(struct fault *f, sqlite3 *db, int count, int64_t *version_r);

/* backup.c */
CHECKED enum result backup_copy(struct fault *f, sqlite3 *db, const char *file);

/* writer.c, reader.c: taken down by store_close */
void writer_stop(struct store *s);
CHECKED enum result readers_start(struct fault *f, struct store *s);
void readers_stop(struct store *s);

/* ---- statements ------------------------------------------------------------------------------------ */

/* A prepared statement in use. Binds go left to right, columns are read left to right. A failed bind or copy is kept
 * and reported by the next step, so a run of them needs one check. */
struct statement {
    struct store_view *view;
    sqlite3_stmt *stmt;
    int at, column, rc;
    bool own;
};
CHECKED enum result statement_open(struct fault *f, struct store_view *v, const char *sql, struct statement *out_r);
/* For what is worth nothing minutes later (codes, one-time values): written with the commit, yet nobody waits for the disk
 * because of it. A crash of the program loses it as little as anything else; a power cut may. */
CHECKED enum result statement_open_brief(struct fault *f, struct store_view *v, const char *sql, struct statement *out_r);
void cleanup_statement(struct statement *st);

void put_text(struct statement *st, const char *s); /* NULL: SQL NULL. Borrowed until the statement ends */
void put_int(struct statement *st, int64_t n);
void put_bytes(struct statement *st, struct bytes b);
/* `text` sealed for `purpose` and bound to `aad`; NULL: SQL NULL. */
CHECKED enum result put_sealed(struct fault *f, struct statement *st, struct arena *a, const char *purpose,
                               const char *aad, const char *text);

CHECKED enum result statement_run(struct fault *f, struct statement *st); /* to the end, no row is read */
CHECKED enum result statement_run_one(struct fault *f, struct statement *st); /* RESULT_NOT_FOUND: changed no row */
CHECKED enum result statement_row(struct fault *f, struct statement *st); /* RESULT_NOT_FOUND: no more rows */
CHECKED enum result statement_read(struct fault *f, struct statement *st); /* were all copies of this row made? */
/* Opens, runs without values. */
CHECKED enum result view_exec(struct fault *f, struct store_view *v, const char *sql);

int64_t get_int(struct statement *st);
const char *get_text(struct statement *st, struct arena *a); /* copy; NULL for SQL NULL */
struct bytes get_bytes(struct statement *st);                /* borrowed until the next step */
CHECKED enum result get_sealed(struct fault *f, struct statement *st, struct arena *a, const char *purpose,
                               const char *aad, const char **out_r);

/* Calls `row` for each row with `a`, or with an arena of its own per row when `a` is NULL. */
CHECKED enum result statement_each(struct fault *f, struct statement *st, struct arena *a,
                                   enum result (*row)(struct fault *, struct statement *, struct arena *, void *),
                                   void *arg);

/* Which struct members a run of columns is, in the order of the SQL text. */
enum field_kind { FIELD_TEXT, FIELD_INT, FIELD_BOOL };
struct field {
    enum field_kind kind;
    size_t at;
};
#define FIELD(type, kind, member)                                                                                      \
    {                                                                                                                  \
        FIELD_##kind, offsetof(struct type, member)                                                                    \
    }
void put_fields(struct statement *st, const struct field *fields, size_t n, const void *from);
void get_fields(struct statement *st, const struct field *fields, size_t n, struct arena *a, void *to);

#endif
