/* user: an account as DHIS2 has it, found by the person id in its openId. Called by ensure.c.
 *
 * openId is unique among ENABLED users only, and not even that for sure (dhis2-users.md §0.5, §5: parallel creates and
 * POST /enabled make twins), so all with that value are read and judged. */
#include "private.h"

#define THING "%5Bid,code,name%5D" /* [id,code,name] */
#define FIELDS                                                                                                         \
    "id,username,openId,disabled,externalAuth,accountExpiry,firstName,surname,email,phoneNumber,"                      \
    "userRoles%5Bid,code,name,authorities%5D,userGroups" THING ",organisationUnits" THING                              \
    ",dataViewOrganisationUnits" THING ",teiSearchOrganisationUnits" THING

const char *const dhis2_unit_fields[UNIT_SETS] = {"organisationUnits", "dataViewOrganisationUnits",
                                                  "teiSearchOrganisationUnits"};

enum result dhis2_user_read(struct task *t, const json_t *j, struct user *out_r)
{
    *out_r = (struct user){.id = json_text(j, "id"),
                           .username = json_text(j, "username"),
                           .open_id = json_text(j, "openId"),
                           .first_name = json_text(j, "firstName"),
                           .surname = json_text(j, "surname"),
                           .email = json_text(j, "email"),
                           .phone = json_text(j, "phoneNumber"),
                           .expiry = json_text(j, "accountExpiry"),
                           .disabled = json_is_true(json_object_get(j, "disabled")),
                           .external = json_is_true(json_object_get(j, "externalAuth"))};
    if (out_r->id == NULL || out_r->username == NULL)
        return dhis2_down(t, RESULT_UNAVAILABLE, "an answer shows a user without id or username");
    TRY(things_read(t, json_object_get(j, "userRoles"), &out_r->roles));
    TRY(things_read(t, json_object_get(j, "userGroups"), &out_r->groups));
    for (size_t i = 0; i < UNIT_SETS; i++)
        TRY(things_read(t, json_object_get(j, dhis2_unit_fields[i]), &out_r->units[i]));
    for (size_t i = 0; i < out_r->roles.count; i++)
        out_r->all = out_r->all || out_r->roles.list[i].all;
    return RESULT_OK;
}

static enum result users_at(struct task *t, const char *path, const json_t **out_r)
{
    json_t *j = NULL;
    TRY(dhis2_get(t, path, &j));
    *out_r = json_object_get(j, "users");
    if (!json_is_array(*out_r))
        return dhis2_down(t, RESULT_UNAVAILABLE, "the answer has no users");
    return RESULT_OK;
}

struct pick {
    struct user enabled, disabled;
    size_t enabled_count, disabled_count;
};

/* Of several disabled accounts the one we made (its uid is derived from the person) is the person's. */
static enum result take(struct task *t, const json_t *j, const char *open_id, struct pick *p)
{
    struct user u;
    TRY(dhis2_user_read(t, j, &u));
    if (!text_equal(u.open_id, open_id)) /* the filter said so; a proxy or a changed filter language must not decide */
        return RESULT_OK;
    const char *ours = dhis2_uid_of(t->a, open_id);
    NEED(t->f, ours);
    if (!u.disabled) {
        p->enabled = u;
        p->enabled_count++;
    } else if (text_equal(u.id, ours)) {
        p->disabled = u;
        p->disabled_count = 1;
    } else if (!text_equal(p->disabled.id, ours)) {
        p->disabled = u;
        p->disabled_count++;
    }
    return RESULT_OK;
}

static enum result twins(struct task *t, const char *which, size_t n)
{
    log_event(LEVEL_ERROR, "dhis2_openid_twins", "dhis2", t->d->name, "accounts", which, NULL);
    metric_add("idbridge_dhis2_twins_total", NULL, 1);
    return dhis2_conflict(t, "%zu %s accounts share one openId: leave it to one of them", n, which);
}

enum result dhis2_user_by_open_id(struct task *t, const char *open_id, struct user *out_r, bool *found_r)
{
    const json_t *users = NULL;
    char *value = NULL;
    struct pick p = {.enabled_count = 0};
    TRY(dhis2_filter_value(t, open_id, &value));
    const char *path = arena_printf(t->a, "/api/users?filter=openId:eq:%s&fields=%s&paging=false", value, FIELDS);
    NEED(t->f, path);
    TRY(users_at(t, path, &users));
    for (size_t i = 0; i < json_array_size(users); i++)
        TRY(take(t, json_array_get(users, i), open_id, &p));
    if (p.enabled_count > 1)
        return twins(t, "enabled", p.enabled_count);
    if (p.enabled_count == 0 && p.disabled_count > 1)
        return twins(t, "disabled", p.disabled_count);
    *found_r = p.enabled_count + p.disabled_count > 0;
    *out_r = p.enabled_count > 0 ? p.enabled : p.disabled;
    return RESULT_OK;
}

enum result dhis2_username_taken(struct task *t, const char *username, const char **by_uid_r)
{
    const json_t *users = NULL;
    char *value = NULL;
    TRY(dhis2_filter_value(t, username, &value));
    const char *path = arena_printf(t->a, "/api/users?filter=username:eq:%s&fields=id&paging=false", value);
    NEED(t->f, path);
    TRY(users_at(t, path, &users));
    *by_uid_r = json_text(json_array_get(users, 0), "id");
    return RESULT_OK;
}

/* ---- a Route's user ------------------------------------------------------------------------------------------- */

static enum result ask_enabled(struct task *t, const char *username, bool *enabled_r, const char **uid_r)
{
    const json_t *users = NULL;
    char *value = NULL;
    TRY(dhis2_filter_value(t, username, &value));
    const char *path = arena_printf(t->a, "/api/users?filter=username:eq:%s&fields=id,username,disabled&paging=false", value);
    NEED(t->f, path);
    TRY(users_at(t, path, &users));
    const json_t *one = json_array_get(users, 0);
    if (!text_equal(json_text(one, "username"), username) || json_text(one, "id") == NULL)
        return FAULT(t->f, RESULT_NOT_FOUND, "%s: no user of that username", t->d->name);
    *enabled_r = !json_is_true(json_object_get(one, "disabled"));
    *uid_r = json_text(one, "id");
    return RESULT_OK;
}

/* Remembered for 30 seconds: a form sends several requests. Who does not exist is not remembered. */
enum result dhis2_user_enabled(struct fault *f, struct arena *a, struct dhis2s *d, const char *name, const char *username,
                               bool *enabled_r, const char **uid_r)
{
    struct task t = {f, a, dhis2_find(d, name), NULL};
    *enabled_r = false;
    *uid_r = NULL;
    if (t.d == NULL)
        return FAULT(f, RESULT_INTERNAL, "no such [dhis2] is configured");
    if (username == NULL || username[0] == '\0')
        return FAULT(f, RESULT_NOT_FOUND, "no username to look up");
    if (memory_get(t.d->enabled, a, username, uid_r, enabled_r))
        return RESULT_OK;
    TRY(ask_enabled(&t, username, enabled_r, uid_r));
    memory_put(t.d->enabled, username, *uid_r, *enabled_r);
    return RESULT_OK;
}
