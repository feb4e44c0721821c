/* What does a server's answer to a person's bind mean? The answers are those seen on OpenLDAP 2.5, Samba 4.17 and 389-ds
 * 2.3. Also: what is refused before the wire. */
#include "support.h"

#define AD_TEXT(code) "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data " code ", v1db1"

static const struct row {
    enum directory_type type;
    struct bind_answer answer;
    bool known;
    enum account_status status;
} rows[] = {
    {DIRECTORY_OPENLDAP, {LDAP_SUCCESS, POLICY_NONE, ""}, true, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {LDAP_SUCCESS, PP_changeAfterReset, ""}, true, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_OPENLDAP, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, ""}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_OPENLDAP, {LDAP_INVALID_CREDENTIALS, PP_passwordExpired, ""}, true, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_OPENLDAP, {LDAP_INVALID_CREDENTIALS, PP_accountLocked, ""}, true, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_OPENLDAP, {LDAP_INAPPROPRIATE_AUTH, POLICY_NONE, ""}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_OPENLDAP, {LDAP_CONFIDENTIALITY_REQUIRED, POLICY_NONE, ""}, false, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {LDAP_BUSY, POLICY_NONE, ""}, false, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {LDAP_CONSTRAINT_VIOLATION, POLICY_NONE, ""}, false, ACCOUNT_OK},
    {DIRECTORY_OPENLDAP, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("773")}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_AD, {LDAP_SUCCESS, POLICY_NONE, NULL}, true, ACCOUNT_OK},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("52e")}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("525")}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("530")}, true, ACCOUNT_LOGON_HOURS},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("531")}, true, ACCOUNT_LOGON_HOURS},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("532")}, true, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("533")}, true, ACCOUNT_DISABLED},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("701")}, true, ACCOUNT_EXPIRED},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("773")}, true, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, AD_TEXT("775")}, true, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_AD, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, NULL}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_AD, {LDAP_STRONG_AUTH_REQUIRED, POLICY_NONE, "Transport encryption required"}, false, ACCOUNT_OK},
    {DIRECTORY_389DS, {LDAP_SUCCESS, PP_changeAfterReset, ""}, true, ACCOUNT_MUST_CHANGE},
    {DIRECTORY_389DS, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, ""}, true, ACCOUNT_WRONG_PASSWORD},
    {DIRECTORY_389DS, {LDAP_INVALID_CREDENTIALS, POLICY_NONE, "password expired!"}, true, ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_389DS, {LDAP_CONSTRAINT_VIOLATION, POLICY_NONE, "Exceed password retry limit. Contact system administrator to reset."}, true, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_389DS, {LDAP_UNWILLING_TO_PERFORM, POLICY_NONE, "Account inactivated. Contact system administrator."}, true, ACCOUNT_DISABLED},
    {DIRECTORY_389DS, {LDAP_UNWILLING_TO_PERFORM, POLICY_NONE, "Unauthenticated binds are not allowed"}, false, ACCOUNT_OK},
};

static void every_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum account_status got = ACCOUNT_OK;
        bool known = dir_bind_status(rows[i].type, &rows[i].answer, &got);
        if (known != rows[i].known || got != rows[i].status)
            print_error("row %zu: %d %s\n", i, known, account_status_name(got));
        assert_int_equal(known, rows[i].known);
        assert_int_equal(got, rows[i].status);
    }
}

/* RFC 4513 §5.1.2 and CVE-2017-14623: no such bind may reach a server. There is none here: it would be RESULT_UNAVAILABLE. */
static void refused_before_the_wire(void **state)
{
    struct fault f = {0};
    struct directories *d = NULL;
    enum account_status s = ACCOUNT_WRONG_PASSWORD;
    char many[DIR_PASSWORD_MAX + 2];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    assert_int_equal(directories_of(&f, "[directory x]\ntype = openldap\nurls = ldap://127.0.0.1:1\npeople_base = dc=x\n", &d),
                     RESULT_OK);
    assert_int_equal(directory_bind(&f, *state, d, "x", "uid=a,dc=x", "", &s), RESULT_INVALID);
    assert_int_equal(directory_bind(&f, *state, d, "x", "", "secret", &s), RESULT_INVALID);
    assert_int_equal(directory_bind(&f, *state, d, "x", "uid=a,dc=x", many, &s), RESULT_INVALID);
    assert_int_equal(directory_bind(&f, *state, d, "x", "uid=a,dc=x", "secret", &s), RESULT_UNAVAILABLE);
    assert_null(strstr(f.detail, "uid=a"));
    assert_int_equal(s, ACCOUNT_WRONG_PASSWORD);
    directories_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_answer), cmocka_unit_test(refused_before_the_wire)};
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
