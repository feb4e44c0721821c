/* group_set: the groups of one person while they are being found, each once, under its DN in its one spelling. Called by
 * groups.c, nested.c and groups_ad.c. What cannot be told apart from another group or shown to a rule (a DN that is none, a
 * name that is no text) is a fault: left out, it would be a shorter list. */
#include "groups.h"

#include <string.h>

enum { SET_FIRST = 32, SEARCHES_LONG = 4 };

static uint32_t hash_of(const char *key)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 16777619U;
    return h;
}

/* The slot that holds `dn`, or the free one where it belongs. */
static uint16_t *slot_of(const struct group_set *s, const char *dn)
{
    size_t mask = 2 * s->capacity - 1, i = hash_of(dn) & mask;
    while (s->slots[i] != 0 && strcmp(s->list[s->slots[i] - 1].dn, dn) != 0)
        i = (i + 1) & mask;
    return &s->slots[i];
}

struct group *group_in_set(const struct group_set *s, const char *normal_dn)
{
    uint16_t slot = s->count == 0 ? 0 : *slot_of(s, normal_dn);
    return slot == 0 ? NULL : &s->list[slot - 1];
}

/* Doubling: most people are in a handful of groups. */
static enum result grow(struct fault *f, struct group_set *s)
{
    size_t capacity = s->capacity == 0 ? SET_FIRST : 2 * s->capacity;
    struct group *list = arena_alloc(s->arena, capacity * sizeof *list);
    const char **as_sent = arena_alloc(s->arena, capacity * sizeof *as_sent);
    uint16_t *slots = arena_alloc(s->arena, 2 * capacity * sizeof *slots);
    NEED(f, list);
    NEED(f, as_sent);
    NEED(f, slots);
    for (size_t i = 0; i < s->count; i++) {
        list[i] = s->list[i];
        as_sent[i] = s->as_sent[i];
    }
    s->list = list;
    s->as_sent = as_sent;
    s->slots = slots;
    s->capacity = capacity;
    for (size_t i = 0; i < s->count; i++)
        *slot_of(s, s->list[i].dn) = (uint16_t)(i + 1);
    return RESULT_OK;
}

enum result group_add(struct fault *f, struct group_set *s, const struct edge *g, bool direct)
{
    if (s->count == s->capacity)
        TRY(grow(f, s));
    uint16_t *slot = slot_of(s, g->dn);
    if (*slot != 0) {
        s->list[*slot - 1].direct |= direct;
        return RESULT_OK;
    }
    if (s->count == DIR_GROUPS_MAX)
        return FAULT(f, RESULT_INVALID, "a person is in more than %d groups: narrow groups_base", DIR_GROUPS_MAX);
    const char *dn = arena_strdup(s->arena, g->dn), *name = arena_strdup(s->arena, g->name);
    const char *as_sent = text_equal(g->dn, g->as_sent) ? dn : arena_strdup(s->arena, g->as_sent);
    NEED(f, dn);
    NEED(f, name);
    NEED(f, as_sent);
    s->as_sent[s->count] = as_sent;
    s->list[s->count++] = (struct group){.dn = dn, .name = name, .direct = direct};
    *slot = (uint16_t)s->count;
    return RESULT_OK;
}

/* ---- a group as the server names it */

static bool is_usable(struct bytes text)
{
    return text.len <= DIR_GROUP_TEXT_MAX && dir_is_text(text);
}

enum result group_dn(struct fault *f, struct arena *a, struct bytes dn, const char **normal_r)
{
    if (!is_usable(dn))
        return FAULT(f, RESULT_UNAVAILABLE, "a group's DN is not UTF-8, or longer than %d bytes", DIR_GROUP_TEXT_MAX);
    *normal_r = directory_dn_normal(a, (const char *)dn.data);
    return *normal_r != NULL ? RESULT_OK : FAULT(f, RESULT_UNAVAILABLE, "a group's DN cannot be read");
}

enum result group_named(struct fault *f, struct arena *a, struct bytes dn, const char *name, struct edge *out_r)
{
    TRY(group_dn(f, a, dn, &out_r->dn));
    out_r->as_sent = (const char *)dn.data;
    out_r->name = name != NULL ? name : dir_dn_first_value(a, out_r->as_sent);
    if (!is_usable(bytes_of(out_r->name)))
        return FAULT(f, RESULT_UNAVAILABLE, "a group's name is not UTF-8, or longer than %d bytes", DIR_GROUP_TEXT_MAX);
    return RESULT_OK;
}

enum result group_of_entry(struct fault *f, struct arena *a, const struct entry *e, struct edge *out_r)
{
    return group_named(f, a, (struct bytes){(const unsigned char *)e->dn, e->dn_len}, dir_text(e, "cn"), out_r);
}

enum result group_add_all(struct fault *f, struct group_set *s, const struct entries *found, bool direct)
{
    for (size_t i = 0; i < found->count; i++) {
        struct edge g;
        TRY(group_of_entry(f, s->arena, &found->list[i], &g));
        TRY(group_add(f, s, &g, direct));
    }
    return RESULT_OK;
}

/* ---- asking */

enum result group_in_time(struct fault *f, const struct group_set *s)
{
    return clock_monotonic_us() < s->deadline_us
               ? RESULT_OK
               : FAULT(f, RESULT_TIMEOUT, "reading a person's groups took longer than %d searches may", SEARCHES_LONG);
}

static void set_deadline(struct group_set *s)
{
    if (s->deadline_us == 0)
        s->deadline_us = clock_monotonic_us() + SEARCHES_LONG * s->directory->search_timeout_us;
}

enum result group_ask(struct fault *f, struct group_set *s, struct arena *a, struct search *list, size_t count,
                      struct entries *out)
{
    static char cn[] = "cn", sid[] = "objectSid";
    static char *const names[] = {cn, NULL}, *const names_ad[] = {cn, sid, NULL};
    set_deadline(s);
    TRY(group_in_time(f, s));
    for (size_t i = 0; i < count; i++) {
        list[i].base = s->directory->groups_base;
        list[i].scope = LDAP_SCOPE_SUBTREE;
        list[i].attributes = s->directory->type == DIRECTORY_AD ? names_ad : names;
        list[i].most = DIR_GROUPS_MAX + 1;
    }
    enum result r = dir_searches(f, a, s->connection, list, count, out);
    return r == RESULT_NOT_FOUND ? FAULT(f, RESULT_UNAVAILABLE, "groups_base does not exist, or bind_dn may not see it")
                                 : r;
}

/* (|(attribute=value)(attribute=value)...) */
enum result group_filter(struct fault *f, struct arena *a, const char *attribute, const struct bytes *values,
                         size_t count, const char **out_r)
{
    CLEANUP(buf) struct buf b;
    buf_init(&b, 256 * 1024);
    buf_text(&b, count == 1 ? "" : "(|");
    for (size_t i = 0; i < count; i++) {
        const char *escaped = dir_escape(a, values[i]);
        NEED(f, escaped);
        buf_printf(&b, "(%s=%s)", attribute, escaped);
    }
    buf_text(&b, count == 1 ? "" : ")");
    *out_r = b.failed ? NULL : arena_strdup(a, b.data);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* ---- what is kept */

struct adding {
    struct fault *fault;
    struct group_set *set;
    bool direct;
};

static enum result add_kept(void *arg, const struct edge *g)
{
    struct adding *to = arg;
    return group_add(to->fault, to->set, g, to->direct);
}

bool group_add_kept(struct fault *f, struct group_set *s, const char *key, bool direct, enum result *r_r)
{
    struct adding to = {f, s, direct};
    *r_r = RESULT_OK;
    return s->directory->edges != NULL && edges_find(s->directory->edges, key, s->oldest_us, add_kept, &to, r_r);
}

enum result group_add_new(struct fault *f, struct group_set *s, struct arena *a, const char *key,
                          const struct entries *found, bool direct, int64_t asked_us)
{
    struct edge *list = arena_alloc(a, (found->count + 1) * sizeof *list);
    NEED(f, list);
    for (size_t i = 0; i < found->count; i++) {
        TRY(group_of_entry(f, a, &found->list[i], &list[i]));
        TRY(group_add(f, s, &list[i], direct));
    }
    if (s->directory->edges != NULL)
        edges_keep(s->directory->edges, key, list, found->count, asked_us);
    return RESULT_OK;
}
