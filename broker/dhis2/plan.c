/* plan: what must change so that an account is as it should be: a JSON Patch of owned fields, or the body of a create.
 * Pure but for the memory of e-mail addresses DHIS2 refused. Called by ensure.c, for a login and for explain alike.
 *
 * Only op `add`: `replace` of userGroups answers 500 after saving the rest, `remove` there does nothing; a list given by
 * `add` becomes the whole list (dhis2-users.md §2, tried on 2.41 and 2.43.1). */
#include "private.h"

#include <string.h>

enum { NAME_MAX_CHARS = 160, PHONE_MAX_CHARS = 80 };

static enum result set(struct task *t, json_t *object, const char *key, json_t *value)
{
    if (value == NULL || json_object_set_new(object, key, value) != 0)
        return FAULT(t->f, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

static enum result add_op(struct task *t, json_t *patch, const char *field, json_t *value)
{
    json_t *op = json_pack("{s:s, s:s+}", "op", "add", "path", "/", field);
    if (op == NULL || json_array_append_new(patch, op) != 0) {
        json_decref(value);
        return FAULT(t->f, RESULT_INTERNAL, "out of memory");
    }
    return set(t, op, "value", value);
}

static json_t *ids_of(const struct things *s)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < s->count; i++)
        if (json_array_append_new(list, json_pack("{s:s}", "id", s->list[i].id)) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *new_array(struct task *t)
{
    return arena_json(t->a, json_array());
}

/* ---- names, mail, phone ---------------------------------------------------------------------------------------- */

/* NULL: leave it as it is. */
static const char *text_or_none(struct task *t, const char *s, size_t max)
{
    return s == NULL || s[0] == '\0' || !text_is_utf8(s, strlen(s)) ? NULL : dhis2_cut(t->a, s, max);
}

/* An address DHIS2 does not take must not keep a nurse out: it is left out, and not tried again for an hour. */
static const char *mail_of(struct task *t, const struct account_wish *w)
{
    const char *text = NULL;
    bool flag = false;
    if (w->mail == NULL || !text_is_utf8(w->mail, strlen(w->mail)) || !dhis2_mail_ok(w->mail))
        return NULL;
    const char *key = sha256_base64url(t->a, w->mail);
    return key == NULL || memory_get(t->d->bad_mail, t->a, key, &text, &flag) ? NULL : w->mail;
}

struct field {
    unsigned own;
    const char *name, *should, *is;
};

static enum result plan_profile(struct task *t, const struct account_wish *w, const struct user *u, struct plan *p)
{
    const struct field fields[] = {
        {OWN_NAMES, "firstName", text_or_none(t, w->given_name, NAME_MAX_CHARS), u->first_name},
        {OWN_NAMES, "surname", text_or_none(t, w->surname, NAME_MAX_CHARS), u->surname},
        {OWN_MAIL, "email", mail_of(t, w), u->email},
        {OWN_PHONE, "phoneNumber", text_or_none(t, w->phone, PHONE_MAX_CHARS), u->phone},
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const struct field *one = &fields[i];
        if ((t->d->own & one->own) == 0 || one->should == NULL || text_equal(one->should, one->is))
            continue;
        p->profile = true;
        TRY(add_op(t, p->patch, one->name, json_string(one->should)));
    }
    return RESULT_OK;
}

/* ---- rights ---------------------------------------------------------------------------------------------------- */

static bool fits(const char *pattern, const char *text)
{
    size_t n = strlen(pattern);
    if (text == NULL || n == 0)
        return false;
    return pattern[n - 1] == '*' ? strncmp(pattern, text, n - 1) == 0 : strcmp(pattern, text) == 0;
}

static bool listed(char *const *patterns, const struct thing *one)
{
    for (; *patterns != NULL; patterns++)
        if ((text_has_prefix(*patterns, "code:") && fits(*patterns + 5, one->code)) ||
            (text_has_prefix(*patterns, "uid:") && fits(*patterns + 4, one->id)))
            return true;
    return false;
}

static bool has_word(char *const *patterns, const char *word)
{
    for (; *patterns != NULL; patterns++)
        if (text_equal(*patterns, word))
            return true;
    return false;
}

static bool a_rule_gives(const struct account_wish *w, const struct thing *g)
{
    return w->could_give != NULL && ((g->name != NULL && w->could_give(w->could_give_arg, GRANT_GROUP, BY_NAME, g->name)) ||
                                     (g->code != NULL && w->could_give(w->could_give_arg, GRANT_GROUP, BY_CODE, g->code)) ||
                                     w->could_give(w->could_give_arg, GRANT_GROUP, BY_UID, g->id));
}

static bool managed(const struct task *t, const struct account_wish *w, const struct thing *group)
{
    char *const *patterns = t->d->managed_groups;
    return has_word(patterns, "all") || listed(patterns, group) || (has_word(patterns, "rules") && a_rule_gives(w, group));
}

static enum result roles_to_be(struct task *t, const struct wanted *g, const struct user *u, struct things *out_r)
{
    *out_r = (struct things){0};
    for (size_t i = 0; i < g->roles.count; i++)
        TRY(things_add(t, out_r, &g->roles.list[i]));
    for (size_t i = 0; i < u->roles.count; i++)
        if (listed(t->d->unmanaged_roles, &u->roles.list[i]))
            TRY(things_add(t, out_r, &u->roles.list[i]));
    if (out_r->count == 0) /* DHIS2 wants one at least: E4055 */
        return dhis2_refused(t, "no rule gives a role in DHIS2, and an account needs one");
    return RESULT_OK;
}

/* The whole list, with what is not ours to take away: `add` of a list is the only operation that works. */
static enum result groups_to_be(struct task *t, const struct account_wish *w, const struct wanted *g, const struct user *u,
                                struct things *out_r)
{
    *out_r = (struct things){0};
    for (size_t i = 0; i < g->groups.count; i++)
        TRY(things_add(t, out_r, &g->groups.list[i]));
    for (size_t i = 0; i < u->groups.count; i++)
        if (!managed(t, w, &u->groups.list[i]))
            TRY(things_add(t, out_r, &u->groups.list[i]));
    return RESULT_OK;
}

static enum result plan_roles(struct task *t, const struct wanted *g, const struct user *u, struct plan *p)
{
    struct things roles;
    if ((t->d->own & OWN_ROLES) == 0)
        return RESULT_OK;
    TRY(roles_to_be(t, g, u, &roles));
    if (things_equal(&roles, &u->roles))
        return RESULT_OK;
    p->rights = true;
    return add_op(t, p->patch, "userRoles", ids_of(&roles));
}

static enum result plan_units(struct task *t, const struct wanted *g, const struct user *u, struct plan *p)
{
    for (size_t i = 0; i < UNIT_SETS; i++) {
        if ((t->d->own & OWN_ORG_UNITS) == 0 || things_equal(&g->units[i], &u->units[i]))
            continue;
        p->rights = true;
        TRY(add_op(t, p->patch, dhis2_unit_fields[i], ids_of(&g->units[i])));
    }
    return RESULT_OK;
}

static enum result plan_groups(struct task *t, const struct account_wish *w, const struct wanted *g, const struct user *u,
                               struct plan *p)
{
    struct things groups;
    if ((t->d->own & OWN_GROUPS) == 0)
        return RESULT_OK;
    TRY(groups_to_be(t, w, g, u, &groups));
    for (size_t i = 0; i < groups.count; i++)
        if (!things_have(&u->groups, groups.list[i].id))
            TRY(things_add(t, &p->missing_groups, &groups.list[i]));
    return things_equal(&groups, &u->groups) ? RESULT_OK : add_op(t, p->groups, "userGroups", ids_of(&groups));
}

/* Without externalAuth DHIS2 refuses the OIDC login. */
static enum result plan_state(struct task *t, const struct user *u, struct plan *p)
{
    p->rights = p->rights || u->disabled || !u->external;
    if (!u->external)
        TRY(add_op(t, p->patch, "externalAuth", json_true()));
    return u->disabled ? add_op(t, p->patch, "disabled", json_false()) : RESULT_OK;
}

enum result dhis2_plan(struct task *t, const struct account_wish *w, const struct wanted *g, const struct user *u,
                       struct plan *out_r)
{
    *out_r = (struct plan){.patch = new_array(t), .groups = new_array(t)};
    NEED(t->f, out_r->patch);
    NEED(t->f, out_r->groups);
    TRY(plan_profile(t, w, u, out_r));
    TRY(plan_roles(t, g, u, out_r));
    TRY(plan_units(t, g, u, out_r));
    TRY(plan_state(t, u, out_r));
    return plan_groups(t, w, g, u, out_r);
}

/* ---- a new account --------------------------------------------------------------------------------------------- */

static enum result body_texts(struct task *t, const struct account_wish *w, const char *username, json_t *body)
{
    const char *first = text_or_none(t, w->given_name, NAME_MAX_CHARS), *last = text_or_none(t, w->surname, NAME_MAX_CHARS);
    const char *phone = (t->d->own & OWN_PHONE) == 0 ? NULL : text_or_none(t, w->phone, PHONE_MAX_CHARS);
    const struct {
        const char *key, *value;
    } texts[] = {{"id", dhis2_uid_of(t->a, w->open_id)},
                 {"username", username},
                 {"openId", w->open_id},
                 {"firstName", first != NULL ? first : username}, /* both are required, 1 to 160 characters */
                 {"surname", last != NULL ? last : username},
                 {"email", mail_of(t, w)},
                 {"phoneNumber", phone}};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].value != NULL)
            TRY(set(t, body, texts[i].key, json_string(texts[i].value)));
    return RESULT_OK;
}

/* Groups go with it: DHIS2 refuses the whole create with E1004 for one it may not fill, so nothing half-made stays. */
enum result dhis2_create_body(struct task *t, const struct account_wish *w, const struct wanted *g, const char *username,
                              json_t **out_r)
{
    if (g->roles.count == 0)
        return dhis2_refused(t, "no rule gives a role in DHIS2, and an account needs one");
    json_t *body = *out_r = arena_json(t->a, json_object());
    NEED(t->f, body);
    TRY(body_texts(t, w, username, body));
    TRY(set(t, body, "externalAuth", json_true()));
    TRY(set(t, body, "userRoles", ids_of(&g->roles)));
    TRY(set(t, body, "userGroups", ids_of(&g->groups)));
    for (size_t i = 0; i < UNIT_SETS; i++)
        TRY(set(t, body, dhis2_unit_fields[i], ids_of(&g->units[i])));
    return RESULT_OK;
}
