/* Snapshots and pools, alone and under eight threads; run it under ThreadSanitizer too (make build/tsan/...). */
#include "unit.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- snapshots ------------------------------------------------------------------------------------ */

struct value {
    int number, twice; /* always number * 2 */
};

static atomic_int alive;

static struct value *value_new(int n)
{
    struct value *v = malloc(sizeof *v);
    assert_non_null(v);
    *v = (struct value){n, 2 * n};
    atomic_fetch_add(&alive, 1);
    return v;
}

static void value_free(void *p)
{
    struct value *v = p;
    v->twice = -1;
    free(v);
    atomic_fetch_sub(&alive, 1);
}

static void test_snapshot_lives_as_long_as_it_is_borrowed(void **state)
{
    (void)state;
    struct snapshot_slot *slot = snapshot_slot_new();
    assert_non_null(slot);
    CLEANUP(arena) struct arena *a = arena_new(4096);
    assert_null(snapshot_slot_borrow(slot));
    assert_null(snapshot_slot_value(slot, a));
    snapshot_slot_set(slot, snapshot_new(value_new(1), value_free));
    struct snapshot *first = snapshot_slot_borrow(slot);
    {
        CLEANUP(arena) struct arena *b = arena_new(4096);
        struct value *v = snapshot_slot_value(slot, b);
        snapshot_slot_set(slot, snapshot_new(value_new(2), value_free));
        assert_int_equal(v->number, 1);
        assert_int_equal(((struct value *)snapshot_slot_value(slot, b))->number, 2);
        assert_int_equal(atomic_load(&alive), 2);
    }
    assert_int_equal(((struct value *)snapshot_value(first))->twice, 2);
    assert_int_equal(atomic_load(&alive), 2);
    snapshot_release(first);
    assert_int_equal(atomic_load(&alive), 1);
    CLEANUP(arena) struct arena *none = arena_new(0);
    assert_null(snapshot_slot_value(slot, none)); /* cannot be kept: given back */
    snapshot_slot_set(slot, NULL);
    assert_int_equal(atomic_load(&alive), 0);
    snapshot_slot_free(slot);
    snapshot_slot_free(NULL);
    snapshot_release(NULL);
    assert_null(snapshot_value(NULL));
}

static struct snapshot_slot *shared;
static atomic_bool stop;
static atomic_int mismatches;

static void *read_shared(void *arg)
{
    (void)arg;
    int last = 0;
    while (!atomic_load(&stop)) {
        struct snapshot *s = snapshot_slot_borrow(shared);
        const struct value *v = snapshot_value(s);
        if (v->twice != 2 * v->number || v->number < last)
            atomic_fetch_add(&mismatches, 1);
        last = v->number;
        snapshot_release(s);
    }
    return NULL;
}

static void test_snapshot_under_threads(void **state)
{
    (void)state;
    pthread_t readers[8];
    shared = snapshot_slot_new();
    assert_non_null(shared);
    snapshot_slot_set(shared, snapshot_new(value_new(0), value_free));
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_shared, NULL), 0);
    for (int i = 1; i <= 3000; i++)
        snapshot_slot_set(shared, snapshot_new(value_new(i), value_free));
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&alive), 1);
    snapshot_slot_free(shared);
    assert_int_equal(atomic_load(&alive), 0);
    assert_int_equal(atomic_load(&mismatches), 0);
}

/* ---- pools ---------------------------------------------------------------------------------------- */

struct counted {
    struct job job;
    atomic_int *runs;
    sem_t *gate, *started; /* waits here when set */
    int64_t seen_queued;
};

static void run_counted(struct job *j)
{
    struct counted *c = (struct counted *)(void *)j;
    c->seen_queued = j->queued_us;
    if (c->started != NULL)
        sem_post(c->started);
    if (c->gate != NULL)
        sem_wait(c->gate);
    atomic_fetch_add(c->runs, 1);
}

static void test_pool_refuses_when_full_and_runs_the_rest_at_stop(void **state)
{
    (void)state;
    atomic_int runs = 0;
    sem_t gate, started;
    sem_init(&gate, 0, 0);
    sem_init(&started, 0, 0);
    struct counted jobs[5];
    struct pool *p = pool_new("directory-staff-of-the-ministry", 1, 3);
    assert_non_null(p);
    assert_string_equal(pool_name(p), "directory-staff-of-the-ministry");
    for (size_t i = 0; i < COUNT_OF(jobs); i++)
        jobs[i] = (struct counted){.job.run = run_counted, .runs = &runs, .gate = &gate, .started = &started};
    assert_result(RESULT_OK, pool_submit(p, &jobs[0].job));
    sem_wait(&started); /* it runs now and counts no more as waiting */
    assert_int_equal(pool_waiting(p), 0);
    for (size_t i = 1; i <= 3; i++)
        assert_result(RESULT_OK, pool_submit(p, &jobs[i].job));
    assert_int_equal(pool_waiting(p), 3);
    jobs[4].job.queued_us = 42;
    jobs[4].job.next = &jobs[0].job;
    assert_result(RESULT_OVERLOADED, pool_submit(p, &jobs[4].job));
    assert_int_equal(jobs[4].job.queued_us, 42);
    assert_ptr_equal(jobs[4].job.next, &jobs[0].job);
    for (int i = 0; i < 4; i++)
        sem_post(&gate);
    pool_free(p);
    assert_int_equal(atomic_load(&runs), 4);
    assert_true(jobs[3].seen_queued > 0);
    sem_destroy(&gate);
    sem_destroy(&started);
    pool_free(NULL);
    assert_null(pool_new("none", 0, 1));
}

static void *submit_many(void *arg)
{
    struct pool *p = ((void **)arg)[0];
    struct counted *jobs = ((void **)arg)[1];
    size_t accepted = 0;
    for (size_t i = 0; i < 5000; i++) {
        while (pool_submit(p, &jobs[i].job) == RESULT_OVERLOADED)
            usleep(50);
        accepted++;
    }
    return (void *)accepted;
}

static void test_pool_under_load(void **state)
{
    (void)state;
    static struct counted jobs[8][5000];
    static atomic_int runs[8][5000];
    pthread_t threads[8];
    void *args[8][2];
    struct pool *p = pool_new("load", 8, 64);
    assert_non_null(p);
    for (size_t t = 0; t < 8; t++) {
        for (size_t i = 0; i < 5000; i++)
            jobs[t][i] = (struct counted){.job.run = run_counted, .runs = &runs[t][i]};
        args[t][0] = p;
        args[t][1] = jobs[t];
        assert_int_equal(pthread_create(&threads[t], NULL, submit_many, args[t]), 0);
    }
    for (size_t t = 0; t < 8; t++) {
        void *accepted;
        pthread_join(threads[t], &accepted);
        assert_int_equal((uintptr_t)accepted, 5000);
    }
    pool_free(p);
    for (size_t t = 0; t < 8; t++)
        for (size_t i = 0; i < 5000; i++)
            assert_int_equal(atomic_load(&runs[t][i]), 1);
}

struct ordered {
    struct job job;
    int number;
};
static int sequence[100], sequence_len;

static void run_ordered(struct job *j)
{
    sequence[sequence_len++] = ((struct ordered *)(void *)j)->number;
}

static void test_pool_keeps_the_order(void **state)
{
    (void)state;
    struct ordered jobs[100];
    struct pool *p = pool_new("order", 1, 100);
    assert_non_null(p);
    for (int i = 0; i < 100; i++) {
        jobs[i] = (struct ordered){.job.run = run_ordered, .number = i};
        assert_result(RESULT_OK, pool_submit(p, &jobs[i].job));
    }
    pool_free(p);
    assert_int_equal(sequence_len, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(sequence[i], i);
}

static struct pool *chain_pool;
static atomic_int chained, refused;

static void run_chain(struct job *j)
{
    if (atomic_fetch_add(&chained, 1) < 1000 && pool_submit(chain_pool, j) != RESULT_OK)
        atomic_fetch_add(&refused, 1);
}

/* A login's step hands its own job on, so a job may be submitted again from its run(). */
static void test_job_resubmits_itself(void **state)
{
    (void)state;
    struct job j = {.run = run_chain};
    chain_pool = pool_new("chain", 2, 1);
    assert_non_null(chain_pool);
    assert_result(RESULT_OK, pool_submit(chain_pool, &j));
    for (int i = 0; i < 5000 && atomic_load(&chained) <= 1000; i++)
        usleep(1000);
    pool_free(chain_pool);
    assert_int_equal(atomic_load(&refused), 0);
    assert_int_equal(atomic_load(&chained), 1001);
}

static sigset_t worker_mask;

static void run_mask(struct job *j)
{
    (void)j;
    pthread_sigmask(SIG_SETMASK, NULL, &worker_mask);
}

static void test_workers_leave_signals_to_main(void **state)
{
    (void)state;
    sigset_t mine;
    struct job j = {.run = run_mask};
    struct pool *p = pool_new("mask", 1, 1);
    assert_non_null(p);
    assert_result(RESULT_OK, pool_submit(p, &j));
    pool_free(p);
    assert_true(sigismember(&worker_mask, SIGTERM) == 1);
    assert_true(sigismember(&worker_mask, SIGHUP) == 1);
    assert_true(sigismember(&worker_mask, SIGSEGV) == 0);
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_true(sigismember(&mine, SIGTERM) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_lives_as_long_as_it_is_borrowed),
        cmocka_unit_test(test_snapshot_under_threads),
        cmocka_unit_test(test_pool_refuses_when_full_and_runs_the_rest_at_stop),
        cmocka_unit_test(test_pool_under_load),
        cmocka_unit_test(test_pool_keeps_the_order),
        cmocka_unit_test(test_job_resubmits_itself),
        cmocka_unit_test(test_workers_leave_signals_to_main),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
