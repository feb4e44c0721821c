/* test_keys.c: which keys of a JWKS are taken, and how keys that share a kid or carry none are tried. */
#include "support.h"

static struct token_keys *parse(const char *json)
{
    struct token_keys *keys = NULL;

    assert_ok(token_keys_parse(&fault, json, strlen(json), &keys));
    return keys;
}

/* A key's JSON with members set (text) or taken away (NULL). */
static const char *with(const char *jwk, const char *member, const char *value)
{
    json_t *j = arena_json(arena, json_loads(jwk, 0, NULL));

    assert_non_null(j);
    if (value == NULL)
        json_object_del(j, member);
    else
        json_object_set_new(j, member, json_loads(value, JSON_DECODE_ANY, NULL));
    return json_compact(arena, j);
}

static const char *set_of(const char *one, const char *two)
{
    return arena_printf(arena, "{\"keys\":[%s%s%s]}", one, two != NULL ? "," : "", two != NULL ? two : "");
}

/* eSignet publishes several keys of one kid. */
static void keys_of_one_kid_are_all_tried(void **state)
{
    (void)state;
    struct pair one = make_pair("ES256"), two = make_pair("ES256");
    const char *kid = arena_printf(arena, "\"%s\"", one.kid);
    struct token_keys *set = parse(set_of(with(two.public_jwk, "kid", kid), one.public_jwk));

    assert_int_equal(2, token_keys_count(set));
    assert_verified(signed_with(one.private_key, NULL, "{}"), set, ALGS("ES256"));
    assert_refused(signed_with(two.private_key, NULL, "{}"), set, ALGS("ES256"), TOKEN_NO_KEY); /* its kid is gone */
    token_keys_free(set);
    set = parse(set_of(with(two.public_jwk, "kid", kid), NULL));
    assert_refused(signed_with(one.private_key, NULL, "{}"), set, ALGS("ES256"), TOKEN_SIGNATURE);
    token_keys_free(set);
    free_pair(&one);
    free_pair(&two);
}

static void at_most_eight_keys_are_tried(void **state)
{
    (void)state;
    struct pair good = make_pair("ES256");
    CLEANUP(buf) struct buf json;
    const char *jws = NULL;
    json_t *claims = arena_json(arena, json_object());

    assert_ok(token_sign(&fault, arena, good.private_key, NULL, true, claims, &jws));
    for (int others = 7; others <= 8; others++) {
        buf_init(&json, 64 * 1024);
        buf_text(&json, "{\"keys\":[");
        for (int i = 0; i < others; i++) {
            const char *kid, *priv, *pub;
            assert_ok(token_generate(&fault, arena, "ES256", NULL, &kid, &priv, &pub));
            buf_printf(&json, "%s,", pub);
        }
        buf_printf(&json, "%s]}", good.public_jwk);
        struct token_keys *set = parse(json.data);
        if (others == 7)
            assert_verified(jws, set, ALGS("ES256"));
        else
            assert_refused(jws, set, ALGS("ES256"), TOKEN_SIGNATURE);
        token_keys_free(set);
        buf_free(&json);
    }
    free_pair(&good);
}

/* RFC 7517 §5: what is not understood is left out, and the rest still works. */
static void unknown_keys_are_skipped(void **state)
{
    (void)state;
    struct pair p = make_pair("ES256");
    const char *const others[] = {
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"new\"}",
        "{}",
        "null",
        "[]",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":17,\"e\":\"AQAB\"}",
        "{\"kty\":\"oct\",\"k\":\"\"}",
    };

    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct token_keys *set = parse(set_of(others[i], p.public_jwk)), *one = NULL;
        assert_int_equal(1, token_keys_count(set));
        assert_verified(signed_with(p.private_key, NULL, "{}"), set, ALGS("ES256"));
        assert_result(RESULT_INVALID, token_keys_parse_one(&fault, others[i], strlen(others[i]), &one));
        assert_null(one);
        token_keys_free(set);
    }
    struct token_keys *set = parse(set_of(with(p.public_jwk, "exp", "1700000000"), NULL));
    assert_int_equal(1, token_keys_count(set));
    token_keys_free(set);
    free_pair(&p);
}

static void labels_of_a_key_are_respected(void **state)
{
    (void)state;
    struct pair p = make_pair("RS256");
    static const struct {
        const char *member, *value;
        bool good;
    } rows[] = {
        {"alg", NULL, true},
        {"alg", "\"PS512\"", false},
        {"alg", "\"RSA-OAEP\"", false},
        {"alg", "7", false},
        {"use", NULL, true},
        {"use", "\"enc\"", false},
        {"use", "\"other\"", false},
        {"use", "[\"sig\"]", false},
        {"key_ops", "[\"verify\"]", true},
        {"key_ops", "[]", false},
        {"key_ops", "[\"encrypt\"]", false},
        {"key_ops", "\"decrypt\"", false},
        {"key_ops", "[\"sign\"]", false},
        {"key_ops", "[\"sign\",\"verify\"]", true},
        {"kid", "7", false},
    };
    const char *jws = NULL;
    json_t *claims = arena_json(arena, json_object());
    enum token_fault why;

    assert_ok(token_sign(&fault, arena, p.private_key, NULL, true, claims, &jws));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct token_keys *set = parse(set_of(with(p.public_jwk, rows[i].member, rows[i].value), NULL));
        assert_result(rows[i].good ? RESULT_OK : RESULT_DENIED, verify(jws, set, ALGS("RS256"), &why));
        token_keys_free(set);
    }
    free_pair(&p);
}

/* CVE-2017-16007: a point off the curve never becomes a key; nor one of the wrong size. */
static void off_curve_points_are_refused(void **state)
{
    (void)state;
    struct pair p = make_pair("ES256");
    json_t *j = arena_json(arena, json_loads(p.public_jwk, 0, NULL));
    const char *x = arena_printf(arena, "\"%s\"", json_text(j, "x"));
    const char *const bad[] = {
        with(p.public_jwk, "y", x),
        with(p.public_jwk, "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""),
        with(with(p.public_jwk, "y", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""), "x",
             "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""),
        with(p.public_jwk, "x", "\"AAAA\""),
        with(p.public_jwk, "crv", "\"P-384\""),
        with(p.public_jwk, "crv", NULL),
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct token_keys *one = NULL;
        assert_result(RESULT_INVALID, token_keys_parse_one(&fault, bad[i], strlen(bad[i]), &one));
    }
    free_pair(&p);
}

/* A secret in a published set is none; an HMAC key has at least the bytes of the hash (RFC 7518 §3.2). */
static void secrets_stand_alone_and_are_long_enough(void **state)
{
    (void)state;
    static const char long_key[] =
        "{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}";
    static const char short_key[] = "{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAECAwQFBgcICQoLDA0ODw\"}";
    struct pair p = make_pair("ES256");
    struct token_private *secret = NULL;

    assert_ok(token_private_parse(&fault, long_key, "HS256", &secret));
    const char *jws = signed_with(secret, NULL, "{}");
    struct token_keys *alone = parse(set_of(long_key, NULL)), *mixed = parse(set_of(long_key, p.public_jwk)),
                      *twice = parse(set_of(long_key, long_key));
    assert_verified(jws, alone, ALGS("HS256"));
    assert_refused(jws, alone, ALGS("RS256", "ES256"), TOKEN_ALG);
    assert_refused(jws, mixed, ALGS("HS256"), TOKEN_NO_KEY);
    assert_refused(jws, twice, ALGS("HS256"), TOKEN_NO_KEY);
    assert_int_equal(1, token_keys_count(mixed));
    token_private_free(secret);
    assert_result(RESULT_INVALID, token_private_parse(&fault, short_key, "HS256", &secret));
    assert_result(RESULT_INVALID, token_private_parse(&fault, long_key, "HS512", &secret));
    token_keys_free(alone);
    token_keys_free(mixed);
    token_keys_free(twice);
    free_pair(&p);
}

static void sets_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "null",
                                      "{\"keys\":{}}",
                                      "{\"keys\":[]} x",
                                      "{\"keys\":[],\"keys\":[]}",
                                      "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"oct\"}]}"};
    struct token_keys *set = NULL;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_result(RESULT_INVALID, token_keys_parse(&fault, bad[i], strlen(bad[i]), &set));
        assert_null(set);
    }
    assert_ok(token_keys_parse(&fault, "{\"keys\":[]}", 11, &set));
    assert_int_equal(0, token_keys_count(set));
    token_keys_free(set);
}

static void large_sets_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf json;
    struct token_keys *set = NULL;

    for (int n = 64; n <= 65; n++) {
        buf_init(&json, 64 * 1024);
        buf_text(&json, "{\"keys\":[");
        for (int i = 0; i < n; i++)
            buf_text(&json, i == 0 ? "{}" : ",{}");
        buf_text(&json, "]}");
        assert_result(n == 64 ? RESULT_OK : RESULT_INVALID, token_keys_parse(&fault, json.data, json.len, &set));
        token_keys_free(set);
        buf_free(&json);
    }
    size_t n = 256 * 1024 + 1;
    char *blanks = arena_alloc(arena, n + 1);
    memset(blanks, ' ', n);
    memcpy(blanks, "{\"keys\":[]}", 11);
    assert_result(RESULT_INVALID, token_keys_parse(&fault, blanks, n, &set));
    assert_ok(token_keys_parse(&fault, blanks, n - 1, &set));
    token_keys_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_of_one_kid_are_all_tried),  TEST(at_most_eight_keys_are_tried),
        TEST(unknown_keys_are_skipped),       TEST(labels_of_a_key_are_respected),
        TEST(off_curve_points_are_refused),   TEST(secrets_stand_alone_and_are_long_enough),
        TEST(sets_that_are_none_are_refused), TEST(large_sets_are_refused),
    };
    return cmocka_run_group_tests_name("token: keys", tests, NULL, NULL);
}
