/* mapping: what a rule may say, and what is refused by member. */
#include <idbridge/mapping.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static enum result check(const char *text, struct fault *f, char *name, size_t n)
{
    CLEANUP(arena) struct arena *a = arena_new(1u << 20);
    const char *normal = NULL, *got = NULL;
    *f = (struct fault){0};
    enum result r = mapping_rule_check(f, a, text, &normal, &got);
    if (r == RESULT_OK && name != NULL)
        (void)snprintf(name, n, "%s", got);
    return r;
}

static void a_whole_rule_is_taken(void **state)
{
    (void)state;
    struct fault f;
    char name[64];
    assert_int_equal(check("{\"name\":\"nurses\",\"dhis2\":\"hmis\",\"from\":\"2026-01-01\",\"until\":\"2026-12-31\",\"note\":\"why\","
                           "\"when\":{\"groups\":[\"cn=nurses,ou=groups,dc=x\",\"nurses\"],\"attributes\":{\"title\":[\"Nurse\"]},"
                           "\"claims\":{\"gender\":[\"F\"]}},\"give\":{\"roles\":[\"Clinic worker\"],\"groups\":[\"code:N\"],"
                           "\"org_units\":[\"code:{directory.departmentNumber}\"],\"view_org_units\":[\"uid:ImspTQPwCqd\"],"
                           "\"search_org_units\":[\"{claim.place}\"]}}", &f, name, sizeof(name)), RESULT_OK);
    assert_string_equal(name, "nurses");
}

static void what_is_not_understood_is_refused_by_member(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"[]", "JSON object"},
        {"{\"give\":{\"roles\":[\"R\"]}}", "\"name\""},
        {"{\"name\":\"\",\"give\":{\"roles\":[\"R\"]}}", "\"name\""},
        {"{\"name\":\"x\"}", "\"give\""},
        {"{\"name\":\"x\",\"give\":{}}", "gives nothing"},
        {"{\"name\":\"x\",\"give\":{\"role\":[\"R\"]}}", "\"role\""},
        {"{\"name\":\"x\",\"give\":{\"roles\":\"R\"}}", "must be a list"},
        {"{\"name\":\"x\",\"give\":{\"roles\":[1]}}", "no text"},
        {"{\"name\":\"x\",\"give\":{\"roles\":[\"code:\"]}}", "empty reference"},
        {"{\"name\":\"x\",\"give\":{\"roles\":[\"{env.HOME}\"]}}", "template"},
        {"{\"name\":\"x\",\"give\":{\"roles\":[\"{directory.x\"]}}", "template"},
        {"{\"name\":\"x\",\"when\":[],\"give\":{\"roles\":[\"R\"]}}", "\"when\""},
        {"{\"name\":\"x\",\"when\":{\"group\":[\"g\"]},\"give\":{\"roles\":[\"R\"]}}", "\"group\""},
        {"{\"name\":\"x\",\"when\":{\"groups\":[]},\"give\":{\"roles\":[\"R\"]}}", "not empty"},
        {"{\"name\":\"x\",\"when\":{\"attributes\":{\"a\":\"v\"}},\"give\":{\"roles\":[\"R\"]}}", "list of texts"},
        {"{\"name\":\"x\",\"from\":\"2026-13-01\",\"give\":{\"roles\":[\"R\"]}}", "\"from\""},
        {"{\"name\":\"x\",\"until\":\"tomorrow\",\"give\":{\"roles\":[\"R\"]}}", "\"until\""},
        {"{\"name\":\"x\",\"dhis2\":5,\"give\":{\"roles\":[\"R\"]}}", "\"dhis2\""},
        {"{\"name\":\"x\",\"name\":\"y\",\"give\":{\"roles\":[\"R\"]}}", ""},
        {"{\"name\":\"x\",\"acr\":\"high\",\"give\":{\"roles\":[\"R\"]}}", "\"acr\""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault f;
        assert_int_equal(check(rows[i].text, &f, NULL, 0), RESULT_INVALID);
        if (strstr(f.detail, rows[i].says) == NULL)
            fail_msg("row %zu said: %s", i, f.detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_rule_is_taken),
        cmocka_unit_test(what_is_not_understood_is_refused_by_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
