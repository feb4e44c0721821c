/* Does the folder say the truth about real servers? The groups of tests here run against OpenLDAP, Samba AD and 389-ds that
 * test/flow/test_directory.py starts; it passes the group as the argument and a configuration with one [directory staff]
 * in IDBRIDGE_LIVE_CONFIG. Without the variable everything is skipped, with that reason. */
#include "live.h"

#include <pthread.h>

struct fact {
    const char *login;
    enum account_status status, bind, wrong; /* as read; with the right password; with a wrong one */
};

static void check_facts(struct arena *a, const struct fact *facts, size_t count, const char *password)
{
    for (size_t i = 0; i < count; i++) {
        struct person p = by_login(a, facts[i].login);
        enum account_status good = bind_as(a, facts[i].login, password), bad = bind_as(a, facts[i].login, "not this");
        if (p.status != facts[i].status || good != facts[i].bind || bad != facts[i].wrong)
            print_error("%s: %s, bind %s, wrong %s\n", facts[i].login, account_status_name(p.status),
                        account_status_name(good), account_status_name(bad));
        assert_int_equal(p.status, facts[i].status);
        assert_int_equal(good, facts[i].bind);
        assert_int_equal(bad, facts[i].wrong);
    }
}

static bool in_group(const struct person *p, const char *name, bool direct)
{
    for (size_t i = 0; i < p->group_count; i++)
        if (strcmp(p->groups[i].name, name) == 0)
            return p->groups[i].direct == direct && p->groups[i].dn != NULL;
    return false;
}

static void by_key_finds_the_same(struct arena *a, const char *login)
{
    struct fault f = {0};
    struct person p = by_login(a, login), q;
    assert_int_equal(directory_by_key(&f, a, live, p.key, &q), RESULT_OK);
    assert_string_equal(q.dn, p.dn);
    assert_string_equal(q.key, p.key);
    assert_int_equal(q.group_count, p.group_count);
}

/* ---- OpenLDAP with the sample ministry */

#define ANN "o'brien, \"ann\" + (r1) *\\;<>=#"

static void openldap_states(void **state)
{
    static const struct fact facts[] = {
        {"amina.diallo", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
        {"dina.disabled", ACCOUNT_DISABLED, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS},
        {"emil.expired", ACCOUNT_EXPIRED, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS},
        {"nora.notyet", ACCOUNT_NOT_YET_VALID, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS},
        {"lars.locked", ACCOUNT_LOCKED_BY_ADMIN, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS},
        {"paul.badpasswords", ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_LOCKED_BY_PASSWORDS},
        {"olga.oldpassword", ACCOUNT_OK, ACCOUNT_PASSWORD_EXPIRED, ACCOUNT_WRONG_PASSWORD}, /* expiry is known at the bind only */
        {"mara.mustchange", ACCOUNT_MUST_CHANGE, ACCOUNT_MUST_CHANGE, ACCOUNT_WRONG_PASSWORD},
        {ANN, ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
        {"fatima.zahra", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
        {"දිල්කි.සිල්වා", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
    };
    check_facts(*state, facts, COUNT_OF(facts), OPENLDAP_PASSWORD);
}

static void openldap_person(void **state)
{
    struct person p = by_login(*state, "amina.diallo");
    assert_string_equal(p.directory, "staff");
    assert_int_equal(strncmp(p.key, "staff:", 6), 0);
    assert_int_equal(strlen(p.key), 6 + 36);
    assert_string_equal(p.login, "amina.diallo");
    assert_string_equal(p.given_name, "Amina");
    assert_string_equal(p.display_name, "Amina Diallo");
    assert_string_equal(p.mail, "amina.diallo@health.example");
    assert_int_equal(strlen(p.birth_date), 10);
    assert_string_equal(json_string_value(json_array_get(json_object_get(p.attributes, "departmentNumber"), 0)), "EX-R1-D1-F1");
    by_key_finds_the_same(*state, "amina.diallo");
    by_key_finds_the_same(*state, ANN);
}

static void openldap_groups(void **state)
{
    struct person p = by_login(*state, "amina.diallo"), ann = by_login(*state, ANN);
    assert_int_equal(p.group_count, 4);
    assert_true(in_group(&p, "nurses", true) && in_group(&p, "hiv-r1-d1", true));
    assert_true(in_group(&p, "hiv-r1", false) && in_group(&p, "hiv", false));
    assert_true(in_group(&ann, "On-call (R1, North) + \"any\" *", true));
    assert_int_equal(ann.group_count, 5);
    assert_int_equal(by_login(*state, "nina.nogroup").group_count, 0);
}

static void openldap_unknown_and_ambiguous(void **state)
{
    static const char *const nobody[] = {"*", "nobody", "amina.diallo)(uid=*", "amina*", "\\2a"};
    struct fault f = {0};
    struct person p;
    for (size_t i = 0; i < COUNT_OF(nobody); i++)
        assert_int_equal(by_login(*state, nobody[i]).status, ACCOUNT_UNKNOWN);
    assert_int_equal(directory_by_key(&f, *state, live, "staff:00000000-0000-0000-0000-000000000000", &p), RESULT_OK);
    assert_int_equal(p.status, ACCOUNT_UNKNOWN);
    assert_null(p.key);
    json_t *claims = arena_json(*state, json_pack("{s:s}", "employee_number", "900100"));
    assert_int_equal(directory_by_claims(&f, *state, live, "staff", claims, &p), RESULT_OK);
    assert_int_equal(p.status, ACCOUNT_AMBIGUOUS);
    assert_null(p.key);
    assert_int_equal(directory_by_claims(&f, *state, live, "staff", json_object_get(claims, "x"), &p), RESULT_NOT_FOUND);
}

/* A bind on one handle must never be the identity of the next search: amina may read nobody but herself. */
static void openldap_identities_stay_apart(void **state)
{
    for (int i = 0; i < 20; i++) {
        assert_int_equal(bind_as(*state, "amina.diallo", i % 2 == 0 ? OPENLDAP_PASSWORD : "not this"),
                         i % 2 == 0 ? ACCOUNT_OK : ACCOUNT_WRONG_PASSWORD);
        assert_string_equal(by_login(*state, "samuel.okoro").given_name, "Samuel");
        if (i % 3 == 2) /* five wrong ones would lock her */
            assert_int_equal(bind_as(*state, "amina.diallo", OPENLDAP_PASSWORD), ACCOUNT_OK);
    }
}

struct counted {
    size_t people, disabled, groups;
    size_t stop_after;
};

static enum result count_person(void *arg, struct arena *a, const struct person *p)
{
    struct counted *c = arg;
    (void)a;
    c->people++;
    c->disabled += p->status == ACCOUNT_DISABLED;
    c->groups += p->group_count;
    return c->people == c->stop_after ? RESULT_CONFLICT : RESULT_OK;
}

/* More people than the server's default limit of 500 and than one page. */
static void openldap_everybody(void **state)
{
    struct counted c = {0}, two = {.stop_after = 2};
    struct fault f = {0};
    assert_int_equal(directory_each(&f, live, "staff", count_person, &c), RESULT_OK);
    assert_int_equal(c.people, strtoul(getenv("IDBRIDGE_LIVE_PEOPLE"), NULL, 10));
    assert_int_equal(c.disabled, 1);
    assert_true(c.groups > c.people);
    assert_int_equal(directory_each(&f, live, "staff", count_person, &two), RESULT_CONFLICT);
    assert_int_equal(two.people, 2);
    assert_int_equal(by_login(*state, "amina.diallo").status, ACCOUNT_OK);
}

static void *many_questions(void *arg)
{
    static const char *const logins[] = {"amina.diallo", "samuel.okoro", "nimal.perera", "nobody"};
    size_t *good = arg;
    for (int i = 0; i < 40; i++) {
        struct arena *a = arena_new(4 << 20);
        struct fault f = {0};
        struct person p;
        enum account_status s = ACCOUNT_UNKNOWN;
        const char *login = logins[i % 4];
        bool right = directory_by_login(&f, a, live, "staff", login, &p) == RESULT_OK &&
                     (i % 4 == 3 ? p.status == ACCOUNT_UNKNOWN : strcmp(p.login, login) == 0 && p.group_count >= 4);
        if (right && i % 4 == 1)
            right = directory_bind(&f, a, live, "staff", p.dn, OPENLDAP_PASSWORD, &s) == RESULT_OK && s == ACCOUNT_OK;
        *good += right;
        arena_free(a);
    }
    return NULL;
}

static void openldap_threads(void **state)
{
    pthread_t threads[8];
    size_t good[8] = {0};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, many_questions, &good[i]), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(good[i], 40);
    }
    struct directory *d = dir_find(live, "staff", 5);
    const struct server *s = &d->servers[0];
    assert_true(s->open[HANDLE_SERVICE] <= d->pool_size && s->open[HANDLE_USER] <= d->pool_size);
}

static void openldap_probe(void **state)
{
    static const char *const says[] = {"ok: [directory staff] ldap", "entryUUID tells them apart", "groups can be read", NULL};
    probe_says(*state, RESULT_OK, says);
}

/* ---- OpenLDAP with groups made for the purpose: a circle, and a chain that is too deep */

static void nesting_bounds(void **state)
{
    struct fault f = {0};
    struct person p = by_login(*state, "circle");
    assert_int_equal(p.group_count, 3);
    assert_true(in_group(&p, "c1", true) && in_group(&p, "c2", false) && in_group(&p, "c3", false));
    assert_int_equal(by_login(*state, "ten").group_count, 10);
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "eleven", &p), RESULT_INVALID);
    assert_non_null(strstr(f.detail, "nested more than 10 deep"));
    assert_int_equal(by_login(*state, "broad").group_count, 150);
}

/* ---- Active Directory */

/* The states themselves: test/flow/test_people.py. */
static void ad_names(void **state)
{
    static const struct fact facts[] = {
        {"never", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
        {"comma", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
        {"sinhala", ACCOUNT_OK, ACCOUNT_OK, ACCOUNT_WRONG_PASSWORD},
    };
    check_facts(*state, facts, COUNT_OF(facts), AD_PASSWORD);
}

static void ad_person(void **state)
{
    struct person p = by_login(*state, "normal"), upn = by_login(*state, "normal@ad.test");
    assert_string_equal(upn.key, p.key);
    assert_int_equal(strlen(p.key), 6 + 32);
    by_key_finds_the_same(*state, "normal");
    by_key_finds_the_same(*state, "comma");
    assert_string_equal(by_login(*state, "sinhala").given_name, "නිමල්");
    assert_int_equal(by_login(*state, "hiv").status, ACCOUNT_UNKNOWN);  /* a group has a sAMAccountName too */
    assert_int_equal(by_login(*state, "DC1$").status, ACCOUNT_UNKNOWN); /* and so has a computer */
}

/* With group_mode token_groups and in_chain alike: the primary group is in neither memberOf nor the chain. */
static void ad_groups(void **state)
{
    struct person p = by_login(*state, "normal"), alone = by_login(*state, "nogroup");
    assert_true(in_group(&p, "hiv-r1-d1", true));
    assert_true(in_group(&p, "hiv-r1", false) && in_group(&p, "hiv", false));
    assert_true(in_group(&p, "Domain Users", true) && in_group(&p, "Users", false));
    assert_true(in_group(&alone, "Domain Users", true));
    assert_false(in_group(&alone, "hiv-r1-d1", true));
}

static void ad_everybody(void **state)
{
    struct counted c = {0};
    struct fault f = {0};
    (void)state;
    assert_int_equal(directory_each(&f, live, "staff", count_person, &c), RESULT_OK);
    assert_int_equal(c.people, strtoul(getenv("IDBRIDGE_LIVE_PEOPLE"), NULL, 10));
    assert_int_equal(c.disabled, 1);
}

static void ad_ambiguous(void **state)
{
    struct fault f = {0};
    struct person p;
    json_t *claims = arena_json(*state, json_pack("{s:s}", "employee_number", "900100"));
    assert_int_equal(directory_by_claims(&f, *state, live, "staff", claims, &p), RESULT_OK);
    assert_int_equal(p.status, ACCOUNT_AMBIGUOUS);
}

static void ad_probe(void **state)
{
    static const char *const says[] = {"ok: [directory staff] ldap", "objectGUID tells them apart", NULL};
    probe_says(*state, RESULT_OK, says);
}

/* ---- 389-ds */

static void ds_groups(void **state)
{
    struct person p = by_login(*state, "normal");
    assert_int_equal(p.group_count, 3);
    assert_true(in_group(&p, "inner", true) && in_group(&p, "middle", false) && in_group(&p, "outer", false));
    by_key_finds_the_same(*state, "normal");
    assert_int_equal(by_login(*state, "nogroup").group_count, 0);
}

static void ds_probe(void **state)
{
    static const char *const says[] = {"ok: [directory staff] ldap", "nsUniqueId tells them apart", NULL};
    probe_says(*state, RESULT_OK, says);
}

int main(int argc, char **argv)
{
    const char *group = argc > 1 ? argv[1] : "";
    if (no_server())
        return 0;
    GROUP(openldap, LIVE_TEST(openldap_states), LIVE_TEST(openldap_person), LIVE_TEST(openldap_groups),
          LIVE_TEST(openldap_unknown_and_ambiguous), LIVE_TEST(openldap_identities_stay_apart),
          LIVE_TEST(openldap_everybody), LIVE_TEST(openldap_threads), LIVE_TEST(openldap_probe))
    GROUP(nesting, LIVE_TEST(nesting_bounds))
    GROUP(ad_names, LIVE_TEST(ad_names)) /* once per server: wrong passwords are counted there */
    GROUP(ad, LIVE_TEST(ad_person), LIVE_TEST(ad_groups), LIVE_TEST(ad_everybody),
          LIVE_TEST(ad_ambiguous), LIVE_TEST(ad_probe))
    GROUP(ds, LIVE_TEST(ds_groups), LIVE_TEST(ds_probe))
    print_error("no group of tests is called \"%s\"\n", group);
    return 2;
}
