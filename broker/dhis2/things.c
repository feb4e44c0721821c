/* things: small sets of DHIS2 objects (roles, groups, org units) as ids with what else is known of them. A person has a
 * few dozen at most, so a walk is the fastest look-up. Called by the whole folder. */
#include "private.h"

#include <string.h>

bool things_have(const struct things *s, const char *id)
{
    for (size_t i = 0; i < s->count; i++)
        if (text_equal(s->list[i].id, id))
            return true;
    return false;
}

bool things_equal(const struct things *a, const struct things *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!things_have(b, a->list[i].id))
            return false;
    return true;
}

/* Room doubles at each power of two. */
enum result things_add(struct task *t, struct things *s, const struct thing *one)
{
    if (things_have(s, one->id))
        return RESULT_OK;
    if ((s->count & (s->count - 1)) == 0) {
        struct thing *list = arena_alloc(t->a, (s->count == 0 ? 1 : 2 * s->count) * sizeof *list);
        NEED(t->f, list);
        if (s->count > 0)
            memcpy(list, s->list, s->count * sizeof *list);
        s->list = list;
    }
    s->list[s->count++] = *one;
    return RESULT_OK;
}

static bool holds_all(const json_t *role)
{
    const json_t *authorities = json_object_get(role, "authorities");
    return json_is_array(authorities) && json_holds_text(authorities, "ALL");
}

enum result things_read(struct task *t, const json_t *array, struct things *out_r)
{
    *out_r = (struct things){0};
    out_r->list = arena_alloc(t->a, (json_array_size(array) + 1) * sizeof *out_r->list);
    NEED(t->f, out_r->list);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *j = json_array_get(array, i);
        const struct thing one = {json_text(j, "id"), json_text(j, "name"), json_text(j, "code"), holds_all(j)};
        if (one.id != NULL)
            out_r->list[out_r->count++] = one;
    }
    return RESULT_OK;
}
