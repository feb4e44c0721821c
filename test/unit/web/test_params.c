/* Query, form and cookie parsing, and what a request says in its headers. */
#include "support.h"

#include <stdio.h>
#include <string.h>

static enum result parse(void **state, const char *s, struct params *out_r)
{
    struct fault f;
    return params_parse(&f, *state, s, strlen(s), out_r);
}

static void decodes_pairs(void **state)
{
    struct params p;
    assert_int_equal(parse(state, "a=1&b=two+words&c=%C3%A9&d&e=&f=x=y", &p), RESULT_OK);
    assert_int_equal(p.count, 6);
    assert_string_equal(param_get(&p, "a"), "1");
    assert_string_equal(param_get(&p, "b"), "two words");
    assert_string_equal(param_get(&p, "c"), "\xc3\xa9");
    assert_string_equal(param_get(&p, "d"), "");
    assert_string_equal(param_get(&p, "e"), "");
    assert_string_equal(param_get(&p, "f"), "x=y");
    assert_null(param_get(&p, "g"));
}

static void empty_parts_are_nothing(void **state)
{
    struct params p;
    assert_int_equal(parse(state, "", &p), RESULT_OK);
    assert_int_equal(p.count, 0);
    assert_int_equal(parse(state, "&&a=1&&b=2&", &p), RESULT_OK);
    assert_int_equal(p.count, 2);
}

static void decodes_names_too(void **state)
{
    struct params p;
    assert_int_equal(parse(state, "redirect%5Furi=x", &p), RESULT_OK);
    assert_string_equal(param_get(&p, "redirect_uri"), "x");
}

static void refuses_what_is_broken(void **state)
{
    static const char *const broken[] = {"a=%", "a=%4", "a=%zz", "a=%00", "a=%ff", "%=1", "a=1&b=%e0%80", "a=\x80"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct params p = {NULL, 7};
        assert_int_equal(parse(state, broken[i], &p), RESULT_INVALID);
        assert_int_equal(p.count, 0);
    }
    struct fault f;
    struct params p;
    assert_int_equal(params_parse(&f, *state, "a=b\0c", 5, &p), RESULT_INVALID);
    assert_string_equal(f.oauth_error, "invalid_request");
}

static void takes_64_pairs_and_no_more(void **state)
{
    char text[65 * 5 + 1] = "";
    size_t n = 0;
    struct params p;
    for (int i = 0; i < 64; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a%02d=&", i);
    assert_int_equal(parse(state, text, &p), RESULT_OK);
    assert_int_equal(p.count, 64);
    (void)snprintf(text + n, sizeof text - n, "b=");
    assert_int_equal(parse(state, text, &p), RESULT_INVALID);
}

static void finds_duplicates(void **state)
{
    struct params p;
    assert_int_equal(parse(state, "a=1&b=2&c=3", &p), RESULT_OK);
    assert_null(param_duplicate(&p));
    assert_int_equal(parse(state, "a=1&scope=2&%73cope=3", &p), RESULT_OK);
    assert_string_equal(param_duplicate(&p), "scope");
    assert_int_equal(param_times(&p, "scope"), 2);
    assert_string_equal(param_get(&p, "scope"), "2");
}

static void parses_cookies_and_leaves_out_the_rest(void **state)
{
    struct params p;
    cookies_parse(*state, "a=1; b=\"two\"; bad; =x; c d=1; e=has blank; f=a,b; g=x=y ;h=;; i=\x01", &p);
    assert_int_equal(p.count, 4);
    assert_string_equal(param_get(&p, "a"), "1");
    assert_string_equal(param_get(&p, "b"), "two");
    assert_string_equal(param_get(&p, "g"), "x=y");
    assert_string_equal(param_get(&p, "h"), "");
    cookies_parse(*state, NULL, &p);
    assert_int_equal(p.count, 0);
    cookies_parse(*state, "", &p);
    assert_int_equal(p.count, 0);
    cookies_parse(*state, "x=\"", &p); /* one quote is no pair of quotes */
    assert_int_equal(p.count, 0);
}

static void takes_64_cookies(void **state)
{
    char text[70 * 6 + 1] = "";
    size_t n = 0;
    struct params p;
    for (int i = 0; i < 70; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "c%02d=1;", i);
    cookies_parse(*state, text, &p);
    assert_int_equal(p.count, 64);
}

static void prefixed_cookies_only_when_secure(void **state)
{
    (void)state;
    const struct param list[] = {{"login", "planted"}, {"__Host-login", "ours"}};
    const struct request secure = {.cookies = {list, 2}, .secure = true}, plain = {.cookies = {list, 2}};
    assert_string_equal(request_cookie(&secure, "login"), "ours");
    assert_string_equal(request_cookie(&plain, "login"), "planted");
    assert_null(request_cookie(&secure, "session"));
    const struct request planted = {.cookies = {list, 1}, .secure = true};
    assert_null(request_cookie(&planted, "login"));
}

static void reads_authorization(void **state)
{
    (void)state;
    const struct {
        const char *field, *scheme, *value;
    } rows[] = {
        {"Bearer abc", "Bearer", "abc"}, {"bearer   abc", "Bearer", "abc"}, {"Basic abc", "Bearer", NULL},
        {"Bearer", "Bearer", NULL},      {"Bearer ", "Bearer", NULL},       {"Bearerabc", "Bearer", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct param list[] = {{"authorization", rows[i].field}};
        const struct request rq = {.headers = {list, 1}};
        const char *value = request_authorization(&rq, rows[i].scheme);
        if (rows[i].value == NULL)
            assert_null(value);
        else
            assert_string_equal(value, rows[i].value);
    }
    const struct param twice[] = {{"authorization", "Bearer a"}, {"authorization", "Bearer b"}};
    const struct request rq = {.headers = {twice, 2}};
    assert_null(request_authorization(&rq, "Bearer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_ARENA(decodes_pairs),
        TEST_IN_ARENA(empty_parts_are_nothing),
        TEST_IN_ARENA(decodes_names_too),
        TEST_IN_ARENA(refuses_what_is_broken),
        TEST_IN_ARENA(takes_64_pairs_and_no_more),
        TEST_IN_ARENA(finds_duplicates),
        TEST_IN_ARENA(parses_cookies_and_leaves_out_the_rest),
        TEST_IN_ARENA(takes_64_cookies),
        TEST_IN_ARENA(prefixed_cookies_only_when_secure),
        TEST_IN_ARENA(reads_authorization),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
