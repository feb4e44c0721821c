/* groups: what the ways to a person's groups share: the set they fill. Used by groups.c, nested.c and groups_ad.c. */
#ifndef IDBRIDGE_DIRECTORY_GROUPS_H
#define IDBRIDGE_DIRECTORY_GROUPS_H

#include "edges.h"

/* One resolution: the groups found so far in the order found, and a table over their DNs. */
struct group_set {
    struct arena *arena; /* what stays */
    struct connection *connection;
    const struct directory *directory;
    struct group *list;
    const char **as_sent; /* each DN in the server's own spelling, for asking about it */
    uint16_t *slots;      /* index + 1 into list; twice `capacity` of them, a power of two */
    size_t count, capacity;
    int64_t oldest_us;    /* what is kept counts from here on */
    int64_t deadline_us;
};

/* ---- group_set.c */
CHECKED enum result group_add(struct fault *f, struct group_set *s, const struct edge *g, bool direct);
struct group *group_in_set(const struct group_set *s, const char *normal_dn); /* NULL: not in it */
/* A group as the server names it; RESULT_UNAVAILABLE when that is no DN, or no text: it must not be left out. */
CHECKED enum result group_dn(struct fault *f, struct arena *a, struct bytes dn, const char **normal_r);
CHECKED enum result group_named(struct fault *f, struct arena *a, struct bytes dn, const char *name, struct edge *out_r);
CHECKED enum result group_of_entry(struct fault *f, struct arena *a, const struct entry *e, struct edge *out_r);
CHECKED enum result group_add_all(struct fault *f, struct group_set *s, const struct entries *found, bool direct);
/* A fault once the whole resolution has taken too long. */
CHECKED enum result group_in_time(struct fault *f, const struct group_set *s);
/* Asks below groups_base; out[i] answers list[i]. */
CHECKED enum result group_ask(struct fault *f, struct group_set *s, struct arena *a, struct search *list, size_t count,
                              struct entries *out);
CHECKED enum result group_filter(struct fault *f, struct arena *a, const char *attribute, const struct bytes *values,
                                 size_t count, const char **out_r);
/* Adds the groups kept under `key`. False: nothing is; ask. */
bool group_add_kept(struct fault *f, struct group_set *s, const char *key, bool direct, enum result *r_r);
/* Keeps and adds what the directory has just said. */
CHECKED enum result group_add_new(struct fault *f, struct group_set *s, struct arena *a, const char *key,
                                  const struct entries *found, bool direct, int64_t asked_us);

/* ---- nested.c: everything that contains a group of the set, level by level */
CHECKED enum result groups_follow(struct fault *f, struct group_set *s);

/* ---- groups_ad.c */
CHECKED enum result groups_primary(struct fault *f, struct group_set *s, const struct entry *person);
CHECKED enum result groups_by_token(struct fault *f, struct group_set *s, const struct entry *person);
CHECKED enum result groups_by_chain(struct fault *f, struct group_set *s, const struct entry *person);
#endif
