/* Private to mapping/: rule.c reads one rule's JSON, index.c finds the rules that can concern a person, decide.c decides. */
#ifndef MAPPING_PRIVATE_H
#define MAPPING_PRIVATE_H

#include <idbridge/mapping.h>

#define RULE_MAX (64u << 10)
#define INDEX_REF_KEY 600 /* bytes; DHIS2's names are shorter than 230 characters */

/* One of `values` must be there. kind 'g': groups (lower case DN or name); 'a': directory attribute; 'c': claim. */
struct condition {
    char kind;
    const char *name; /* attribute or claim; NULL for groups */
    const char **values;
    size_t count;
};
struct give {
    enum grant_kind kind;
    enum grant_by by;
    const char *ref; /* may hold {directory.x} and {claim.x} */
};
struct rule {
    const char *name, *dhis2; /* dhis2 NULL: every instance */
    int64_t from, until;      /* 0: open */
    struct condition *when;
    size_t when_count;
    struct give *give;
    size_t give_count;
};

/* Parses and validates; everything lives in the arena. */
CHECKED enum result rule_parse(struct fault *f, struct arena *a, const char *text, struct rule *out_r, json_t **json_r);

/* The value by which a condition is found: "g:cn=nurses…", "a:title=nurse", "c:gender=f"; lower case. */
char *index_key(struct arena *a, char kind, const char *name, const char *value);

struct index_entry {
    const char *key;
    unsigned *rules;
    unsigned count, room;
};
struct mapping {
    struct arena *arena;
    struct rule *rules;
    size_t count;
    struct index_entry *table; /* open addressing, a power of two */
    size_t table_size;
    unsigned *always; /* rules without a condition */
    size_t always_count;
    bool by_dn, by_name; /* how the rules write groups: the other way need not be looked up */
    unsigned *templated; /* rules that give something with a placeholder in it */
    size_t templated_count;
};
CHECKED enum result index_build(struct fault *f, struct mapping *m);
bool index_knows(const struct mapping *m, const char *key);
/* The key under which a rule for that instance (NULL: every one) that gives `ref` is filed, in `out`; false: too long. */
bool index_ref_key(char *out, size_t n, const char *dhis2, enum grant_kind k, enum grant_by by, const char *ref);
/* Marks in `marks` (one bit per rule) every rule that could hold for one of these. */
void index_mark(const struct mapping *m, const char *key, uint64_t *marks);

#endif
