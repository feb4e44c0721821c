/* test_wycheproof_jwk.c: the 26 key sets of Wycheproof: weak, mixed, ambiguous or mislabelled keys verify nothing. */
#include "vectors.h"

static const char *const algs[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
                                   "ES384", "ES512", "HS256", "HS384", "HS512", NULL};

static enum outcome run(const json_t *group, const json_t *test)
{
    CLEANUP(arena) struct arena *a = arena_new(4 * 1024 * 1024);
    const json_t *set = json_object_get(group, "public");
    char *jwks = json_dump_in(a, set != NULL ? set : json_object_get(group, "private"));
    const char *jws = json_text(test, "jws");
    const struct token_policy policy = {.algs = algs};
    struct token_keys *keys = NULL;
    struct token_parts parts;
    enum token_fault why;
    enum outcome got = REFUSED;

    if (token_keys_parse(&fault, jwks, strlen(jwks), &keys) != RESULT_OK)
        return REFUSED;
    if (token_verify(&fault, a, jws, strlen(jws), keys, &policy, &parts, &why) == RESULT_OK)
        got = ACCEPTED;
    token_keys_free(keys);
    return got;
}

static void wycheproof_jwk(void **state)
{
    (void)state;
    struct counts c = run_vectors("json_web_key_test.json", run, NULL);

    assert_int_equal(26, c.valid + c.invalid);
    assert_int_equal(c.invalid, c.invalid_refused);
    assert_int_equal(5, c.valid);
    assert_int_equal(5, c.valid_accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wycheproof_jwk)};
    return cmocka_run_group_tests_name("token: wycheproof jwk", tests, NULL, NULL);
}
