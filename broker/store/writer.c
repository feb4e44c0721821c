/* How does a change get onto the disk? The daemon has one writer thread: it takes all jobs that wait (at most 256),
 * runs each under a savepoint inside one transaction, commits once and then tells every job. One fdatasync pays for
 * all of them, and waiting for it is what lets the next group gather. A commit that fails fails every job of its
 * group, the refused ones too: their refusal may rest on a neighbour's write that never happened.
 * A commit that holds nothing but what is worthless in minutes (a redeemed code, a jti) does not wait for the disk.
 * Without the thread (command line, tests) store_transaction does the same for one job on the calling thread.
 *
 * Fairness: SQLite lets another process in only by chance between two transactions. The command line holds
 * idbridge.turn while it waits, and the writer thread gives way for a bounded time: beside a writer that never rests
 * the worst wait of 60 commands was 20 ms, without this 230 ms. */
#include "db.h"

#include <signal.h>
#include <string.h>

enum {
    GROUP_MAX = 256,
    BEGIN_TRIES = 3,         /* of BUSY_TIMEOUT_MS each */
    GIVE_WAY_MAX_MS = 250,   /* a stopped command must not stop the daemon */
    READY_FRESH_US = 1000000 /* a commit within the last second proves that the store is writable */
};

/* ---- one transaction ------------------------------------------------------------------------------- */

static enum result begin(struct fault *f, struct store_view *v)
{
    enum result r = RESULT_UNAVAILABLE;
    v->writing = true;
    for (int i = 0; i < BEGIN_TRIES && r == RESULT_UNAVAILABLE; i++)
        r = view_exec(f, v, "BEGIN IMMEDIATE");
    v->writing = r == RESULT_OK;
    v->lasting = false;
    return r;
}

static enum result begin_politely(struct fault *f, struct store_view *v)
{
    bool mine = turn_take(v->store->turn_fd, BUSY_TIMEOUT_MS);
    enum result r = begin(f, v);
    if (mine)
        turn_leave(v->store->turn_fd);
    return r;
}

static void roll_back(struct store_view *v)
{
    struct fault f = {0};
    if (!sqlite3_get_autocommit(v->db) && view_exec(&f, v, "ROLLBACK") != RESULT_OK)
        log_fault(LEVEL_ERROR, "store.rollback", &f);
    v->writing = false;
}

/* What synchronous = FULL would do at every commit; the SQLite manual calls xSync of the log the point from which a
 * transaction survives a power cut. Nobody has been answered yet. */
static enum result wait_for_disk(struct fault *f, struct store_view *v)
{
    sqlite3_file *log = NULL;
    int rc = sqlite3_file_control(v->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (rc == SQLITE_OK && log != NULL && log->pMethods != NULL)
        rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    else
        rc = SQLITE_IOERR;
    return rc == SQLITE_OK ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "the log cannot be written to the disk (%d)", rc);
}

static enum result commit(struct fault *f, struct store_view *v)
{
    int64_t start = clock_monotonic_us();
    enum result r = view_exec(f, v, "COMMIT");
    if (r == RESULT_OK && v->lasting)
        r = wait_for_disk(f, v);
    if (r != RESULT_OK) {
        roll_back(v);
        metric_add("idbridge_store_commit_failures_total", NULL, 1);
        return f->result = r == RESULT_UNAVAILABLE ? r : RESULT_INTERNAL;
    }
    int64_t end = clock_monotonic_us();
    v->writing = false;
    atomic_store(&v->store->committed_us, end);
    metric_observe_ms("idbridge_store_commit", NULL, (double)(end - start) / 1000);
    return RESULT_OK;
}

/* ---- one job --------------------------------------------------------------------------------------- */

enum result store_keep(struct fault *f, struct store_view *v)
{
    TRY(view_exec(f, v, "RELEASE job"));
    return view_exec(f, v, "SAVEPOINT job");
}

static enum result leave_savepoint(struct fault *f, struct store_view *v, bool keep)
{
    if (!keep)
        TRY(view_exec(f, v, "ROLLBACK TO job"));
    return view_exec(f, v, "RELEASE job");
}

/* RESULT_OK: the transaction is still good, whatever the job itself said (that is in w->fault). Otherwise it is lost,
 * e.g. SQLite rolled everything back because the disk is full. */
static enum result run_job(struct fault *f, struct store_view *v, struct store_write *w)
{
    w->fault = (struct fault){0};
    TRY(view_exec(f, v, "SAVEPOINT job"));
    enum result r = w->run(&w->fault, v, w->arg);
    if (sqlite3_get_autocommit(v->db)) {
        *f = w->fault;
        return f->result != RESULT_OK ? f->result : FAULT(f, RESULT_INTERNAL, "the transaction was lost");
    }
    if (r == RESULT_OK)
        w->fault = (struct fault){0};
    else
        w->fault.result = r;
    return leave_savepoint(f, v, r == RESULT_OK);
}

/* ---- groups of jobs: the writer thread ------------------------------------------------------------- */

static enum result run_group(struct fault *f, struct store_view *v, struct store_write *first)
{
    for (struct store_write *w = first; w != NULL; w = w->next) {
        enum result r = run_job(f, v, w);
        if (r != RESULT_OK) {
            roll_back(v);
            return r;
        }
    }
    return commit(f, v);
}

static void tell(struct store_write *first, const struct fault *group)
{
    while (first != NULL) {
        struct store_write *w = first;
        first = w->next; /* done() may free or submit it again */
        w->next = NULL;
        if (group->result != RESULT_OK)
            w->fault = *group;
        w->done(w);
    }
}

static void write_group(struct store *s, struct store_write *first)
{
    struct fault f = {0};
    if (turn_take(s->turn_fd, GIVE_WAY_MAX_MS))
        turn_leave(s->turn_fd);
    pthread_mutex_lock(&s->write_lock);
    enum result r = begin(&f, &s->write);
    if (r == RESULT_OK)
        r = run_group(&f, &s->write, first);
    pthread_mutex_unlock(&s->write_lock);
    f.result = r;
    if (r != RESULT_OK)
        log_fault(LEVEL_ERROR, "store.commit", &f);
    tell(first, &f);
}

/* Waits for work; NULL when the store closes and nothing is left. */
static struct store_write *take_group(struct store *s)
{
    pthread_mutex_lock(&s->queue_lock);
    while (s->first == NULL && !s->stopping)
        pthread_cond_wait(&s->queue_filled, &s->queue_lock);
    struct store_write *first = s->first, **end = &s->first;
    unsigned n = 0;
    for (; *end != NULL && n < GROUP_MAX; n++)
        end = &(*end)->next;
    s->first = *end;
    *end = NULL;
    if (s->first == NULL)
        s->last = &s->first;
    s->queued -= n;
    pthread_mutex_unlock(&s->queue_lock);
    return n == 0 ? NULL : first;
}

static void *writer_main(void *arg)
{
    struct store *s = arg;
    struct store_write *first;
    while ((first = take_group(s)) != NULL)
        write_group(s, first);
    return NULL;
}

enum result store_writer_start(struct fault *f, struct store *s, unsigned queue_max)
{
    sigset_t all, before; /* signals belong to the main thread */
    s->queue_max = queue_max;
    s->stopping = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->writer, NULL, writer_main, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return FAULT(f, RESULT_INTERNAL, "cannot start the writer thread: %s", strerror(rc));
    s->running = true;
    return RESULT_OK;
}

void writer_stop(struct store *s)
{
    if (!s->running)
        return;
    pthread_mutex_lock(&s->queue_lock);
    s->stopping = true;
    pthread_cond_signal(&s->queue_filled);
    pthread_mutex_unlock(&s->queue_lock);
    pthread_join(s->writer, NULL);
    s->running = false;
}

static enum result enqueue(struct store *s, struct store_write *w)
{
    if (!s->running)
        return FAULT(&w->fault, RESULT_INTERNAL, "the store has no writer thread");
    if (s->stopping || s->queued >= s->queue_max)
        return FAULT(&w->fault, RESULT_OVERLOADED, "too many writes wait for the disk");
    w->next = NULL;
    *s->last = w;
    s->last = &w->next;
    s->queued++;
    pthread_cond_signal(&s->queue_filled);
    return RESULT_OK;
}

enum result store_submit(struct store *s, struct store_write *w)
{
    w->fault = (struct fault){0};
    pthread_mutex_lock(&s->queue_lock);
    enum result r = enqueue(s, w);
    pthread_mutex_unlock(&s->queue_lock);
    return r;
}

/* ---- waiting for one job --------------------------------------------------------------------------- */

struct waiting {
    struct store_write write;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool done;
};

static void waiting_done(struct store_write *w)
{
    struct waiting *it = (struct waiting *)w; /* write is the first member */
    pthread_mutex_lock(&it->lock);
    it->done = true;
    pthread_cond_signal(&it->finished);
    pthread_mutex_unlock(&it->lock);
}

static enum result submit_and_wait(struct store *s, struct waiting *it)
{
    TRY(store_submit(s, &it->write));
    pthread_mutex_lock(&it->lock);
    while (!it->done)
        pthread_cond_wait(&it->finished, &it->lock);
    pthread_mutex_unlock(&it->lock);
    return it->write.fault.result;
}

static enum result through_writer(struct fault *f, struct store *s, struct store_write w)
{
    if (pthread_equal(pthread_self(), s->writer)) /* would wait for itself */
        return FAULT(f, RESULT_INTERNAL, "store_transaction on the writer thread");
    struct waiting it = {.write = w};
    it.write.done = waiting_done;
    pthread_mutex_init(&it.lock, NULL);
    pthread_cond_init(&it.finished, NULL);
    enum result r = submit_and_wait(s, &it);
    pthread_cond_destroy(&it.finished);
    pthread_mutex_destroy(&it.lock);
    *f = it.write.fault;
    return r;
}

static enum result directly(struct fault *f, struct store_view *v, struct store_write *w)
{
    TRY(begin_politely(f, v));
    enum result r = run_job(f, v, w);
    if (r != RESULT_OK) {
        roll_back(v);
        return r;
    }
    TRY(commit(f, v));
    *f = w->fault;
    return f->result;
}

enum result store_transaction(struct fault *f, struct store *s,
                              enum result (*run)(struct fault *f, struct store_view *v, void *arg), void *arg)
{
    struct store_write w = {.run = run, .arg = arg};
    if (s->running)
        return through_writer(f, s, w);
    pthread_mutex_lock(&s->write_lock);
    enum result r = directly(f, &s->write, &w);
    pthread_mutex_unlock(&s->write_lock);
    return r;
}

/* ---- /readyz --------------------------------------------------------------------------------------- */

static enum result beat(struct fault *f, struct store_view *v, void *arg)
{
    CLEANUP(statement) struct statement st = {0};
    (void)arg;
    TRY(statement_open(f, v, "INSERT INTO meta VALUES('beat', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                       &st));
    put_int(&st, clock_now());
    return statement_run(f, &st);
}

enum result store_writable(struct fault *f, struct store *s)
{
    if (clock_monotonic_us() - atomic_load(&s->committed_us) < READY_FRESH_US)
        return RESULT_OK;
    return store_transaction(f, s, beat, NULL);
}
