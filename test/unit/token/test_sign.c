/* test_sign.c: what we sign, we verify; the header and payload are what was asked for; assertions have what RFC 7523
 * wants; keys are made the way they say. */
#include "support.h"

static const char *const all_algs[] = {"RS256", "PS256", "ES256", NULL};

static void every_alg_signs_and_verifies(void **state)
{
    (void)state;
    for (size_t i = 0; all_algs[i] != NULL; i++) {
        struct pair p = make_pair(all_algs[i]);
        const char *jws = signed_with(p.private_key, "JWT", "{\"sub\":\"x\",\"n\":1}");
        const struct token_policy policy = {.algs = ALGS(all_algs[i]), .typs = ALGS("jwt"), .require_typ = true};
        struct token_parts parts;
        enum token_fault why;

        assert_ok(token_verify(&fault, arena, jws, strlen(jws), p.keys, &policy, &parts, &why));
        assert_int_equal(TOKEN_OK, why);
        assert_string_equal(all_algs[i], parts.alg);
        assert_string_equal(p.kid, parts.kid);
        assert_string_equal("JWT", parts.typ);
        assert_string_equal("x", json_text(parts.claims, "sub"));
        assert_int_equal(strlen("{\"sub\":\"x\",\"n\":1}"), parts.payload.len);
        free_pair(&p);
    }
}

static void kid_can_be_left_out(void **state)
{
    (void)state;
    struct pair p = make_pair("ES256");
    const char *jws = NULL;
    struct token_parts parts;
    json_t *claims = arena_json(arena, json_object());

    assert_ok(token_sign(&fault, arena, p.private_key, NULL, true, claims, &jws));
    assert_ok(token_peek(&fault, arena, jws, strlen(jws), &parts));
    assert_null(parts.kid);
    assert_null(parts.typ);
    assert_int_equal(1, json_object_size(parts.header));
    assert_verified(jws, p.keys, ALGS("ES256"));
    free_pair(&p);
}

static void kid_is_the_thumbprint(void **state)
{
    (void)state;
    /* RFC 7638 §3.1 gives this key and this result. */
    const char *jwk = "{\"kty\":\"RSA\",\"n\":"
                      "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
                      "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
                      "FDW2QvzqY368QQMicAtaSqzs8KJZg"
                      "nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
                      "xBniIqbw0Ls1jF44-c"
                      "sFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}";
    const char *print = NULL;

    assert_ok(token_thumbprint(&fault, arena, jwk, &print));
    assert_string_equal("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", print);

    struct pair p = make_pair("ES256");
    assert_ok(token_thumbprint(&fault, arena, p.private_jwk, &print));
    assert_string_equal(p.kid, print);
    assert_string_equal(p.kid, token_private_kid(p.private_key));
    assert_string_equal("ES256", token_private_alg(p.private_key));
    free_pair(&p);
}

static void public_jwk_holds_nothing_private(void **state)
{
    (void)state;
    static const char *const secret[] = {"d", "p", "q", "dp", "dq", "qi", "k"};

    for (size_t i = 0; all_algs[i] != NULL; i++) {
        struct pair p = make_pair(all_algs[i]);
        json_t *pub = arena_json(arena, json_loads(p.public_jwk, 0, NULL));
        json_t *priv = arena_json(arena, json_loads(p.private_jwk, 0, NULL));
        for (size_t s = 0; s < COUNT_OF(secret); s++)
            assert_null(json_object_get(pub, secret[s]));
        assert_non_null(json_object_get(priv, "d"));
        assert_string_equal("sig", json_text(pub, "use"));
        assert_string_equal(all_algs[i], json_text(pub, "alg"));
        free_pair(&p);
    }
}

static void no_keys_for_other_purposes(void **state)
{
    (void)state;
    const char *a, *b, *c;

    assert_result(RESULT_INVALID, token_generate(&fault, arena, "HS256", NULL, &a, &b, &c));
    assert_result(RESULT_INVALID, token_generate(&fault, arena, "RS256", "enc", &a, &b, &c));
    assert_ok(token_generate(&fault, arena, "RSA-OAEP-256", "enc", &a, &b, &c));
}

static void private_key_keeps_to_its_alg(void **state)
{
    (void)state;
    struct pair p = make_pair("RS256");
    struct token_private *k = NULL;
    const char *jws = NULL;

    assert_result(RESULT_INVALID, token_private_parse(&fault, p.private_jwk, "PS256", &k));
    assert_result(RESULT_INVALID, token_private_parse(&fault, p.private_jwk, "RSA-OAEP-256", &k));
    assert_result(RESULT_INVALID, token_private_parse(&fault, p.public_jwk, "RS256", &k));
    assert_result(RESULT_INVALID, token_private_parse(&fault, "{\"kty\":\"OKP\"}", NULL, &k));
    assert_null(k);
    free_pair(&p);

    const char *kid, *priv, *pub;
    assert_ok(token_generate(&fault, arena, "RSA-OAEP-256", NULL, &kid, &priv, &pub));
    assert_ok(token_private_parse(&fault, priv, NULL, &k));
    json_t *claims = arena_json(arena, json_object());
    assert_result(RESULT_INTERNAL, token_sign(&fault, arena, k, NULL, false, claims, &jws));
    token_private_free(k);
}

static void assertion_has_what_rfc7523_wants(void **state)
{
    (void)state;
    struct pair p = make_pair("PS256");
    const char *one = NULL, *two = NULL;
    struct token_parts a, b;
    int64_t iat = 0, exp = 0;

    assert_ok(token_assertion(&fault, arena, p.private_key, false, "our-client", "https://idp/token", 1000, &one));
    assert_ok(token_assertion(&fault, arena, p.private_key, false, "our-client", "https://idp/token", 1000, &two));
    assert_verified(one, p.keys, ALGS("PS256"));
    assert_ok(token_peek(&fault, arena, one, strlen(one), &a));
    assert_ok(token_peek(&fault, arena, two, strlen(two), &b));
    assert_string_equal("our-client", json_text(a.claims, "iss"));
    assert_string_equal("our-client", json_text(a.claims, "sub"));
    assert_string_equal("https://idp/token", json_text(a.claims, "aud"));
    assert_true(json_integer_at(a.claims, "iat", &iat) && json_integer_at(a.claims, "exp", &exp));
    assert_int_equal(1000, iat);
    assert_int_equal(1060, exp);
    assert_int_equal(22, strlen(json_text(a.claims, "jti"))); /* 128 bits in base64url */
    assert_string_not_equal(json_text(a.claims, "jti"), json_text(b.claims, "jti"));
    free_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_alg_signs_and_verifies),     TEST(kid_can_be_left_out),        TEST(kid_is_the_thumbprint),
        TEST(public_jwk_holds_nothing_private), TEST(no_keys_for_other_purposes), TEST(private_key_keeps_to_its_alg),
        TEST(assertion_has_what_rfc7523_wants),
    };
    return cmocka_run_group_tests_name("token: sign", tests, NULL, NULL);
}
