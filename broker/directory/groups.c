/* groups: which groups is a person in, nested included? Called by directory.c, each.c and probe.c, on the connection the
 * person was read on. The person's own groups are asked for every time; what those are in may be as old as `group_cache`
 * says (edges.c). One way per kind of server (`group_mode`): OpenLDAP is asked by search, 389-ds and others tell memberOf,
 * Active Directory knows the whole answer (groups_ad.c).
 * Never a part of the answer: more groups or levels than the bounds allow is an error, not a shorter list. */
#include "groups.h"

enum { MEMORY = 64 << 20, LOGIN_NAMES_MAX = 20 };

/* What stands for the person in a group: the DN, or with memberUid every login name. */
static enum result member_filter(struct fault *f, struct arena *a, const struct directory *d,
                                 const struct entry *person, const char **out_r)
{
    const struct attribute *logins = dir_attribute(person, d->names.login);
    struct bytes dn = bytes_of(person->dn);
    *out_r = NULL;
    if (!d->member_is_login)
        return group_filter(f, a, d->member_attribute, &dn, 1, out_r);
    if (logins == NULL || logins->count == 0)
        return RESULT_OK;
    if (logins->count > LOGIN_NAMES_MAX)
        return FAULT(f, RESULT_INVALID, "an entry has more than %d values of %s", LOGIN_NAMES_MAX, d->names.login);
    return group_filter(f, a, d->member_attribute, logins->values, logins->count, out_r);
}

static enum result add_direct(struct fault *f, struct group_set *s, const struct entry *person)
{
    struct search q = {0};
    struct entries found;
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    NEED(f, a);
    TRY(member_filter(f, a, s->directory, person, &q.filter));
    if (q.filter == NULL) /* a person without a login name is no member by it */
        return RESULT_OK;
    TRY(group_ask(f, s, a, &q, 1, &found));
    return group_add_all(f, s, &found, true);
}

static enum result groups_by_search(struct fault *f, struct group_set *s, const struct entry *person)
{
    TRY(add_direct(f, s, person));
    if (s->directory->type == DIRECTORY_AD)
        TRY(groups_primary(f, s, person));
    return s->directory->member_is_login ? RESULT_OK : groups_follow(f, s);
}

/* The plugin of 389-ds has followed the nesting already, unless told to skip it; a search tells the direct ones apart.
 * Elsewhere memberOf holds the direct groups alone. */
static enum result groups_by_member_of(struct fault *f, struct group_set *s, const struct entry *person)
{
    bool nested = s->directory->type == DIRECTORY_389DS;
    const char *base = directory_dn_normal(s->arena, s->directory->groups_base);
    const struct attribute *all = NULL;
    NEED(f, base);
    TRY(dir_ranged(f, s->arena, s->connection, person, "memberOf", &all));
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        struct edge g;
        TRY(group_named(f, s->arena, all->values[i], NULL, &g));
        if (dir_dn_below(g.dn, base))
            TRY(group_add(f, s, &g, !nested));
    }
    if (s->directory->type == DIRECTORY_AD)
        TRY(groups_primary(f, s, person));
    if (nested && s->count > 0)
        TRY(add_direct(f, s, person));
    return groups_follow(f, s);
}

enum result dir_groups(struct fault *f, struct arena *a, struct connection *c, const struct entry *person,
                       const struct group **out_r, size_t *count_r)
{
    static enum result (*const modes[])(struct fault *, struct group_set *, const struct entry *) = {
        [GROUPS_SEARCH] = groups_by_search,
        [GROUPS_MEMBER_OF] = groups_by_member_of,
        [GROUPS_TOKEN] = groups_by_token,
        [GROUPS_IN_CHAIN] = groups_by_chain,
    };
    const struct directory *d = c->directory;
    struct group_set s = {.arena = a, .connection = c, .directory = d, .oldest_us = d->clock_us() - d->group_cache_us};
    *count_r = 0;
    if (d->groups_base == NULL)
        return RESULT_OK;
    TRY(modes[d->group_mode](f, &s, person));
    *out_r = s.list;
    *count_r = s.count;
    return RESULT_OK;
}
