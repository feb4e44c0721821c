/* Can what a person types, or an ID provider claims, ever be more than a value in a search filter (RFC 4515)? And are
 * wrong templates refused at start? */
#include "support.h"

static const char *fill(struct arena *a, const char *template, const char *login)
{
    struct fault f = {0};
    char *out = NULL;
    assert_int_equal(dir_filter_fill(&f, a, template, login, NULL, &out), RESULT_OK);
    return out;
}

static void logins_are_values(void **state)
{
    static const struct {
        const char *login, *filter;
    } rows[] = {
        {"amina.diallo", "(uid=amina.diallo)"},
        {"*", "(uid=\\2A)"},
        {"x)(uid=*", "(uid=x\\29\\28uid=\\2A)"},
        {"a\\b", "(uid=a\\5Cb)"},
        {"{login}", "(uid={login})"},
        {"o'brien, \"ann\" + #", "(uid=o'brien, \"ann\" + #)"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(fill(*state, "(uid={login})", rows[i].login), rows[i].filter);
    assert_string_equal(fill(*state, "(|(a={login})(b={login}))", "*"), "(|(a=\\2A)(b=\\2A))");
}

static void bytes_are_escaped(void **state)
{
    static const unsigned char guid[] = {0x00, 0x2a, 'a', 0xff, 0x28};
    assert_string_equal(dir_escape(*state, (struct bytes){guid, sizeof guid}), "\\00\\2Aa\\FF\\28");
    assert_string_equal(dir_escape(*state, (struct bytes){NULL, 0}), "");
}

static void claims(void **state)
{
    struct fault f = {0};
    char *out = NULL;
    json_t *j = arena_json(*state, json_pack("{s:s, s:i, s:s, s:[s], s:b, s:s}", "employee_number", "77*", "number", 42,
                                             "empty", "", "list", "x", "flag", 1, "name#fr", "Zoé"));
    const char *both = "(&(employeeNumber={claim.employee_number})(x={claim.number}))";
    static const char *const absent[] = {"(a={claim.none})", "(a={claim.empty})", "(a={claim.list})", "(a={claim.flag})"};
    assert_int_equal(dir_filter_fill(&f, *state, both, NULL, j, &out), RESULT_OK);
    assert_string_equal(out, "(&(employeeNumber=77\\2A)(x=42))");
    assert_int_equal(dir_filter_fill(&f, *state, "(cn={claim.name#fr})", NULL, j, &out), RESULT_OK);
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        assert_int_equal(dir_filter_fill(&f, *state, absent[i], NULL, j, &out), RESULT_NOT_FOUND);
    assert_int_equal(dir_filter_fill(&f, *state, both, NULL, NULL, &out), RESULT_NOT_FOUND);
}

static void templates(void **state)
{
    static const struct {
        const char *filter, *placeholder;
        enum result result;
    } rows[] = {
        {"(uid={login})", "{login}", RESULT_OK},
        {"(|(uid={login})(mail={login}))", "{login}", RESULT_OK},
        {"(objectClass=person)", NULL, RESULT_OK},
        {"(a={claim.x})", "{claim.", RESULT_OK},
        {"uid={login}", "{login}", RESULT_INVALID},
        {"(uid={login}", "{login}", RESULT_INVALID},
        {"(uid={login}))", "{login}", RESULT_INVALID},
        {"(uid={login})(a=b)", "{login}", RESULT_INVALID},
        {"(uid={user})", "{login}", RESULT_INVALID},
        {"(uid=*)", "{login}", RESULT_INVALID},
        {"(uid={login)", "{login}", RESULT_INVALID},
        {"(uid={login})", NULL, RESULT_INVALID},
        {"(a={claim.x)", "{claim.", RESULT_INVALID},
        {"", "{login}", RESULT_INVALID},
    };
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(dir_filter_check(&f, "key", rows[i].filter, rows[i].placeholder), rows[i].result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(logins_are_values), cmocka_unit_test(bytes_are_escaped),
                                       cmocka_unit_test(claims), cmocka_unit_test(templates)};
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
