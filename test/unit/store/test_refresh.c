/* Refresh tokens: rotation, the grace for lost answers, reuse detection (RFC 9700 §4.14.2), families. */
#include "rig.h"

#define GRACE 30

static const struct grant first = {
    .client_id = "portal", .person_id = "p1", .session_id = "s1", .scope = "openid offline_access",
    .data = "{\"acr\":\"x\"}", .family = "fam1", .created = 1000, .expires = 5000,
};

struct turn {
    struct grant grant;
    const char *successor;
};

static enum result rotate(struct rig *rig, const char *hash, const char *next, int64_t now, struct turn *t)
{
    const char *text = arena_printf(rig->arena, "text of %s", next);
    enum result r = store_refresh_rotate(F, rig_begin(rig), rig->arena, hash, next, text, now, now + 4000, GRACE,
                                         &t->grant, &t->successor);
    rig_commit(rig);
    return r;
}

static void start(struct rig *rig)
{
    OK(store_refresh_add(F, rig_begin(rig), "r1", &first));
    rig_commit(rig);
}

static bool revoked(struct rig *rig, const char *family)
{
    bool out;
    OK(store_family_revoked(F, rig_reader(rig), family, &out));
    return out;
}

static void the_grant_goes_on(void **state)
{
    struct rig *rig = *state;
    struct turn t;
    struct grant g;
    start(rig);
    OK(rotate(rig, "r1", "r2", 2000, &t));
    assert_null(t.successor);
    assert_string_equal(t.grant.data, first.data);
    assert_string_equal(t.grant.scope, first.scope);
    assert_int_equal(t.grant.created, 1000); /* of the login */
    assert_int_equal(t.grant.expires, 6000); /* of the new token */
    OK(store_refresh_peek(F, rig_reader(rig), rig->arena, "r2", 5999, &g));
    assert_string_equal(g.data, first.data);
    assert_string_equal(g.family, "fam1");
    assert_null(g.nonce);
    OK(rotate(rig, "r2", "r3", 3000, &t));
    assert_false(revoked(rig, "fam1"));
}

static void a_retry_gets_the_same_answer(void **state)
{
    struct rig *rig = *state;
    struct turn t;
    struct grant g;
    start(rig);
    OK(rotate(rig, "r1", "r2", 2000, &t));
    OK(store_refresh_peek(F, rig_reader(rig), rig->arena, "r1", 2001, &g)); /* the retry peeks as well */
    REFUSED(rotate(rig, "r1", "other", 2000 + GRACE - 1, &t), RESULT_CONFLICT);
    assert_string_equal(t.successor, "text of r2");
    assert_string_equal(t.grant.data, first.data);
    REFUSED(store_refresh_peek(F, rig_reader(rig), rig->arena, "other", 2001, &g), RESULT_NOT_FOUND);
    OK(rotate(rig, "r2", "r3", 2040, &t));
}

static void reuse_after_the_grace(void **state)
{
    struct rig *rig = *state;
    struct turn t;
    struct grant g;
    start(rig);
    OK(rotate(rig, "r1", "r2", 2000, &t));
    REFUSED(rotate(rig, "r1", "x", 2000 + GRACE, &t), RESULT_DENIED);
    assert_string_equal(t.grant.person_id, "p1"); /* for the audit row */
    assert_null(t.grant.data);
    assert_true(revoked(rig, "fam1"));
    REFUSED(store_refresh_peek(F, rig_reader(rig), rig->arena, "r2", 2031, &g), RESULT_NOT_FOUND);
    REFUSED(rotate(rig, "r2", "y", 2031, &t), RESULT_NOT_FOUND);
    REFUSED(store_refresh_add(F, rig_begin(rig), "r9", &first), RESULT_DENIED);
    rig_commit(rig);
}

static void reuse_within_the_grace_once_the_successor_was_used(void **state)
{
    struct rig *rig = *state;
    struct turn t;
    start(rig);
    OK(rotate(rig, "r1", "r2", 2000, &t));
    OK(rotate(rig, "r2", "r3", 2001, &t));
    REFUSED(rotate(rig, "r1", "x", 2002, &t), RESULT_DENIED);
    assert_true(revoked(rig, "fam1"));
}

static void unknown_and_expired(void **state)
{
    struct rig *rig = *state;
    struct turn t;
    struct grant g;
    start(rig);
    REFUSED(rotate(rig, "nothing", "x", 2000, &t), RESULT_NOT_FOUND);
    REFUSED(rotate(rig, "r1", "x", 5000, &t), RESULT_NOT_FOUND);
    REFUSED(store_refresh_peek(F, rig_reader(rig), rig->arena, "r1", 5000, &g), RESULT_NOT_FOUND);
    REFUSED(rotate(rig, "r1", "r1", 2000, &t), RESULT_INTERNAL); /* a successor that exists is a bug, no retry */
    assert_false(revoked(rig, "fam1"));
}

struct refusing {
    struct rig *rig;
    struct turn turn;
};

/* What the token endpoint does: it passes the refusal on, and its savepoint is rolled back. */
static enum result refuse(struct fault *f, struct store_view *v, void *arg)
{
    struct refusing *it = arg;
    return store_refresh_rotate(f, v, it->rig->arena, "r1", "x", "x", 9000, 9999, GRACE, &it->turn.grant,
                                &it->turn.successor);
}

static void the_revocation_outlives_the_refusal(void **state)
{
    struct rig *rig = *state;
    struct refusing it = {.rig = rig};
    struct grant g = first;
    start(rig);
    rig_sql(rig, "UPDATE refresh SET expires = 20000");
    OK(rotate(rig, "r1", "r2", 2000, &it.turn));
    g.family = "fam2";
    OK(store_refresh_add(F, rig_begin(rig), "q1", &g));
    rig_commit(rig);
    REFUSED(store_transaction(F, rig->store, refuse, &it), RESULT_DENIED);
    assert_true(revoked(rig, "fam1"));
    assert_false(revoked(rig, "fam2"));
}

static void revoking_by_session_and_person(void **state)
{
    struct rig *rig = *state;
    static const char *const names[][3] = {{"a", "s1", "p1"}, {"b", "s2", "p1"}, {"c", "s3", "p2"}};
    struct store_view *v = rig_begin(rig);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct grant g = first;
        struct session s = {.id_hash = names[i][1], .person_id = names[i][2], .data = "{}", .expires = 9000};
        g.family = names[i][0], g.session_id = names[i][1], g.person_id = names[i][2];
        OK(store_refresh_add(F, v, names[i][0], &g));
        OK(store_session_add(F, v, &s));
    }
    OK(store_revoke(F, v, NULL, "s1", NULL));
    rig_commit(rig);
    assert_true(revoked(rig, "a"));
    assert_false(revoked(rig, "b") || revoked(rig, "c"));
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM session"), 2);
    v = rig_begin(rig);
    OK(store_revoke(F, v, NULL, NULL, "p1"));
    OK(store_revoke(F, v, NULL, NULL, NULL));
    rig_commit(rig);
    assert_true(revoked(rig, "b"));
    assert_false(revoked(rig, "c") || revoked(rig, "never heard of"));
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM session"), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM refresh"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_grant_goes_on), TEST(a_retry_gets_the_same_answer), TEST(reuse_after_the_grace),
        TEST(reuse_within_the_grace_once_the_successor_was_used), TEST(unknown_and_expired),
        TEST(the_revocation_outlives_the_refusal), TEST(revoking_by_session_and_person),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
