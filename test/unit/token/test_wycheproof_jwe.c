/* test_wycheproof_jwe.c: the 139 encrypted tokens of Wycheproof. No invalid one is opened; every valid one of an
 * algorithm we do is opened and says what it should. */
#include "vectors.h"

static const char *const algs[] = {"RSA-OAEP", "RSA-OAEP-256",   "A128KW",         "A192KW",         "A256KW", "dir",
                                   "ECDH-ES",  "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", NULL};
static const char *const encs[] = {"A128GCM",       "A192GCM",       "A256GCM", "A128CBC-HS256",
                                   "A192CBC-HS384", "A256CBC-HS512", NULL};

/* RFC 7520 §5.9 compresses; a compressed token is refused whatever it holds (RFC 8725 §3.6). */
static const struct exception refused[] = {{135, "zip: DEF"}, {0, NULL}};

static bool unsupported(const char *alg)
{
    return text_equal(alg, "RSA1_5") || (alg != NULL && strstr(alg, "GCMKW") != NULL);
}

/* Some keys say A128KW where the tests use longer hashes, some say the `enc` of a `dir` token: the alg of the header is
 * what a caller would ask for, and the key refuses it when it does not fit. */
static enum outcome run(const json_t *group, const json_t *test)
{
    CLEANUP(arena) struct arena *a = arena_new(4 * 1024 * 1024);
    char *jwk = json_dump_in(a, json_object_get(group, "private"));
    const char *jwe = json_text(test, "jwe");
    struct token_private *key = NULL;
    struct token_parts parts;
    struct bytes plain = {0};
    const char *cty = NULL;
    enum outcome got = REFUSED;

    if (jwe == NULL || token_peek(&fault, a, jwe, strlen(jwe), &parts) != RESULT_OK)
        return REFUSED;
    if (unsupported(parts.alg))
        return UNSUPPORTED;
    if (token_private_parse(&fault, jwk, parts.alg, &key) != RESULT_OK)
        return REFUSED;
    const struct token_private *const list[] = {key};
    if (token_decrypt(&fault, a, jwe, strlen(jwe), list, 1, algs, encs, &plain, &cty) == RESULT_OK)
        got = ACCEPTED;
    if (got == ACCEPTED && text_equal(json_text(test, "result"), "valid"))
        assert_string_equal(json_text(test, "pt"), hex_encode(a, plain.data, plain.len));
    token_private_free(key);
    return got;
}

static void wycheproof_jwe(void **state)
{
    (void)state;
    struct counts c = run_vectors("json_web_encryption_test.json", run, refused);

    assert_int_equal(139, c.valid + c.invalid);
    assert_int_equal(c.invalid, c.invalid_refused);
    assert_int_equal(65, c.valid);
    assert_int_equal(14, c.valid_unsupported);
    assert_int_equal(50, c.valid_accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wycheproof_jwe)};
    return cmocka_run_group_tests_name("token: wycheproof jwe", tests, NULL, NULL);
}
