/* nested: everything that contains a group of the set, level by level; the set itself is the queue, and a group that is in
 * it already is not asked about again, so circles end. Called by groups.c. What edges.c keeps is not asked for; the rest
 * travels several questions at once. */
#include "groups.h"

enum { MEMORY = 64 << 20 };

static enum result ask_about(struct fault *f, struct group_set *s, const size_t *which, size_t count)
{
    struct search list[DIR_SEARCHES_MAX];
    struct entries found[DIR_SEARCHES_MAX];
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    NEED(f, a);
    int64_t asked_us = s->directory->clock_us();
    for (size_t i = 0; i < count; i++) {
        struct bytes dn = bytes_of(s->as_sent[which[i]]);
        list[i] = (struct search){0};
        TRY(group_filter(f, a, s->directory->member_attribute, &dn, 1, &list[i].filter));
    }
    TRY(group_ask(f, s, a, list, count, found));
    for (size_t i = 0; i < count; i++)
        TRY(group_add_new(f, s, a, s->list[which[i]].dn, &found[i], false, asked_us));
    return RESULT_OK;
}

/* Everything that contains a group of the level [from, to). */
static enum result follow_level(struct fault *f, struct group_set *s, size_t from, size_t to)
{
    size_t missing[DIR_SEARCHES_MAX], count = 0;
    enum result r;
    for (size_t i = from; i < to; i++) {
        if (group_add_kept(f, s, s->list[i].dn, false, &r))
            TRY(r);
        else
            missing[count++] = i;
        if (count == DIR_SEARCHES_MAX) {
            TRY(ask_about(f, s, missing, count));
            count = 0;
        }
    }
    return count == 0 ? RESULT_OK : ask_about(f, s, missing, count);
}

enum result groups_follow(struct fault *f, struct group_set *s)
{
    size_t from = 0;
    for (int depth = 1; from < s->count; depth++) {
        if (depth > DIR_DEPTH_MAX)
            return FAULT(f, RESULT_INVALID, "groups are nested more than %d deep", DIR_DEPTH_MAX);
        size_t to = s->count;
        TRY(follow_level(f, s, from, to));
        from = to;
    }
    return RESULT_OK;
}
