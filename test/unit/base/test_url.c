/* Which URLs we take, and what they consist of. The refusals are the tricks by which one URL is read as two hosts. */
#include "unit.h"

static int arena_up(void **state)
{
    *state = arena_new(1 << 20);
    return *state == NULL;
}

static int arena_down(void **state)
{
    arena_free(*state);
    return 0;
}

static void test_parts(void **state)
{
    static const struct {
        const char *url;
        struct url_parts parts;
    } ROWS[] = {
        {"https://Id.Example.ORG/a/b?x=1&y=%20", {"https", "id.example.org", "/a/b", "x=1&y=%20", 443}},
        {"http://localhost:8080", {"http", "localhost", "/", NULL, 8080}},
        {"HTTP://h/?q", {"http", "h", "/", "q", 80}},
        {"https://[::1]:8443/x", {"https", "[::1]", "/x", NULL, 8443}},
        {"https://h?q=/a", {"https", "h", "/", "q=/a", 443}},
        {"https://h/a/../b//c", {"https", "h", "/a/../b//c", NULL, 443}},
        {"https://h:65535/", {"https", "h", "/", NULL, 65535}},
    };
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        struct url_parts u;
        struct fault f = {0};
        assert_result(RESULT_OK, url_parse(&f, *state, ROWS[i].url, &u));
        assert_string_equal(u.scheme, ROWS[i].parts.scheme);
        assert_string_equal(u.host, ROWS[i].parts.host);
        assert_string_equal(u.path, ROWS[i].parts.path);
        assert_int_equal(u.port, ROWS[i].parts.port);
        if (ROWS[i].parts.query == NULL)
            assert_null(u.query);
        else
            assert_string_equal(u.query, ROWS[i].parts.query);
    }
}

static void test_refused(void **state)
{
    static const char *const BAD[] = {
        "", "h", "/path", "//h/x", "ftp://h/", "javascript:alert(1)", "file:///etc/passwd", "https:", "https:/h", "https://",
        "https:///h", "https://?x", "https://:443/", "https://user@h/", "https://user:pw@h/", "https://@h/", "https://good.org\\@bad.org/",
        "https://h/#f", "https://h/a b", " https://h/", "https://h/ ", "https://h/\n", "https://h/\tx", "https://h\r\nX: y", "https://h:0/",
        "https://h:65536/", "https://h:x/", "https://[::1/", "https://[zz]/", "https://h/\xc3\xa9", "https://\xc3\xa9.org/", "https://h/<x>",
        "https://h/\"x", "https://h/{x}", "https://ho|st/", "http//h",
    };
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        struct url_parts u;
        struct fault f = {0};
        if (url_parse(&f, *state, BAD[i], &u) != RESULT_INVALID)
            fail_msg("accepted: %s", BAD[i]);
        assert_null(u.host);
    }
    char longest[9000];
    struct url_parts u;
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "https://h/", 10);
    assert_result(RESULT_INVALID, url_parse(NULL, *state, longest, &u));
    longest[8192] = '\0';
    assert_result(RESULT_OK, url_parse(NULL, *state, longest, &u));
    CLEANUP(arena) struct arena *none = arena_new(0);
    assert_result(RESULT_INTERNAL, url_parse(NULL, none, "https://h/", &u));
}

static void test_loopback(void **state)
{
    static const char *const YES[] = {"http://localhost/", "http://LOCALHOST:1/", "http://127.0.0.1/", "http://127.8.9.10/",
                                      "http://[::1]:80/", "http://[0:0:0:0:0:0:0:1]/"};
    static const char *const NO[] = {"http://localhost.example.org/", "http://128.0.0.1/", "http://[::2]/", "http://127.0.0.1.example.org/",
                                     "http://example.org/", "http://10.127.0.1/", "http://localhost./", "http://0.0.0.0/"};
    struct url_parts u;
    for (size_t i = 0; i < COUNT_OF(YES); i++) {
        assert_result(RESULT_OK, url_parse(NULL, *state, YES[i], &u));
        assert_true(url_is_loopback(&u));
    }
    for (size_t i = 0; i < COUNT_OF(NO); i++) {
        assert_result(RESULT_OK, url_parse(NULL, *state, NO[i], &u));
        assert_false(url_is_loopback(&u));
    }
    u = (struct url_parts){0};
    assert_false(url_is_loopback(&u));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_up, arena_down)
    const struct CMUnitTest tests[] = {T(test_parts), T(test_refused), T(test_loopback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
