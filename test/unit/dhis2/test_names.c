/* uid, username, mail and names as DHIS2 accepts them. */
#include "support.h"

#include <ctype.h>

static void uid_is_dhis2s_form_and_stays(void **state)
{
    struct rig *r = *state;
    const char *uid = dhis2_uid_of(r->arena, "p-amina");
    assert_string_equal(uid, "V4A9JxZ8cx1"); /* changing this orphans every account made so far */
    assert_string_equal(dhis2_uid_of(r->arena, "p-amina"), uid);
    for (int i = 0; i < 2000; i++) {
        uid = dhis2_uid_of(r->arena, arena_printf(r->arena, "person %d", i));
        assert_int_equal(strlen(uid), 11);
        assert_true(isalpha((unsigned char)uid[0]));
        for (const char *c = uid; *c != '\0'; c++)
            assert_true(isalnum((unsigned char)*c));
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void uids_of_many_people_differ(void **state)
{
    enum { MANY = 5000 };
    struct rig *r = *state;
    const char **all = arena_alloc(r->arena, MANY * sizeof *all);
    for (int i = 0; i < MANY; i++)
        all[i] = dhis2_uid_of(r->arena, arena_printf(r->arena, "p%d", i));
    qsort(all, MANY, sizeof *all, by_text);
    for (int i = 1; i < MANY; i++)
        assert_string_not_equal(all[i - 1], all[i]);
}

static const struct {
    const char *login, *username; /* NULL: only acceptable, and with letters of its own */
} logins[] = {
    {"amina.diallo", "amina.diallo"}, {"Amina.Diallo", "amina.diallo"}, {"a+b", NULL}, {"ann+bob", "ann.bob"},
    {"bjørn.ødegård", "bjorn.odegard"}, {"Ærø_Straße", "aero_strasse"}, {"łukasz", "lukasz"}, {"İpek", "ipek"},
    {"andre\xcc\x81", "andre"}, {"--x..y_@-z--", "x.y_z"}, {"ann smith", "ann.smith"}, {"a@example.org", "a@example.org"},
    {"1234", "1234"}, {"abc", NULL}, {"", NULL}, {".-_@", NULL}, {"දිල්කි.සිල්වා", NULL}, {"用户1234", NULL},
    {"a,b,c,d", "a.b.c.d"}, {"tab\tline\n", "tab.line"}, {"broken\xff", NULL}, {"wide\xf0\x9f\x98\x80", NULL},
};

static void logins_become_usernames(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        const char *got = dhis2_username_of(r->arena, NULL, logins[i].login, "p-amina", 0);
        assert_non_null(got);
        assert_true(dhis2_username_ok(got));
        if (logins[i].username != NULL)
            assert_string_equal(got, logins[i].username);
        else
            assert_string_not_equal(got, dhis2_username_of(r->arena, NULL, logins[i].login, "p-other", 0));
        assert_string_equal(got, dhis2_username_of(r->arena, NULL, logins[i].login, "p-amina", 0));
    }
}

static void long_logins_fit(void **state)
{
    struct rig *r = *state;
    char login[1001];
    memset(login, 'x', 1000);
    login[1000] = '\0';
    const char *first = dhis2_username_of(r->arena, NULL, login, "p-1", 0);
    assert_non_null(first);
    assert_true(dhis2_username_ok(first));
    assert_string_not_equal(first, dhis2_username_of(r->arena, NULL, login, "p-2", 0));
    memset(login, '.', 990);
    const char *third = dhis2_username_of(r->arena, "pre", login, "p-1", 3);
    assert_non_null(third);
    assert_true(dhis2_username_ok(third));
}

static void every_try_is_another_name(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < DHIS2_USERNAME_TRIES; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(dhis2_username_of(r->arena, NULL, "amina", "p", i),
                                    dhis2_username_of(r->arena, NULL, "amina", "p", k));
    assert_string_equal(dhis2_username_of(r->arena, "nid-", "amina", "p", 0), "nid-amina");
}

/* What 2.43.1 took and refused (E4049). */
static void usernames_dhis2_takes(void **state)
{
    static const char *const good[] = {"abcd", "1234", "a@example.org", "a.b-c_d", "ABCD"};
    static const char *const bad[] = {"abc", "a.-b", ".abc", "abc.", "ab+cd", "ab cd", "bjørn", "", "____"};
    char long_name[258];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(dhis2_username_ok(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(dhis2_username_ok(bad[i]));
    memset(long_name, 'a', 257);
    long_name[256] = '\0';
    assert_false(dhis2_username_ok(long_name));
    long_name[255] = '\0';
    assert_true(dhis2_username_ok(long_name));
}

static void mail_addresses(void **state)
{
    static const char *const good[] = {"a@example.org", "é@example.org", "a.b+c@mail.health.example"};
    static const char *const bad[] = {"", "a", "a@localhost", "@example.org", "a@b@example.org", "a b@example.org",
                                      "a@example.", "a@.org", "a@10.0.0.1", "a@x..org", "a,b@example.org", "a@example.o"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(dhis2_mail_ok(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(dhis2_mail_ok(bad[i]));
}

static void texts_are_cut_between_letters(void **state)
{
    struct rig *r = *state;
    assert_string_equal(dhis2_cut(r->arena, "amina", 160), "amina");
    assert_string_equal(dhis2_cut(r->arena, "ééé", 2), "éé");
    assert_string_equal(dhis2_cut(r->arena, "a\xf0\x9f\x98\x80z", 2), "a"); /* two of Java's units */
    assert_string_equal(dhis2_cut(r->arena, "a\xf0\x9f\x98\x80z", 3), "a\xf0\x9f\x98\x80");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(uid_is_dhis2s_form_and_stays), with_rig(uids_of_many_people_differ), with_rig(logins_become_usernames),
        with_rig(long_logins_fit),              with_rig(every_try_is_another_name),  with_rig(usernames_dhis2_takes),
        with_rig(mail_addresses),               with_rig(texts_are_cut_between_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
