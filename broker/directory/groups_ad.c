/* groups_ad: what Active Directory knows by itself: tokenGroups ([MS-ADTS] 3.1.1.4.5.19), nested and complete, as SIDs; the
 * IN_CHAIN matching rule (3.1.1.3.4.4.3), which does not follow the primary group; and that group, which neither memberOf
 * nor member tells. Called by groups.c. Which group a SID is, and what the primary group is in, says nothing about the
 * person: that is kept by edges.c. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, BATCH = 20 };

/* The person's own SID with the last sub-authority (32 bits, little-endian; [MS-DTYP] 2.4.2.2) replaced. */
static bool primary_sid(struct arena *a, const struct entry *person, struct bytes *out_r)
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

/* ---- SIDs into groups; one that is no group below groups_base is none of ours */

static enum result sid_key(struct fault *f, struct arena *a, const char *kind, struct bytes sid, const char **out_r)
{
    const char *hex = hex_encode(a, sid.data, sid.len);
    NEED(f, hex);
    *out_r = arena_printf(a, "%s:%s", kind, hex);
    NEED(f, *out_r);
    return RESULT_OK;
}

static bool has_sid(const struct entry *e, struct bytes sid)
{
    const struct attribute *at = dir_attribute(e, "objectSid");
    return at != NULL && at->count == 1 && at->values[0].len == sid.len &&
           memcmp(at->values[0].data, sid.data, sid.len) == 0;
}

static enum result take_answer(struct fault *f, struct group_set *s, struct arena *a, const struct entries *found,
                               struct bytes sid, bool direct, int64_t asked_us)
{
    const char *key;
    struct entries own = {NULL, 0};
    TRY(sid_key(f, a, "sid", sid, &key));
    for (size_t i = 0; i < found->count && own.count == 0; i++)
        if (has_sid(&found->list[i], sid))
            own = (struct entries){&found->list[i], 1};
    return group_add_new(f, s, a, key, &own, direct, asked_us);
}

static enum result ask_sids(struct fault *f, struct group_set *s, const struct bytes *sids, size_t count, bool direct)
{
    struct search search = {0};
    struct entries found;
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    NEED(f, a);
    int64_t asked_us = s->directory->clock_us();
    TRY(group_filter(f, a, "objectSid", sids, count, &search.filter));
    TRY(group_ask(f, s, a, &search, 1, &found));
    for (size_t i = 0; i < count; i++)
        TRY(take_answer(f, s, a, &found, sids[i], direct, asked_us));
    return RESULT_OK;
}

static enum result add_sids(struct fault *f, struct group_set *s, const struct bytes *sids, size_t count, bool direct)
{
    struct bytes missing[BATCH];
    size_t n = 0;
    enum result r;
    for (size_t i = 0; i < count; i++) {
        const char *key;
        TRY(sid_key(f, s->arena, "sid", sids[i], &key));
        if (group_add_kept(f, s, key, direct, &r))
            TRY(r);
        else
            missing[n++] = sids[i];
        if (n == BATCH) {
            TRY(ask_sids(f, s, missing, n, direct));
            n = 0;
        }
    }
    return n == 0 ? RESULT_OK : ask_sids(f, s, missing, n, direct);
}

enum result groups_primary(struct fault *f, struct group_set *s, const struct entry *person)
{
    struct bytes sid;
    return primary_sid(s->arena, person, &sid) ? add_sids(f, s, &sid, 1, true) : RESULT_OK;
}

/* memberOf holds the direct groups but the primary one. */
static enum result mark_direct(struct fault *f, struct group_set *s, const struct entry *person)
{
    const struct attribute *direct = NULL;
    TRY(dir_ranged(f, s->arena, s->connection, person, "memberOf", &direct));
    for (size_t i = 0; direct != NULL && i < direct->count; i++) {
        const char *dn;
        TRY(group_dn(f, s->arena, direct->values[i], &dn));
        struct group *in = group_in_set(s, dn);
        if (in != NULL)
            in->direct = true;
    }
    return RESULT_OK;
}

enum result groups_by_token(struct fault *f, struct group_set *s, const struct entry *person)
{
    char *attributes[] = {(char[]){"tokenGroups"}, NULL};
    struct search q = {
        .base = person->dn, .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes, .most = 1};
    struct entries self;
    const struct attribute *sids = NULL;
    TRY(dir_search(f, s->arena, s->connection, &q, &self));
    if (self.count == 1)
        TRY(dir_ranged(f, s->arena, s->connection, &self.list[0], "tokenGroups", &sids));
    if (sids == NULL) /* everybody is in the primary group at least */
        return FAULT(f, RESULT_DENIED, "bind_dn may not read tokenGroups: the person's groups are unknown");
    TRY(groups_primary(f, s, person));
    TRY(add_sids(f, s, sids->values, sids->count, false));
    return mark_direct(f, s, person);
}

/* ---- the chain */

static enum result ask_chain(struct fault *f, struct group_set *s, struct arena *a, const char *dn,
                             struct entries *out_r)
{
    struct search q = {0};
    struct bytes value = bytes_of(dn);
    TRY(group_filter(f, a, "member:1.2.840.113556.1.4.1941:", &value, 1, &q.filter));
    return group_ask(f, s, a, &q, 1, out_r);
}

/* The primary group is found by its SID wherever it lies, then what it is in by its DN. */
static enum result ask_primary_chain(struct fault *f, struct group_set *s, const char *key, struct bytes sid)
{
    char *attributes[] = {(char[]){LDAP_NO_ATTRS}, NULL};
    struct entries self = {NULL, 0}, found = {NULL, 0};
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    NEED(f, a);
    int64_t asked_us = s->directory->clock_us();
    struct search q = {.base = arena_printf(a, "<SID=%s>", hex_encode(a, sid.data, sid.len)),
                       .filter = "(objectClass=group)",
                       .scope = LDAP_SCOPE_BASE,
                       .attributes = attributes,
                       .most = 1};
    NEED(f, q.base);
    enum result r = dir_search(f, a, s->connection, &q, &self);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (self.count == 1)
        TRY(ask_chain(f, s, a, self.list[0].dn, &found));
    return group_add_new(f, s, a, key, &found, false, asked_us);
}

static enum result add_primary_chain(struct fault *f, struct group_set *s, const struct entry *person)
{
    struct bytes sid;
    const char *key;
    enum result r;
    if (!primary_sid(s->arena, person, &sid))
        return RESULT_OK;
    TRY(sid_key(f, s->arena, "chain", sid, &key));
    return group_add_kept(f, s, key, false, &r) ? r : ask_primary_chain(f, s, key, sid);
}

enum result groups_by_chain(struct fault *f, struct group_set *s, const struct entry *person)
{
    struct entries found;
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    NEED(f, a);
    TRY(groups_primary(f, s, person));
    TRY(add_primary_chain(f, s, person));
    TRY(ask_chain(f, s, a, person->dn, &found));
    TRY(group_add_all(f, s, &found, false));
    return mark_direct(f, s, person);
}
