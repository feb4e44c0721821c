/* Is a [directory x] section refused, by name and with a reason, when it would be unsafe or mean nothing? Are the defaults
 * those of the server type? */
#include "support.h"

#define MINIMAL(type, urls) "[directory staff]\ntype = " type "\nurls = " urls "\npeople_base = ou=people,dc=x\n"

static void refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {MINIMAL("openldap", "ldap://ldap.example.org"), "in the clear"},
        {MINIMAL("openldap", "ldaps://good.example.org ldap://bad.example.org"), "ldap://bad.example.org"},
        {MINIMAL("openldap", "http://ldap.example.org"), "not an LDAP URL"},
        {MINIMAL("openldap", "ldaps:///"), "want ldaps://host"},
        {MINIMAL("openldap", "ldaps://h/dc=x"), "want ldaps://host"},
        {MINIMAL("openldap", "cldap://127.0.0.1"), "[directory staff] urls"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "bind_dn = cn=bridge\n", "bind_password_file"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "bind_dn = cn=bridge\nbind_password_file = /nowhere/at/all\n", "cannot be read"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "bind_dn = cn=bridge\nbind_password_file = /dev/null\n", "empty"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "login_filter = (uid=*)\n", "login_filter"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "claim_filter = (uid={login})\n", "claim_filter"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "person_filter = objectClass=person\n", "person_filter"},
        {MINIMAL("openldap", "ldap://127.0.0.1") "disabled_attribute = employeeType\n", "go together"},
    };
    struct fault f = {0};
    struct directories *d = NULL;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f.detail[0] = '\0';
        if (directories_of(&f, rows[i].text, &d) != RESULT_INVALID || strstr(f.detail, rows[i].says) == NULL)
            print_error("row %zu: %s\n", i, f.detail);
        assert_non_null(strstr(f.detail, rows[i].says));
        assert_null(d);
    }
}

/* What may carry a password: TLS, this machine, or StartTLS. */
static void allowed_urls(void **state)
{
    static const char *const texts[] = {
        MINIMAL("openldap", "ldaps://ldap.example.org:1636 ldap://localhost ldap://127.0.0.9:3890 ldap://[::1]"),
        MINIMAL("openldap", "ldapi://%2Frun%2Fslapd%2Fldapi"),
        MINIMAL("openldap", "ldap://ldap.example.org") "starttls = on\n",
    };
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct directories *d = NULL;
        enum result r = directories_of(&f, texts[i], &d);
        if (r != RESULT_OK)
            print_error("%s\n", f.detail);
        assert_int_equal(r, RESULT_OK);
        directories_free(d);
    }
}

static void servers_as_written(void **state)
{
    struct fault f = {0};
    struct directories *d = NULL;
    (void)state;
    assert_int_equal(directories_of(&f, MINIMAL("ad", "ldaps://dc1.example.org ldaps://dc2.example.org:3269 ldap://[::1]:390 ldapi://%2Frun%2Fx"), &d), RESULT_OK);
    const struct server *s = dir_find(d, "staff", 5)->servers;
    assert_string_equal(s[0].host, "dc1.example.org");
    assert_int_equal(s[0].port, 636);
    assert_int_equal(s[1].port, 3269);
    assert_string_equal(s[2].host, "::1");
    assert_int_equal(s[2].port, 390);
    assert_true(s[2].loopback);
    assert_string_equal(s[3].host, "/run/x");
    directories_free(d);
}

static bool wants(const struct directory *d, const char *name)
{
    size_t times = 0;
    for (char **w = d->wanted; *w != NULL; w++)
        times += strcasecmp(*w, name) == 0;
    assert_true(times <= 1);
    return times == 1;
}

static void defaults_by_type(void **state)
{
    struct fault f = {0};
    struct directories *d = NULL;
    const char *const *names = NULL;
    (void)state;
    assert_int_equal(directories_of(&f,
                                    "[directory a]\ntype = openldap\nurls = ldaps://h\npeople_base = dc=x\nattributes = title SN\n"
                                    "[directory b]\ntype = ad\nurls = ldaps://h\npeople_base = dc=x\n"
                                    "[directory c]\ntype = 389ds\nurls = ldaps://h\npeople_base = dc=x\ngroup_mode = search\n"
                                    "id_attribute = ipaUniqueID\n",
                                    &d),
                     RESULT_OK);
    assert_int_equal(directories_names(d, &names), 3);
    assert_string_equal(names[1], "b");
    const struct directory *a = dir_find(d, "a", 1), *b = dir_find(d, "b", 1), *c = dir_find(d, "c", 1);
    assert_string_equal(a->names.id, "entryUUID");
    assert_string_equal(a->login_filter, "(uid={login})");
    assert_true(wants(a, "pwdAccountLockedTime") && wants(a, "title") && wants(a, "sn"));
    assert_int_equal(a->group_mode, GROUPS_SEARCH);
    assert_string_equal(b->login_filter, "(|(sAMAccountName={login})(userPrincipalName={login}))");
    assert_true(b->names.id_binary);
    assert_true(wants(b, "objectGUID") && wants(b, "userAccountControl") && wants(b, "objectSid"));
    assert_int_equal(b->group_mode, GROUPS_TOKEN);
    assert_string_equal(c->names.id, "ipaUniqueID");
    assert_int_equal(c->group_mode, GROUPS_SEARCH);
    assert_true(wants(c, "nsAccountLock"));
    assert_null(dir_find(d, "d", 1));
    directories_free(d);
}

static void no_such_directory(void **state)
{
    struct fault f = {0};
    struct directories *d = NULL;
    struct person p;
    assert_int_equal(directories_of(&f, MINIMAL("openldap", "ldap://127.0.0.1:1"), &d), RESULT_OK);
    assert_int_equal(directory_by_login(&f, *state, d, "other", "x", &p), RESULT_NOT_FOUND);
    assert_int_equal(directory_by_key(&f, *state, d, "other:1", &p), RESULT_NOT_FOUND);
    assert_int_equal(directory_by_key(&f, *state, d, "staff", &p), RESULT_INVALID);
    assert_int_equal(directory_by_key(&f, *state, d, "staff:", &p), RESULT_INVALID);
    assert_int_equal(directory_by_login(&f, *state, d, "staff", "", &p), RESULT_INVALID);
    assert_int_equal(directory_by_login(&f, *state, d, "staff", "\xff", &p), RESULT_INVALID);
    assert_int_equal(directory_by_claims(&f, *state, d, "staff", NULL, &p), RESULT_NOT_FOUND);
    assert_int_equal(directory_by_login(&f, *state, d, "staff", "x", &p), RESULT_UNAVAILABLE);
    assert_non_null(strstr(f.detail, "ldap://127.0.0.1:1: Connection refused"));
    directories_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(allowed_urls),
                                       cmocka_unit_test(servers_as_written), cmocka_unit_test(defaults_by_type),
                                       cmocka_unit_test(no_such_directory)};
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
