/* Headers, cookies, redirects, OAuth errors and URLs with parameters. */
#include "support.h"

#include <string.h>

static struct reply fresh(void **state)
{
    struct reply r;
    reply_init(&r, *state);
    return r;
}

static void refuses_response_splitting(void **state)
{
    static const char *const values[] = {"a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\x7f", "a\x01"};
    struct reply r = fresh(state);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        reply_header(&r, "X-Test", values[i]);
    reply_header(&r, "X-Te\r\nst", "a");
    reply_header(&r, "X Test", "a");
    reply_header(&r, "", "a");
    reply_header(&r, "X-Test", NULL);
    assert_int_equal(r.header_count, 0);
    reply_header(&r, "X-Test", "fine");
    assert_string_equal(reply_header_value(&r, "X-Test"), "fine");
}

static void replaces_a_header_of_the_same_name(void **state)
{
    struct reply r = fresh(state);
    reply_header(&r, "Cache-Control", "max-age=60");
    reply_header(&r, "cache-control", "no-store");
    assert_int_equal(r.header_count, 1);
    assert_string_equal(reply_header_value(&r, "cache-control"), "no-store");
}

static void holds_24_headers(void **state)
{
    struct reply r = fresh(state);
    for (int i = 0; i < 30; i++) {
        const char *name = arena_printf(*state, "X-%d", i);
        assert_non_null(name);
        reply_header(&r, name, "v");
    }
    assert_int_equal(r.header_count, 24);
}

static void redirects_with_303(void **state)
{
    struct reply r = fresh(state);
    reply_redirect(&r, "https://app.example/cb?code=1");
    assert_int_equal(r.status, 303);
    assert_string_equal(reply_header_value(&r, "Location"), "https://app.example/cb?code=1");
    assert_string_equal(reply_header_value(&r, "Cache-Control"), "no-store");
    assert_string_equal(reply_header_value(&r, "Referrer-Policy"), "no-referrer");
    assert_int_equal(r.body_len, 0);
}

static void no_redirect_to_a_broken_address(void **state)
{
    static const char *const urls[] = {"https://a\r\nX: y", "", NULL};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct reply r = fresh(state);
        reply_redirect(&r, urls[i]);
        assert_int_equal(r.status, 500);
        assert_null(reply_header_value(&r, "Location"));
    }
}

static void cookies_on_https_and_http(void **state)
{
    const struct request https = {.secure = true}, http = {.secure = false};
    struct reply r = fresh(state);
    reply_cookie(&r, &https, "login", "v", 600);
    reply_cookie(&r, &http, "login", "v", 600);
    reply_cookie(&r, &https, "old", NULL, 0);
    reply_cookie(&r, &https, "tab", "v", -1);
    assert_int_equal(r.header_count, 4);
    assert_string_equal(r.headers[0].value,
                        "__Host-login=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure");
    assert_string_equal(r.headers[1].value, "login=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax");
    assert_string_equal(r.headers[2].value, "__Host-old=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    assert_string_equal(r.headers[3].value, "__Host-tab=v; Path=/; HttpOnly; SameSite=Lax; Secure");
}

static void cookies_cannot_be_split(void **state)
{
    const struct request rq = {.secure = true};
    struct reply r = fresh(state);
    reply_cookie(&r, &rq, "a", "x; Domain=evil.example", 60);
    reply_cookie(&r, &rq, "a", "x\r\ny", 60);
    reply_cookie(&r, &rq, "a b", "x", 60);
    assert_int_equal(r.header_count, 0);
}

static void answers_json(void **state)
{
    struct reply r = fresh(state);
    CLEANUP(json) json_t *j = json_pack("{s:i}", "a", 1);
    reply_json(&r, 201, j);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "{\"a\":1}");
    assert_int_equal(r.body_len, 7);
    assert_string_equal(r.content_type, "application/json");
    assert_string_equal(reply_header_value(&r, "Cache-Control"), "no-store");
}

static void oauth_errors_carry_their_challenge(void **state)
{
    const struct {
        int status;
        const char *error, *challenge;
    } rows[] = {
        {400, "invalid_request", NULL},
        {400, "invalid_client", NULL},
        {401, "invalid_client", "Basic realm=\"idbridge\""},
        {401, "invalid_token", "Bearer error=\"invalid_token\", error_description=\"why\""},
        {403, "insufficient_scope", "Bearer error=\"insufficient_scope\", error_description=\"why\""},
        {401, "use_dpop_nonce", "DPoP error=\"use_dpop_nonce\", error_description=\"why\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct reply r = fresh(state);
        reply_oauth_error(&r, rows[i].status, rows[i].error, "why");
        assert_int_equal(r.status, rows[i].status);
        const char *challenge = reply_header_value(&r, "WWW-Authenticate");
        if (rows[i].challenge == NULL)
            assert_null(challenge);
        else
            assert_string_equal(challenge, rows[i].challenge);
    }
}

static void oauth_descriptions_keep_to_their_characters(void **state)
{
    struct reply r = fresh(state);
    reply_oauth_error(&r, 401, "invalid_token", "a\"b\\c\r\nd\xc3\xa9");
    assert_string_equal(r.body, "{\"error\":\"invalid_token\",\"error_description\":\"a?b?c??d??\"}");
    assert_string_equal(reply_header_value(&r, "WWW-Authenticate"),
                        "Bearer error=\"invalid_token\", error_description=\"a?b?c??d??\"");
    struct reply bare = fresh(state);
    reply_oauth_error(&bare, 400, "invalid_grant", NULL);
    assert_string_equal(bare.body, "{\"error\":\"invalid_grant\"}");
}

static void adds_parameters_to_urls(void **state)
{
    const struct param params[] = {{"code", "a b&c"}, {"none", NULL}, {"state", "x=\xc3\xa9#"}};
    const struct {
        const char *url, *want;
    } rows[] = {
        {"https://a/cb", "https://a/cb?code=a%20b%26c&state=x%3D%C3%A9%23"},
        {"https://a/cb?", "https://a/cb?code=a%20b%26c&state=x%3D%C3%A9%23"},
        {"https://a/cb?k=v", "https://a/cb?k=v&code=a%20b%26c&state=x%3D%C3%A9%23"},
        {"https://a/cb?k=v&", "https://a/cb?k=v&code=a%20b%26c&state=x%3D%C3%A9%23"},
        {"https://a/cb#frag?x", "https://a/cb?code=a%20b%26c&state=x%3D%C3%A9%23"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(url_with(*state, rows[i].url, params, 3), rows[i].want);
    assert_string_equal(url_with(*state, "https://a/?q", NULL, 0), "https://a/?q");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_ARENA(refuses_response_splitting),
        TEST_IN_ARENA(replaces_a_header_of_the_same_name),
        TEST_IN_ARENA(holds_24_headers),
        TEST_IN_ARENA(redirects_with_303),
        TEST_IN_ARENA(no_redirect_to_a_broken_address),
        TEST_IN_ARENA(cookies_on_https_and_http),
        TEST_IN_ARENA(cookies_cannot_be_split),
        TEST_IN_ARENA(answers_json),
        TEST_IN_ARENA(oauth_errors_carry_their_challenge),
        TEST_IN_ARENA(oauth_descriptions_keep_to_their_characters),
        TEST_IN_ARENA(adds_parameters_to_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
