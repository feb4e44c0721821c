/* Does each fact that a directory states about an account give the status it means? One row per fact, then what wins
 * where several hold. Sources: broker/directory/status.c. */
#include "support.h"

#define NOW 1790000000 /* 2026-09-21, Monday, 14:13:20 UTC: hour 38 of the week, bit 6 of byte 4 */
#define FOUR_BYTES "\xff\xff\xff\xff"
#define ALL_HOURS FOUR_BYTES FOUR_BYTES FOUR_BYTES FOUR_BYTES FOUR_BYTES "\xff"
#define NOT_THIS_HOUR FOUR_BYTES "\xbf" "\xff\xff\xff" FOUR_BYTES FOUR_BYTES FOUR_BYTES "\xff"

static const struct row {
    enum directory_type type;
    const char *words[6];
    enum account_status status;
} rows[] = {
    /* nothing said */
    {DIRECTORY_OPENLDAP, {"uid=x"}, ACCOUNT_OK},
    {DIRECTORY_389DS, {"uid=x"}, ACCOUNT_OK},
    /* OpenLDAP, slapo-ppolicy */
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=000001010000Z"}, ACCOUNT_LOCKED_BY_ADMIN},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=00000101000000Z"}, ACCOUNT_LOCKED_BY_ADMIN},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=20260920101112Z"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=20260920101112.123456Z"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_OPENLDAP, {"pwdReset=TRUE"}, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_OPENLDAP, {"pwdReset=FALSE"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"pwdStartTime=20990101000000Z"}, ACCOUNT_NOT_YET_VALID},
    {DIRECTORY_OPENLDAP, {"pwdStartTime=20200101000000Z"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"pwdEndTime=20200101000000Z"}, ACCOUNT_EXPIRED},
    {DIRECTORY_OPENLDAP, {"pwdEndTime=20990101000000Z"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"pwdEndTime=next year"}, ACCOUNT_EXPIRED},
    {DIRECTORY_OPENLDAP, {"pwdStartTime=20200101000000Z", "pwdEndTime=20200101000000Z"}, ACCOUNT_DISABLED},
    {DIRECTORY_OPENLDAP, {"pwdStartTime=20990101000000Z", "pwdEndTime=20200101000000Z"}, ACCOUNT_DISABLED},
    {DIRECTORY_OPENLDAP, {"pwdStartTime=20200101000000Z", "pwdEndTime=20990101000000Z"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"pwdChangedTime=20260623141320Z"}, ACCOUNT_PASSWORD_EXPIRED}, /* 90 days before, to the second */
    {DIRECTORY_OPENLDAP, {"pwdChangedTime=20260623141321Z"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"pwdChangedTime=long ago"}, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_OPENLDAP, {"pwdAccountTmpLockoutEnd=20260921141321Z"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_OPENLDAP, {"pwdAccountTmpLockoutEnd=20260921141320Z"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"shadowExpire=18262"}, ACCOUNT_EXPIRED},
    {DIRECTORY_OPENLDAP, {"shadowExpire=0"}, ACCOUNT_EXPIRED},
    {DIRECTORY_OPENLDAP, {"shadowExpire=-1"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"shadowExpire=47482"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"employeeType=permanent"}, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {"employeeType=permanent", "employeeType=Disabled"}, ACCOUNT_DISABLED},
    {DIRECTORY_OPENLDAP, {"nsAccountLock=TRUE"}, ACCOUNT_OK}, /* of another server: says nothing here */
    /* Active Directory */
    {DIRECTORY_AD, {"userAccountControl=512"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=66048"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=514"}, ACCOUNT_DISABLED},
    {DIRECTORY_AD, {"userAccountControl=66050"}, ACCOUNT_DISABLED},
    {DIRECTORY_AD, {"userAccountControl=many"}, ACCOUNT_DISABLED},
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=0"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=9223372036854775807"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=132223104000000000"}, ACCOUNT_EXPIRED},
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=157469184000000000"}, ACCOUNT_OK}, /* 2099 */
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=99999999999999999999"}, ACCOUNT_EXPIRED},
    {DIRECTORY_AD, {"userAccountControl=512", "msDS-User-Account-Control-Computed=16"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_AD, {"userAccountControl=512", "msDS-User-Account-Control-Computed=0", "lockoutTime=134000000000000000"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "lockoutTime=134000000000000000"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_AD, {"userAccountControl=512", "lockoutTime=0"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "msDS-User-Account-Control-Computed=8388608", "pwdLastSet=132223104000000000"}, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_AD, {"userAccountControl=512", "msDS-User-Account-Control-Computed=8388608", "pwdLastSet=0"}, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_AD, {"userAccountControl=512", "pwdLastSet=0"}, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_AD, {"userAccountControl=66048", "pwdLastSet=0"}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "logonHours=" ALL_HOURS}, ACCOUNT_OK},
    {DIRECTORY_AD, {"userAccountControl=512", "logonHours=" NOT_THIS_HOUR}, ACCOUNT_LOGON_HOURS},
    {DIRECTORY_AD, {"userAccountControl=512", "logonHours=" "\xff"}, ACCOUNT_LOGON_HOURS},
    {DIRECTORY_AD, {"userAccountControl=512", "logonHours=" NOT_THIS_HOUR, "pwdLastSet=0"}, ACCOUNT_MUST_CHANGE},
    /* 389-ds and FreeIPA */
    {DIRECTORY_389DS, {"nsAccountLock=true"}, ACCOUNT_DISABLED},
    {DIRECTORY_389DS, {"nsAccountLock=FALSE"}, ACCOUNT_OK},
    {DIRECTORY_389DS, {"passwordExpirationTime=20200101000000Z"}, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_389DS, {"passwordExpirationTime=20991231000000Z"}, ACCOUNT_OK},
    {DIRECTORY_389DS, {"passwordExpirationTime=19700101000000Z"}, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_389DS, {"pwdReset=TRUE"}, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_389DS, {"accountUnlockTime=20990101000000Z"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_389DS, {"accountUnlockTime=19700101000000Z"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_389DS, {"accountUnlockTime=20200101000000Z"}, ACCOUNT_OK},
    {DIRECTORY_389DS, {"krbPrincipalExpiration=20200101000000Z"}, ACCOUNT_EXPIRED},
    {DIRECTORY_389DS, {"krbPasswordExpiration=20200101000000Z"}, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_389DS, {"shadowExpire=1"}, ACCOUNT_EXPIRED},
    /* precedence */
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=000001010000Z", "pwdEndTime=20200101000000Z", "pwdReset=TRUE"}, ACCOUNT_LOCKED_BY_ADMIN},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=20260101000000Z", "pwdEndTime=20200101000000Z"}, ACCOUNT_EXPIRED},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=20260101000000Z", "pwdStartTime=20990101000000Z"}, ACCOUNT_NOT_YET_VALID},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=000001010000Z", "employeeType=disabled"}, ACCOUNT_DISABLED},
    {DIRECTORY_OPENLDAP, {"pwdAccountLockedTime=20260101000000Z", "pwdReset=TRUE"}, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_AD, {"userAccountControl=514", "accountExpires=132223104000000000", "lockoutTime=1"}, ACCOUNT_DISABLED},
    {DIRECTORY_AD, {"userAccountControl=512", "accountExpires=132223104000000000", "lockoutTime=1", "pwdLastSet=0"}, ACCOUNT_EXPIRED},
    {DIRECTORY_389DS, {"krbPrincipalExpiration=20200101000000Z", "accountUnlockTime=20990101000000Z"}, ACCOUNT_EXPIRED},
};

static void every_fact(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct directory d = {.type = rows[i].type, .disabled_attribute = "employeeType", .disabled_value = "disabled",
                              .password_max_age = 90 * 86400};
        struct entry e = entry_of(*state, rows[i].words);
        enum account_status got = dir_status(&d, &e, NOW);
        if (got != rows[i].status)
            print_error("row %zu (%s): %s, want %s\n", i, rows[i].words[0], account_status_name(got),
                        account_status_name(rows[i].status));
        assert_int_equal(got, rows[i].status);
    }
}

/* To the second: valid until the end time, not at it. */
static void the_edge_of_a_time(void **state)
{
    struct directory d = {.type = DIRECTORY_OPENLDAP};
    const char *const words[] = {"pwdEndTime=20260921141320Z", NULL}; /* NOW */
    struct entry e = entry_of(*state, words);
    assert_int_equal(dir_status(&d, &e, NOW - 1), ACCOUNT_OK);
    assert_int_equal(dir_status(&d, &e, NOW), ACCOUNT_EXPIRED);
}

/* The facts that are read are asked for by name. */
/* [MS-SAMR] 2.2.6.5: the week begins on Sunday at 00:00 UTC with the lowest bit of the first byte. */
static void the_edges_of_the_week(void **state)
{
    enum { SUNDAY = 3 * 86400 }; /* 1970-01-04 */
    static const char *const not_first[] = {"logonHours=\xfe\xff\xff\xff" FOUR_BYTES FOUR_BYTES FOUR_BYTES FOUR_BYTES "\xff", NULL};
    static const char *const not_last[] = {"logonHours=" FOUR_BYTES FOUR_BYTES FOUR_BYTES FOUR_BYTES FOUR_BYTES "\x7f", NULL};
    struct directory d = {.type = DIRECTORY_AD};
    struct entry first = entry_of(*state, not_first), last = entry_of(*state, not_last);
    assert_int_equal(dir_status(&d, &first, SUNDAY - 1), ACCOUNT_OK);
    assert_int_equal(dir_status(&d, &first, SUNDAY), ACCOUNT_LOGON_HOURS);
    assert_int_equal(dir_status(&d, &first, SUNDAY + 3599), ACCOUNT_LOGON_HOURS);
    assert_int_equal(dir_status(&d, &first, SUNDAY + 3600), ACCOUNT_OK);
    assert_int_equal(dir_status(&d, &last, SUNDAY - 3601), ACCOUNT_OK);
    assert_int_equal(dir_status(&d, &last, SUNDAY - 3600), ACCOUNT_LOGON_HOURS);
    assert_int_equal(dir_status(&d, &last, SUNDAY - 1), ACCOUNT_LOGON_HOURS);
    assert_int_equal(dir_status(&d, &last, SUNDAY), ACCOUNT_OK);
}

static void attributes_asked_for(void **state)
{
    const char *names[32];
    (void)state;
    size_t n = dir_status_attributes(DIRECTORY_AD, names, COUNT_OF(names));
    bool computed = false, other = false;
    for (size_t i = 0; i < n; i++) {
        computed |= strcmp(names[i], "msDS-User-Account-Control-Computed") == 0;
        other |= strcmp(names[i], "nsAccountLock") == 0;
    }
    assert_int_equal(n, 6);
    assert_true(computed);
    assert_false(other);
}

static void generalized_times(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t time;
    } times[] = {
        {"19700101000000Z", true, 0},
        {"20260921141320Z", true, NOW},
        {"202609211413Z", true, NOW - 20},
        {"2026092114Z", true, NOW - 20 - 13 * 60},
        {"20260921141320.5Z", true, NOW},
        {"20260921141320,5Z", true, NOW},
        {"20260921194320+0530", true, NOW},
        {"20260921101320-04", true, NOW},
        {"20991231235959Z", true, 4102444799},
        {"20260921141320", false, 0},
        {"20261321141320Z", false, 0},
        {"20260921141320Zx", false, 0},
        {"20260921141320+0", false, 0},
        {"2026", false, 0},
        {"", false, 0},
        {"-1", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        int64_t t = -1;
        assert_int_equal(dir_time_parse(bytes_of(times[i].text), &t), times[i].good);
        if (times[i].good)
            assert_int_equal(t, times[i].time);
    }
}


/* Each status has its name, and whatever holds beside it, a graver one is the answer. */
static void grave_before_harmless(void **state)
{
    (void)state;
    assert_int_equal(dir_status_first(0), ACCOUNT_OK);
    for (enum account_status s = ACCOUNT_UNKNOWN; s < ACCOUNT_STATUSES; s++) {
        assert_int_equal(dir_status_first(1U << s), s);
        assert_true(s == ACCOUNT_UNKNOWN || strcmp(account_status_name(s), "unknown") != 0);
    }
    assert_int_equal(dir_status_first(1U << ACCOUNT_LOCKED_BY_PASSWORDS | 1U << ACCOUNT_DISABLED), ACCOUNT_DISABLED);
    assert_int_equal(dir_status_first(1U << ACCOUNT_LOCKED_BY_PASSWORDS | 1U << ACCOUNT_EXPIRED), ACCOUNT_EXPIRED);
    assert_string_equal(account_status_name(ACCOUNT_LOCKED_BY_ADMIN), "locked_by_admin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fact),           cmocka_unit_test(the_edge_of_a_time),
        cmocka_unit_test(attributes_asked_for), cmocka_unit_test(generalized_times),
        cmocka_unit_test(grave_before_harmless),
        cmocka_unit_test(the_edges_of_the_week),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
