/* mapping: who gets what. Rules go through a real store, as in the daemon. */
#include <idbridge/mapping.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define NOW 1795380000 /* 2026-11-22 */

struct world {
    char folder[64];
    struct master *master;
    struct store *store;
    struct arena *arena;
};

static enum result put_rule(struct fault *f, struct store_view *v, void *arg)
{
    CLEANUP(arena) struct arena *a = arena_new(1u << 20);
    const char *normal, *name;
    TRY(mapping_rule_check(f, a, arg, &normal, &name));
    return store_rule_put(f, v, &(struct rule_row){.name = name, .text = normal, .changed = NOW});
}

static struct mapping *load(struct world *w, const char *const *rules)
{
    struct fault f = {0};
    struct mapping *m = NULL;
    for (; *rules != NULL; rules++)
        if (store_transaction(&f, w->store, put_rule, (void *)(uintptr_t)*rules) != RESULT_OK)
            fail_msg("%s: %s", *rules, f.detail);
    assert_int_equal(mapping_load(&f, store_reader(&f, w->store), &m), RESULT_OK);
    return m;
}

static struct grants decide(struct world *w, const struct mapping *m, const char *dhis2, const struct person *p, const char *claims)
{
    struct fault f = {0};
    struct grants g;
    json_t *c = NULL;
    if (claims != NULL)
        assert_int_equal(json_parse(&f, w->arena, claims, strlen(claims), 4096, &c), RESULT_OK);
    assert_int_equal(mapping_decide(&f, w->arena, m, dhis2, p, c, NOW, false, &g), RESULT_OK);
    return g;
}

static bool given(const struct grants *g, enum grant_kind kind, enum grant_by by, const char *ref)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->list[i].kind == kind && g->list[i].by == by && strcmp(g->list[i].ref, ref) == 0)
            return true;
    return false;
}

static struct person person(struct world *w, const struct group *groups, size_t n, const char *attributes)
{
    struct fault f = {0};
    struct person p = {.groups = groups, .group_count = n};
    assert_int_equal(json_parse(&f, w->arena, attributes, strlen(attributes), 4096, &p.attributes), RESULT_OK);
    return p;
}

static const struct group NURSE[] = {{"cn=nurses,ou=groups,dc=x", "nurses", true}, {"cn=hiv\\2Cr1,ou=groups,dc=x", "hiv,r1", false}};

static void groups_attributes_and_claims_all_must_hold(void **state)
{
    struct world *w = *state;
    static const char *const rules[] = {
        "{\"name\":\"a\",\"when\":{\"groups\":[\"NURSES\",\"doctors\"]},\"give\":{\"roles\":[\"Clinic worker\"]}}",
        "{\"name\":\"b\",\"when\":{\"groups\":[\"cn=nurses, ou=Groups, dc=X\"],\"attributes\":{\"title\":[\"Chief\"]}},\"give\":{\"roles\":[\"Chief\"]}}",
        "{\"name\":\"c\",\"when\":{\"attributes\":{\"title\":[\"nurse\"]},\"claims\":{\"gender\":[\"F\"]}},\"give\":{\"roles\":[\"uid:abcdefghijk\"]}}",
        "{\"name\":\"d\",\"when\":{\"claims\":{\"gender\":[\"M\"]}},\"give\":{\"roles\":[\"Other\"]}}",
        "{\"name\":\"e\",\"when\":{\"groups\":[\"cn=hiv\\\\,r1,ou=groups,dc=x\"]},\"give\":{\"groups\":[\"code:HIV\"]}}",
        "{\"name\":\"f\",\"give\":{\"groups\":[\"Everybody\"]}}", NULL};
    struct mapping *m = load(w, rules);
    struct person p = person(w, NURSE, 2, "{\"title\":[\"Nurse\"]}");
    struct grants g = decide(w, m, "hmis", &p, "{\"gender\":\"F\"}");
    assert_true(given(&g, GRANT_ROLE, BY_NAME, "Clinic worker"));
    assert_true(given(&g, GRANT_ROLE, BY_UID, "abcdefghijk"));
    assert_true(given(&g, GRANT_GROUP, BY_CODE, "HIV"));
    assert_true(given(&g, GRANT_GROUP, BY_NAME, "Everybody"));
    assert_int_equal(g.count, 4);
    g = decide(w, m, "hmis", &p, NULL);
    assert_int_equal(g.count, 3);
    mapping_free(m);
}

/* Who may make groups somewhere in the directory may call one what they like. */
static void a_group_called_like_a_dn_is_not_that_group(void **state)
{
    static const struct group called[] = {{"cn=cn\\3Dadmins\\2Cou\\3Dgroups\\2Cdc\\3Dx,ou=clubs,dc=x", "cn=admins,ou=groups,dc=x", true},
                                          {"cn=choir,ou=clubs,dc=x", "choir", true}};
    static const char *const rules[] = {
        "{\"name\":\"a\",\"when\":{\"groups\":[\"cn=admins,ou=groups,dc=x\"]},\"give\":{\"roles\":[\"Superuser\"]}}",
        "{\"name\":\"b\",\"when\":{\"groups\":[\"choir\"]},\"give\":{\"roles\":[\"Singer\"]}}", NULL};
    struct world *w = *state;
    struct mapping *m = load(w, rules);
    struct person p = person(w, called, 2, "{}");
    struct grants g = decide(w, m, "hmis", &p, NULL);
    assert_true(given(&g, GRANT_ROLE, BY_NAME, "Singer"));
    assert_int_equal(g.count, 1);
    mapping_free(m);
}

static void time_windows_and_instances(void **state)
{
    struct world *w = *state;
    static const char *const rules[] = {
        "{\"name\":\"now\",\"from\":\"2026-11-22\",\"until\":\"2026-11-22\",\"give\":{\"roles\":[\"Now\"]}}",
        "{\"name\":\"over\",\"until\":\"2026-11-21\",\"give\":{\"roles\":[\"Over\"]}}",
        "{\"name\":\"later\",\"from\":\"2026-11-23\",\"give\":{\"roles\":[\"Later\"]}}",
        "{\"name\":\"other\",\"dhis2\":\"other\",\"give\":{\"roles\":[\"Elsewhere\"]}}", NULL};
    struct mapping *m = load(w, rules);
    struct person p = person(w, NULL, 0, "{}");
    struct grants g = decide(w, m, "hmis", &p, NULL);
    assert_int_equal(g.count, 1);
    assert_string_equal(g.list[0].ref, "Now");
    assert_string_equal(g.list[0].rule, "now");
    g = decide(w, m, "other", &p, NULL);
    assert_int_equal(g.count, 2);
    mapping_free(m);
}

static void templates_are_filled_or_give_nothing(void **state)
{
    struct world *w = *state;
    static const char *const rules[] = {
        "{\"name\":\"t\",\"give\":{\"roles\":[\"R\"],\"org_units\":[\"code:{directory.place}\"],\"view_org_units\":[\"{directory.missing}\"],"
        "\"search_org_units\":[\"code:{directory.region}-{claim.ward}\"]}}", NULL};
    struct mapping *m = load(w, rules);
    struct person p = person(w, NULL, 0, "{\"place\":[\"F1\",\"F2\"],\"region\":[\"R1\"]}");
    struct grants g = decide(w, m, NULL, &p, "{\"ward\":\"W9\"}");
    assert_int_equal(g.count, 4);
    assert_true(given(&g, GRANT_OU_CAPTURE, BY_CODE, "F1"));
    assert_true(given(&g, GRANT_OU_CAPTURE, BY_CODE, "F2"));
    assert_true(given(&g, GRANT_OU_SEARCH, BY_CODE, "R1-W9"));
    mapping_free(m);
}

static void the_same_thing_is_given_once_and_by_the_first_rule(void **state)
{
    struct world *w = *state;
    static const char *const rules[] = {
        "{\"name\":\"z\",\"give\":{\"roles\":[\"R\"]}}",
        "{\"name\":\"a\",\"until\":\"2026-12-31\",\"give\":{\"roles\":[\"R\",\"R\"]}}", NULL};
    struct mapping *m = load(w, rules);
    struct person p = person(w, NULL, 0, "{}");
    struct grants g = decide(w, m, NULL, &p, NULL);
    assert_int_equal(g.count, 1);
    assert_string_equal(g.list[0].rule, "a");
    assert_int_equal(g.list[0].until, 0); /* one of the two has no end */
    mapping_free(m);
}

/* Deciding is pure: the order of groups and rules does not matter, and neither do rules for others. */
static void ten_thousand_rules_give_what_ten_give(void **state)
{
    struct world *w = *state;
    struct fault f = {0};
    char text[200], expected[10][32];
    struct group groups[10];
    char names[10][32];
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(text, sizeof(text), "{\"name\":\"r%05d\",\"when\":{\"groups\":[\"g%d\"]},\"give\":{\"roles\":[\"R%d\"]}}", i, i, i);
        assert_int_equal(store_transaction(&f, w->store, put_rule, text), RESULT_OK);
    }
    struct mapping *m = NULL;
    assert_int_equal(mapping_load(&f, store_reader(&f, w->store), &m), RESULT_OK);
    assert_int_equal(mapping_count(m), 3000);
    for (int i = 0; i < 10; i++) {
        int n = (i * 7919 + 13) % 3000;
        (void)snprintf(names[i], sizeof(names[i]), "g%d", n);
        (void)snprintf(expected[i], sizeof(expected[i]), "R%d", n);
        groups[i] = (struct group){.dn = names[i], .name = names[i]};
    }
    struct person p = person(w, groups, 10, "{}");
    struct grants g = decide(w, m, "hmis", &p, NULL);
    assert_int_equal(g.count, 10);
    for (int i = 0; i < 10; i++)
        assert_true(given(&g, GRANT_ROLE, BY_NAME, expected[i]));
    mapping_free(m);
}

static void a_trace_names_every_rule(void **state)
{
    struct world *w = *state;
    struct fault f = {0};
    static const char *const rules[] = {"{\"name\":\"no\",\"when\":{\"groups\":[\"x\"]},\"give\":{\"roles\":[\"R\"]}}",
                                        "{\"name\":\"yes\",\"give\":{\"roles\":[\"R\"]}}", NULL};
    struct mapping *m = load(w, rules);
    struct person p = person(w, NULL, 0, "{}");
    struct grants g;
    assert_int_equal(mapping_decide(&f, w->arena, m, NULL, &p, NULL, NOW, true, &g), RESULT_OK);
    assert_string_equal(g.trace, "[{\"rule\":\"no\",\"holds\":false,\"why\":\"no such group\"},{\"rule\":\"yes\",\"holds\":true}]");
    mapping_free(m);
}

static void what_rules_could_give(void **state)
{
    struct world *w = *state;
    static const char *const rules[] = {
        "{\"name\":\"a\",\"dhis2\":\"hmis\",\"when\":{\"groups\":[\"x\"]},\"give\":{\"groups\":[\"code:HIV\"]}}",
        "{\"name\":\"b\",\"give\":{\"groups\":[\"Ward {directory.ward} staff\"]}}", NULL};
    struct mapping *m = load(w, rules);
    assert_true(mapping_could_give(m, "hmis", GRANT_GROUP, BY_CODE, "HIV"));
    assert_false(mapping_could_give(m, "other", GRANT_GROUP, BY_CODE, "HIV"));
    assert_false(mapping_could_give(m, "hmis", GRANT_GROUP, BY_NAME, "HIV"));
    assert_false(mapping_could_give(m, "hmis", GRANT_ROLE, BY_CODE, "HIV"));
    assert_true(mapping_could_give(m, "other", GRANT_GROUP, BY_NAME, "Ward 7 staff"));
    assert_false(mapping_could_give(m, "other", GRANT_GROUP, BY_NAME, "Ward staff"));
    assert_false(mapping_could_give(m, "other", GRANT_GROUP, BY_NAME, "Choir"));
    mapping_free(m);
}

static int setup(void **state)
{
    struct fault f = {0};
    struct world *w = calloc(1, sizeof(*w));
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/mapping-XXXXXX");
    char key[96];
    if (w == NULL || mkdtemp(w->folder) == NULL)
        return 1;
    (void)snprintf(key, sizeof(key), "%s/key", w->folder);
    w->arena = arena_new(16u << 20);
    *state = w;
    return master_create(&f, key, 0600) != RESULT_OK || master_load(&f, key, &w->master) != RESULT_OK ||
           store_open(&f, w->folder, STORE_CREATE, w->master, &w->store) != RESULT_OK;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];
    store_close(w->store);
    master_free(w->master);
    arena_free(w->arena);
    (void)snprintf(command, sizeof(command), "rm -rf %s", w->folder);
    int status = system(command);
    free(w);
    return status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_attributes_and_claims_all_must_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(a_group_called_like_a_dn_is_not_that_group, setup, teardown),
        cmocka_unit_test_setup_teardown(time_windows_and_instances, setup, teardown),
        cmocka_unit_test_setup_teardown(templates_are_filled_or_give_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_thing_is_given_once_and_by_the_first_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_rules_give_what_ten_give, setup, teardown),
        cmocka_unit_test_setup_teardown(what_rules_could_give, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trace_names_every_rule, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
