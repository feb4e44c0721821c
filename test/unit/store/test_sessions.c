/* Sessions, one-time values, counters that guard passwords, persons and what they hold. */
#include "rig.h"

static const struct session shift = {.id_hash = "s1", .person_id = "p1", .data = "{\"name\":\"A\"}", .created = 1000,
                                     .last_seen = 1000, .expires = 5000};

static enum result get(struct rig *rig, int64_t now, struct session *s)
{
    return store_session_get(F, rig_reader(rig), rig->arena, "s1", now, 600, s);
}

static void a_session_lives_while_it_is_used(void **state)
{
    struct rig *rig = *state;
    struct session s;
    OK(store_session_add(F, rig_begin(rig), &shift));
    rig_commit(rig);
    OK(get(rig, 1600, &s));
    assert_string_equal(s.id_hash, "s1");
    assert_string_equal(s.person_id, "p1");
    assert_string_equal(s.data, shift.data);
    assert_int_equal(s.expires, 5000);
    REFUSED(get(rig, 1601, &s), RESULT_NOT_FOUND); /* idle */
    struct store_view *v = rig_begin(rig);
    OK(store_session_touch(F, v, "s1", 1601));
    OK(store_session_touch(F, v, "s1", 900)); /* a late touch takes nothing back */
    rig_commit(rig);
    OK(get(rig, 1601, &s));
    assert_int_equal(s.last_seen, 1601);
    rig_sql(rig, "UPDATE session SET last_seen = 4999");
    OK(get(rig, 4999, &s));
    REFUSED(get(rig, 5000, &s), RESULT_NOT_FOUND); /* past its life, though used */
}

static void session_refusals(void **state)
{
    struct rig *rig = *state;
    struct session s = shift;
    struct store_view *v = rig_begin(rig);
    OK(store_session_add(F, v, &shift));
    REFUSED(store_session_add(F, v, &shift), RESULT_CONFLICT);
    s.id_hash = NULL;
    REFUSED(store_session_add(F, v, &s), RESULT_INVALID);
    OK(store_session_remove(F, v, "s1"));
    REFUSED(store_session_remove(F, v, "s1"), RESULT_NOT_FOUND);
    REFUSED(store_session_touch(F, v, "s1", 1), RESULT_NOT_FOUND);
    rig_commit(rig);
    REFUSED(get(rig, 1001, &s), RESULT_NOT_FOUND);
}

static void once_is_once(void **state)
{
    struct rig *rig = *state;
    struct store_view *v = rig_begin(rig);
    OK(store_once(F, v, "jti", "abc", 2000));
    REFUSED(store_once(F, v, "jti", "abc", 9000), RESULT_CONFLICT);
    assert_null(strstr(rig->fault.detail, "abc"));
    OK(store_once(F, v, "state", "abc", 2000)); /* another kind is another value */
    OK(store_expire(F, v, 2000));
    REFUSED(store_once(F, v, "jti", "abc", 9000), RESULT_CONFLICT);
    OK(store_expire(F, v, 2001));
    OK(store_once(F, v, "jti", "abc", 9000));
    rig_commit(rig);
}

static int64_t attempt(struct rig *rig, const char *key, int64_t now)
{
    int64_t n = 0;
    OK(store_attempt(F, rig_begin(rig), key, now, 300, &n));
    rig_commit(rig);
    return n;
}

static void attempts_within_a_window(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(attempt(rig, "bind:p1", 1000), 1);
    assert_int_equal(attempt(rig, "bind:p1", 1001), 2);
    assert_int_equal(attempt(rig, "bind:p2", 1001), 1);
    assert_int_equal(attempt(rig, "bind:p1", 1299), 3);
    assert_int_equal(attempt(rig, "bind:p1", 1300), 1); /* a new window */
    OK(store_attempt_clear(F, rig_begin(rig), "bind:p1"));
    rig_commit(rig);
    assert_int_equal(attempt(rig, "bind:p1", 1301), 1);
    assert_int_equal(attempt(rig, "bind:p1", 100), 1); /* the clock was set back: nobody is locked out until then */
    OK(store_expire(F, rig_begin(rig), 9000));
    rig_commit(rig);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM attempt"), 0);
}

static void an_attempt_that_was_right_is_returned(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(attempt(rig, "address", 1000), 1);
    assert_int_equal(attempt(rig, "address", 1001), 2);
    OK(store_attempt_return(F, rig_begin(rig), "address"));
    rig_commit(rig);
    assert_int_equal(attempt(rig, "address", 1002), 2);
    assert_int_equal(attempt(rig, "address", 1299), 3); /* the window began with the first all the same */
    assert_int_equal(attempt(rig, "address", 1300), 1);
    struct store_view *v = rig_begin(rig);
    for (int i = 0; i < 3; i++) /* never below none: nobody saves up */
        OK(store_attempt_return(F, v, "address"));
    OK(store_attempt_return(F, v, "never seen"));
    rig_commit(rig);
    assert_int_equal(attempt(rig, "address", 1301), 1);
}

static void the_last_good_person(void **state)
{
    struct rig *rig = *state;
    const char *data;
    int64_t seen;
    struct store_view *v = rig_begin(rig);
    OK(store_person_put(F, v, "staff:1", "{\"a\":1}", 100));
    OK(store_person_put(F, v, "staff:1", "{\"a\":2}", 200));
    rig_commit(rig);
    OK(store_person_get(F, rig_reader(rig), rig->arena, "staff:1", &data, &seen));
    assert_string_equal(data, "{\"a\":2}");
    assert_int_equal(seen, 200);
    REFUSED(store_person_get(F, rig_reader(rig), rig->arena, "staff:2", &data, &seen), RESULT_NOT_FOUND);
    v = rig_begin(rig);
    OK(store_person_expire(F, v, 200));
    OK(store_person_get(F, v, rig->arena, "staff:1", &data, &seen));
    OK(store_person_expire(F, v, 201));
    REFUSED(store_person_get(F, v, rig->arena, "staff:1", &data, &seen), RESULT_NOT_FOUND);
    rig_commit(rig);
}

static void what_a_person_holds(void **state)
{
    struct rig *rig = *state;
    const char *data;
    struct store_view *v = rig_begin(rig);
    OK(store_held_put(F, v, "p1", "hmis", "[1]", 1));
    OK(store_held_put(F, v, "p1", "tracker", "[2]", 1));
    OK(store_held_put(F, v, "p1", "hmis", "[3]", 2));
    rig_commit(rig);
    OK(store_held_get(F, rig_reader(rig), rig->arena, "p1", "hmis", &data));
    assert_string_equal(data, "[3]");
    OK(store_held_get(F, rig_reader(rig), rig->arena, "p1", "tracker", &data));
    assert_string_equal(data, "[2]");
    REFUSED(store_held_get(F, rig_reader(rig), rig->arena, "p2", "hmis", &data), RESULT_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_lives_while_it_is_used), TEST(session_refusals), TEST(once_is_once),
        TEST(attempts_within_a_window), TEST(an_attempt_that_was_right_is_returned), TEST(the_last_good_person), TEST(what_a_person_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
