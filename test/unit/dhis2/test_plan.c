/* What is patched, and what is not: the plan alone, without a server. */
#include "support.h"

static const char *const ANN =
    "{\"id\":\"UsrAnnAAA01\",\"username\":\"ann.smith\",\"openId\":\"p-ann\",\"firstName\":\"Ann\",\"surname\":\"Smith\","
    "\"email\":\"ann@example.org\",\"phoneNumber\":\"+1\",\"externalAuth\":true,\"disabled\":false,"
    "\"userRoles\":[{\"id\":\"RoleAAAAA01\",\"code\":\"CLINIC\",\"authorities\":[\"F_X\"]}],"
    "\"userGroups\":[{\"id\":\"GrpAAAAAA01\",\"code\":\"HIV\",\"name\":\"Hiv\"},{\"id\":\"GrpByHand01\",\"name\":\"By hand\"}],"
    "\"organisationUnits\":[{\"id\":\"OuAAAAAAA01\",\"code\":\"F1\"}],\"dataViewOrganisationUnits\":[{\"id\":\"OuAAAAAAA02\"}],"
    "\"teiSearchOrganisationUnits\":[]}";

static struct user ann(struct rig *r)
{
    struct user u;
    assert_result(RESULT_OK, dhis2_user_read(&r->task, json_of(r, ANN), &u));
    return u;
}

static const struct account_wish as_she_is = {.open_id = "p-ann", .login = "ann.smith", .given_name = "Ann", .surname = "Smith",
                                              .mail = "ann@example.org"};

static void add_thing(struct rig *r, struct things *to, const char *id, const char *code)
{
    assert_result(RESULT_OK, things_add(&r->task, to, &(struct thing){.id = id, .code = code}));
}

static struct wanted as_granted(struct rig *r)
{
    struct wanted g = {0};
    add_thing(r, &g.roles, "RoleAAAAA01", "CLINIC");
    add_thing(r, &g.groups, "GrpAAAAAA01", "HIV");
    add_thing(r, &g.units[0], "OuAAAAAAA01", "F1");
    add_thing(r, &g.units[1], "OuAAAAAAA02", NULL);
    return g;
}

static struct plan plan_of(struct rig *r, const struct account_wish *w, const struct wanted *g, const struct user *u)
{
    struct plan p;
    assert_result(RESULT_OK, dhis2_plan(&r->task, w, g, u, &p));
    return p;
}

static void assert_patch(struct rig *r, const json_t *patch, const char *text)
{
    assert_string_equal(json_compact(r->arena, patch), text);
}

static void nothing_to_do(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    struct plan p = plan_of(r, &as_she_is, &g, &u);
    assert_patch(r, p.patch, "[]");
    assert_patch(r, p.groups, "[]");
    assert_false(p.rights || p.profile);
}

static void names_and_mail(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    struct account_wish w = as_she_is;
    w.surname = "Jones";
    w.mail = "jones@localhost"; /* E4003 */
    w.phone = "+99";            /* not owned */
    w.given_name = "\xff";      /* no UTF-8 */
    struct plan p = plan_of(r, &w, &g, &u);
    assert_patch(r, p.patch, "[{\"op\":\"add\",\"path\":\"/surname\",\"value\":\"Jones\"}]");
    assert_true(p.profile && !p.rights);
    r->instance.own = OWN_PHONE;
    p = plan_of(r, &w, &g, &u);
    assert_patch(r, p.patch, "[{\"op\":\"add\",\"path\":\"/phoneNumber\",\"value\":\"+99\"}]");
}

static void mail_refused_lately_is_left_out(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    struct account_wish w = as_she_is;
    w.mail = "ann@example.net";
    assert_int_equal(json_array_size(plan_of(r, &w, &g, &u).patch), 1);
    memory_put(r->instance.bad_mail, sha256_base64url(r->arena, w.mail), "", false);
    assert_int_equal(json_array_size(plan_of(r, &w, &g, &u).patch), 0);
}

static void roles_and_units_become_what_is_granted(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = {0};
    add_thing(r, &g.roles, "RoleBBBBB02", NULL);
    add_thing(r, &g.units[0], "OuAAAAAAA01", NULL);
    struct plan p = plan_of(r, &as_she_is, &g, &u);
    assert_true(p.rights);
    assert_patch(r, p.patch, "[{\"op\":\"add\",\"path\":\"/userRoles\",\"value\":[{\"id\":\"RoleBBBBB02\"}]},"
                             "{\"op\":\"add\",\"path\":\"/dataViewOrganisationUnits\",\"value\":[]}]");
    assert_patch(r, p.groups, "[]"); /* nobody said which groups rules can give */
}

static void roles_that_stay(void **state)
{
    static char *const clinic[] = {"code:CLIN*", NULL};
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    g.roles = (struct things){0};
    struct plan p;
    assert_result(RESULT_DENIED, dhis2_plan(&r->task, &as_she_is, &g, &u, &p)); /* E4055 foreseen */
    assert_string_equal(r->task.reason, "dhis2_refused");
    r->instance.unmanaged_roles = clinic;
    assert_patch(r, plan_of(r, &as_she_is, &g, &u).patch, "[]");
}

static bool only_hiv(void *arg, enum grant_kind k, enum grant_by by, const char *ref)
{
    (void)arg;
    return k == GRANT_GROUP && by == BY_CODE && text_equal(ref, "HIV");
}

static void groups_of_the_rules_go_and_others_stay(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    struct account_wish w = as_she_is;
    g.groups = (struct things){0};
    w.could_give = only_hiv;
    struct plan p = plan_of(r, &w, &g, &u);
    assert_patch(r, p.patch, "[]");
    assert_patch(r, p.groups, "[{\"op\":\"add\",\"path\":\"/userGroups\",\"value\":[{\"id\":\"GrpByHand01\"}]}]");
    add_thing(r, &g.groups, "GrpNewAAA02", NULL);
    p = plan_of(r, &w, &g, &u);
    assert_patch(r, p.groups,
                 "[{\"op\":\"add\",\"path\":\"/userGroups\",\"value\":[{\"id\":\"GrpNewAAA02\"},{\"id\":\"GrpByHand01\"}]}]");
    assert_int_equal(p.missing_groups.count, 1);
    assert_string_equal(p.missing_groups.list[0].id, "GrpNewAAA02");
}

static void state_of_the_account(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = as_granted(r);
    u.disabled = true;
    u.external = false;
    struct plan p = plan_of(r, &as_she_is, &g, &u);
    assert_patch(r, p.patch, "[{\"op\":\"add\",\"path\":\"/externalAuth\",\"value\":true},"
                             "{\"op\":\"add\",\"path\":\"/disabled\",\"value\":false}]");
    assert_true(p.rights);
}

static void nothing_owned_nothing_patched(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    struct wanted g = {0};
    r->instance.own = 0;
    struct account_wish w = {.open_id = "p-ann", .given_name = "X", .surname = "Y", .mail = "z@example.org", .phone = "1"};
    struct plan p = plan_of(r, &w, &g, &u);
    assert_patch(r, p.patch, "[]");
    assert_patch(r, p.groups, "[]");
}

static void body_of_a_create(void **state)
{
    struct rig *r = *state;
    struct wanted g = as_granted(r);
    struct account_wish w = {.open_id = "p-ann", .login = "ann.smith", .surname = "Smith", .phone = "+99"};
    json_t *body = NULL;
    assert_result(RESULT_OK, dhis2_create_body(&r->task, &w, &g, "ann.smith", &body));
    assert_string_equal(json_text(body, "firstName"), "ann.smith"); /* required there, absent here */
    assert_string_equal(json_text(body, "surname"), "Smith");
    assert_string_equal(json_text(body, "id"), dhis2_uid_of(r->arena, "p-ann"));
    assert_null(json_object_get(body, "phoneNumber"));
    assert_null(json_object_get(body, "password"));
    assert_null(json_object_get(body, "email"));
    assert_true(json_is_true(json_object_get(body, "externalAuth")));
    assert_int_equal(json_array_size(json_object_get(body, "userGroups")), 1);
    g.roles = (struct things){0};
    assert_result(RESULT_DENIED, dhis2_create_body(&r->task, &w, &g, "ann.smith", &body));
}

static void reading_a_user(void **state)
{
    struct rig *r = *state;
    struct user u = ann(r);
    assert_true(u.external && !u.disabled && !u.all);
    assert_string_equal(u.groups.list[1].name, "By hand");
    assert_result(RESULT_OK, dhis2_user_read(&r->task, json_of(r, "{\"id\":\"a\",\"username\":\"b\",\"userRoles\":[{\"id\":\"c\","
                                                                  "\"authorities\":[\"F_X\",\"ALL\"]}]}"), &u));
    assert_true(u.all);
    assert_result(RESULT_UNAVAILABLE, dhis2_user_read(&r->task, json_of(r, "{\"id\":\"a\"}"), &u));
    assert_result(RESULT_UNAVAILABLE, dhis2_user_read(&r->task, json_of(r, "[]"), &u));
    assert_string_equal(r->task.reason, "dhis2_down");
}

static void sets_of_things(void **state)
{
    struct rig *r = *state;
    struct things a = {0}, b = {0};
    for (int i = 0; i < 40; i++) {
        add_thing(r, &a, arena_printf(r->arena, "id%d", i), NULL);
        add_thing(r, &b, arena_printf(r->arena, "id%d", 39 - i), NULL);
        add_thing(r, &b, arena_printf(r->arena, "id%d", 39 - i), NULL);
    }
    assert_int_equal(b.count, 40);
    assert_true(things_equal(&a, &b));
    b.list[7].id = "other";
    assert_false(things_equal(&a, &b));
    b.count--;
    assert_false(things_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_rig(nothing_to_do),
        with_rig(names_and_mail),
        with_rig(mail_refused_lately_is_left_out),
        with_rig(roles_and_units_become_what_is_granted),
        with_rig(roles_that_stay),
        with_rig(groups_of_the_rules_go_and_others_stay),
        with_rig(state_of_the_account),
        with_rig(nothing_owned_nothing_patched),
        with_rig(body_of_a_create),
        with_rig(reading_a_user),
        with_rig(sets_of_things),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
