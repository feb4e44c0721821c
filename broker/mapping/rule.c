/* Reads one mapping rule out of its JSON text and refuses what is not understood, member by member: a rule that is half
 * understood would give half of what somebody meant. Called when rules are stored and when they are loaded. */
#include "private.h"

#include <string.h>
#include <time.h>

static const struct {
    const char *member;
    enum grant_kind kind;
} GIVES[] = {
    {"roles", GRANT_ROLE}, {"groups", GRANT_GROUP}, {"org_units", GRANT_OU_CAPTURE},
    {"view_org_units", GRANT_OU_VIEW}, {"search_org_units", GRANT_OU_SEARCH},
};

const char *grant_kind_name(enum grant_kind k)
{
    static const char *const names[GRANT_KINDS] = {"role", "group", "org-unit", "view-org-unit", "search-org-unit"};
    return names[k];
}

static enum result only_members(struct fault *f, const json_t *object, const char *where, const char *words)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (!text_has_word(words, key))
            return FAULT(f, RESULT_INVALID, "%s: unknown member \"%.40s\" (known: %s)", where, key, words);
    return RESULT_OK;
}

/* A day as YYYY-MM-DD, UTC; `end`: the first second after it. */
static enum result read_day(struct fault *f, const json_t *j, const char *key, bool end, int64_t *out_r)
{
    const json_t *value = json_object_get(j, key);
    if (value == NULL)
        return RESULT_OK;
    struct tm tm = {0};
    const char *text = json_string_value(value);
    const char *rest = text == NULL ? NULL : strptime(text, "%Y-%m-%d", &tm);
    if (rest == NULL || *rest != '\0' || strlen(text) != 10)
        return FAULT(f, RESULT_INVALID, "\"%s\" must be a day like 2026-12-31", key);
    *out_r = (int64_t)timegm(&tm) + (end ? 86400 : 0);
    return RESULT_OK;
}

static enum result read_values(struct fault *f, struct arena *a, const json_t *list, const char *where, struct condition *c)
{
    size_t i;
    json_t *value;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return FAULT(f, RESULT_INVALID, "%s must be a list of texts, not empty", where);
    c->values = arena_alloc(a, json_array_size(list) * sizeof(*c->values));
    NEED(f, c->values);
    json_array_foreach(list, i, value) {
        if (!json_is_string(value) || json_string_length(value) == 0)
            return FAULT(f, RESULT_INVALID, "%s holds something that is no text", where);
        c->values[c->count++] = json_string_value(value);
    }
    return RESULT_OK;
}

static enum result read_named(struct fault *f, struct arena *a, const json_t *object, char kind, const char *where,
                              struct rule *r)
{
    const char *name;
    json_t *list;
    if (object != NULL && !json_is_object(object))
        return FAULT(f, RESULT_INVALID, "%s must be an object of lists", where);
    json_object_foreach((json_t *)(uintptr_t)object, name, list) {
        struct condition *c = &r->when[r->when_count++];
        *c = (struct condition){.kind = kind, .name = name};
        TRY(read_values(f, a, list, where, c));
    }
    return RESULT_OK;
}

/* A DN may be spelled in several ways ("\2C" and "\,"): both sides are brought into one form before they are compared. */
static enum result normal_groups(struct fault *f, struct arena *a, struct condition *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (strchr(c->values[i], '=') != NULL) {
            const char *normal = directory_dn_normal(a, c->values[i]);
            if (normal == NULL)
                return FAULT(f, RESULT_INVALID, "when.groups holds a \"=\" and is no DN: %.60s", c->values[i]);
            c->values[i] = normal;
        }
    return RESULT_OK;
}

static enum result read_when(struct fault *f, struct arena *a, const json_t *when, struct rule *r)
{
    if (when == NULL)
        return RESULT_OK;
    if (!json_is_object(when))
        return FAULT(f, RESULT_INVALID, "\"when\" must be an object");
    TRY(only_members(f, when, "when", "groups attributes claims"));
    const json_t *groups = json_object_get(when, "groups"), *attributes = json_object_get(when, "attributes");
    const json_t *claims = json_object_get(when, "claims");
    r->when = arena_alloc(a, (1 + json_object_size(attributes) + json_object_size(claims)) * sizeof(*r->when));
    NEED(f, r->when);
    if (groups != NULL) {
        struct condition *c = &r->when[r->when_count++];
        *c = (struct condition){.kind = 'g'};
        TRY(read_values(f, a, groups, "when.groups", c));
        TRY(normal_groups(f, a, c));
    }
    TRY(read_named(f, a, attributes, 'a', "when.attributes", r));
    return read_named(f, a, claims, 'c', "when.claims", r);
}

static enum result read_ref(struct fault *f, const char *text, struct give *g)
{
    static const struct {
        const char *prefix;
        enum grant_by by;
    } PREFIXES[] = {{"name:", BY_NAME}, {"code:", BY_CODE}, {"uid:", BY_UID}};
    g->by = BY_NAME;
    g->ref = text;
    for (size_t i = 0; i < COUNT_OF(PREFIXES); i++)
        if (text_has_prefix(text, PREFIXES[i].prefix)) {
            g->by = PREFIXES[i].by;
            g->ref = text + strlen(PREFIXES[i].prefix);
        }
    if (g->ref[0] == '\0')
        return FAULT(f, RESULT_INVALID, "an empty reference in \"give\"");
    for (const char *p = strchr(g->ref, '{'); p != NULL; p = strchr(p + 1, '{'))
        if ((!text_has_prefix(p, "{directory.") && !text_has_prefix(p, "{claim.")) || strchr(p, '}') == NULL)
            return FAULT(f, RESULT_INVALID, "a template is {directory.ATTRIBUTE} or {claim.NAME}: %.60s", g->ref);
    return RESULT_OK;
}

static enum result read_give(struct fault *f, struct arena *a, const json_t *give, struct rule *r)
{
    size_t total = 0;
    if (!json_is_object(give))
        return FAULT(f, RESULT_INVALID, "\"give\" must be an object");
    TRY(only_members(f, give, "give", "roles groups org_units view_org_units search_org_units"));
    for (size_t i = 0; i < COUNT_OF(GIVES); i++) {
        const json_t *list = json_object_get(give, GIVES[i].member);
        if (list != NULL && !json_is_array(list))
            return FAULT(f, RESULT_INVALID, "give.%s must be a list", GIVES[i].member);
        total += json_array_size(list);
    }
    if (total == 0)
        return FAULT(f, RESULT_INVALID, "\"give\" gives nothing");
    r->give = arena_alloc(a, total * sizeof(*r->give));
    NEED(f, r->give);
    for (size_t i = 0; i < COUNT_OF(GIVES); i++) {
        const json_t *list = json_object_get(give, GIVES[i].member);
        size_t n;
        json_t *value;
        json_array_foreach(list, n, value) {
            struct give *g = &r->give[r->give_count++];
            g->kind = GIVES[i].kind;
            if (!json_is_string(value))
                return FAULT(f, RESULT_INVALID, "give.%s holds something that is no text", GIVES[i].member);
            TRY(read_ref(f, json_string_value(value), g));
        }
    }
    return RESULT_OK;
}

enum result rule_parse(struct fault *f, struct arena *a, const char *text, struct rule *r, json_t **json_r)
{
    json_t *j;
    *r = (struct rule){0};
    TRY(json_parse(f, a, text, strlen(text), RULE_MAX, &j));
    if (!json_is_object(j))
        return FAULT(f, RESULT_INVALID, "a rule is a JSON object");
    TRY(only_members(f, j, "rule", "name dhis2 from until when give note"));
    r->name = json_text(j, "name");
    if (r->name == NULL || r->name[0] == '\0' || strlen(r->name) > 100)
        return FAULT(f, RESULT_INVALID, "\"name\" must be a text of 1 to 100 bytes");
    r->dhis2 = json_text(j, "dhis2");
    if (r->dhis2 == NULL && json_object_get(j, "dhis2") != NULL)
        return FAULT(f, RESULT_INVALID, "\"dhis2\" must be a text: the name of a [dhis2 x] section");
    TRY(read_day(f, j, "from", false, &r->from));
    TRY(read_day(f, j, "until", true, &r->until));
    TRY(read_when(f, a, json_object_get(j, "when"), r));
    TRY(read_give(f, a, json_object_get(j, "give"), r));
    if (json_r != NULL)
        *json_r = j;
    return RESULT_OK;
}

enum result mapping_rule_check(struct fault *f, struct arena *a, const char *text, const char **normal_text_r,
                               const char **name_r)
{
    struct rule r;
    json_t *j;
    TRY(rule_parse(f, a, text, &r, &j));
    *normal_text_r = json_compact(a, j);
    NEED(f, *normal_text_r);
    *name_r = r.name;
    return RESULT_OK;
}
