/* Is an entry turned into the right person: key, names with their fallbacks, attributes, status? Does a person survive the
 * way through JSON text for the grace copy? Are DNs compared as DNs? */
#include "support.h"

static struct directory openldap(struct arena *a)
{
    char **mapped = arena_alloc(a, 4 * sizeof *mapped);
    mapped[0] = arena_strdup(a, "departmentNumber");
    mapped[1] = arena_strdup(a, "jpegPhoto");
    mapped[2] = arena_strdup(a, "title");
    return (struct directory){.name = "staff",
                              .type = DIRECTORY_OPENLDAP,
                              .names = {.id = "entryUUID", .login = "uid", .given_name = "givenName", .surname = "sn",
                                        .display_name = "displayName", .mail = "mail", .phone = "mobile",
                                        .birth_date = "schacDateOfBirth"},
                              .mapped = mapped};
}

static struct person person_of(struct arena *a, const char *const *words)
{
    struct directory *d = arena_alloc(a, sizeof *d);
    struct fault f = {0};
    struct person p;
    *d = openldap(a);
    struct entry *e = arena_alloc(a, sizeof *e);
    *e = entry_of(a, words);
    assert_int_equal(dir_person(&f, a, d, e, &p), RESULT_OK);
    return p;
}

static void whole(void **state)
{
    const char *const words[] = {"entryUUID=11111111-2222-3333-4444-555555555555", "uid=amina.diallo", "givenName=Amina",
                                 "sn=Diallo", "displayName=Nurse Amina", "mail=a@example.org", "mobile=+1 555",
                                 "schacDateOfBirth=19900131", "departmentNumber=EX-R1", "departmentNumber=EX-R2",
                                 "jpegPhoto=\xff\xd8", "pwdReset=TRUE", NULL};
    struct person p = person_of(*state, words);
    assert_string_equal(p.key, "staff:11111111-2222-3333-4444-555555555555");
    assert_string_equal(p.directory, "staff");
    assert_string_equal(p.login, "amina.diallo");
    assert_string_equal(p.display_name, "Nurse Amina");
    assert_string_equal(p.phone, "+1 555");
    assert_string_equal(p.birth_date, "1990-01-31");
    assert_int_equal(p.status, ACCOUNT_MUST_CHANGE);
    assert_false(p.from_grace);
    CLEANUP(json) json_t *want = json_pack("{s:[s,s]}", "departmentNumber", "EX-R1", "EX-R2"); /* no photograph, no title */
    assert_true(json_equal(p.attributes, want));
}

static void display_names(void **state)
{
    const char *const full[] = {"entryUUID=1", "uid=u", "cn=c n", "givenName=G", "sn=S", NULL};
    const char *const half[] = {"entryUUID=1", "uid=u", "cn=c n", "sn=S", NULL};
    const char *const none[] = {"entryUUID=1", "uid=u", NULL};
    const char *const broken[] = {"entryUUID=1", "uid=u", "displayName=\xff\xfe", "displayName=Readable", NULL};
    assert_string_equal(person_of(*state, full).display_name, "G S");
    assert_string_equal(person_of(*state, half).display_name, "c n");
    assert_string_equal(person_of(*state, none).display_name, "u");
    assert_string_equal(person_of(*state, broken).display_name, "Readable");
    assert_null(person_of(*state, none).mail);
}

static void birth_dates(void **state)
{
    static const char *const rows[][2] = {{"19900131", "1990-01-31"}, {"19900131000000Z", "1990-01-31"},
                                          {"1990-01-31", "1990-01-31"}, {"31.01.1990", "31.01.1990"}, {"1990", "1990"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *const words[] = {"entryUUID=1", arena_printf(*state, "schacDateOfBirth=%s", rows[i][0]), NULL};
        assert_string_equal(person_of(*state, words).birth_date, rows[i][1]);
    }
}

static enum result try_ad(struct arena *a, struct entry *e, struct person *p)
{
    struct fault f = {0};
    char **none = arena_alloc(a, sizeof *none);
    struct directory d = {.name = "ad", .type = DIRECTORY_AD, .names = {.id = "objectGUID", .login = "sAMAccountName", .id_binary = true}, .mapped = none};
    return dir_person(&f, a, &d, e, p);
}

static void active_directory(void **state)
{
    const char *const words[] = {"userAccountControl=512", "objectGUID=0123456789abcde", "sAMAccountName=n", NULL};
    const char *const no_status[] = {"objectGUID=0123456789abcdef", NULL};
    const char *const no_id[] = {"userAccountControl=512", NULL};
    struct person p;
    struct entry e = entry_of(*state, words);
    assert_int_equal(try_ad(*state, &e, &p), RESULT_OK);
    assert_string_equal(p.key, "ad:303132333435363738396162636465");
    assert_int_equal(p.status, ACCOUNT_OK);
    /* a status that cannot be read is not "ok" (CVE-2025-0604) */
    e = entry_of(*state, no_status);
    assert_int_equal(try_ad(*state, &e, &p), RESULT_DENIED);
    e = entry_of(*state, no_id);
    assert_int_equal(try_ad(*state, &e, &p), RESULT_DENIED);
}

static void there_and_back(void **state)
{
    struct fault f = {0};
    struct group groups[] = {{"cn=a,dc=x", "a", true}, {"cn=\"b\",dc=x", "\"b\"", false}};
    struct person back, p = {.directory = "staff", .key = "staff:1", .dn = "uid=නිමල්,dc=x", .login = "නිමල්",
                             .given_name = "N", .display_name = "N P", .mail = "n@example.org",
                             .holds = 1U << ACCOUNT_LOCKED_BY_PASSWORDS | 1U << ACCOUNT_MUST_CHANGE,
                             .status = ACCOUNT_LOCKED_BY_PASSWORDS, .groups = groups, .group_count = 2, .seen = 1790000000};
    p.attributes = arena_json(*state, json_pack("{s:[s,s]}", "title", "nurse", "midwife"));
    char *text = person_to_json(*state, &p);
    assert_non_null(text);
    assert_int_equal(person_from_json(&f, *state, text, &back), RESULT_OK);
    assert_string_equal(back.key, p.key);
    assert_string_equal(back.dn, p.dn);
    assert_string_equal(back.login, p.login);
    assert_null(back.surname);
    assert_int_equal(back.status, p.status);
    assert_int_equal(back.holds, p.holds);
    assert_int_equal(back.seen, p.seen);
    assert_true(json_equal(back.attributes, p.attributes));
    assert_int_equal(back.group_count, 2);
    assert_string_equal(back.groups[1].dn, groups[1].dn);
    assert_true(back.groups[0].direct);
    assert_false(back.groups[1].direct);
    assert_true(back.from_grace); /* never an answer of the directory */
    assert_string_equal(person_to_json(*state, &back), text);
}

static void bad_copies(void **state)
{
    static const char *const texts[] = {
        "", "{}", "[]", "null",
        "{\"format\":1,\"status\":\"ok\",\"seen\":1,\"attributes\":{},\"groups\":[]}",
        "{\"format\":2,\"status\":\"ok\",\"seen\":1,\"attributes\":{},\"groups\":[],\"directory\":\"d\",\"key\":\"d:1\",\"dn\":\"x\"}",
        "{\"format\":1,\"status\":\"fine\",\"seen\":1,\"attributes\":{},\"groups\":[],\"directory\":\"d\",\"key\":\"d:1\",\"dn\":\"x\"}",
        "{\"format\":1,\"status\":\"ok\",\"seen\":1,\"attributes\":[],\"groups\":[],\"directory\":\"d\",\"key\":\"d:1\",\"dn\":\"x\"}",
        "{\"format\":1,\"status\":\"ok\",\"seen\":1,\"attributes\":{},\"groups\":[{}],\"directory\":\"d\",\"key\":\"d:1\",\"dn\":\"x\"}",
    };
    struct fault f = {0};
    struct person p;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_not_equal(person_from_json(&f, *state, texts[i], &p), RESULT_OK);
}

static void names_of_groups(void **state)
{
    assert_string_equal(dir_dn_first_value(*state, "cn=hiv-r1,ou=groups,dc=x"), "hiv-r1");
    assert_string_equal(dir_dn_first_value(*state, "cn=On-call (R1\\, North) \\+ \\22any\\22 *,dc=x"), "On-call (R1, North) + \"any\" *");
    assert_string_equal(dir_dn_first_value(*state, "no dn"), "no dn");
}

static void dns_compare(void **state)
{
    const char *one = directory_dn_normal(*state, "uid=o'brien\\2C \\22ann\\22,ou=People,DC=x");
    const char *two = directory_dn_normal(*state, "UID=o'brien\\, \\\"ann\\\",ou=people,dc=x");
    assert_string_equal(one, two);
    assert_null(directory_dn_normal(*state, "nothing"));
    assert_true(dir_dn_below("cn=a,ou=groups,dc=x", "ou=groups,dc=x"));
    assert_true(dir_dn_below("ou=groups,dc=x", "ou=groups,dc=x"));
    assert_false(dir_dn_below("cn=a,ou=mygroups,dc=x", "groups,dc=x"));
    assert_false(dir_dn_below("dc=x", "ou=groups,dc=x"));
    assert_true(dir_dn_below("dc=x", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),          cmocka_unit_test(display_names), cmocka_unit_test(birth_dates),
        cmocka_unit_test(active_directory), cmocka_unit_test(there_and_back), cmocka_unit_test(bad_copies),
        cmocka_unit_test(names_of_groups), cmocka_unit_test(dns_compare),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
