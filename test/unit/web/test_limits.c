/* Token buckets: burst, refill, bounded memory, clocks that go back, threads. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>

static void allows_the_burst_and_refills(void **state)
{
    (void)state;
    struct limits *l = limits_new(64, 2.0, 3.0);
    assert_non_null(l);
    for (int i = 0; i < 3; i++)
        assert_true(limits_take(l, "a", 1000));
    assert_false(limits_take(l, "a", 1000));
    assert_true(limits_take(l, "b", 1000)); /* another key has its own */
    assert_false(limits_take(l, "a", 1499));
    assert_true(limits_take(l, "a", 1500));
    assert_false(limits_take(l, "a", 1500));
    for (int i = 0; i < 3; i++)
        assert_true(limits_take(l, "a", 1000000)); /* never more than the burst */
    assert_false(limits_take(l, "a", 1000000));
    limits_free(l);
}

static void a_clock_set_back_does_not_lock_out(void **state)
{
    (void)state;
    struct limits *l = limits_new(8, 1.0, 1.0);
    assert_non_null(l);
    assert_true(limits_take(l, "a", 1000000));
    assert_false(limits_take(l, "a", 1000));
    assert_true(limits_take(l, "a", 2000));
    limits_free(l);
}

/* A flood of strangers pushes out stale entries, never the one that was just seen. */
static void a_flood_takes_no_memory_and_stale_ones_give_way(void **state)
{
    (void)state;
    char key[32];
    struct limits *l = limits_new(1, 0.0, 1.0); /* one set of eight */
    assert_non_null(l);
    assert_true(limits_take(l, "kept", 1));
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof key, "stranger-%d", i);
        assert_true(limits_take(l, key, 2 + i));
        assert_false(limits_take(l, "kept", 2 + i));
    }
    limits_free(l);
}

enum { THREADS = 4, TAKES = 2000, BURST = 1000 };

static void *take_many(void *l)
{
    size_t taken = 0;
    for (int i = 0; i < TAKES; i++)
        taken += limits_take(l, "shared", 5);
    return (void *)taken;
}

static void threads_share_one_bucket(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct limits *l = limits_new(16, 0.0, BURST);
    assert_non_null(l);
    size_t taken = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, l), 0);
    for (int i = 0; i < THREADS; i++) {
        void *part;
        assert_int_equal(pthread_join(threads[i], &part), 0);
        taken += (size_t)part;
    }
    assert_int_equal(taken, BURST);
    limits_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allows_the_burst_and_refills),
        cmocka_unit_test(a_clock_set_back_does_not_lock_out),
        cmocka_unit_test(a_flood_takes_no_memory_and_stale_ones_give_way),
        cmocka_unit_test(threads_share_one_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
