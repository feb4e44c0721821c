/* Clients: put, get, replace, list, remove, and what goes with a removed one. */
#include "rig.h"

static const struct client portal = {
    .client_id = "portal", .name = "Portal", .profile = "rfc9068", .dhis2 = "hmis",
    .auth_method = "private_key_jwt", .secret_hash = "hash", .jwks = "{}", .jwks_uri = "https://p.example/jwks",
    .redirect_uris = "[\"https://p.example/cb\"]", .post_logout_redirect_uris = "[]", .scopes = "openid profile",
    .grant_types = "authorization_code", .audience = "api", .sso = "ask", .upstream = "national-id",
    .acr_values = "mosip:idp:acr:biometrics", .require_pkce = true, .disabled = true, .created = 1700000000,
};

static void every_member_comes_back(void **state)
{
    struct rig *rig = *state;
    struct client c;
    OK(store_client_put(F, rig_begin(rig), &portal));
    rig_commit(rig);
    OK(store_client_get(F, rig_reader(rig), rig->arena, "portal", &c));
    const char *const *got = (const char *const *)&c, *const *want = (const char *const *)&portal;
    for (size_t i = 0; i < offsetof(struct client, require_pkce) / sizeof *got; i++)
        assert_string_equal(got[i], want[i]);
    assert_true(c.require_pkce && c.disabled);
    assert_int_equal(c.created, 1700000000);
}

static void nulls_stay_null_and_put_replaces(void **state)
{
    struct rig *rig = *state;
    struct client c = {.client_id = "portal", .profile = "dhis2", .auth_method = "none"};
    struct store_view *v = rig_begin(rig);
    OK(store_client_put(F, v, &portal));
    OK(store_client_put(F, v, &c));
    rig_commit(rig);
    OK(store_client_get(F, rig_reader(rig), rig->arena, "portal", &c));
    assert_null(c.secret_hash);
    assert_null(c.name);
    assert_false(c.require_pkce);
    assert_string_equal(c.profile, "dhis2");
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM client"), 1);
}

static void refusals(void **state)
{
    struct rig *rig = *state;
    struct client c;
    REFUSED(store_client_put(F, rig_reader(rig), &portal), RESULT_INTERNAL); /* a reader cannot write */
    REFUSED(store_client_get(F, rig_reader(rig), rig->arena, "portal", &c), RESULT_NOT_FOUND);
    struct store_view *v = rig_begin(rig);
    REFUSED(store_client_remove(F, v, "portal"), RESULT_NOT_FOUND);
    REFUSED(store_client_put(F, v, &(struct client){.client_id = ""}), RESULT_INVALID);
    REFUSED(store_client_put(F, v, &(struct client){.client_id = "no-profile"}), RESULT_INVALID);
    rig_commit(rig);
}

struct seen {
    char names[64];
    int count, stop_after;
};

static enum result see(void *arg, const struct client *c)
{
    struct seen *s = arg;
    strncat(s->names, c->client_id, sizeof s->names - strlen(s->names) - 1);
    return ++s->count == s->stop_after ? RESULT_DENIED : RESULT_OK;
}

static void lists_in_order_and_stops(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = {"c", "a", "b"};
    struct store_view *v = rig_begin(rig);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct client c = portal;
        c.client_id = names[i];
        OK(store_client_put(F, v, &c));
    }
    rig_commit(rig);
    struct seen all = {0}, two = {.stop_after = 2};
    OK(store_client_each(F, rig_reader(rig), NULL, see, &all));
    assert_string_equal(all.names, "abc");
    REFUSED(store_client_each(F, rig_reader(rig), rig->arena, see, &two), RESULT_DENIED);
    assert_string_equal(two.names, "ab");
}

struct nested {
    struct rig *rig;
    int inner;
};

static enum result count_inner(void *arg, const struct client *c)
{
    (void)c;
    ((struct nested *)arg)->inner++;
    return RESULT_OK;
}

static enum result walk_again(void *arg, const struct client *c)
{
    struct nested *n = arg;
    (void)c;
    return store_client_each(&n->rig->fault, store_reader(&n->rig->fault, n->rig->store), NULL, count_inner, n);
}

static void a_walk_inside_a_walk(void **state)
{
    struct rig *rig = *state;
    struct nested n = {.rig = rig};
    struct client second = portal;
    struct store_view *v = rig_begin(rig);
    second.client_id = "second";
    OK(store_client_put(F, v, &portal));
    OK(store_client_put(F, v, &second));
    rig_commit(rig);
    OK(store_client_each(F, rig_reader(rig), NULL, walk_again, &n));
    assert_int_equal(n.inner, 4);
}

static void removing_revokes_what_it_holds(void **state)
{
    struct rig *rig = *state;
    struct grant g = {.client_id = "portal", .family = "f", .data = "{}", .expires = 2000000000}, out;
    bool revoked;
    struct store_view *v = rig_begin(rig);
    OK(store_client_put(F, v, &portal));
    OK(store_refresh_add(F, v, "r", &g));
    OK(store_client_remove(F, v, "portal"));
    REFUSED(store_refresh_peek(F, v, rig->arena, "r", 1, &out), RESULT_NOT_FOUND);
    OK(store_family_revoked(F, v, "f", &revoked));
    assert_true(revoked);
    rig_commit(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_member_comes_back), TEST(nulls_stay_null_and_put_replaces), TEST(refusals),
        TEST(lists_in_order_and_stops), TEST(a_walk_inside_a_walk), TEST(removing_revokes_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
