/* test_wycheproof_jws.c: the 401 signed tokens of Wycheproof. No invalid one gets in; every valid one does, but for two
 * that carry '?' inside base64url, which RFC 7515 §2 does not have. */
#include "vectors.h"

static const char *const algs[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
                                   "ES384", "ES512", "HS256", "HS384", "HS512", NULL};

static const struct exception refused[] = {
    {372, "'?' inside the base64url of the header"},
    {373, "'?' inside the base64url of the payload"},
    {0, NULL},
};

/* 367 and 370 are to have padding, but the file lost it: they are byte for byte the valid 357, so nobody can refuse
 * them and accept that. test_gate.c has them with their padding. */
static bool contradicts_a_valid_one(const json_t *group, const json_t *test)
{
    const json_t *other;
    size_t i;

    json_array_foreach(json_object_get(group, "tests"), i,
                       other) if (text_equal(json_text(test, "result"), "invalid") &&
                                  text_equal(json_text(other, "result"), "valid") &&
                                  text_equal(json_text(test, "jws"), json_text(other, "jws"))) return true;
    return false;
}

static enum outcome run(const json_t *group, const json_t *test)
{
    CLEANUP(arena) struct arena *a = arena_new(4 * 1024 * 1024);
    const json_t *key = json_object_get(group, "public");
    char *jwk = json_dump_in(a, key != NULL ? key : json_object_get(group, "private"));
    const char *jws = json_text(test, "jws");
    const struct token_policy policy = {.algs = algs};
    struct token_keys *keys = NULL;
    struct token_parts parts;
    enum token_fault why;
    enum outcome got = REFUSED;

    if (contradicts_a_valid_one(group, test))
        return CONTRADICTION;
    if (token_keys_parse_one(&fault, jwk, strlen(jwk), &keys) != RESULT_OK)
        return REFUSED;
    if (token_verify(&fault, a, jws, strlen(jws), keys, &policy, &parts, &why) == RESULT_OK)
        got = ACCEPTED;
    token_keys_free(keys);
    return got;
}

static void wycheproof_jws(void **state)
{
    (void)state;
    struct counts c = run_vectors("json_web_signature_test.json", run, refused);

    assert_int_equal(401, c.valid + c.invalid);
    assert_int_equal(2, c.contradictions);
    assert_int_equal(c.invalid, c.invalid_refused + c.contradictions);
    assert_int_equal(0, c.valid_unsupported);
    assert_int_equal(46, c.valid);
    assert_int_equal(44, c.valid_accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wycheproof_jws)};
    return cmocka_run_group_tests_name("token: wycheproof jws", tests, NULL, NULL);
}
