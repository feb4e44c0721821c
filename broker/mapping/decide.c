/* Decides what a person may do: candidate rules out of the index, every condition checked, references filled in, the
 * result sorted and without doubles. Pure: a login, `explain` and a sync compute the same for the same person. */
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOAD_MAX (256u << 20)
#define GRANTS_MAX 4096

struct decision {
    struct arena *arena;
    const struct person *person;
    const json_t *claims;
    struct granted *list;
    size_t count, room;
    size_t last[GRANT_KINDS]; /* place + 1 of the newest of each kind */
    const char *filled_from, **filled; /* the template filled last, and what came of it */
    size_t filled_count;
    json_t *trace;
};

/* ---- loading ------------------------------------------------------------------------------------------------------ */

static enum result load_one(void *arg, const struct rule_row *row)
{
    struct mapping *m = arg;
    struct fault f = {0};
    if ((m->count & (m->count - 1)) == 0) { /* full at every power of two */
        struct rule *more = arena_alloc(m->arena, (m->count == 0 ? 1 : m->count * 2) * sizeof(*more));
        if (more == NULL)
            return RESULT_INTERNAL;
        if (m->count > 0)
            memcpy(more, m->rules, m->count * sizeof(*more));
        m->rules = more;
    }
    enum result r = rule_parse(&f, m->arena, row->text, &m->rules[m->count], NULL);
    if (r != RESULT_OK) {
        log_event(LEVEL_ERROR, "rule", "name", row->name, "detail", f.detail, NULL);
        return r;
    }
    m->count++;
    return RESULT_OK;
}

enum result mapping_load(struct fault *f, struct store_view *v, struct mapping **out_r)
{
    struct mapping *m = calloc(1, sizeof(*m));
    struct arena *rows = arena_new(LOAD_MAX);
    if (m != NULL)
        m->arena = arena_new(LOAD_MAX);
    enum result r = m == NULL || m->arena == NULL || rows == NULL ? FAULT(f, RESULT_INTERNAL, "out of memory")
                                                                  : store_rule_each(f, v, rows, load_one, m);
    if (r == RESULT_OK)
        r = index_build(f, m);
    if (rows != NULL)
        arena_free(rows);
    if (r != RESULT_OK && m != NULL)
        mapping_free(m);
    else
        *out_r = m;
    return r;
}

void mapping_free(struct mapping *m)
{
    if (m->arena != NULL)
        arena_free(m->arena);
    free(m);
}

size_t mapping_count(const struct mapping *m)
{
    return m->count;
}

/* ---- conditions ------------------------------------------------------------------------------------------------------ */

static bool value_matches(const struct condition *c, const char *value)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcasecmp(c->values[i], value) == 0)
            return true;
    return false;
}

static bool json_matches(const struct condition *c, const json_t *value)
{
    size_t i;
    json_t *one;
    if (json_is_string(value))
        return value_matches(c, json_string_value(value));
    json_array_foreach(value, i, one)
        if (json_is_string(one) && value_matches(c, json_string_value(one)))
            return true;
    return false;
}

/* A rule's groups are its first condition, so the index has compared them already: `found`. */
static bool holds(const struct decision *d, const struct condition *c, bool found)
{
    if (c->kind == 'g')
        return found;
    return json_matches(c, json_object_get(c->kind == 'a' ? d->person->attributes : d->claims, c->name));
}

/* NULL when every condition holds, else what does not. */
static const char *objection(struct decision *d, const struct rule *r, bool found, const char *dhis2, int64_t now)
{
    static const char *const kinds[] = {"no such group", "an attribute differs", "a claim differs"};
    if (r->dhis2 != NULL && dhis2 != NULL && strcmp(r->dhis2, dhis2) != 0)
        return "for another DHIS2";
    if (r->from != 0 && now < r->from)
        return "not yet";
    if (r->until != 0 && now >= r->until)
        return "over";
    for (size_t i = 0; i < r->when_count; i++)
        if (!holds(d, &r->when[i], found))
            return kinds[r->when[i].kind == 'g' ? 0 : r->when[i].kind == 'a' ? 1 : 2];
    return NULL;
}

/* ---- references -------------------------------------------------------------------------------------------------------- */

static const json_t *template_source(const struct decision *d, const char *name)
{
    bool directory = text_has_prefix(name, "directory.");
    return json_object_get(directory ? d->person->attributes : d->claims, name + (directory ? 10 : 6));
}

static char *join(struct arena *a, const char *before, size_t before_len, const char *value, const char *rest)
{
    size_t value_len = strlen(value), rest_len = strlen(rest);
    char *text = arena_alloc(a, before_len + value_len + rest_len + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, before, before_len);
    memcpy(text + before_len, value, value_len); /* NOLINT(bugprone-not-null-terminated-result): the rest ends it */
    memcpy(text + before_len + value_len, rest, rest_len + 1);
    return text;
}

/* Fills the first placeholder with `value` and the rest with the first value of theirs. NULL: a value is missing. */
static const char *fill(const struct decision *d, const char *ref, const char *value)
{
    const char *open = strchr(ref, '{'), *close = open == NULL ? NULL : strchr(open, '}');
    if (close == NULL)
        return ref;
    char *name = arena_strndup(d->arena, open + 1, (size_t)(close - open - 1));
    const json_t *source = name == NULL ? NULL : template_source(d, name);
    if (value == NULL)
        value = json_is_string(source) ? json_string_value(source) : json_string_value(json_array_get(source, 0));
    const char *rest = fill(d, close + 1, NULL);
    return value == NULL || rest == NULL ? NULL : join(d->arena, ref, (size_t)(open - ref), value, rest);
}

/* One thing given twice: the first rule stays, the longest end counts, 0 being none. */
static bool merge(struct granted *into, const struct granted *g)
{
    if (into == NULL || into->kind != g->kind || into->by != g->by || strcmp(into->ref, g->ref) != 0)
        return false;
    if (g->until == 0 || (into->until != 0 && g->until > into->until))
        into->until = g->until;
    return true;
}

static enum result add(struct fault *f, struct decision *d, const struct rule *r, const struct give *g, const char *ref)
{
    if (ref == NULL || ref[0] == '\0')
        return RESULT_OK; /* the person lacks the attribute: nothing is given for it */
    const struct granted given = {g->kind, g->by, ref, r->name, r->until};
    size_t *last = &d->last[g->kind]; /* most rules give the same place of work: kept out of the sorting */
    if (*last > 0 && merge(&d->list[*last - 1], &given))
        return RESULT_OK;
    if (d->count == GRANTS_MAX)
        return FAULT(f, RESULT_INVALID, "more than %d grants for one person", GRANTS_MAX);
    if (d->count == d->room) {
        d->room = d->room == 0 ? 32 : d->room * 2;
        struct granted *more = arena_alloc(d->arena, d->room * sizeof(*more));
        NEED(f, more);
        if (d->count > 0)
            memcpy(more, d->list, d->count * sizeof(*more));
        d->list = more;
    }
    d->list[d->count++] = given;
    *last = d->count;
    return RESULT_OK;
}

/* Fills a template into d->filled: an attribute with several values gives one reference each. Many rules in a row use the
 * same one, so the last is kept. */
static enum result fill_all(struct fault *f, struct decision *d, const char *ref)
{
    if (d->filled_from != NULL && strcmp(d->filled_from, ref) == 0)
        return RESULT_OK;
    const char *open = strchr(ref, '{'), *close = open == NULL ? NULL : strchr(open, '}');
    char *name = close == NULL ? NULL : arena_strndup(d->arena, open + 1, (size_t)(close - open - 1));
    const json_t *values = name == NULL ? NULL : template_source(d, name);
    bool list = json_is_array(values);
    d->filled_count = list ? json_array_size(values) : 1;
    d->filled = arena_alloc(d->arena, d->filled_count * sizeof(*d->filled));
    NEED(f, d->filled);
    for (size_t i = 0; i < d->filled_count; i++)
        d->filled[i] = fill(d, ref, list ? json_string_value(json_array_get(values, i)) : NULL);
    d->filled_from = ref;
    return RESULT_OK;
}

static enum result give_all(struct fault *f, struct decision *d, const struct rule *r)
{
    for (size_t i = 0; i < r->give_count; i++) {
        const struct give *g = &r->give[i];
        if (strchr(g->ref, '{') == NULL) {
            TRY(add(f, d, r, g, g->ref));
            continue;
        }
        TRY(fill_all(f, d, g->ref));
        for (size_t k = 0; k < d->filled_count; k++)
            TRY(add(f, d, r, g, d->filled[k]));
    }
    return RESULT_OK;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------------ */

/* Memory that ran out must not read as "in no such group": that would take roles away. */
static enum result mark(struct fault *f, const struct mapping *m, struct arena *a, char kind, const char *name,
                        const char *value, uint64_t *marks)
{
    const char *key = index_key(a, kind, name, value);
    NEED(f, key);
    index_mark(m, key, marks);
    return RESULT_OK;
}

static enum result mark_json(struct fault *f, const struct mapping *m, struct arena *a, char kind, const json_t *object,
                             uint64_t *marks)
{
    const char *name;
    json_t *value, *one;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        size_t n = json_is_array(value) ? json_array_size(value) : 1;
        for (size_t i = 0; i < n; i++) {
            one = json_is_array(value) ? json_array_get(value, i) : value;
            if (json_is_string(one))
                TRY(mark(f, m, a, kind, name, json_string_value(one), marks));
        }
    }
    return RESULT_OK;
}

static enum result candidates(struct fault *f, const struct mapping *m, const struct decision *d, uint64_t *marks)
{
    for (size_t i = 0; i < d->person->group_count; i++) {
        const struct group *g = &d->person->groups[i];
        if (g->dn != NULL && m->by_dn)
            TRY(mark(f, m, d->arena, 'g', NULL, g->dn, marks));
        /* what a rule writes with a "=" is a DN: whoever may name a group must not name it like somebody else's DN */
        if (g->name != NULL && m->by_name && !GUARD(group_name, strchr(g->name, '=') != NULL))
            TRY(mark(f, m, d->arena, 'g', NULL, g->name, marks));
    }
    TRY(mark_json(f, m, d->arena, 'a', d->person->attributes, marks));
    TRY(mark_json(f, m, d->arena, 'c', d->claims, marks));
    for (size_t i = 0; i < m->always_count; i++)
        marks[m->always[i] / 64] |= 1ULL << (m->always[i] % 64);
    return RESULT_OK;
}

static int by_identity(const void *a, const void *b)
{
    const struct granted *l = a, *r = b;
    if (l->kind != r->kind)
        return l->kind < r->kind ? -1 : 1;
    if (l->by != r->by)
        return l->by < r->by ? -1 : 1;
    int c = strcmp(l->ref, r->ref);
    return c != 0 ? c : strcmp(l->rule, r->rule); /* rules are in name order: the first that gave it stays */
}

static void tidy(struct decision *d, struct grants *out)
{
    size_t n = 0;
    if (d->count > 0)
        qsort(d->list, d->count, sizeof(*d->list), by_identity);
    for (size_t i = 0; i < d->count; i++) {
        if (!merge(n == 0 ? NULL : &d->list[n - 1], &d->list[i]))
            d->list[n++] = d->list[i];
    }
    out->list = d->list;
    out->count = n;
}

static void note(struct decision *d, const struct rule *r, const char *why)
{
    if (d->trace != NULL)
        (void)json_array_append_new(d->trace, json_pack("{s:s, s:b, s:s*}", "rule", r->name, "holds", why == NULL, "why", why));
}

enum result mapping_decide(struct fault *f, struct arena *a, const struct mapping *m, const char *dhis2,
                           const struct person *p, const json_t *claims, int64_t now, bool trace, struct grants *out_r)
{
    *out_r = (struct grants){0};
    struct decision d = {.arena = a, .person = p, .claims = claims, .trace = trace ? arena_json(a, json_array()) : NULL};
    uint64_t *marks = arena_alloc(a, (m->count / 64 + 1) * sizeof(*marks));
    NEED(f, marks);
    TRY(candidates(f, m, &d, marks));
    for (size_t i = 0; i < m->count; i++) {
        if (!trace && marks[i / 64] == 0) {
            i |= 63; /* 64 rules that cannot concern this person */
            continue;
        }
        bool found = (marks[i / 64] >> (i % 64) & 1) != 0;
        if (!trace && !found)
            continue;
        const char *why = objection(&d, &m->rules[i], found, dhis2, now);
        note(&d, &m->rules[i], why);
        if (why != NULL)
            continue;
        out_r->any_rule = true;
        TRY(give_all(f, &d, &m->rules[i]));
    }
    tidy(&d, out_r);
    out_r->trace = d.trace == NULL ? NULL : json_compact(a, d.trace);
    return RESULT_OK;
}
