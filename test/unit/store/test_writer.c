/* The writer: group commit, savepoints, full queues, failed commits, many threads; readers per thread. */
#include "rig.h"

#include <semaphore.h>

enum { THREADS = 8, EACH = 200, FAR = 2000000000 };

/* ---- a job that adds one value, and can be told to refuse ------------------------------------------- */

struct adding {
    struct store_write write;
    const char *value;
    enum result then;
    bool keep;
    sem_t *told;
};

static enum result add_value(struct fault *f, struct store_view *v, void *arg)
{
    const struct adding *a = arg;
    TRY(store_once(f, v, "value", a->value, FAR));
    if (a->keep)
        TRY(store_keep(f, v));
    return a->then == RESULT_OK ? RESULT_OK : FAULT(f, a->then, "told to refuse");
}

static void tell(struct store_write *w)
{
    sem_post(((struct adding *)w)->told);
}

static void prepare(struct adding *a, const char *value, sem_t *told)
{
    *a = (struct adding){.value = value, .told = told, .write = {.run = add_value, .done = tell}};
    a->write.arg = a;
}

static int64_t values(struct rig *rig)
{
    return rig_number(rig, "SELECT count(*) FROM once");
}

static void refused_jobs_leave_their_neighbours_alone(void **state)
{
    struct rig *rig = *state;
    struct adding jobs[4];
    static const char *const names[] = {"a", "b", "c", "d"};
    sem_t told;
    sem_init(&told, 0, 0);
    for (size_t i = 0; i < 4; i++)
        prepare(&jobs[i], names[i], &told);
    jobs[1].then = RESULT_DENIED;
    jobs[2].then = RESULT_DENIED, jobs[2].keep = true;
    OK(store_writer_start(F, rig->store, 100));
    for (size_t i = 0; i < 4; i++)
        OK(store_submit(rig->store, &jobs[i].write));
    for (size_t i = 0; i < 4; i++)
        sem_wait(&told);
    assert_int_equal(jobs[0].write.fault.result, RESULT_OK);
    assert_int_equal(jobs[1].write.fault.result, RESULT_DENIED);
    assert_string_equal(jobs[1].write.fault.detail, "told to refuse");
    assert_int_equal(jobs[2].write.fault.result, RESULT_DENIED);
    assert_int_equal(jobs[3].write.fault.result, RESULT_OK);
    assert_int_equal(values(rig), 3); /* all but b */
    sem_destroy(&told);
}

static void without_the_thread_it_is_the_same(void **state)
{
    struct rig *rig = *state;
    struct adding a;
    prepare(&a, "a", NULL);
    REFUSED(store_submit(rig->store, &a.write), RESULT_INTERNAL);
    OK(store_transaction(F, rig->store, add_value, &a));
    REFUSED(store_transaction(F, rig->store, add_value, &a), RESULT_CONFLICT);
    a.value = "b", a.then = RESULT_TIMEOUT;
    REFUSED(store_transaction(F, rig->store, add_value, &a), RESULT_TIMEOUT);
    assert_int_equal(values(rig), 1);
    a.keep = true;
    REFUSED(store_transaction(F, rig->store, add_value, &a), RESULT_TIMEOUT);
    assert_int_equal(values(rig), 2);
}

/* ---- queue and closing ------------------------------------------------------------------------------ */

static void a_full_queue_refuses_at_once_and_closing_commits_the_rest(void **state)
{
    struct rig *rig = *state;
    struct adding jobs[6];
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    sem_t told;
    int taken = 0;
    sem_init(&told, 0, 0);
    OK(store_writer_start(F, rig->store, 3));
    pthread_mutex_lock(&rig->store->write_lock); /* the disk hangs */
    for (size_t i = 0; i < 6; i++) {
        prepare(&jobs[i], names[i], &told);
        enum result r = store_submit(rig->store, &jobs[i].write);
        assert_true(r == RESULT_OK || r == RESULT_OVERLOADED);
        taken += r == RESULT_OK;
    }
    assert_int_equal(jobs[5].write.fault.result, RESULT_OVERLOADED);
    assert_in_range(taken, 3, 5); /* three wait; up to three more may be in the writer's hands */
    pthread_mutex_unlock(&rig->store->write_lock);
    rig_close(rig);
    for (int i = 0; i < taken; i++)
        assert_int_equal(sem_trywait(&told), 0);
    assert_int_not_equal(sem_trywait(&told), 0);
    rig_open(rig);
    assert_int_equal(values(rig), taken);
    sem_destroy(&told);
}

/* ---- failures of the commit itself ------------------------------------------------------------------- */

static int refuse_commit(void *arg)
{
    (void)arg;
    return 1;
}

static void a_failed_commit_fails_everybody(void **state)
{
    struct rig *rig = *state;
    struct adding jobs[3];
    static const char *const names[] = {"a", "a", "c"}; /* the second would be a conflict with the first */
    sem_t told;
    sem_init(&told, 0, 0);
    OK(store_writer_start(F, rig->store, 100));
    pthread_mutex_lock(&rig->store->write_lock);
    sqlite3_commit_hook(rig->store->write.db, refuse_commit, NULL);
    log_setup(LEVEL_ERROR + 1, stderr);
    for (size_t i = 0; i < 3; i++) {
        prepare(&jobs[i], names[i], &told);
        OK(store_submit(rig->store, &jobs[i].write));
    }
    pthread_mutex_unlock(&rig->store->write_lock);
    for (size_t i = 0; i < 3; i++)
        sem_wait(&told);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(jobs[i].write.fault.result, RESULT_INTERNAL);
    assert_int_equal(values(rig), 0);
    pthread_mutex_lock(&rig->store->write_lock);
    sqlite3_commit_hook(rig->store->write.db, NULL, NULL);
    pthread_mutex_unlock(&rig->store->write_lock);
    OK(store_transaction(F, rig->store, add_value, &jobs[0])); /* and it goes on */
    assert_int_equal(values(rig), 1);
    sem_destroy(&told);
}

static enum result lose_transaction(struct fault *f, struct store_view *v, void *arg)
{
    (void)arg;
    return view_exec(f, v, "ROLLBACK");
}

static void a_lost_transaction_is_noticed(void **state)
{
    struct rig *rig = *state;
    struct adding a;
    prepare(&a, "a", NULL);
    REFUSED(store_transaction(F, rig->store, lose_transaction, NULL), RESULT_INTERNAL);
    OK(store_transaction(F, rig->store, add_value, &a));
    log_setup(LEVEL_ERROR + 1, stderr);
    OK(store_writer_start(F, rig->store, 10));
    REFUSED(store_transaction(F, rig->store, lose_transaction, NULL), RESULT_INTERNAL);
    a.value = "b";
    OK(store_transaction(F, rig->store, add_value, &a));
    assert_int_equal(values(rig), 2);
}

static enum result fill(struct fault *f, struct store_view *v, void *arg)
{
    return store_setting_put(f, v, "large", arg);
}

static void a_full_disk(void **state)
{
    struct rig *rig = *state;
    struct adding a;
    char *large = arena_alloc(rig->arena, 1 << 20);
    char sql[64];
    memset(large, 'x', (1 << 20) - 1);
    prepare(&a, "a", NULL);
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)rig_number(rig, "PRAGMA page_count") + 20);
    OK(connection_exec(F, rig->store->write.db, sql));
    log_setup(LEVEL_ERROR + 1, stderr);
    REFUSED(store_transaction(F, rig->store, fill, large), RESULT_INTERNAL);
    OK(store_transaction(F, rig->store, add_value, &a));
    OK(connection_exec(F, rig->store->write.db, "PRAGMA max_page_count = 1000000"));
    OK(store_transaction(F, rig->store, fill, large));
}

static void ready_means_writable(void **state)
{
    struct rig *rig = *state;
    OK(store_writer_start(F, rig->store, 10));
    OK(store_writable(F, rig->store));
    OK(store_writable(F, rig->store)); /* within the second: no commit of its own */
    atomic_store(&rig->store->committed_us, 0);
    pthread_mutex_lock(&rig->store->write_lock);
    sqlite3_commit_hook(rig->store->write.db, refuse_commit, NULL);
    pthread_mutex_unlock(&rig->store->write_lock);
    log_setup(LEVEL_ERROR + 1, stderr);
    REFUSED(store_writable(F, rig->store), RESULT_INTERNAL);
    atomic_store(&rig->store->committed_us, clock_monotonic_us());
    OK(store_writable(F, rig->store));
}

/* ---- what happens on the writer thread --------------------------------------------------------------- */

struct chained {
    struct adding first, second;
    struct store *store;
    enum result submitted, transaction;
};

static void submit_next(struct store_write *w)
{
    struct chained *c = (struct chained *)w;
    struct fault f;
    c->submitted = store_submit(c->store, &c->second.write);
    c->transaction = store_transaction(&f, c->store, add_value, &c->second); /* would wait for itself */
    sem_post(c->first.told);
}

static void done_may_submit_but_not_wait(void **state)
{
    struct rig *rig = *state;
    struct chained c = {.store = rig->store};
    sem_t told;
    sem_init(&told, 0, 0);
    prepare(&c.first, "a", &told);
    prepare(&c.second, "b", &told);
    c.first.write.done = submit_next;
    OK(store_writer_start(F, rig->store, 10));
    OK(store_submit(rig->store, &c.first.write));
    sem_wait(&told);
    sem_wait(&told);
    assert_int_equal(c.submitted, RESULT_OK);
    assert_int_equal(c.transaction, RESULT_INTERNAL);
    assert_int_equal(values(rig), 2);
    sem_destroy(&told);
}

/* ---- many threads ------------------------------------------------------------------------------------ */

struct crowd {
    struct store *store;
    int number, ok, conflict, other;
    const char *successor;
    struct arena *arena;
};

static void crowd_run(struct rig *rig, struct crowd crowd[THREADS], void *(*body)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){.store = rig->store, .number = i, .arena = arena_new(1 << 20)};
        assert_int_equal(pthread_create(&threads[i], NULL, body, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static int crowd_end(struct crowd crowd[THREADS])
{
    int ok = 0;
    for (int i = 0; i < THREADS; i++) {
        ok += crowd[i].ok;
        arena_free(crowd[i].arena);
    }
    return ok;
}

static void note(struct crowd *c, enum result r)
{
    *(r == RESULT_OK ? &c->ok : r == RESULT_CONFLICT ? &c->conflict : &c->other) += 1;
}

static void *add_many(void *arg)
{
    struct crowd *c = arg;
    struct fault f;
    for (int i = 0; i < EACH; i++) {
        char value[32];
        struct adding a = {.value = value};
        snprintf(value, sizeof value, "%d/%d", c->number, i);
        note(c, store_transaction(&f, c->store, add_value, &a));
    }
    return NULL;
}

static void eight_threads(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd[THREADS];
    OK(store_writer_start(F, rig->store, 1000));
    crowd_run(rig, crowd, add_many);
    assert_int_equal(crowd_end(crowd), THREADS * EACH);
    assert_int_equal(values(rig), THREADS * EACH);
}

static void eight_threads_without_the_writer_thread(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd[THREADS];
    crowd_run(rig, crowd, add_many);
    assert_int_equal(crowd_end(crowd), THREADS * EACH);
    assert_int_equal(values(rig), THREADS * EACH);
}

static enum result redeem(struct fault *f, struct store_view *v, void *arg)
{
    struct grant g;
    const char *family;
    return store_code_redeem(f, v, ((struct crowd *)arg)->arena, "code", "c", 1001, &g, &family);
}

static void *redeem_once(void *arg)
{
    struct crowd *c = arg;
    struct fault f;
    note(c, store_transaction(&f, c->store, redeem, c));
    return NULL;
}

static const struct grant grant = {.client_id = "c", .family = "fam", .data = "{}", .created = 1000, .expires = 1060};

static void one_code_eight_redeems(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd[THREADS];
    OK(store_code_add(F, rig_begin(rig), "code", &grant));
    rig_commit(rig);
    OK(store_writer_start(F, rig->store, 1000));
    crowd_run(rig, crowd, redeem_once);
    int conflicts = 0;
    for (int i = 0; i < THREADS; i++)
        conflicts += crowd[i].conflict;
    assert_int_equal(crowd_end(crowd), 1);
    assert_int_equal(conflicts, THREADS - 1);
}

static enum result rotate(struct fault *f, struct store_view *v, void *arg)
{
    struct crowd *c = arg;
    struct grant g;
    char next[16];
    snprintf(next, sizeof next, "next %d", c->number);
    return store_refresh_rotate(f, v, c->arena, "token", next, next, 1001, 2000, 30, &g, &c->successor);
}

static void *rotate_once(void *arg)
{
    struct crowd *c = arg;
    struct fault f;
    note(c, store_transaction(&f, c->store, rotate, c));
    return NULL;
}

static void one_refresh_token_eight_rotations(void **state)
{
    struct rig *rig = *state;
    struct crowd crowd[THREADS];
    char winner[16] = "";
    OK(store_refresh_add(F, rig_begin(rig), "token", &grant));
    rig_commit(rig);
    OK(store_writer_start(F, rig->store, 1000));
    crowd_run(rig, crowd, rotate_once);
    for (int i = 0; i < THREADS; i++)
        if (crowd[i].ok)
            snprintf(winner, sizeof winner, "next %d", crowd[i].number);
    for (int i = 0; i < THREADS; i++)
        if (!crowd[i].ok)
            assert_string_equal(crowd[i].successor, winner);
    assert_int_equal(crowd_end(crowd), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM refresh"), 2);
}

/* ---- readers ----------------------------------------------------------------------------------------- */

static void *take_reader(void *arg)
{
    struct fault f;
    struct store_view *v = store_reader(&f, arg);
    return v == store_reader(&f, arg) ? v : NULL;
}

static void a_reader_per_thread(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;
    void *theirs;
    struct store_view *mine = rig_reader(rig);
    assert_ptr_equal(mine, rig_reader(rig));
    pthread_create(&thread, NULL, take_reader, rig->store);
    pthread_join(thread, &theirs);
    assert_non_null(theirs);
    assert_ptr_not_equal(theirs, mine);
    assert_ptr_equal(&rig->store->readers->view, mine); /* theirs was closed with its thread */
    assert_null(rig->store->readers->next);
}

static void readers_see_what_is_committed(void **state)
{
    struct rig *rig = *state;
    const char *value;
    struct store_view *v = rig_begin(rig);
    OK(store_setting_put(F, v, "a", "1"));
    REFUSED(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value), RESULT_NOT_FOUND);
    rig_commit(rig);
    OK(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value));
    rig_sql(rig, "UPDATE setting SET value = '2'"); /* no old snapshot stays open */
    OK(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value));
    assert_string_equal(value, "2");
}

/* ---- what waits for the disk ------------------------------------------------------------------------ */

static sqlite3_io_methods counted;
static int (*sync_of_file)(sqlite3_file *, int);
static int syncs, sync_answer;

static int counting_sync(sqlite3_file *file, int flags)
{
    syncs++;
    return sync_answer != SQLITE_OK ? sync_answer : sync_of_file(file, flags);
}

/* Puts a counter in front of the xSync of the write-ahead log. */
static void count_syncs(struct rig *rig)
{
    sqlite3_file *log = NULL;
    sqlite3_file_control(rig->store->write.db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    assert_non_null(log);
    counted = *log->pMethods;
    sync_of_file = counted.xSync;
    counted.xSync = counting_sync;
    log->pMethods = &counted;
    syncs = 0;
    sync_answer = SQLITE_OK;
}

static enum result add_setting(struct fault *f, struct store_view *v, void *arg)
{
    return store_setting_put(f, v, arg, "value");
}

static void what_lasts_waits_for_the_disk_what_passes_does_not(void **state)
{
    struct rig *rig = *state;
    struct adding a;
    prepare(&a, "a", NULL);
    OK(store_transaction(F, rig->store, add_setting, "zero")); /* the log's header */
    count_syncs(rig);
    OK(store_transaction(F, rig->store, add_value, &a));
    assert_int_equal(syncs, 0);
    OK(store_transaction(F, rig->store, add_setting, "one"));
    assert_int_equal(syncs, 1);
    prepare(&a, "b", NULL);
    OK(store_transaction(F, rig->store, add_value, &a));
    assert_int_equal(syncs, 1); /* the setting before it asks for nothing now */
}

static void a_disk_that_fails_is_told(void **state)
{
    struct rig *rig = *state;
    OK(store_transaction(F, rig->store, add_setting, "zero"));
    count_syncs(rig);
    sync_answer = SQLITE_IOERR_FSYNC;
    REFUSED(store_transaction(F, rig->store, add_setting, "one"), RESULT_INTERNAL);
    sync_answer = SQLITE_OK;
    OK(store_transaction(F, rig->store, add_setting, "two"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_jobs_leave_their_neighbours_alone), TEST(without_the_thread_it_is_the_same),
        TEST(a_full_queue_refuses_at_once_and_closing_commits_the_rest), TEST(a_failed_commit_fails_everybody),
        TEST(a_lost_transaction_is_noticed), TEST(a_full_disk), TEST(ready_means_writable),
        TEST(done_may_submit_but_not_wait), TEST(eight_threads), TEST(eight_threads_without_the_writer_thread),
        TEST(one_code_eight_redeems), TEST(one_refresh_token_eight_rotations), TEST(a_reader_per_thread),
        TEST(readers_see_what_is_committed),
        TEST(what_lasts_waits_for_the_disk_what_passes_does_not), TEST(a_disk_that_fails_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
