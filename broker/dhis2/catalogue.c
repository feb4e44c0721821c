/* catalogue: all user roles and user groups the bridge's account can see, by name, code and uid; an immutable snapshot
 * read again every metadata_life. Org units are too many for that (units.c). Called by resolve.c and the probe. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum { CATALOGUE_MEMORY = 64 << 20 };
#define ROLES "/api/userRoles?fields=id,name,code,authorities&paging=false"
#define GROUPS "/api/userGroups?fields=id,name,code&paging=false"

struct key {
    enum grant_by by;
    const char *text;
    struct thing thing;
};
struct keys {
    struct key *list;
    size_t count;
};
struct catalogue {
    struct arena *arena;
    int64_t read_us;
    struct keys roles, groups;
};

static void catalogue_free(void *value)
{
    arena_free(((struct catalogue *)value)->arena); /* which holds the value itself */
}

static int compare(const void *one, const void *other)
{
    const struct key *a = one, *b = other;
    return a->by != b->by ? (a->by < b->by ? -1 : 1) : strcmp(a->text, b->text);
}

static const char *copy(struct arena *a, const char *s)
{
    return s == NULL ? NULL : arena_strdup(a, s);
}

/* Three keys per thing. Copied, so that the JSON they came in can go. */
static enum result keys_of(struct task *t, struct arena *keep, const struct things *from, struct keys *out_r)
{
    out_r->list = arena_alloc(keep, (3 * from->count + 1) * sizeof *out_r->list);
    NEED(t->f, out_r->list);
    for (size_t i = 0; i < from->count; i++) {
        const struct thing *s = &from->list[i];
        const struct thing one = {copy(keep, s->id), copy(keep, s->name), copy(keep, s->code), s->all};
        const char *texts[] = {[BY_NAME] = one.name, [BY_CODE] = one.code, [BY_UID] = one.id};
        NEED(t->f, one.id);
        for (size_t by = 0; by < COUNT_OF(texts); by++)
            if (texts[by] != NULL)
                out_r->list[out_r->count++] = (struct key){(enum grant_by)by, texts[by], one};
    }
    qsort(out_r->list, out_r->count, sizeof *out_r->list, compare);
    return RESULT_OK;
}

enum result dhis2_list(struct task *t, const char *path, const char *member, struct things *out_r)
{
    json_t *j = NULL;
    TRY(dhis2_get(t, path, &j));
    if (!json_is_array(json_object_get(j, member)))
        return dhis2_down(t, RESULT_UNAVAILABLE, "the answer has no %s", member);
    return things_read(t, json_object_get(j, member), out_r);
}

static enum result fill(struct task *t, struct catalogue *c)
{
    CLEANUP(arena) struct arena *passing = arena_new(CATALOGUE_MEMORY); /* the JSON is far larger than what stays */
    NEED(t->f, passing);
    struct task read = {t->f, passing, t->d, NULL};
    struct things roles = {0}, groups = {0};
    enum result r = dhis2_list(&read, ROLES, "userRoles", &roles);
    if (r == RESULT_OK)
        r = dhis2_list(&read, GROUPS, "userGroups", &groups);
    t->reason = read.reason;
    TRY(r);
    TRY(keys_of(t, c->arena, &roles, &c->roles));
    TRY(keys_of(t, c->arena, &groups, &c->groups));
    c->read_us = clock_monotonic_us();
    return RESULT_OK;
}

static enum result refresh(struct task *t)
{
    struct arena *keep = arena_new(CATALOGUE_MEMORY);
    struct catalogue *c = keep == NULL ? NULL : arena_alloc(keep, sizeof *c);
    if (c == NULL)
        arena_free(keep);
    NEED(t->f, c);
    c->arena = keep;
    enum result r = fill(t, c);
    if (r != RESULT_OK) {
        catalogue_free(c);
        return r;
    }
    struct snapshot *s = snapshot_new(c, catalogue_free);
    NEED(t->f, s);
    snapshot_slot_set(t->d->catalogue, s);
    return RESULT_OK;
}

/* While one thread reads it again the others work with the old one: a slow DHIS2 is not asked by all at once. */
enum result dhis2_catalogue(struct task *t, int64_t at_most_us, const struct catalogue **out_r)
{
    int64_t life = at_most_us > 0 ? at_most_us : t->d->metadata_life_us;
    const struct catalogue *c = snapshot_slot_value(t->d->catalogue, t->a);
    if (c == NULL || clock_monotonic_us() - c->read_us > life) {
        bool others = atomic_exchange(&t->d->refreshing, true);
        enum result r = c == NULL || !others ? refresh(t) : RESULT_OK;
        if (!others)
            atomic_store(&t->d->refreshing, false);
        TRY(r);
        c = snapshot_slot_value(t->d->catalogue, t->a);
    }
    NEED(t->f, c);
    *out_r = c;
    return RESULT_OK;
}

size_t catalogue_find(const struct catalogue *c, enum grant_kind k, enum grant_by by, const char *ref, struct thing *out_r)
{
    const struct keys *in = k == GRANT_ROLE ? &c->roles : &c->groups;
    const struct key wanted = {.by = by, .text = ref};
    const struct key *hit = in->count == 0 ? NULL : bsearch(&wanted, in->list, in->count, sizeof wanted, compare);
    if (hit == NULL)
        return 0;
    const struct key *end = in->list + in->count;
    bool twice = (hit > in->list && compare(hit - 1, hit) == 0) || (hit + 1 < end && compare(hit + 1, hit) == 0);
    *out_r = hit->thing;
    return twice ? 2 : 1;
}
