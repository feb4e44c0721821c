/* Authorization codes: single use (RFC 6749 §4.1.2), expiry, what is remembered of a used one, sweeping. */
#include "rig.h"

static const struct grant full = {
    .client_id = "portal", .person_id = "p1", .session_id = "s1", .redirect_uri = "https://p.example/cb",
    .scope = "openid", .nonce = "n", .code_challenge = "cc", .data = "{\"acr\":\"x\"}", .family = "fam1",
    .created = 1000, .expires = 1060,
};

static enum result redeem(struct rig *rig, const char *hash, int64_t now, struct grant *g, const char **family_r)
{
    enum result r = store_code_redeem(F, rig_begin(rig), rig->arena, hash, "portal", now, g, family_r);
    rig_commit(rig);
    return r;
}

static void add(struct rig *rig, const char *hash, const struct grant *g)
{
    OK(store_code_add(F, rig_begin(rig), hash, g));
    rig_commit(rig);
}

static void redeemed_once(void **state)
{
    struct rig *rig = *state;
    struct grant g;
    const char *family;
    add(rig, "h1", &full);
    OK(redeem(rig, "h1", 1059, &g, &family));
    const char *const *got = (const char *const *)&g, *const *want = (const char *const *)&full;
    for (size_t i = 0; i < offsetof(struct grant, created) / sizeof *got; i++)
        assert_string_equal(got[i], want[i]);
    assert_int_equal(g.created, 1000);
    assert_int_equal(g.expires, 1060);
    assert_null(family);

    REFUSED(redeem(rig, "h1", 1059, &g, &family), RESULT_CONFLICT);
    assert_string_equal(family, "fam1");
    assert_string_equal(g.person_id, "p1");
    assert_null(g.data);
}

static void a_used_code_is_remembered_for_an_hour(void **state)
{
    struct rig *rig = *state;
    struct grant g;
    const char *family;
    add(rig, "h1", &full);
    OK(redeem(rig, "h1", 1059, &g, &family));
    REFUSED(redeem(rig, "h1", 1060 + 3599, &g, &family), RESULT_CONFLICT);
    REFUSED(redeem(rig, "h1", 1060 + 3600, &g, &family), RESULT_NOT_FOUND);
    assert_null(family);
}

static void unknown_and_expired(void **state)
{
    struct rig *rig = *state;
    struct grant g;
    const char *family;
    add(rig, "h1", &full);
    REFUSED(redeem(rig, "h2", 1001, &g, &family), RESULT_NOT_FOUND);
    REFUSED(redeem(rig, "h1", 1060, &g, &family), RESULT_NOT_FOUND); /* at its expiry it is over */
    assert_null(family);
    REFUSED(store_code_redeem(F, rig_reader(rig), rig->arena, "h1", "portal", 1001, &g, &family), RESULT_INTERNAL);
}

/* RFC 6749 §4.1.2: the code is bound to the client. Whoever else has it can neither use it, nor use it up, nor end what came of it. */
static void another_client_neither_burns_nor_revokes(void **state)
{
    struct rig *rig = *state;
    struct grant g;
    const char *family;
    add(rig, "h1", &full);
    for (int used = 0; used < 2; used++) {
        REFUSED(store_code_redeem(F, rig_begin(rig), rig->arena, "h1", "stranger", 1001, &g, &family), RESULT_NOT_FOUND);
        rig_commit(rig);
        assert_null(family);
        if (used == 0)
            OK(redeem(rig, "h1", 1002, &g, &family));
    }
    REFUSED(redeem(rig, "h1", 1003, &g, &family), RESULT_CONFLICT); /* its own client's second use still counts */
    assert_string_equal(family, "fam1");
}

static void adding_refuses(void **state)
{
    struct rig *rig = *state;
    struct grant g = full;
    struct store_view *v = rig_begin(rig);
    OK(store_code_add(F, v, "h1", &full));
    REFUSED(store_code_add(F, v, "h1", &full), RESULT_CONFLICT);
    g.family = NULL;
    REFUSED(store_code_add(F, v, "h2", &g), RESULT_INVALID);
    OK(store_revoke(F, v, "fam1", NULL, NULL));
    REFUSED(store_code_add(F, v, "h3", &full), RESULT_DENIED); /* the family is revoked */
    rig_commit(rig);
}

static void revoked_before_and_after_use(void **state)
{
    struct rig *rig = *state;
    struct grant g = full;
    const char *family;
    add(rig, "used", &full);
    g.family = "fam2";
    add(rig, "unused", &g);
    OK(redeem(rig, "used", 1001, &g, &family));
    struct store_view *v = rig_begin(rig);
    OK(store_revoke(F, v, NULL, NULL, "p1"));
    rig_commit(rig);
    REFUSED(redeem(rig, "unused", 1001, &g, &family), RESULT_NOT_FOUND);
    REFUSED(redeem(rig, "used", 1001, &g, &family), RESULT_CONFLICT); /* a second redeem is still seen as one */
}

static void the_sweep_takes_what_is_over(void **state)
{
    struct rig *rig = *state;
    struct grant g;
    const char *family;
    add(rig, "h1", &full);
    OK(redeem(rig, "h1", 1001, &g, &family));
    OK(store_expire(F, rig_begin(rig), 1060 + 3600));
    rig_commit(rig);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM code"), 1);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM family"), 1);
    OK(store_expire(F, rig_begin(rig), 1060 + 3601));
    rig_commit(rig);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM code"), 0);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM family"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(redeemed_once), TEST(a_used_code_is_remembered_for_an_hour), TEST(unknown_and_expired), TEST(another_client_neither_burns_nor_revokes),
        TEST(adding_refuses), TEST(revoked_before_and_after_use), TEST(the_sweep_takes_what_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
