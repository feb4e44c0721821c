/* Which statuses refuse a login, by default and as configured? design.md, "Policy per account status". */
#include "support.h"

#define SECTION "[directory staff]\ntype = openldap\nurls = ldaps://ldap.example\npeople_base = dc=example\n"
#define BIT(s) (1U << ACCOUNT_##s)

enum { NOBODY = BIT(UNKNOWN) | BIT(AMBIGUOUS) | BIT(UNREACHABLE) | BIT(WRONG_PASSWORD) };
enum { GONE = BIT(DISABLED) | BIT(EXPIRED) | BIT(NOT_YET_VALID) | BIT(LOCKED_BY_ADMIN) };
enum { PASSWORD = BIT(LOCKED_BY_PASSWORDS) | BIT(PASSWORD_EXPIRED) | BIT(MUST_CHANGE) | BIT(LOGON_HOURS) };

static const struct row {
    const char *keys;
    unsigned refused, by_password; /* beside NOBODY, whom nothing lets in */
} rows[] = {
    {"", GONE, GONE | PASSWORD},
    {"refuse = none\nrefuse_password = none\n", 0, 0},
    {"refuse = none\n", 0, PASSWORD},
    {"refuse = disabled password_expired\n", BIT(DISABLED) | BIT(PASSWORD_EXPIRED), BIT(DISABLED) | PASSWORD},
    {"refuse_password = must_change\n", GONE, GONE | BIT(MUST_CHANGE)},
    {"refuse = disabled expired not_yet_valid locked_by_admin locked_by_passwords password_expired must_change logon_hours\n",
     GONE | PASSWORD, GONE | PASSWORD},
};

static struct directories *made_of(const char *keys)
{
    struct fault f = {0};
    struct directories *d = NULL;
    char text[1024];
    (void)snprintf(text, sizeof text, SECTION "%s", keys);
    assert_int_equal(directories_of(&f, text, &d), RESULT_OK);
    return d;
}

static void every_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct directories *d = made_of(rows[i].keys);
        for (enum account_status s = ACCOUNT_OK; s < ACCOUNT_STATUSES; s++)
            for (int by_password = 0; by_password < 2; by_password++) {
                unsigned refused = NOBODY | (by_password ? rows[i].by_password : rows[i].refused);
                struct person p = {.directory = "staff", .status = s};
                bool allows = (refused & 1U << s) == 0;
                assert_int_equal(directory_status_allows(d, "staff", s, by_password), allows);
                assert_int_equal(directory_refusal(d, &p, by_password), allows ? ACCOUNT_OK : s);
            }
        directories_free(d);
    }
}

/* Five bad binds by a stranger must not hide what refuses. */
static void what_is_let_pass_hides_nothing(void **state)
{
    struct directories *d = made_of("refuse = disabled password_expired\n");
    struct person p = {.directory = "staff", .status = ACCOUNT_LOCKED_BY_PASSWORDS,
                       .holds = BIT(LOCKED_BY_PASSWORDS) | BIT(PASSWORD_EXPIRED) | BIT(MUST_CHANGE)};
    (void)state;
    assert_int_equal(directory_refusal(d, &p, false), ACCOUNT_PASSWORD_EXPIRED);
    p.holds = BIT(LOCKED_BY_PASSWORDS) | BIT(MUST_CHANGE);
    assert_int_equal(directory_refusal(d, &p, false), ACCOUNT_OK);
    assert_int_equal(directory_refusal(d, &p, true), ACCOUNT_LOCKED_BY_PASSWORDS);
    directories_free(d);
}

static void an_unknown_directory_refuses(void **state)
{
    struct directories *d = made_of("refuse = none\n");
    struct person p = {.directory = "gone", .status = ACCOUNT_OK}, none = {.status = ACCOUNT_OK};
    (void)state;
    assert_false(directory_status_allows(d, "gone", ACCOUNT_OK, false));
    assert_false(directory_status_allows(d, "staff", ACCOUNT_STATUSES, false));
    assert_int_equal(directory_refusal(d, &p, false), ACCOUNT_UNREACHABLE);
    assert_int_equal(directory_refusal(d, &none, false), ACCOUNT_UNREACHABLE);
    directories_free(d);
}

static void words_that_are_none(void **state)
{
    static const char *const keys[] = {"refuse = disabld\n", "refuse = unknown\n", "refuse_password = ok\n",
                                       "refuse = wrong_password\n", "refuse_password = unreachable\n"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct fault f = {0};
        struct directories *d = NULL;
        char text[1024];
        (void)snprintf(text, sizeof text, SECTION "%s", keys[i]);
        assert_int_equal(directories_of(&f, text, &d), RESULT_INVALID);
        assert_non_null(strstr(f.detail, "want words of: disabled"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status), cmocka_unit_test(what_is_let_pass_hides_nothing),
        cmocka_unit_test(an_unknown_directory_refuses), cmocka_unit_test(words_that_are_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
