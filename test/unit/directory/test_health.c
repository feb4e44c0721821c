/* Which server is asked, and how often is one that fails tried? The servers here are ports where nobody listens: what happens
 * with real ones is in test_trouble.c and test_connections.c. */
#include "support.h"

#include <time.h>

#define NOBODY "ldap://127.0.0.1:1"
#define THREE "[directory x]\ntype = openldap\nurls = " NOBODY " ldap://127.0.0.2:1 ldap://127.0.0.3:1\npeople_base = dc=x\n"

static struct directories *all;
static struct directory *d;

static int open_three(void **state)
{
    struct fault f = {0};
    if (directories_of(&f, THREE, &all) != RESULT_OK)
        return -1;
    d = dir_find(all, "x", 1);
    return make_arena(state);
}

static int close_three(void **state)
{
    directories_free(all);
    return drop_arena(state);
}

static void order_is(size_t a, size_t b, size_t c)
{
    struct server *order[DIR_SERVERS_MAX];
    (void)pthread_mutex_lock(&d->lock);
    size_t n = dir_health_order(d, order);
    (void)pthread_mutex_unlock(&d->lock);
    assert_int_equal(n, 3);
    assert_ptr_equal(order[0], &d->servers[a]);
    assert_ptr_equal(order[1], &d->servers[b]);
    assert_ptr_equal(order[2], &d->servers[c]);
}

static void answers(size_t i, int64_t took_ms, int times)
{
    while (times-- > 0)
        dir_health_answered(&d->servers[i], took_ms * 1000);
}

static void as_configured(void **state)
{
    (void)state;
    order_is(0, 1, 2);
    answers(0, 40, 50); /* slower than the others, but not slow */
    answers(1, 1, 50);
    order_is(0, 1, 2);
}

/* One that is slow against its equals comes after them for a while, then first again. */
static void slow_ones_are_passed_over(void **state)
{
    (void)state;
    answers(1, 5, 20);
    answers(0, 5, 20);
    order_is(0, 1, 2);
    answers(0, 2000, 2);
    order_is(1, 2, 0);
    answers(1, 3, 20);
    order_is(1, 2, 0);
    d->servers[0].slow_until_us = clock_monotonic_us() - 1;
    order_is(0, 1, 2);
    answers(0, 900, 1); /* still so: passed over for longer */
    order_is(1, 2, 0);
    assert_true(d->servers[0].slow_until_us > clock_monotonic_us() + 45 * 1000000LL);
}

/* All are far away: then that is how long it takes, and the first stays the first. */
static void all_equally_slow(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++)
        answers(i, 300, 1);
    for (size_t i = 0; i < 3; i++)
        d->servers[i].slow_until_us = 0, d->servers[i].latency_us = 300000;
    answers(0, 310, 20);
    order_is(0, 1, 2);
}

static void down_ones_are_left_out(void **state)
{
    struct fault f = {.detail = "it died"};
    int64_t failed_us = clock_monotonic_us();
    (void)state;
    (void)pthread_mutex_lock(&d->lock);
    assert_true(dir_health_may_try(&d->servers[0], 0));
    assert_false(dir_health_may_try(&d->servers[0], failed_us));
    (void)pthread_mutex_unlock(&d->lock);
    dir_health_down(&d->servers[0], &f, false);
    order_is(1, 2, 0);
    (void)pthread_mutex_lock(&d->lock);
    assert_false(dir_health_may_try(&d->servers[0], 0));
    (void)pthread_mutex_unlock(&d->lock);
    dir_health_up(&d->servers[0]);
    (void)pthread_mutex_lock(&d->lock);
    assert_true(dir_health_may_try(&d->servers[0], 0));
    assert_true(dir_health_may_try(&d->servers[0], failed_us)); /* it came back since */
    assert_false(dir_health_may_try(&d->servers[0], INT64_MAX)); /* this operation waited for it in vain */
    (void)pthread_mutex_unlock(&d->lock);
}

/* A bind_dn that was refused is tried again after minutes, whichever server it is; when it works again all may be tried. */
static void refused_is_not_hammered(void **state)
{
    struct fault f = {.detail = "bind_dn is refused"};
    int64_t now = clock_monotonic_us();
    (void)state;
    dir_health_down(&d->servers[0], &f, true);
    dir_health_down(&d->servers[1], &f, true);
    (void)nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL); /* a server that is down would have been tried twice */
    (void)pthread_mutex_lock(&d->lock);
    assert_int_equal(d->servers[0].state, SERVER_REFUSED);
    assert_int_equal(d->servers[1].state, SERVER_REFUSED);
    assert_true(d->refused_next_us >= now + (DIR_REFUSED_SECONDS - 1) * 1000000LL);
    (void)pthread_mutex_unlock(&d->lock);
}

/* Nobody listens anywhere: the first question finds out, the ones after the first moments are answered at once. */
static void all_down_costs_nothing(void **state)
{
    struct fault f = {0};
    struct person p;
    for (int i = 0; i < 3; i++)
        assert_int_equal(directory_by_login(&f, *state, all, "x", "amina", &p), RESULT_UNAVAILABLE);
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->server_count; i++) {
        assert_int_equal(d->servers[i].state, SERVER_DOWN);
        d->servers[i].down_us -= 10 * 1000000LL;
    }
    (void)pthread_mutex_unlock(&d->lock);
    int64_t start = clock_monotonic_us();
    for (int i = 0; i < 100; i++)
        assert_int_equal(directory_by_login(&f, *state, all, "x", "amina", &p), RESULT_UNAVAILABLE);
    assert_in_range(clock_monotonic_us() - start, 0, 2000000);
    assert_non_null(strstr(f.detail, "known to be down: " NOBODY ": Connection refused"));
    start = clock_monotonic_us();
    directories_free(all); /* the probing threads end with it */
    all = NULL;
    assert_in_range(clock_monotonic_us() - start, 0, 5000000);
}

int main(void)
{
#define WITH_THREE(fn) cmocka_unit_test_setup_teardown(fn, open_three, close_three)
    const struct CMUnitTest tests[] = {WITH_THREE(as_configured),          WITH_THREE(slow_ones_are_passed_over),
                                       WITH_THREE(all_equally_slow),       WITH_THREE(down_ones_are_left_out),
                                       WITH_THREE(refused_is_not_hammered), WITH_THREE(all_down_costs_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
