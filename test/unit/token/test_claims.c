/* test_claims.c: each rule of RFC 7519 §4.1 and OpenID Connect Core §3.1.3.7, by a row that breaks it and rows at its
 * edge that do not. */
#include "support.h"

static const struct token_expect login = {.iss = "https://idp",
                                          .aud = "us",
                                          .nonce = "n1",
                                          .require_exp = true,
                                          .require_iat = true,
                                          .now = 1000,
                                          .leeway_s = 60,
                                          .max_age_s = 300,
                                          .azp_rule = true};

#define CLAIMS(iss, aud, times, more) "{\"iss\":" iss ",\"aud\":" aud "," times ",\"nonce\":\"n1\"" more "}"
#define GOOD_TIMES "\"iat\":990,\"exp\":1100"
#define ISS "\"https://idp\""

static const struct {
    const char *name, *claims;
    bool good;
} rows[] = {
    {"all well", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ""), true},
    {"aud as array", CLAIMS(ISS, "[\"us\"]", GOOD_TIMES, ""), true},
    {"times as reals", CLAIMS(ISS, "\"us\"", "\"iat\":9.9e2,\"exp\":1.1e3", ""), true},
    {"wrong iss", CLAIMS("\"https://evil\"", "\"us\"", GOOD_TIMES, ""), false},
    {"iss with a slash more", CLAIMS("\"https://idp/\"", "\"us\"", GOOD_TIMES, ""), false},
    {"iss no text", CLAIMS("[\"https://idp\"]", "\"us\"", GOOD_TIMES, ""), false},
    {"wrong aud", CLAIMS(ISS, "\"them\"", GOOD_TIMES, ""), false},
    {"aud a part of ours", CLAIMS(ISS, "\"us2\"", GOOD_TIMES, ""), false},
    {"aud empty", CLAIMS(ISS, "[]", GOOD_TIMES, ""), false},
    {"aud an object", CLAIMS(ISS, "{\"us\":1}", GOOD_TIMES, ""), false},
    {"no aud", "{\"iss\":\"https://idp\"," GOOD_TIMES ",\"nonce\":\"n1\"}", false},
    {"two aud without azp", CLAIMS(ISS, "[\"us\",\"them\"]", GOOD_TIMES, ""), false},
    {"two aud with azp", CLAIMS(ISS, "[\"us\",\"them\"]", GOOD_TIMES, ",\"azp\":\"us\""), true},
    {"azp of another", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ",\"azp\":\"them\""), false},
    {"azp no text", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ",\"azp\":[\"us\"]"), false},
    {"expired", CLAIMS(ISS, "\"us\"", "\"iat\":800,\"exp\":940", ""), false},
    {"expired within the leeway", CLAIMS(ISS, "\"us\"", "\"iat\":800,\"exp\":941", ""), true},
    {"no exp", CLAIMS(ISS, "\"us\"", "\"iat\":990", ""), false},
    {"exp a text", CLAIMS(ISS, "\"us\"", "\"iat\":990,\"exp\":\"1100\"", ""), false},
    {"exp beyond all numbers", CLAIMS(ISS, "\"us\"", "\"iat\":990,\"exp\":1e300", ""), false},
    {"exp negative", CLAIMS(ISS, "\"us\"", "\"iat\":990,\"exp\":-1", ""), false},
    {"exp null", CLAIMS(ISS, "\"us\"", "\"iat\":990,\"exp\":null", ""), false},
    {"no iat", CLAIMS(ISS, "\"us\"", "\"exp\":1100", ""), false},
    {"issued in the future", CLAIMS(ISS, "\"us\"", "\"iat\":1061,\"exp\":1100", ""), false},
    {"issued in the future within the leeway", CLAIMS(ISS, "\"us\"", "\"iat\":1060,\"exp\":1100", ""), true},
    {"issued too long ago", CLAIMS(ISS, "\"us\"", "\"iat\":639,\"exp\":1100", ""), false},
    {"issued just not too long ago", CLAIMS(ISS, "\"us\"", "\"iat\":640,\"exp\":1100", ""), true},
    {"not yet valid", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ",\"nbf\":1061"), false},
    {"valid within the leeway", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ",\"nbf\":1060"), true},
    {"nbf a text", CLAIMS(ISS, "\"us\"", GOOD_TIMES, ",\"nbf\":\"1\""), false},
    {"another nonce", "{\"iss\":\"https://idp\",\"aud\":\"us\"," GOOD_TIMES ",\"nonce\":\"n2\"}", false},
    {"no nonce", "{\"iss\":\"https://idp\",\"aud\":\"us\"," GOOD_TIMES "}", false},
    {"no object", "[1]", false},
};

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *claims = arena_json(arena, json_loads(rows[i].claims, 0, NULL));
        assert_non_null(claims);
        enum result r = token_claims_check(&fault, claims, &login);
        if (r != (rows[i].good ? RESULT_OK : RESULT_DENIED))
            fail_msg("%s: %s (%s)", rows[i].name, result_name(r), fault.detail);
    }
}

static void what_is_not_expected_is_not_looked_at(void **state)
{
    (void)state;
    const struct token_expect nothing = {.now = 1000};
    json_t *claims = arena_json(arena, json_loads("{\"iss\":\"x\",\"aud\":[\"a\",\"b\"],\"nonce\":1}", 0, NULL));

    assert_ok(token_claims_check(&fault, claims, &nothing));
    json_object_set_new(claims, "exp", json_integer(999)); /* but an expiry counts whenever it is there */
    assert_result(RESULT_DENIED, token_claims_check(&fault, claims, &nothing));
}

static void sub_is_compared(void **state)
{
    (void)state;
    const struct token_expect e = {.sub = "alice", .now = 1000};
    json_t *same = arena_json(arena, json_loads("{\"sub\":\"alice\"}", 0, NULL));
    json_t *other = arena_json(arena, json_loads("{\"sub\":\"Alice\"}", 0, NULL));

    assert_ok(token_claims_check(&fault, same, &e));
    assert_result(RESULT_DENIED, token_claims_check(&fault, other, &e));
}

static void the_fault_names_no_values(void **state)
{
    (void)state;
    const struct token_expect e = {.sub = "expected-person", .now = 1000};
    json_t *other = arena_json(arena, json_loads("{\"sub\":\"secret-person\"}", 0, NULL));

    assert_result(RESULT_DENIED, token_claims_check(&fault, other, &e));
    assert_null(strstr(fault.detail, "person"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(every_row), TEST(what_is_not_expected_is_not_looked_at),
                                       TEST(sub_is_compared), TEST(the_fault_names_no_values)};
    return cmocka_run_group_tests_name("token: claims", tests, NULL, NULL);
}
