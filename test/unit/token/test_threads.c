/* test_threads.c: one parsed key serves many threads at once, as the cpu pool uses it: nobody takes or drops a
 * reference (cjose's counts are not atomic), every token verifies, every forged one does not. */
#include "support.h"

#include <pthread.h>

enum { THREADS = 6, ROUNDS = 60 };

struct shared {
    struct pair rsa, ec;
};
struct worker {
    pthread_t thread;
    const struct shared *shared;
    int good, bad;
};

/* No cmocka assertion in here: they may only fail on the main thread. */
static bool round_trip(const struct pair *p, const char *const *algs, bool spoil)
{
    CLEANUP(arena) struct arena *a = arena_new(256 * 1024);
    json_t *claims = arena_json(a, json_pack("{s:s}", "sub", "x"));
    const struct token_policy policy = {.algs = algs};
    struct fault f = {0};
    struct token_parts parts;
    enum token_fault why;
    const char *jws = NULL;

    if (token_sign(&f, a, p->private_key, "JWT", false, claims, &jws) != RESULT_OK)
        return spoil;
    char *copy = arena_strdup(a, jws);
    if (spoil)
        copy[strlen(copy) - 10] = copy[strlen(copy) - 10] == 'A' ? 'B' : 'A';
    return token_verify(&f, a, copy, strlen(copy), p->keys, &policy, &parts, &why) == RESULT_OK;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < ROUNDS; i++) {
        w->good += round_trip(&w->shared->ec, ALGS("ES256"), false);
        w->bad += round_trip(&w->shared->ec, ALGS("ES256"), true);
        if (i % 4 == 0)
            w->good += round_trip(&w->shared->rsa, ALGS("RS256"), false);
    }
    return NULL;
}

static void one_key_serves_many_threads(void **state)
{
    (void)state;
    struct shared shared = {make_pair("RS256"), make_pair("ES256")};
    struct worker workers[THREADS] = {{0}};

    for (int i = 0; i < THREADS; i++) {
        workers[i].shared = &shared;
        assert_int_equal(0, pthread_create(&workers[i].thread, NULL, work, &workers[i]));
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_join(workers[i].thread, NULL));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(ROUNDS + ROUNDS / 4, workers[i].good);
        assert_int_equal(0, workers[i].bad);
    }
    free_pair(&shared.rsa);
    free_pair(&shared.ec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(one_key_serves_many_threads)};
    return cmocka_run_group_tests_name("token: threads", tests, NULL, NULL);
}
