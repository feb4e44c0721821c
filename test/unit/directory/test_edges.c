/* Is what is remembered about groups never older than asked for, never mixed up, and bounded in memory, on many threads? The
 * time is a number that the test gives: no clock runs. */
#include "../../../broker/directory/edges.h"
#include "support.h"

enum { SECOND = 1000000 };

struct seen {
    size_t count;
    char last[64];
    enum result end;
};

static enum result see(void *arg, const struct edge *g)
{
    struct seen *s = arg;
    assert_string_equal(g->name, "name");
    (void)snprintf(s->last, sizeof s->last, "%s", g->dn);
    s->count++;
    return s->end;
}

static bool finds(struct edges *e, const char *key, int64_t oldest_us, struct seen *s)
{
    enum result r = RESULT_INTERNAL;
    *s = (struct seen){.end = s->end};
    bool found = edges_find(e, key, oldest_us, see, s, &r);
    assert_int_equal(r, s->count > 0 ? s->end : RESULT_OK);
    return found;
}

static void keep(struct edges *e, const char *key, const char *parent, int64_t asked_us)
{
    const struct edge g = {parent, parent, "name"};
    edges_keep(e, key, &g, parent == NULL ? 0 : 1, asked_us);
}

static void ages(void **state)
{
    struct edges *e = edges_new(1 << 20);
    struct seen s = {0};
    (void)state;
    assert_non_null(e);
    assert_false(finds(e, "cn=a", 0, &s));
    keep(e, "cn=a", "cn=b", 100 * SECOND);
    assert_true(finds(e, "cn=a", 100 * SECOND, &s));
    assert_string_equal(s.last, "cn=b");
    assert_false(finds(e, "cn=a", 100 * SECOND + 1, &s));
    assert_false(finds(e, "cn=b", 0, &s));
    keep(e, "cn=b", NULL, 100 * SECOND); /* in no group: that is knowledge */
    assert_true(finds(e, "cn=b", 100 * SECOND, &s));
    assert_int_equal(s.count, 0);
    keep(e, "cn=a", NULL, 130 * SECOND);
    keep(e, "cn=a", "cn=b", 120 * SECOND); /* a slow answer to an older question */
    assert_true(finds(e, "cn=a", 130 * SECOND, &s));
    assert_int_equal(s.count, 0);
    edges_free(e);
}

/* Two generations pass: what was kept in the first is gone, what was asked again is there. */
static void generations(void **state)
{
    struct edges *e = edges_new(1 << 20);
    struct seen s = {0};
    (void)state;
    assert_non_null(e);
    keep(e, "cn=old", "cn=x", 0);
    keep(e, "cn=a", "cn=x", 61 * SECOND);
    assert_true(finds(e, "cn=old", 0, &s)); /* of the previous generation, and its age is the caller's to judge */
    assert_false(finds(e, "cn=old", 1 * SECOND, &s));
    keep(e, "cn=old", "cn=y", 100 * SECOND);
    assert_true(finds(e, "cn=old", 40 * SECOND, &s));
    assert_string_equal(s.last, "cn=y");
    keep(e, "cn=b", "cn=x", 200 * SECOND);
    keep(e, "cn=c", "cn=x", 300 * SECOND);
    assert_false(finds(e, "cn=old", 0, &s));
    assert_false(finds(e, "cn=a", 0, &s));
    assert_true(finds(e, "cn=b", 0, &s) && finds(e, "cn=c", 0, &s));
    edges_free(e);
}

static void an_end_in_the_middle(void **state)
{
    const struct edge two[] = {{"cn=b", "cn=b", "name"}, {"cn=c", "CN=c", "name"}};
    struct edges *e = edges_new(1 << 20);
    struct seen s = {.end = RESULT_INVALID};
    (void)state;
    assert_non_null(e);
    edges_keep(e, "cn=a", two, 2, 1);
    assert_true(finds(e, "cn=a", 1, &s));
    assert_int_equal(s.count, 1);
    s.end = RESULT_OK;
    assert_true(finds(e, "cn=a", 1, &s));
    assert_int_equal(s.count, 2);
    edges_free(e);
}

/* Far more than fits: nothing fails, the newest are there, and what is larger than everything is not kept. */
static void bounded(void **state)
{
    enum { MANY = 20000, ROOM = 256 << 10 };
    struct edges *e = edges_new(ROOM);
    struct seen s = {0};
    char key[32];
    size_t there = 0;
    (void)state;
    assert_non_null(e);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "cn=%d", i);
        keep(e, key, "cn=parent,ou=groups,dc=health,dc=example", SECOND);
        assert_true(finds(e, key, SECOND, &s));
    }
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "cn=%d", i);
        there += finds(e, key, SECOND, &s);
    }
    assert_in_range(there, 100, ROOM / 100);
    char *large = malloc(ROOM + 1);
    assert_non_null(large);
    memset(large, 'x', ROOM);
    large[ROOM] = '\0';
    keep(e, "cn=large", large, SECOND);
    assert_false(finds(e, "cn=large", 0, &s));
    free(large);
    edges_free(e);
}

/* ---- many threads: each key has one parent, made of the key */

static struct edges *shared;

static enum result check_parent(void *arg, const struct edge *g)
{
    assert_true(text_has_prefix(g->dn, "parent-of-") && strcmp(g->dn + strlen("parent-of-"), arg) == 0);
    return RESULT_OK;
}

static void *hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)arg;
    char key[32], parent[64];
    enum result r;
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "cn=%d", rand_r(&seed) % 3000);
        (void)snprintf(parent, sizeof parent, "parent-of-%s", key);
        if (!edges_find(shared, key, (i - 2000) * 10000LL, check_parent, key, &r))
            keep(shared, key, parent, i * 10000LL);
    }
    return NULL;
}

static void threads(void **state)
{
    pthread_t list[4];
    (void)state;
    shared = edges_new(512 << 10);
    assert_non_null(shared);
    for (size_t i = 0; i < COUNT_OF(list); i++)
        assert_int_equal(pthread_create(&list[i], NULL, hammer, (void *)(i + 1)), 0);
    for (size_t i = 0; i < COUNT_OF(list); i++)
        pthread_join(list[i], NULL);
    edges_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ages), cmocka_unit_test(generations), cmocka_unit_test(an_end_in_the_middle),
                                       cmocka_unit_test(bounded), cmocka_unit_test(threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
