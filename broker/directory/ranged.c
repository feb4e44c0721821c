/* ranged: all values of an attribute. Active Directory sends at most 1,500 of one attribute at once, under another name:
 * "memberOf;range=0-1499"; the last part ends in "-*" ([MS-ADTS] 3.1.1.3.1.3.3). Called by groups.c and groups_ad.c. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "memberOf;range=1500-2999": *first_r 1500, *next_r 3000; "-*": *next_r 0, there is no more. */
static bool range_of(const char *option, unsigned long *first_r, unsigned long *next_r)
{
    char *end = NULL;
    errno = 0;
    *first_r = strtoul(option, &end, 10);
    if (end == option || *end != '-' || errno != 0)
        return false;
    const char *last = end + 1;
    *next_r = 0;
    if (text_equal(last, "*"))
        return true;
    *next_r = strtoul(last, &end, 10) + 1;
    return end != last && *end == '\0' && errno == 0 && *next_r > *first_r;
}

/* The attribute under its ranged name; NULL: it came whole, or not at all. */
static const struct attribute *ranged(const struct entry *e, const char *name, const char **option_r)
{
    static const char range[] = ";range=";
    size_t len = strlen(name);
    for (size_t i = 0; i < e->count; i++) {
        const char *n = e->attributes[i].name;
        if (strncasecmp(n, name, len) == 0 && strncasecmp(n + len, range, sizeof range - 1) == 0) {
            *option_r = n + len + sizeof range - 1;
            return &e->attributes[i];
        }
    }
    return NULL;
}

static enum result append(struct fault *f, struct arena *a, struct attribute *to, const struct attribute *from)
{
    struct bytes *values = arena_alloc(a, (to->count + from->count + 1) * sizeof *values);
    NEED(f, values);
    for (size_t i = 0; i < to->count; i++)
        values[i] = to->values[i];
    for (size_t i = 0; i < from->count; i++)
        values[to->count + i] = from->values[i];
    to->values = values;
    to->count += from->count;
    return RESULT_OK;
}

static enum result ask_part(struct fault *f, struct arena *a, struct connection *c, const struct entry *e,
                            const char *name, unsigned long first, struct entries *out_r)
{
    char *attributes[] = {arena_printf(a, "%s;range=%lu-*", name, first), NULL};
    struct search q = {
        .base = e->dn, .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .attributes = attributes, .most = 1};
    NEED(f, attributes[0]);
    return dir_search(f, a, c, &q, out_r);
}

enum result dir_ranged(struct fault *f, struct arena *a, struct connection *c, const struct entry *e, const char *name,
                       const struct attribute **out_r)
{
    const char *option = NULL;
    const struct attribute *part = ranged(e, name, &option);
    unsigned long first = 0, next = 0, expected = 0;
    *out_r = dir_attribute(e, name);
    if (part == NULL)
        return RESULT_OK;
    struct attribute *all = arena_alloc(a, sizeof *all);
    NEED(f, all);
    all->name = name;
    for (;; expected = next) {
        struct entries again = {NULL, 0};
        if (part == NULL || part->count == 0 || !range_of(option, &first, &next) || first != expected)
            return FAULT(f, RESULT_UNAVAILABLE, "the directory broke off in the middle of the values of %s", name);
        TRY(append(f, a, all, part));
        if (next == 0)
            break;
        if (all->count > DIR_GROUPS_MAX)
            return FAULT(f, RESULT_INVALID, "an entry has more than %d values of %s", DIR_GROUPS_MAX, name);
        TRY(ask_part(f, a, c, e, name, next, &again));
        part = again.count == 1 ? ranged(&again.list[0], name, &option) : NULL;
    }
    *out_r = all;
    return RESULT_OK;
}
