/* edges: which groups are a group's direct parents, as a directory said at most a minute ago. Used by groups.c. */
#ifndef IDBRIDGE_DIRECTORY_EDGES_H
#define IDBRIDGE_DIRECTORY_EDGES_H

#include "internal.h"

/* One group: its DN in its one spelling, the same as the server spells it, and its name. */
struct edge {
    const char *dn, *as_sent, *name;
};
struct edges;
struct edges *edges_new(size_t max_bytes); /* NULL: out of memory */
void edges_free(struct edges *e);
/* Hands every group kept under `key` to `each`, under the lock: it may copy and must not ask anybody. False: nothing was
 * asked about it at or after `oldest_us`. *r_r: what `each` ended with. */
bool edges_find(struct edges *e, const char *key, int64_t oldest_us,
                enum result (*each)(void *arg, const struct edge *group), void *arg, enum result *r_r);
/* Keeps a copy, none of them too: "is in no group" is an answer. `asked_us`: when the question was sent, not answered.
 * What finds no room is not kept. */
void edges_keep(struct edges *e, const char *key, const struct edge *list, size_t count, int64_t asked_us);
#endif
