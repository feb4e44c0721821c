/* groups: which groups is a person in, nested included? Called by directory.c and each.c, on the connection the person was
 * read on. One way per kind of server (`group_mode`): OpenLDAP is asked level by level, Active Directory knows the answer
 * (tokenGroups, or the IN_CHAIN matching rule of [MS-ADTS] 3.1.1.3.4.4.3), the memberOf plugin of 389-ds is transitive.
 * Never a part of the answer: more groups or levels than the bounds allow is an error, not a shorter list. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

enum { BATCH = 20 };

/* Groups in the order found, and an open-addressing table over their DNs. Both grow by doubling: most people are in a
 * handful of groups. */
struct group_set {
    struct arena *arena;
    const struct directory *directory;
    struct group *list;
    const char **keys; /* what equal DNs have in common: the DN, or its normal spelling */
    size_t count, capacity;
    uint16_t *slots; /* index + 1 into list; twice `capacity` of them, a power of two */
};

static char *group_attributes[] = {(char[]){"cn"}, NULL};

/* ---- the set */

static uint32_t hash_key(const char *key)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (; *key != '\0'; key++)
        h = (h ^ (uint32_t)tolower((unsigned char)*key)) * 16777619U;
    return h;
}

/* The slot that holds `key`, or the free one where it belongs. */
static uint16_t *set_slot(struct group_set *s, const char *key)
{
    size_t mask = 2 * s->capacity - 1, i = hash_key(key) & mask;
    while (s->slots[i] != 0 && strcasecmp(s->keys[s->slots[i] - 1], key) != 0)
        i = (i + 1) & mask;
    return &s->slots[i];
}

static enum result set_grow(struct fault *f, struct group_set *s)
{
    size_t capacity = s->capacity == 0 ? 32 : 2 * s->capacity;
    struct group *list = arena_alloc(s->arena, capacity * sizeof *list);
    const char **keys = arena_alloc(s->arena, capacity * sizeof *keys);
    s->slots = arena_alloc(s->arena, 2 * capacity * sizeof *s->slots);
    NEED(f, list);
    NEED(f, keys);
    NEED(f, s->slots);
    for (size_t i = 0; i < s->count; i++) {
        list[i] = s->list[i];
        keys[i] = s->keys[i];
    }
    s->list = list;
    s->keys = keys;
    s->capacity = capacity;
    for (size_t i = 0; i < s->count; i++)
        *set_slot(s, s->keys[i]) = (uint16_t)(i + 1);
    return RESULT_OK;
}

static enum result set_add(struct fault *f, struct group_set *s, const char *key, const char *dn, const char *name,
                           bool direct)
{
    if (s->count == s->capacity)
        TRY(set_grow(f, s));
    uint16_t *slot = set_slot(s, key);
    if (*slot != 0) {
        s->list[*slot - 1].direct |= direct;
        return RESULT_OK;
    }
    if (s->count == DIR_GROUPS_MAX)
        return FAULT(f, RESULT_INVALID, "a person is in more than %d groups: narrow groups_base", DIR_GROUPS_MAX);
    s->keys[s->count] = key;
    s->list[s->count++] = (struct group){
        .dn = dn, .name = name != NULL ? name : dir_dn_first_value(s->arena, dn), .direct = direct};
    *slot = (uint16_t)s->count;
    return RESULT_OK;
}

static enum result set_add_found(struct fault *f, struct group_set *s, const struct entries *found, bool direct)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct entry *g = &found->list[i];
        TRY(set_add(f, s, g->dn, g->dn, dir_text(g, "cn"), direct));
    }
    return RESULT_OK;
}

static enum result search_groups(struct fault *f, struct group_set *s, struct connection *c, const char *filter,
                                 struct entries *out_r)
{
    struct search q = {.base = s->directory->groups_base,
                       .filter = filter,
                       .scope = LDAP_SCOPE_SUBTREE,
                       .attributes = group_attributes};
    enum result r = dir_search(f, s->arena, c, &q, out_r);
    return r == RESULT_NOT_FOUND
               ? FAULT(f, RESULT_UNAVAILABLE, "groups_base does not exist, or bind_dn may not see it")
               : r;
}

/* (|(attribute=value)(attribute=value)...) over at most BATCH values from `first` on. */
static enum result any_of(struct fault *f, struct arena *a, const char *attribute, const struct bytes *values,
                          size_t count, char **out_r)
{
    CLEANUP(buf) struct buf b;
    buf_init(&b, 256 * 1024);
    buf_text(&b, "(|");
    for (size_t i = 0; i < count; i++) {
        const char *escaped = dir_escape(a, values[i]);
        NEED(f, escaped);
        buf_printf(&b, "(%s=%s)", attribute, escaped);
    }
    buf_text(&b, ")");
    *out_r = b.failed ? NULL : arena_strdup(a, b.data);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* ---- OpenLDAP: level by level, several DNs in one search; the set itself is the queue */

static enum result search_members(struct fault *f, struct group_set *s, struct connection *c, const struct bytes *dns,
                                  size_t count, bool direct)
{
    char *filter = NULL;
    struct entries found;
    TRY(any_of(f, s->arena, s->directory->member_attribute, dns, count, &filter));
    TRY(search_groups(f, s, c, filter, &found));
    return set_add_found(f, s, &found, direct);
}

/* Everything that contains a group of the level [from, to). */
static enum result search_level(struct fault *f, struct group_set *s, struct connection *c, size_t from, size_t to)
{
    while (from < to) {
        struct bytes dns[BATCH];
        size_t n = 0;
        for (; n < BATCH && from < to; n++, from++)
            dns[n] = bytes_of(s->list[from].dn);
        TRY(search_members(f, s, c, dns, n, false));
    }
    return RESULT_OK;
}

static enum result groups_by_search(struct fault *f, struct group_set *s, struct connection *c,
                                    const struct entry *person)
{
    struct bytes self = bytes_of(person->dn);
    TRY(search_members(f, s, c, &self, 1, true));
    size_t from = 0;
    for (int depth = 1; from < s->count; depth++) {
        if (depth > DIR_DEPTH_MAX)
            return FAULT(f, RESULT_INVALID, "groups are nested more than %d deep", DIR_DEPTH_MAX);
        size_t to = s->count;
        TRY(search_level(f, s, c, from, to));
        from = to;
    }
    return RESULT_OK;
}

/* ---- Active Directory */

/* memberOf holds the direct groups but the primary one, whose SID ends in primaryGroupID. */
static void mark_direct(struct group_set *s, const struct entry *person)
{
    const struct attribute *direct = dir_attribute(person, "memberOf");
    for (size_t i = 0; s->count > 0 && direct != NULL && i < direct->count; i++) {
        uint16_t *slot = set_slot(s, (const char *)direct->values[i].data);
        if (*slot != 0)
            s->list[*slot - 1].direct = true;
    }
}

/* The person's own SID with the last sub-authority (32 bits, little-endian; [MS-DTYP] 2.4.2.2) replaced. */
static bool primary_group_sid(struct arena *a, const struct entry *person, struct bytes *out_r)
{
    const struct attribute *sid = dir_attribute(person, "objectSid");
    const char *rid_text = dir_text(person, "primaryGroupID");
    if (sid == NULL || sid->count == 0 || sid->values[0].len < 12 || rid_text == NULL)
        return false;
    size_t len = sid->values[0].len;
    unsigned long rid = strtoul(rid_text, NULL, 10);
    unsigned char *copy = arena_alloc(a, len);
    if (copy == NULL)
        return false;
    memcpy(copy, sid->values[0].data, len);
    for (size_t i = 0; i < 4; i++)
        copy[len - 4 + i] = (unsigned char)(rid >> (8 * i) & 0xff);
    *out_r = (struct bytes){copy, len};
    return true;
}

static enum result add_sids(struct fault *f, struct group_set *s, struct connection *c, const struct bytes *sids,
                            size_t count, bool direct)
{
    for (size_t i = 0; i < count; i += BATCH) {
        size_t n = count - i < BATCH ? count - i : BATCH;
        char *filter = NULL;
        struct entries found;
        TRY(any_of(f, s->arena, "objectSid", sids + i, n, &filter));
        TRY(search_groups(f, s, c, filter, &found));
        TRY(set_add_found(f, s, &found, direct));
    }
    return RESULT_OK;
}

static enum result groups_by_token(struct fault *f, struct group_set *s, struct connection *c,
                                   const struct entry *person)
{
    char *attributes[] = {(char[]){"tokenGroups"}, NULL};
    struct search q = {
        .base = person->dn, .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes};
    struct entries self;
    struct bytes primary;
    TRY(dir_search(f, s->arena, c, &q, &self));
    const struct attribute *sids = self.count == 1 ? dir_attribute(&self.list[0], "tokenGroups") : NULL;
    if (sids == NULL) /* everybody is in the primary group at least */
        return FAULT(f, RESULT_DENIED, "bind_dn may not read tokenGroups: the person's groups are unknown");
    if (primary_group_sid(s->arena, person, &primary))
        TRY(add_sids(f, s, c, &primary, 1, true));
    TRY(add_sids(f, s, c, sids->values, sids->count, false));
    mark_direct(s, person);
    return RESULT_OK;
}

static enum result add_chain(struct fault *f, struct group_set *s, struct connection *c, const char *dn)
{
    struct entries found;
    const char *escaped = dir_escape(s->arena, bytes_of(dn));
    NEED(f, escaped);
    const char *filter = arena_printf(s->arena, "(member:1.2.840.113556.1.4.1941:=%s)", escaped);
    NEED(f, filter);
    TRY(search_groups(f, s, c, filter, &found));
    return set_add_found(f, s, &found, false);
}

/* The chain does not follow the primary group: it is found by its SID, then what it is in by its DN. */
static enum result groups_by_chain(struct fault *f, struct group_set *s, struct connection *c,
                                   const struct entry *person)
{
    struct bytes primary;
    if (primary_group_sid(s->arena, person, &primary)) {
        struct search q = {.base = arena_printf(s->arena, "<SID=%s>", hex_encode(s->arena, primary.data, primary.len)),
                           .filter = "(objectClass=group)",
                           .scope = LDAP_SCOPE_BASE,
                           .attributes = group_attributes};
        struct entries found = {NULL, 0};
        enum result r = dir_search(f, s->arena, c, &q, &found);
        if (r != RESULT_OK && r != RESULT_NOT_FOUND)
            return r;
        if (found.count == 1)
            TRY(add_chain(f, s, c, found.list[0].dn));
        TRY(add_sids(f, s, c, &primary, 1, true)); /* listed only when it lies below groups_base */
    }
    TRY(add_chain(f, s, c, person->dn));
    mark_direct(s, person);
    return RESULT_OK;
}

/* ---- 389-ds, FreeIPA: the plugin has done it; a search tells the direct ones apart */

static enum result groups_by_member_of(struct fault *f, struct group_set *s, struct connection *c,
                                       const struct entry *person)
{
    const struct attribute *all = dir_attribute(person, "memberOf");
    const char *base = directory_dn_normal(s->arena, s->directory->groups_base);
    if (all == NULL || all->count == 0 || base == NULL)
        return RESULT_OK;
    for (size_t i = 0; i < all->count; i++) {
        const char *dn = (const char *)all->values[i].data, *normal = directory_dn_normal(s->arena, dn);
        if (normal != NULL && dir_dn_below(normal, base))
            TRY(set_add(f, s, normal, dn, NULL, false));
    }
    char *filter = NULL;
    struct bytes self = bytes_of(person->dn);
    struct entries found;
    TRY(any_of(f, s->arena, s->directory->member_attribute, &self, 1, &filter));
    TRY(search_groups(f, s, c, filter, &found));
    for (size_t i = 0; i < found.count; i++) {
        const char *normal = directory_dn_normal(s->arena, found.list[i].dn);
        NEED(f, normal);
        TRY(set_add(f, s, normal, found.list[i].dn, dir_text(&found.list[i], "cn"), true));
    }
    return RESULT_OK;
}

enum result dir_groups(struct fault *f, struct arena *a, struct connection *c, const struct entry *person,
                       const struct group **out_r, size_t *count_r)
{
    static enum result (*const modes[])(struct fault *, struct group_set *, struct connection *,
                                        const struct entry *) = {
        [GROUPS_SEARCH] = groups_by_search,
        [GROUPS_MEMBER_OF] = groups_by_member_of,
        [GROUPS_TOKEN] = groups_by_token,
        [GROUPS_IN_CHAIN] = groups_by_chain,
    };
    struct group_set s = {.arena = a, .directory = c->directory};
    *count_r = 0;
    if (c->directory->groups_base == NULL)
        return RESULT_OK;
    TRY(modes[c->directory->group_mode](f, &s, c, person));
    *out_r = s.list;
    *count_r = s.count;
    return RESULT_OK;
}
