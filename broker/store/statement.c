/* How is an SQL text run? Every noun file of this folder calls this and nothing of SQLite itself. Statements are
 * prepared once per connection; a statement that is in use already (a walk inside a walk) is prepared a second time
 * for that use. Every statement is reset when its scope ends: a forgotten one would hold an old WAL snapshot open. */
#include "db.h"

#include <string.h>

struct meaning {
    int rc;
    enum result result;
};

/* Extended codes first, then the primary ones. */
static const struct meaning meanings[] = {
    {SQLITE_CONSTRAINT_PRIMARYKEY, RESULT_CONFLICT}, {SQLITE_CONSTRAINT_UNIQUE, RESULT_CONFLICT},
    {SQLITE_CONSTRAINT_ROWID, RESULT_CONFLICT},      {SQLITE_CONSTRAINT, RESULT_INVALID},
    {SQLITE_BUSY, RESULT_UNAVAILABLE},               {SQLITE_LOCKED, RESULT_UNAVAILABLE},
    {SQLITE_NOTADB, RESULT_INVALID},
};

static enum result meaning_of(int rc)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (meanings[i].rc == rc || meanings[i].rc == (rc & 0xff))
            return meanings[i].result;
    return RESULT_INTERNAL;
}

/* sqlite3_errmsg names tables and columns, never a bound value. */
enum result connection_failed(struct fault *f, sqlite3 *db, int rc)
{
    return fault_set(f, meaning_of(rc), NULL, "store", "database: %s (%d)",
                     rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db), rc);
}

static struct statement_slot *slot_of(struct store_view *v, const char *sql)
{
    size_t at = ((uintptr_t)sql * 0x9E3779B97F4A7C15u) >> 40;
    for (size_t i = 0; i < STATEMENT_SLOTS; i++) {
        struct statement_slot *slot = &v->slots[(at + i) & (STATEMENT_SLOTS - 1)];
        if (slot->sql == sql || slot->sql == NULL)
            return slot;
    }
    return NULL; /* full: prepared each time, slower and still right */
}

static enum result prepare(struct fault *f, struct store_view *v, const char *sql, bool keep, sqlite3_stmt **out_r)
{
    int rc = sqlite3_prepare_v3(v->db, sql, -1, keep ? SQLITE_PREPARE_PERSISTENT : 0, out_r, NULL);
    return rc == SQLITE_OK ? RESULT_OK : connection_failed(f, v->db, rc);
}

enum result statement_open_brief(struct fault *f, struct store_view *v, const char *sql, struct statement *out_r)
{
    struct statement_slot *slot = slot_of(v, sql);
    *out_r = (struct statement){.view = v, .at = 1};
    if (slot != NULL && slot->stmt != NULL && !sqlite3_stmt_busy(slot->stmt)) {
        out_r->stmt = slot->stmt;
    } else {
        bool keep = slot != NULL && slot->stmt == NULL;
        TRY(prepare(f, v, sql, keep, &out_r->stmt));
        out_r->own = !keep;
        if (keep)
            *slot = (struct statement_slot){sql, out_r->stmt};
    }
    if (!v->writing && !sqlite3_stmt_readonly(out_r->stmt))
        return FAULT(f, RESULT_INTERNAL, "a write outside a transaction");
    return RESULT_OK;
}

enum result statement_open(struct fault *f, struct store_view *v, const char *sql, struct statement *out_r)
{
    TRY(statement_open_brief(f, v, sql, out_r));
    v->lasting = v->lasting || !sqlite3_stmt_readonly(out_r->stmt);
    return RESULT_OK;
}

void cleanup_statement(struct statement *st)
{
    if (st->stmt == NULL)
        return;
    if (st->own) {
        sqlite3_finalize(st->stmt);
    } else {
        sqlite3_reset(st->stmt);
        sqlite3_clear_bindings(st->stmt);
    }
    st->stmt = NULL;
}

/* ---- values in ------------------------------------------------------------------------------------- */

static void keep_rc(struct statement *st, int rc)
{
    if (st->rc == SQLITE_OK)
        st->rc = rc;
}

void put_text(struct statement *st, const char *s)
{
    keep_rc(st, sqlite3_bind_text(st->stmt, st->at++, s, -1, SQLITE_STATIC));
}

void put_int(struct statement *st, int64_t n)
{
    keep_rc(st, sqlite3_bind_int64(st->stmt, st->at++, n));
}

void put_bytes(struct statement *st, struct bytes b)
{
    keep_rc(st, b.data == NULL ? sqlite3_bind_null(st->stmt, st->at)
                               : sqlite3_bind_blob64(st->stmt, st->at, b.data, b.len, SQLITE_STATIC));
    st->at++;
}

enum result put_sealed(struct fault *f, struct statement *st, struct arena *a, const char *purpose, const char *aad,
                       const char *text)
{
    struct bytes sealed = {0};
    if (text != NULL)
        TRY(seal(f, a, st->view->store->master, purpose, aad, bytes_of(text), &sealed));
    put_bytes(st, sealed);
    return RESULT_OK;
}

void put_fields(struct statement *st, const struct field *fields, size_t n, const void *from)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)from + fields[i].at;
        switch (fields[i].kind) {
        case FIELD_TEXT: put_text(st, *(const char *const *)(const void *)at); break;
        case FIELD_INT: put_int(st, *(const int64_t *)(const void *)at); break;
        case FIELD_BOOL: put_int(st, *(const bool *)(const void *)at ? 1 : 0); break;
        }
    }
}

/* ---- steps ----------------------------------------------------------------------------------------- */

/* RESULT_NOT_FOUND at the end of the rows, without a fault: the end of a walk is none. */
static enum result step(struct fault *f, struct statement *st)
{
    if (st->rc != SQLITE_OK)
        return connection_failed(f, st->view->db, st->rc);
    int rc = sqlite3_step(st->stmt);
    st->column = 0;
    if (rc == SQLITE_ROW)
        return RESULT_OK;
    return rc == SQLITE_DONE ? RESULT_NOT_FOUND : connection_failed(f, st->view->db, rc);
}

enum result statement_row(struct fault *f, struct statement *st)
{
    enum result r = step(f, st);
    return r == RESULT_NOT_FOUND ? FAULT(f, r, "no such row") : r;
}

enum result statement_run(struct fault *f, struct statement *st)
{
    enum result r;
    while ((r = step(f, st)) == RESULT_OK)
        ;
    return r == RESULT_NOT_FOUND ? RESULT_OK : r;
}

enum result statement_run_one(struct fault *f, struct statement *st)
{
    TRY(statement_run(f, st));
    return sqlite3_changes64(st->view->db) > 0 ? RESULT_OK : FAULT(f, RESULT_NOT_FOUND, "no such row");
}

enum result statement_read(struct fault *f, struct statement *st)
{
    return st->rc == SQLITE_OK ? RESULT_OK : connection_failed(f, st->view->db, st->rc);
}

enum result view_exec(struct fault *f, struct store_view *v, const char *sql)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    return statement_run(f, &st);
}

static enum result each_row(struct fault *f, struct statement *st, struct arena *a,
                            enum result (*row)(struct fault *, struct statement *, struct arena *, void *), void *arg)
{
    if (a != NULL)
        return row(f, st, a, arg);
    CLEANUP(arena) struct arena *own = arena_new(ROW_MAX);
    NEED(f, own);
    return row(f, st, own, arg);
}

enum result statement_each(struct fault *f, struct statement *st, struct arena *a,
                           enum result (*row)(struct fault *, struct statement *, struct arena *, void *), void *arg)
{
    enum result r;
    while ((r = step(f, st)) == RESULT_OK)
        TRY(each_row(f, st, a, row, arg));
    return r == RESULT_NOT_FOUND ? RESULT_OK : r;
}

/* ---- values out ------------------------------------------------------------------------------------ */

int64_t get_int(struct statement *st)
{
    return sqlite3_column_int64(st->stmt, st->column++);
}

const char *get_text(struct statement *st, struct arena *a)
{
    int at = st->column++;
    const char *text = (const char *)sqlite3_column_text(st->stmt, at);
    if (text == NULL) {
        if (sqlite3_column_type(st->stmt, at) != SQLITE_NULL)
            keep_rc(st, SQLITE_NOMEM);
        return NULL;
    }
    char *copy = arena_strndup(a, text, (size_t)sqlite3_column_bytes(st->stmt, at));
    if (copy == NULL)
        keep_rc(st, SQLITE_NOMEM);
    return copy;
}

struct bytes get_bytes(struct statement *st)
{
    int at = st->column++;
    const void *data = sqlite3_column_blob(st->stmt, at);
    return (struct bytes){data, (size_t)sqlite3_column_bytes(st->stmt, at)};
}

enum result get_sealed(struct fault *f, struct statement *st, struct arena *a, const char *purpose, const char *aad,
                       const char **out_r)
{
    struct bytes sealed = get_bytes(st), plain;
    *out_r = NULL;
    if (sealed.data == NULL)
        return RESULT_OK;
    TRY(unseal(f, a, st->view->store->master, purpose, aad, sealed, &plain));
    *out_r = arena_strndup(a, (const char *)plain.data, plain.len);
    NEED(f, *out_r);
    return RESULT_OK;
}

void get_fields(struct statement *st, const struct field *fields, size_t n, struct arena *a, void *to)
{
    for (size_t i = 0; i < n; i++) {
        char *at = (char *)to + fields[i].at;
        switch (fields[i].kind) {
        case FIELD_TEXT: *(const char **)(void *)at = get_text(st, a); break;
        case FIELD_INT: *(int64_t *)(void *)at = get_int(st); break;
        case FIELD_BOOL: *(bool *)(void *)at = get_int(st) != 0; break;
        }
    }
}
