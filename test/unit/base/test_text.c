/* Text questions, encodings and strict JSON: good cases, refusals, limits. Vectors of RFC 4648 §10 and RFC 3629. */
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

/* ---- text ----------------------------------------------------------------------------------------- */

static void test_equal(void **state)
{
    (void)state;
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "A"));
    assert_false(text_equal(NULL, NULL));
    assert_false(text_equal("", NULL));
    assert_true(text_equal_secret("secret", "secret"));
    assert_true(text_equal_secret("", ""));
    assert_false(text_equal_secret("secret", "secreT"));
    assert_false(text_equal_secret("Secret", "secret"));
    assert_false(text_equal_secret("secret", "secrets"));
    assert_false(text_equal_secret(NULL, NULL));
    assert_false(text_equal_secret("x", NULL));
}

static void test_prefix_and_words(void **state)
{
    (void)state;
    assert_true(text_has_prefix("https://x", "https://"));
    assert_true(text_has_prefix("x", ""));
    assert_false(text_has_prefix("http", "https"));
    assert_false(text_has_prefix(NULL, "x"));
    assert_true(text_has_word("openid profile", "openid"));
    assert_true(text_has_word("openid  profile ", "profile"));
    assert_false(text_has_word("openid profile", "open"));
    assert_false(text_has_word("openidx", "openid"));
    assert_false(text_has_word("openid profile", "openid profile"));
    assert_false(text_has_word("openid", ""));
    assert_false(text_has_word(NULL, "openid"));
    assert_false(text_has_word("openid", NULL));
    char *const list[] = {"openid", "profile", NULL}, *const none[] = {NULL};
    assert_true(text_listed(list, "profile"));
    assert_false(text_listed(list, "prof"));
    assert_false(text_listed(list, NULL));
    assert_false(text_listed(none, "openid"));
    assert_false(text_listed(NULL, "openid"));
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"", "plain ASCII text, long enough for a block", "\xc2\x80", "\xdf\xbf",
                                       "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf", "12345678\xd8\xb9 12345678"};
    static const char *const BAD[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe2\x82",
                                      "\xed\xa0\x80" /* surrogate */, "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80", "\xff", "12345678\xff", "\xe2\x82\x41"};
    for (size_t i = 0; i < COUNT_OF(GOOD); i++)
        assert_true(text_is_utf8(GOOD[i], strlen(GOOD[i])));
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        assert_false(text_is_utf8(BAD[i], strlen(BAD[i])));
    assert_false(text_is_utf8("\xe2\x82\xac", 2));
    assert_true(text_is_utf8(NULL, 0));
}

static void test_split(void **state)
{
    size_t n = 99;
    char **parts = text_split(*state, " a, b ,,c ", " ,", &n);
    assert_int_equal(n, 3);
    assert_string_equal(parts[0], "a");
    assert_string_equal(parts[2], "c");
    assert_null(parts[3]);
    parts = text_split(*state, " ,", " ,", &n);
    assert_int_equal(n, 0);
    assert_null(parts[0]);
    assert_non_null(text_split(*state, "x y", " ", NULL));
    assert_non_null(text_split(*state, NULL, " ", &n));
    CLEANUP(arena) struct arena *small = arena_new(32);
    assert_null(text_split(small, "a b c d e f", " ", &n));
}

/* ---- base64 and hex ------------------------------------------------------------------------------- */

static void test_base64_rfc_4648(void **state)
{
    static const char *const PLAIN[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const CODED[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < COUNT_OF(PLAIN); i++) {
        struct bytes b;
        const char *url = base64url_encode(*state, PLAIN[i], strlen(PLAIN[i]));
        assert_string_equal(base64_encode(*state, PLAIN[i], strlen(PLAIN[i])), CODED[i]);
        assert_int_equal(strlen(url), strcspn(CODED[i], "="));
        assert_memory_equal(url, CODED[i], strlen(url));
        assert_result(RESULT_OK, base64_decode(NULL, *state, CODED[i], strlen(CODED[i]), &b));
        assert_string_equal((const char *)b.data, PLAIN[i]);
        assert_result(RESULT_OK, base64url_decode(NULL, *state, url, strlen(url), &b));
        assert_int_equal(b.len, strlen(PLAIN[i]));
        assert_string_equal((const char *)b.data, PLAIN[i]);
    }
}

static void test_base64url_every_byte_and_length(void **state)
{
    unsigned char data[256];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(255 - i);
    for (size_t n = 0; n <= sizeof data; n++) {
        struct bytes b;
        const char *s = base64url_encode(*state, data, n);
        assert_null(strpbrk(s, "+/="));
        assert_result(RESULT_OK, base64url_decode(NULL, *state, s, strlen(s), &b));
        assert_int_equal(b.len, n);
        assert_memory_equal(b.data, data, n);
        s = base64_encode(*state, data, n);
        assert_result(RESULT_OK, base64_decode(NULL, *state, s, strlen(s), &b));
        assert_int_equal(b.len, n);
    }
}

static void test_base64url_refuses(void **state)
{
    static const char *const BAD[] = {
        "Zg==", "Zg=", "Z", "Zm9vY", "Zm9v Zm9v", "Zm9v\n", " Zm9v", "Zm+v", "Zm/v", "Zm9*", "Zm9\xc3", "Zh" /* stray bits */,
        "Zm9", "Z\x80==",
    };
    struct bytes b;
    struct fault f;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        assert_result(RESULT_INVALID, base64url_decode(&f, *state, BAD[i], strlen(BAD[i]), &b));
        assert_null(b.data);
    }
    assert_result(RESULT_INVALID, base64url_decode(&f, *state, "Zm\0v", 4, &b));
    CLEANUP(arena) struct arena *small = arena_new(16);
    assert_result(RESULT_INTERNAL, base64url_decode(&f, small, "Zm9vZm9vZm9vZm9vZm9vZm9v", 24, &b));
}

static void test_base64_refuses(void **state)
{
    static const char *const BAD[] = {"Zg", "Zg=", "Zg==Zg==", "Z===", "====", "=", "Zm-v", "Zm_v", "Zh==", "Zm9=", "Zm9v\n", "Zm=v"};
    struct bytes b;
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        assert_result(RESULT_INVALID, base64_decode(NULL, *state, BAD[i], strlen(BAD[i]), &b));
}

static void test_hex(void **state)
{
    assert_string_equal(hex_encode(*state, "\x00\xff\x1a", 3), "00ff1a");
    assert_string_equal(hex_encode(*state, NULL, 0), "");
    assert_null(hex_encode(*state, "", SIZE_MAX));
}

/* ---- percent and form ----------------------------------------------------------------------------- */

static void test_percent_and_form(void **state)
{
    assert_string_equal(percent_encode(*state, "aZ9-._~ +/%\xc3\xa9"), "aZ9-._~%20%2B%2F%25%C3%A9");
    assert_string_equal(form_encode(*state, "aZ9-._*~ +&="), "aZ9-._*%7E+%2B%26%3D");
    assert_null(percent_encode(*state, NULL));
    CLEANUP(buf) struct buf b;
    buf_init(&b, 1000);
    form_add(&b, "state", "a b");
    form_add(&b, "none", NULL);
    form_add(&b, "x&y", "1=2");
    form_add(&b, "empty", "");
    assert_string_equal(b.data, "state=a+b&x%26y=1%3D2&empty=");
}

static void test_percent_decode(void **state)
{
    char *s;
    assert_result(RESULT_OK, percent_decode(NULL, *state, "a%20b+c%C3%a9", 13, false, &s));
    assert_string_equal(s, "a b+c\xc3\xa9");
    assert_result(RESULT_OK, percent_decode(NULL, *state, "a%20b+c", 7, true, &s));
    assert_string_equal(s, "a b c");
    assert_result(RESULT_OK, percent_decode(NULL, *state, "%2B+", 4, true, &s));
    assert_string_equal(s, "+ ");
    assert_result(RESULT_OK, percent_decode(NULL, *state, "", 0, true, &s));
    assert_string_equal(s, "");
    assert_result(RESULT_OK, percent_decode(NULL, *state, "%25zz", 3, true, &s));
    assert_string_equal(s, "%");
}

static void test_percent_decode_refuses(void **state)
{
    static const char *const BAD[] = {"%00", "%", "%4", "a%4", "%zz", "%4g", "%g4", "%%41", "%ff", "%C3", "%ED%A0%80", "% 41", "\xff"};
    char *s;
    struct fault f;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        assert_result(RESULT_INVALID, percent_decode(&f, *state, BAD[i], strlen(BAD[i]), true, &s));
        assert_null(s);
    }
    assert_result(RESULT_INVALID, percent_decode(&f, *state, "a\0b", 3, true, &s));
    assert_result(RESULT_INVALID, percent_decode(&f, *state, "%41", 2, true, &s)); /* the rest is not ours to read */
}

static void test_form_round_trip(void **state)
{
    char *decoded, all[128];
    for (int i = 1; i < 128; i++)
        all[i - 1] = (char)i;
    all[127] = '\0';
    const char *coded = form_encode(*state, all);
    assert_result(RESULT_OK, percent_decode(NULL, *state, coded, strlen(coded), true, &decoded));
    assert_string_equal(decoded, all);
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static enum result parse(struct arena *a, const char *s, json_t **j)
{
    return json_parse(NULL, a, s, strlen(s), 1000, j);
}

static void test_json_reads_members(void **state)
{
    json_t *j;
    int64_t n = 0;
    assert_result(RESULT_OK, parse(*state,
        "{\"s\":\"x\",\"n\":5,\"e\":1.7e9,\"r\":1.5,\"big\":1e300,\"m\":-1,\"a\":[\"p\",7,\"q\"],\"o\":{}} ", &j));
    assert_string_equal(json_text(j, "s"), "x");
    assert_null(json_text(j, "n"));
    assert_null(json_text(j, "absent"));
    assert_null(json_text(NULL, "s"));
    assert_true(json_integer_at(j, "n", &n) && n == 5);
    assert_true(json_integer_at(j, "e", &n) && n == 1700000000);
    assert_true(json_integer_at(j, "m", &n) && n == -1);
    assert_false(json_integer_at(j, "r", &n));
    assert_false(json_integer_at(j, "big", &n));
    assert_false(json_integer_at(j, "s", &n));
    assert_false(json_integer_at(j, "absent", &n));
    assert_true(json_holds_text(json_object_get(j, "a"), "q"));
    assert_false(json_holds_text(json_object_get(j, "a"), "7"));
    assert_true(json_holds_text(json_object_get(j, "s"), "x"));
    assert_false(json_holds_text(json_object_get(j, "s"), "y"));
    assert_false(json_holds_text(json_object_get(j, "o"), "x"));
    assert_false(json_holds_text(NULL, "x"));
    assert_string_equal(json_compact(*state, json_object_get(j, "a")), "[\"p\",7,\"q\"]");
    assert_string_equal(json_compact(*state, json_object_get(j, "s")), "\"x\"");
    assert_null(json_compact(*state, NULL));
}

static void test_json_text_with_a_nul_is_none(void **state)
{
    CLEANUP(json) json_t *j = json_pack("{s:s#,s:[s#]}", "nul", "a\0b", 3, "list", "a\0b", 3);
    assert_non_null(j);
    (void)state;
    assert_null(json_text(j, "nul"));
    assert_false(json_holds_text(json_object_get(j, "list"), "a"));
}

static void test_json_refuses(void **state)
{
    static const char *const BAD[] = {
        "", "{", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":1}}", "{\"a\":1,\"\\u0061\":2}", "{} x", "{}{}", "[1,]", "{a:1}", "{'a':1}",
        "{\"a\":\"\xff\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\\ud800\"}", "{\"a\\u0000b\":1}", "\"text\"", "7", "true", "null",
        "{\"a\":01}", "{\"a\":1e999}", "{\"a\":99999999999999999999}", "{\"a\":NaN}", "\xef\xbb\xbf{}", "{\"a\":\"\n\"}",
        "/**/{}", "{\"a\":\"x\\u0000y\"}",
    };
    json_t *j;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        assert_result(RESULT_INVALID, parse(*state, BAD[i], &j));
        assert_null(j);
    }
    assert_result(RESULT_INVALID, json_parse(NULL, *state, "{}\0", 3, 10, &j));
    assert_result(RESULT_INVALID, json_parse(NULL, *state, NULL, 0, 10, &j));
}

static void test_json_limits(void **state)
{
    json_t *j;
    struct fault f;
    assert_result(RESULT_OK, json_parse(&f, *state, "[12]", 4, 4, &j));
    assert_result(RESULT_INVALID, json_parse(&f, *state, "[12]", 4, 3, &j));
    CLEANUP(free) char *deep = malloc(100000);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    assert_result(RESULT_INVALID, json_parse(&f, *state, deep, 100000, 100000, &j));
    assert_non_null(strstr(f.detail, "too deeply"));
    CLEANUP(arena) struct arena *none = arena_new(0);
    assert_result(RESULT_INTERNAL, json_parse(&f, none, "{}", 2, 10, &j));
}

/* What was sent may be a name or a secret; the fault says where the mistake is, never what stands there. */
static void test_json_faults_do_not_quote(void **state)
{
    json_t *j;
    struct fault f;
    static const char TEXT[] = "{\"password\":\"Tr0ub4dor\" \"x\"}";
    assert_result(RESULT_INVALID, json_parse(&f, *state, TEXT, sizeof TEXT - 1, 100, &j));
    assert_null(strstr(f.detail, "Tr0ub4dor"));
    assert_non_null(strstr(f.detail, "line 1"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_up, arena_down)
    const struct CMUnitTest tests[] = {
        T(test_equal), T(test_prefix_and_words), T(test_utf8), T(test_split), T(test_base64_rfc_4648),
        T(test_base64url_every_byte_and_length), T(test_base64url_refuses), T(test_base64_refuses), T(test_hex),
        T(test_percent_and_form), T(test_percent_decode), T(test_percent_decode_refuses), T(test_form_round_trip),
        T(test_json_reads_members), T(test_json_text_with_a_nul_is_none), T(test_json_refuses), T(test_json_limits),
        T(test_json_faults_do_not_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
