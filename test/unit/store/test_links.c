/* Links: an identity is one person; a person may have several identities. */
#include "rig.h"

#define ISS "https://esignet.example"

static const struct link nurse = {
    .upstream = "national-id", .iss = ISS, .sub = "psut-1", .person_key = "staff:uuid-1", .person_id = "p1",
    .dn = "uid=a,dc=example", .claims = "{\"birthdate\":\"1990/01/02\"}", .method = "password", .state = "active",
    .created = 100, .last_used = 100,
};

static void add(struct rig *rig, const struct link *l)
{
    OK(store_link_add(F, rig_begin(rig), l));
    rig_commit(rig);
}

static void every_member_comes_back(void **state)
{
    struct rig *rig = *state;
    struct link l;
    add(rig, &nurse);
    OK(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-1", &l));
    const char *const *got = (const char *const *)&l, *const *want = (const char *const *)&nurse;
    for (size_t i = 0; i < offsetof(struct link, created) / sizeof *got; i++)
        assert_string_equal(got[i], want[i]);
    assert_int_equal(l.created, 100);
    assert_int_equal(l.last_used, 100);
}

static void an_identity_is_linked_once(void **state)
{
    struct rig *rig = *state;
    struct link other = nurse, out;
    add(rig, &nurse);
    other.person_key = "staff:uuid-2";
    REFUSED(store_link_add(F, rig_begin(rig), &other), RESULT_CONFLICT);
    rig_commit(rig);
    OK(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-1", &out));
    assert_string_equal(out.person_key, "staff:uuid-1");
}

static void touch_keeps_what_is_null(void **state)
{
    struct rig *rig = *state;
    struct link l;
    add(rig, &nurse);
    struct store_view *v = rig_begin(rig);
    OK(store_link_touch(F, v, ISS, "psut-1", NULL, "uid=a,ou=moved", 200));
    OK(store_link_get(F, v, rig->arena, ISS, "psut-1", &l));
    assert_string_equal(l.claims, nurse.claims);
    assert_string_equal(l.dn, "uid=a,ou=moved");
    assert_int_equal(l.last_used, 200);
    OK(store_link_touch(F, v, ISS, "psut-1", "{}", NULL, 300));
    rig_commit(rig);
    OK(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-1", &l));
    assert_string_equal(l.claims, "{}");
    assert_string_equal(l.dn, "uid=a,ou=moved");
}

static void move_state_and_remove(void **state)
{
    struct rig *rig = *state;
    struct link l;
    add(rig, &nurse);
    struct store_view *v = rig_begin(rig);
    OK(store_link_move(F, v, ISS, "psut-1", "staff:uuid-9", "p9", "uid=z"));
    OK(store_link_set_state(F, v, ISS, "psut-1", "pending"));
    OK(store_link_get(F, v, rig->arena, ISS, "psut-1", &l));
    assert_string_equal(l.person_key, "staff:uuid-9");
    assert_string_equal(l.person_id, "p9");
    assert_string_equal(l.state, "pending");
    REFUSED(store_link_set_state(F, v, ISS, "psut-1", "banana"), RESULT_INVALID);
    OK(store_link_remove(F, v, ISS, "psut-1"));
    rig_commit(rig);
    REFUSED(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-1", &l), RESULT_NOT_FOUND);
}

static void unknown_identities(void **state)
{
    struct rig *rig = *state;
    struct link l;
    add(rig, &nurse);
    struct store_view *v = rig_begin(rig);
    REFUSED(store_link_get(F, v, rig->arena, "https://other.example", "psut-1", &l), RESULT_NOT_FOUND);
    REFUSED(store_link_touch(F, v, ISS, "x", NULL, NULL, 1), RESULT_NOT_FOUND);
    REFUSED(store_link_move(F, v, ISS, "x", "k", "p", NULL), RESULT_NOT_FOUND);
    REFUSED(store_link_set_state(F, v, ISS, "x", "active"), RESULT_NOT_FOUND);
    REFUSED(store_link_remove(F, v, ISS, "x"), RESULT_NOT_FOUND);
    REFUSED(store_link_by_person_id(F, v, rig->arena, "p2", &l), RESULT_NOT_FOUND);
    rig_commit(rig);
}

static enum result count(void *arg, const struct link *l)
{
    (void)l;
    ++*(int *)arg;
    return RESULT_OK;
}

static void a_person_with_two_identities(void **state)
{
    struct rig *rig = *state;
    struct link l = nurse;
    int all = 0, one = 0, none = 0;
    l.state = "pending";
    l.created = 1; /* older, and still not the one that speaks for the person */
    l.sub = "psut-0";
    add(rig, &l);
    add(rig, &nurse);
    l.sub = "psut-7";
    l.person_key = "staff:uuid-7";
    l.person_id = "p7";
    add(rig, &l);
    OK(store_link_by_person_id(F, rig_reader(rig), rig->arena, "p1", &l));
    assert_string_equal(l.sub, "psut-1");
    OK(store_link_by_person_id(F, rig_reader(rig), rig->arena, "p7", &l));
    assert_string_equal(l.state, "pending");
    OK(store_link_each(F, rig_reader(rig), NULL, NULL, count, &all));
    OK(store_link_each(F, rig_reader(rig), rig->arena, "staff:uuid-1", count, &one));
    OK(store_link_each(F, rig_reader(rig), rig->arena, "staff:uuid-x", count, &none));
    assert_int_equal(all, 3);
    assert_int_equal(one, 2);
    assert_int_equal(none, 0);
}

static void an_entry_keeps_its_person_id(void **state)
{
    struct rig *rig = *state;
    const char *id = NULL;
    bool linked = true;
    REFUSED(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-1", &id, &linked), RESULT_NOT_FOUND);
    assert_false(linked);
    add(rig, &nurse);
    OK(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-1", &id, &linked));
    assert_string_equal(id, "p1");
    assert_true(linked);
    OK(store_link_remove(F, rig_begin(rig), ISS, "psut-1"));
    rig_commit(rig);
    id = NULL;
    OK(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-1", &id, &linked));
    assert_string_equal(id, "p1");
    assert_false(linked);
}

/* Hired anew: the identities go along with their person id, and the entry that was left gives it to nobody else. */
static void a_person_follows_to_another_entry(void **state)
{
    struct rig *rig = *state;
    struct link l = nurse;
    const char *id = NULL;
    bool linked = true;
    add(rig, &nurse);
    l.sub = "psut-2";
    add(rig, &l);
    struct store_view *v = rig_begin(rig);
    OK(store_link_remove(F, v, ISS, "psut-2")); /* the entry remembers p1 */
    OK(store_link_add(F, v, &l));
    OK(store_link_follow(F, v, "p1", "staff:uuid-new"));
    REFUSED(store_link_follow(F, v, "p-unknown", "staff:uuid-new"), RESULT_NOT_FOUND);
    rig_commit(rig);
    OK(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-2", &l));
    assert_string_equal(l.person_key, "staff:uuid-new");
    assert_string_equal(l.person_id, "p1");
    assert_null(l.dn);
    assert_string_equal(l.claims, nurse.claims);
    OK(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-new", &id, &linked));
    assert_string_equal(id, "p1");
    REFUSED(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-1", &id, &linked), RESULT_NOT_FOUND);
    assert_false(linked);
}

/* Somebody who signs in with the directory's password only has no identity that could go along: the id does. */
static void who_has_no_other_identity_keeps_the_id(void **state)
{
    struct rig *rig = *state;
    struct link l = nurse;
    const char *id = NULL;
    bool linked = true;
    l.upstream = l.iss = LINK_DIRECTORY "staff";
    l.sub = "uuid-1";
    add(rig, &l);
    OK(store_link_follow(F, rig_begin(rig), "p1", "staff:uuid-new"));
    rig_commit(rig);
    REFUSED(store_link_get(F, rig_reader(rig), rig->arena, l.iss, "uuid-1", &l), RESULT_NOT_FOUND);
    OK(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-new", &id, &linked));
    assert_string_equal(id, "p1");
    assert_false(linked);
    REFUSED(store_link_person(F, rig_reader(rig), rig->arena, "staff:uuid-1", &id, &linked), RESULT_NOT_FOUND);
}

/* A sealed value carried over to another row by somebody with the file is refused. */
static void swapped_claims_do_not_open(void **state)
{
    struct rig *rig = *state;
    struct link l = nurse;
    l.sub = "psut-2";
    add(rig, &nurse);
    add(rig, &l);
    rig_sql(rig, "UPDATE link SET claims = (SELECT claims FROM link WHERE sub = 'psut-1') WHERE sub = 'psut-2'");
    OK(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-1", &l));
    REFUSED(store_link_get(F, rig_reader(rig), rig->arena, ISS, "psut-2", &l), RESULT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_member_comes_back), TEST(an_identity_is_linked_once), TEST(touch_keeps_what_is_null),
        TEST(move_state_and_remove), TEST(unknown_identities), TEST(a_person_with_two_identities),
        TEST(an_entry_keeps_its_person_id), TEST(a_person_follows_to_another_entry),
        TEST(who_has_no_other_identity_keeps_the_id), TEST(swapped_claims_do_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
