/* grace: a person as JSON text and back, for the copy of the last good answer that the store keeps (sealed). Called by
 * login. What comes back is marked from_grace: it is never an answer of the directory. */
#include "internal.h"

#include <string.h>

enum { FORMAT = 1, MAX_TEXT = 1 << 20 };

static const struct text_member {
    const char *name;
    size_t offset;
    bool required;
} members[] = {
    {"directory", offsetof(struct person, directory), true},
    {"key", offsetof(struct person, key), true},
    {"dn", offsetof(struct person, dn), true},
    {"login", offsetof(struct person, login), false},
    {"given_name", offsetof(struct person, given_name), false},
    {"surname", offsetof(struct person, surname), false},
    {"display_name", offsetof(struct person, display_name), false},
    {"mail", offsetof(struct person, mail), false},
    {"phone", offsetof(struct person, phone), false},
    {"birth_date", offsetof(struct person, birth_date), false},
};

static const char *get_member(const struct person *p, const struct text_member *m)
{
    const char *s = NULL;
    memcpy(&s, (const char *)p + m->offset, sizeof s);
    return s;
}

static void set_member(struct person *p, const struct text_member *m, const char *s)
{
    memcpy((char *)p + m->offset, &s, sizeof s);
}

static json_t *groups_json(const struct person *p)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < p->group_count; i++) {
        const struct group *g = &p->groups[i];
        json_t *one = json_pack("{s:s, s:s, s:b}", "dn", g->dn, "name", g->name, "direct", (int)g->direct);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *holds_json(unsigned holds)
{
    json_t *list = json_array();
    for (enum account_status s = ACCOUNT_OK; list != NULL && s < ACCOUNT_STATUSES; s++)
        if ((holds & 1U << s) != 0 && json_array_append_new(list, json_string(account_status_name(s))) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static bool add_members(json_t *j, const struct person *p)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *s = get_member(p, &members[i]);
        if (s != NULL && json_object_set_new(j, members[i].name, json_string(s)) != 0)
            return false;
    }
    if (json_object_set_new(j, "holds", holds_json(p->holds)) != 0)
        return false;
    json_t *attributes = p->attributes != NULL ? json_incref(p->attributes) : json_object();
    return json_object_set_new(j, "attributes", attributes) == 0 &&
           json_object_set_new(j, "groups", groups_json(p)) == 0;
}

char *person_to_json(struct arena *a, const struct person *p)
{
    CLEANUP(json) json_t *j = json_pack("{s:i, s:s, s:I}", "format", FORMAT, "status", account_status_name(p->status),
                                        "seen", (json_int_t)p->seen);
    if (j == NULL || !add_members(j, p))
        return NULL;
    return json_compact(a, j);
}

static bool status_from_name(const char *name, enum account_status *out_r)
{
    for (enum account_status s = ACCOUNT_OK; s < ACCOUNT_STATUSES; s++)
        if (text_equal(name, account_status_name(s))) {
            *out_r = s;
            return true;
        }
    return false;
}

/* Names, for numbers may change; a copy of an older version has none, and its status stands alone. */
static enum result read_holds(struct fault *f, const json_t *list, struct person *p)
{
    enum account_status s = ACCOUNT_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!status_from_name(json_string_value(json_array_get(list, i)), &s))
            return FAULT(f, RESULT_INVALID, "kept copy of a person: an unknown status");
        p->holds |= 1U << s;
    }
    return RESULT_OK;
}

static enum result read_groups(struct fault *f, struct arena *a, const json_t *list, struct person *p)
{
    size_t n = json_array_size(list);
    struct group *groups = arena_alloc(a, (n + 1) * sizeof *groups);
    NEED(f, groups);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        groups[i] = (struct group){.dn = json_text(one, "dn"),
                                   .name = json_text(one, "name"),
                                   .direct = json_is_true(json_object_get(one, "direct"))};
        if (groups[i].dn == NULL || groups[i].name == NULL)
            return FAULT(f, RESULT_INVALID, "kept copy of a person: a group without dn or name");
    }
    p->groups = groups;
    p->group_count = n;
    return RESULT_OK;
}

static enum result read_members(struct fault *f, const json_t *j, struct person *p)
{
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *s = json_text(j, members[i].name);
        if (s == NULL && members[i].required)
            return FAULT(f, RESULT_INVALID, "kept copy of a person: no %s", members[i].name);
        set_member(p, &members[i], s);
    }
    return RESULT_OK;
}

enum result person_from_json(struct fault *f, struct arena *a, const char *json, struct person *out_r)
{
    json_t *j = NULL;
    int64_t format = 0;
    struct person p = {.from_grace = true};
    TRY(json_parse(f, a, json, strlen(json), MAX_TEXT, &j));
    if (!json_integer_at(j, "format", &format) || format != FORMAT || !json_integer_at(j, "seen", &p.seen) ||
        !status_from_name(json_text(j, "status"), &p.status))
        return FAULT(f, RESULT_INVALID, "kept copy of a person: not of this format");
    p.attributes = json_object_get(j, "attributes");
    if (!json_is_object(p.attributes))
        return FAULT(f, RESULT_INVALID, "kept copy of a person: no attributes");
    TRY(read_members(f, j, &p));
    TRY(read_holds(f, json_object_get(j, "holds"), &p));
    TRY(read_groups(f, a, json_object_get(j, "groups"), &p));
    *out_r = p;
    return RESULT_OK;
}
