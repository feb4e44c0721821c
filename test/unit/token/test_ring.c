/* test_ring.c: the life of our signing keys by a clock that the test turns: published before they sign, listed until
 * what they signed has expired, private parts gone as soon as they are not needed. On a real store in a temporary
 * folder. */
#include "support.h"

#include <ftw.h>
#include <unistd.h>

enum { PUBLISH = 600, ROTATE = 90 * 86400, RETIRE = 7 * 86400, START = 1000000 };

static char folder[32];
static struct master *master;
static struct store *store;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int open_store(void **state)
{
    setup_arena(state);
    log_setup(LEVEL_ERROR, stderr);
    memcpy(folder, "/tmp/idbridge-ring-XXXXXX", 26);
    assert_non_null(mkdtemp(folder));
    assert_ok(master_create(&fault, arena_printf(arena, "%s/master.key", folder), 0600));
    assert_ok(master_load(&fault, arena_printf(arena, "%s/master.key", folder), &master));
    assert_ok(store_open(&fault, arena_printf(arena, "%s/state", folder), STORE_CREATE, master, &store));
    return 0;
}

static int close_store(void **state)
{
    store_close(store);
    master_free(master);
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return free_test_arena(state);
}

/* ---- one step of the clock ------------------------------------------------------------------------------ */

struct step {
    int64_t now;
    bool rotate_now, emergency, changed;
};

static enum result run_step(struct fault *f, struct store_view *v, void *arg)
{
    struct step *s = arg;
    return token_ring_tend(f, v, s->now, PUBLISH, ROTATE, RETIRE, s->rotate_now, s->emergency, &s->changed);
}

static bool tend(int64_t now)
{
    struct step s = {.now = now};
    assert_ok(store_transaction(&fault, store, run_step, &s));
    return s.changed;
}

static bool rotate(int64_t now, bool emergency)
{
    struct step s = {.now = now, .rotate_now = true, .emergency = emergency};
    assert_ok(store_transaction(&fault, store, run_step, &s));
    return s.changed;
}

static struct token_ring *load(int64_t now)
{
    struct token_ring *ring = NULL;
    struct store_view *v = store_reader(&fault, store);

    assert_non_null(v);
    assert_ok(token_ring_load(&fault, v, now, &ring));
    return ring;
}

/* Who signs with this alg at this moment; how many keys are listed; when something changes. */
static const char *signer_at(int64_t now, const char *alg)
{
    struct token_ring *ring = load(now);
    const struct token_private *k = token_ring_signer(ring, alg);
    const char *kid = k != NULL ? arena_strdup(arena, token_private_kid(k)) : "";

    token_ring_free(ring);
    return kid;
}

static size_t listed_at(int64_t now)
{
    struct token_ring *ring = load(now);
    json_t *jwks = arena_json(arena, json_loads(token_ring_jwks(ring), 0, NULL));
    size_t n = json_array_size(json_object_get(jwks, "keys"));

    assert_int_equal(n, token_keys_count(token_ring_public(ring)));
    token_ring_free(ring);
    return n;
}

static int64_t change_after(int64_t now)
{
    struct token_ring *ring = load(now);
    int64_t at = token_ring_next_change(ring);

    token_ring_free(ring);
    return at;
}

static const char *token_at(int64_t now, const char *alg)
{
    struct token_ring *ring = load(now);
    const char *jws = signed_with(token_ring_signer(ring, alg), "JWT", "{\"sub\":\"x\"}");

    token_ring_free(ring);
    return jws;
}

static bool verifies_at(int64_t now, const char *jws)
{
    struct token_ring *ring = load(now);
    enum token_fault why;
    enum result r = verify(jws, token_ring_public(ring), ALGS("RS256", "ES256"), &why);

    token_ring_free(ring);
    return r == RESULT_OK;
}

struct tally {
    size_t rows, with_private;
    const char *state;
};

static enum result count_row(void *arg, const struct key_row *k)
{
    struct tally *t = arg;

    if (t->state == NULL || strcmp(t->state, k->state) == 0) {
        t->rows++;
        t->with_private += k->private_jwk != NULL;
    }
    return RESULT_OK;
}

static struct tally tally_of(const char *key_state)
{
    struct tally t = {.state = key_state};
    struct store_view *v = store_reader(&fault, store);

    assert_ok(store_key_each(&fault, v, arena, "sign", count_row, &t));
    return t;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void the_first_keys_sign_at_once(void **state)
{
    (void)state;
    assert_string_equal("", signer_at(START, "RS256"));
    assert_int_equal(0, listed_at(START));
    assert_true(tend(START));
    assert_string_not_equal("", signer_at(START, "RS256"));
    assert_string_not_equal("", signer_at(START, "ES256"));
    assert_string_equal("", signer_at(START, "PS256"));
    assert_int_equal(2, listed_at(START));
    assert_true(change_after(START) == INT64_MAX);
    assert_false(tend(START));
    assert_false(tend(START + ROTATE - 1));
}

static void a_new_key_is_listed_before_it_signs(void **state)
{
    (void)state;
    const int64_t due = START + ROTATE;

    assert_true(tend(START));
    const char *old = signer_at(START, "RS256");
    assert_true(tend(due));
    assert_int_equal(4, listed_at(due));
    assert_string_equal(old, signer_at(due, "RS256"));
    assert_string_equal(old, signer_at(due + PUBLISH - 1, "RS256"));
    assert_true(change_after(due) == due + PUBLISH);
    assert_false(tend(due + PUBLISH - 1)); /* no second successor while one waits */
    assert_string_not_equal(old, signer_at(due + PUBLISH, "RS256"));
}

/* The clock decides, not who wrote it down first: a node that tends late signs with the same key. */
static void all_nodes_agree_by_the_clock(void **state)
{
    (void)state;
    const int64_t due = START + ROTATE;

    assert_true(tend(START));
    assert_true(tend(due));
    const char *before = signer_at(due + PUBLISH, "ES256");
    assert_true(tend(due + PUBLISH + 1800));
    assert_string_equal(before, signer_at(due + PUBLISH + 1800, "ES256"));
}

static void the_old_key_stays_listed_until_it_retires(void **state)
{
    (void)state;
    const int64_t due = START + ROTATE, over = due + PUBLISH;

    assert_true(tend(START));
    assert_true(tend(due));
    const char *jws = token_at(over - 1, "RS256");
    assert_true(tend(over));
    assert_int_equal(4, listed_at(over));
    assert_int_equal(2, tally_of("retiring").rows);
    assert_int_equal(0, tally_of("retiring").with_private);
    assert_int_equal(2, tally_of("active").with_private);
    assert_true(change_after(over) == over + RETIRE);
    assert_true(verifies_at(over + RETIRE - 1, jws));
    assert_false(verifies_at(over + RETIRE, jws));
    assert_int_equal(2, listed_at(over + RETIRE));
    assert_true(tend(over + RETIRE));
    assert_int_equal(2, tally_of("retired").rows);
    assert_false(tend(over + RETIRE));
}

static void rotate_now_waits_for_publication(void **state)
{
    (void)state;
    assert_true(tend(START));
    const char *old = signer_at(START, "RS256");
    assert_true(rotate(START + 10, false));
    assert_string_equal(old, signer_at(START + 10, "RS256"));
    assert_false(rotate(START + 20, false)); /* one is on its way */
    assert_int_equal(4, listed_at(START + 20));
    assert_true(tend(START + 10 + PUBLISH));
    assert_string_not_equal(old, signer_at(START + 10 + PUBLISH, "RS256"));
}

static void an_emergency_does_not_wait(void **state)
{
    (void)state;
    assert_true(tend(START));
    const char *old = signer_at(START, "RS256"), *old_ec = signer_at(START, "ES256");
    assert_true(rotate(START + 10, true));
    assert_string_not_equal(old, signer_at(START + 10, "RS256"));
    assert_string_not_equal(old_ec, signer_at(START + 10, "ES256"));
    assert_int_equal(0, tally_of("retiring").with_private);

    /* With a successor waiting already, it takes over now. */
    assert_true(rotate(START + 20, false));
    const char *second = signer_at(START + 20, "RS256");
    assert_true(rotate(START + 30, true));
    assert_string_not_equal(second, signer_at(START + 30, "RS256"));
    assert_int_equal(0, tally_of("next").rows);
}

static void the_jwks_is_stable_and_holds_nothing_private(void **state)
{
    (void)state;
    static const char *const secret[] = {"d", "p", "q", "dp", "dq", "qi", "k"};
    json_t *key;
    size_t i;

    assert_true(tend(START));
    assert_true(rotate(START + 10, false));
    struct token_ring *one = load(START + 10), *two = load(START + 11);
    assert_string_equal(token_ring_jwks(one), token_ring_jwks(two));
    json_t *jwks = arena_json(arena, json_loads(token_ring_jwks(one), 0, NULL));
    json_array_foreach(json_object_get(jwks, "keys"), i, key)
    {
        for (size_t s = 0; s < COUNT_OF(secret); s++)
            assert_null(json_object_get(key, secret[s]));
        assert_non_null(json_text(key, "kid"));
        assert_non_null(json_text(key, "alg"));
        assert_string_equal("sig", json_text(key, "use"));
    }
    token_ring_free(one);
    token_ring_free(two);
}

/* However often somebody rotates, the JWKS stays small and planned rotation says why it waits. */
static void endless_rotation_is_bounded(void **state)
{
    (void)state;
    int64_t now = START;
    struct step s;

    assert_true(tend(now));
    for (int i = 0; i < 12; i++, now += PUBLISH) {
        assert_true(rotate(now, false));
        assert_true(tend(now + PUBLISH));
    }
    s = (struct step){.now = now, .rotate_now = true};
    assert_result(RESULT_CONFLICT, store_transaction(&fault, store, run_step, &s));
    assert_int_equal(26, listed_at(now));
    for (int i = 0; i < 2; i++)
        assert_true(rotate(now + i, true)); /* emergencies push the oldest out */
    assert_int_equal(26, listed_at(now + 2));
    assert_int_equal(4, tally_of("retired").rows);
    assert_true(tend(now + RETIRE + 2));
    assert_int_equal(2, listed_at(now + RETIRE + 2));
}

static enum result put_retired(struct fault *f, struct store_view *v, void *arg)
{
    (void)arg;
    for (int i = 0; i < 40; i++) {
        const struct key_row k = {.kid = arena_printf(arena, "old-%d", i),
                                  .use = "sign",
                                  .alg = "RS256",
                                  .public_jwk = "{}",
                                  .state = "retired",
                                  .created = i,
                                  .retire_at = i};
        TRY(store_key_put(f, v, &k));
    }
    return RESULT_OK;
}

static enum result find_row(void *arg, const struct key_row *k)
{
    return strcmp(k->kid, arg) == 0 ? RESULT_CONFLICT : RESULT_OK;
}

static void only_the_newest_retired_rows_are_kept(void **state)
{
    (void)state;
    struct store_view *v = store_reader(&fault, store);

    assert_ok(store_transaction(&fault, store, put_retired, NULL));
    assert_true(tend(START));
    assert_int_equal(24, tally_of("retired").rows);
    assert_ok(store_key_each(&fault, v, arena, "sign", find_row, arena_strdup(arena, "old-15")));
    assert_result(RESULT_CONFLICT, store_key_each(&fault, v, arena, "sign", find_row, arena_strdup(arena, "old-16")));
    assert_int_equal(2, listed_at(START));
}

/* ---- by hand ------------------------------------------------------------------------------------------ */

struct hand {
    const char *jwk, *alg, *kid;
    int64_t now;
};

static enum result run_import(struct fault *f, struct store_view *v, void *arg)
{
    struct hand *h = arg;
    return token_ring_import(f, v, arena, h->jwk, h->alg, h->now, PUBLISH, &h->kid);
}

static enum result run_retire(struct fault *f, struct store_view *v, void *arg)
{
    struct hand *h = arg;
    return token_ring_retire(f, v, arena, h->kid, h->now);
}

static void an_imported_key_is_the_next(void **state)
{
    (void)state;
    struct pair p = make_pair("ES256"), ps = make_pair("PS256");
    struct hand h = {.jwk = p.private_jwk, .now = START + 10}, wrong = {.jwk = ps.private_jwk, .now = START + 10};

    assert_true(tend(START));
    assert_ok(store_transaction(&fault, store, run_import, &h));
    assert_string_equal(p.kid, h.kid);
    assert_string_not_equal(p.kid, signer_at(START + 10, "ES256"));
    assert_string_equal(p.kid, signer_at(START + 10 + PUBLISH, "ES256"));
    assert_true(verifies_at(START + 10 + PUBLISH, token_at(START + 10 + PUBLISH, "ES256")));
    assert_result(RESULT_CONFLICT, store_transaction(&fault, store, run_import, &h));
    assert_result(RESULT_INVALID, store_transaction(&fault, store, run_import, &wrong));
    free_pair(&p);
    free_pair(&ps);
}

static void a_retired_key_is_gone_at_once(void **state)
{
    (void)state;
    assert_true(tend(START));
    const char *jws = token_at(START, "RS256");
    struct hand h = {.kid = signer_at(START, "RS256"), .now = START + 20}, none = {.kid = "none", .now = START};

    assert_result(RESULT_CONFLICT, store_transaction(&fault, store, run_retire, &h)); /* it still signs */
    assert_true(rotate(START + 10, true));
    assert_true(verifies_at(START + 20, jws));
    assert_ok(store_transaction(&fault, store, run_retire, &h));
    assert_false(verifies_at(START + 20, jws));
    assert_result(RESULT_NOT_FOUND, store_transaction(&fault, store, run_retire, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, open_store, close_store)
        STORE_TEST(the_first_keys_sign_at_once),
        STORE_TEST(a_new_key_is_listed_before_it_signs),
        STORE_TEST(all_nodes_agree_by_the_clock),
        STORE_TEST(the_old_key_stays_listed_until_it_retires),
        STORE_TEST(rotate_now_waits_for_publication),
        STORE_TEST(an_emergency_does_not_wait),
        STORE_TEST(the_jwks_is_stable_and_holds_nothing_private),
        STORE_TEST(endless_rotation_is_bounded),
        STORE_TEST(only_the_newest_retired_rows_are_kept),
        STORE_TEST(an_imported_key_is_the_next),
        STORE_TEST(a_retired_key_is_gone_at_once),
    };
    return cmocka_run_group_tests_name("token: key ring", tests, NULL, NULL);
}
