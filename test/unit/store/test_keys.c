/* Keys, settings, rules, and the revision that tells readers to load them anew. */
#include "rig.h"

static const struct key_row signer = {.kid = "k1", .use = "sign", .alg = "RS256", .private_jwk = "{\"d\":\"secret\"}",
                                      .public_jwk = "{\"n\":\"1\"}", .state = "active", .created = 10,
                                      .active_from = 20, .retire_at = 30};

struct seen {
    struct arena *arena;
    char names[64];
    struct key_row last;
};

static enum result see_key(void *arg, const struct key_row *k)
{
    struct seen *s = arg;
    strncat(s->names, k->kid, sizeof s->names - strlen(s->names) - 1);
    s->last = *k;
    return RESULT_OK;
}

static void keys_by_use(void **state)
{
    struct rig *rig = *state;
    struct seen all = {0}, sign = {0};
    struct key_row k = signer;
    struct store_view *v = rig_begin(rig);
    OK(store_key_put(F, v, &signer));
    k.kid = "k0", k.use = "upstream:esignet", k.created = 5;
    OK(store_key_put(F, v, &k));
    k = signer;
    k.state = "retiring", k.private_jwk = NULL;
    OK(store_key_put(F, v, &k));
    rig_commit(rig);
    OK(store_key_each(F, rig_reader(rig), rig->arena, NULL, see_key, &all));
    assert_string_equal(all.names, "k0k1");
    OK(store_key_each(F, rig_reader(rig), rig->arena, "sign", see_key, &sign));
    assert_string_equal(sign.names, "k1");
    assert_string_equal(sign.last.state, "retiring");
    assert_null(sign.last.private_jwk);
    assert_int_equal(sign.last.retire_at, 30);
    OK(store_key_each(F, rig_reader(rig), rig->arena, "upstream:esignet", see_key, &sign));
    assert_string_equal(sign.last.private_jwk, signer.private_jwk);
    assert_string_equal(sign.last.public_jwk, signer.public_jwk);
}

static void key_refusals(void **state)
{
    struct rig *rig = *state;
    struct key_row k = signer;
    struct store_view *v = rig_begin(rig);
    k.kid = NULL;
    REFUSED(store_key_put(F, v, &k), RESULT_INVALID);
    REFUSED(store_key_remove(F, v, "k1"), RESULT_NOT_FOUND);
    OK(store_key_put(F, v, &signer));
    OK(store_key_remove(F, v, "k1"));
    rig_commit(rig);
}

static void settings(void **state)
{
    struct rig *rig = *state;
    const char *value;
    struct store_view *v = rig_begin(rig);
    OK(store_setting_put(F, v, "a", "1"));
    OK(store_setting_put(F, v, "a", "2"));
    rig_commit(rig);
    OK(store_setting_get(F, rig_reader(rig), rig->arena, "a", &value));
    assert_string_equal(value, "2");
    REFUSED(store_setting_get(F, rig_reader(rig), rig->arena, "b", &value), RESULT_NOT_FOUND);
    REFUSED(store_setting_put(F, rig_reader(rig), "b", "1"), RESULT_INTERNAL);
}

static enum result see_rule(void *arg, const struct rule_row *r)
{
    struct seen *s = arg;
    strncat(s->names, r->text, sizeof s->names - strlen(s->names) - 1);
    return RESULT_OK;
}

static void rules_in_order_of_their_names(void **state)
{
    struct rig *rig = *state;
    struct seen seen = {0};
    struct store_view *v = rig_begin(rig);
    OK(store_rule_put(F, v, &(struct rule_row){"b", "old", 1}));
    OK(store_rule_put(F, v, &(struct rule_row){"a", "A", 1}));
    OK(store_rule_put(F, v, &(struct rule_row){"b", "B", 2}));
    OK(store_rule_put(F, v, &(struct rule_row){"c", "C", 2}));
    OK(store_rule_remove(F, v, "c"));
    REFUSED(store_rule_remove(F, v, "c"), RESULT_NOT_FOUND);
    REFUSED(store_rule_put(F, v, &(struct rule_row){"d", NULL, 2}), RESULT_INVALID);
    rig_commit(rig);
    OK(store_rule_each(F, rig_reader(rig), rig->arena, see_rule, &seen));
    assert_string_equal(seen.names, "AB");
}

static int64_t revision(struct rig *rig)
{
    int64_t n;
    OK(store_revision(F, rig_reader(rig), &n));
    return n;
}

static void every_change_of_the_three_is_counted(void **state)
{
    struct rig *rig = *state;
    struct client c = {.client_id = "c", .profile = "dhis2", .auth_method = "none"};
    int64_t before = revision(rig);
    struct store_view *v = rig_begin(rig);
    OK(store_setting_put(F, v, "a", "1"));
    OK(store_once(F, v, "jti", "x", 1));
    rig_commit(rig);
    assert_int_equal(revision(rig), before);
    v = rig_begin(rig);
    OK(store_client_put(F, v, &c));
    OK(store_client_put(F, v, &c));
    OK(store_client_remove(F, v, "c"));
    OK(store_key_put(F, v, &signer));
    OK(store_key_put(F, v, &signer));
    OK(store_key_remove(F, v, "k1"));
    OK(store_rule_put(F, v, &(struct rule_row){"a", "A", 1}));
    OK(store_rule_put(F, v, &(struct rule_row){"a", "B", 1}));
    OK(store_rule_remove(F, v, "a"));
    assert_int_equal(revision(rig), before); /* not committed yet */
    rig_commit(rig);
    assert_int_equal(revision(rig), before + 9);
    rig_sql(rig, "INSERT INTO rule VALUES('z', '{}', 1)"); /* another connection, as from the command line */
    assert_int_equal(revision(rig), before + 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_by_use), TEST(key_refusals), TEST(settings), TEST(rules_in_order_of_their_names),
        TEST(every_change_of_the_three_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
