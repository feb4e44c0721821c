/* What a person holds in one DHIS2, since when and by which rule: written with the login that changed it, read by
 * `explain` and later by the audit of mappings. An unchanged login writes nothing. */
#include "private.h"

#include <string.h>

#define HELD_MAX (4u << 20)

static const char *by_name(enum grant_by by)
{
    static const char *const names[] = {"name", "code", "uid"};
    return names[by];
}

static bool is_of(const json_t *row, enum grant_kind k, enum grant_by by, const char *ref)
{
    return text_equal(json_text(row, "kind"), grant_kind_name(k)) && text_equal(json_text(row, "by"), by_name(by)) &&
           text_equal(json_text(row, "ref"), ref);
}

static const json_t *find(const json_t *before, enum grant_kind k, enum grant_by by, const char *ref)
{
    size_t i;
    json_t *row;
    json_array_foreach(before, i, row)
        if (is_of(row, k, by, ref))
            return row;
    return NULL;
}

int64_t held_since(const struct held *h, const struct granted *g)
{
    int64_t since = 0;
    const json_t *row = find(h->before, g->kind, g->by, g->ref);
    if (row != NULL)
        (void)json_integer_at(row, "since", &since);
    return since;
}

/* What dhis2/ asks of a group the account is in and nobody gives it now: was it the bridge that put the person there? Yes
 * when some rule could, or when one did at an earlier sign-in, also a rule that is gone. */
bool held_could_give(void *arg, enum grant_kind k, enum grant_by by, const char *ref)
{
    const struct held *h = arg;
    return mapping_could_give(h->rules, h->dhis2, k, by, ref) || find(h->before, k, by, ref) != NULL;
}

static enum result read_held(struct fault *f, struct arena *a, struct store_view *v, const struct login *l, json_t **out_r)
{
    const char *text;
    enum result r = store_held_get(f, v, a, l->link.person_id, l->dhis2, &text);
    if (r == RESULT_NOT_FOUND)
        return RESULT_OK;
    TRY(r);
    return json_parse(f, a, text, strlen(text), HELD_MAX, out_r);
}

enum result held_load(struct fault *f, struct arena *a, struct bridge *b, const struct login *l, struct held *h)
{
    struct store_view *v = store_reader(f, b->store);
    *h = (struct held){.rules = snapshot_slot_value(b->rules, a), .dhis2 = l->dhis2};
    if (v == NULL)
        return f->result;
    if (h->rules == NULL)
        return FAULT(f, RESULT_INTERNAL, "no rules are loaded");
    return read_held(f, a, v, l, &h->before);
}

/* The same grants by the same rules in the same order: there is nothing to write. */
static bool unchanged(const json_t *before, const struct grants *now)
{
    if (before == NULL || json_array_size(before) != now->count)
        return false;
    for (size_t i = 0; i < now->count; i++) {
        const struct granted *g = &now->list[i];
        const json_t *row = json_array_get(before, i);
        if (!is_of(row, g->kind, g->by, g->ref) || !text_equal(json_text(row, "rule"), g->rule))
            return false;
    }
    return true;
}

enum result held_record(struct fault *f, struct exchange *x, const struct login *l)
{
    struct held before = {0};
    int64_t now = clock_now();
    TRY(read_held(f, x->arena, x->view, l, &before.before));
    if (unchanged(before.before, &l->grants))
        return RESULT_OK;
    json_t *held = arena_json(x->arena, json_array());
    NEED(f, held);
    for (size_t i = 0; i < l->grants.count; i++) {
        const struct granted *g = &l->grants.list[i];
        int64_t since = held_since(&before, g);
        json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I}", "kind", grant_kind_name(g->kind), "by", by_name(g->by), "ref", g->ref,
                                "rule", g->rule, "since", (json_int_t)(since == 0 ? now : since));
        if (json_array_append_new(held, row) != 0)
            return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    const char *text = json_compact(x->arena, held);
    NEED(f, text);
    return store_held_put(f, x->view, l->link.person_id, l->dhis2, text, now);
}
