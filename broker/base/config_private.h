/* What the config_*.c files share. config_read.c turns the file into headings and lines, config_check.c turns those
 * into values by the tables, config.c answers questions. */
#ifndef IDBRIDGE_BASE_CONFIG_PRIVATE_H
#define IDBRIDGE_BASE_CONFIG_PRIVATE_H

#include "internal.h"

/* ---- the file as it stands ------------------------------------------------------------------------ */

struct config_heading {
    const char *text;    /* between the brackets */
    const char *section; /* first word; NULL: a broken heading, what is under it is skipped */
    const char *name;    /* the rest, or NULL */
    int line;
};

struct config_line {
    size_t heading; /* its number */
    const char *key, *value;
    int line;
};

struct config_error {
    int line;
    const char *text;
};

/* Growing arrays live in malloc'ed memory, the texts in the arena. */
struct config_source {
    const char *path;
    struct arena *arena;
    struct config_heading *headings;
    struct config_line *lines;
    struct config_error *errors;
    size_t heading_count, line_count, error_count;
    int last_line;
    bool out_of_memory;
};

CHECKED enum result config_read(struct fault *f, const char *path, struct config_source *src);
void config_source_free(struct config_source *src);
void config_complain(struct config_source *src, int line, const char *fmt, ...) PRINTF(3, 4);
/* Doubles the array when `count` elements fill it; NULL: no memory (the old one stays). */
void *config_grow(void *array, size_t count, size_t size);

/* ---- values --------------------------------------------------------------------------------------- */

struct config_value {
    const char *text;
    long long number;
    bool flag;
    char **list;
};

/* A key of the tables with its parsed fallback; sorted by section, named, key. */
struct config_row {
    const struct config_key *key;
    struct config_value fallback;
};

/* A key that the file sets; sorted by section, name, key, line. */
struct config_entry {
    const char *section, *name, *key;
    const struct config_row *row;
    struct config_value value;
    int line;
};

struct config_group {
    const char *section;
    const char **names;
    size_t count;
};

struct config {
    struct arena *arena;
    const char *folder;
    struct config_row *rows;
    struct config_entry *entries;
    struct config_group *groups;
    size_t row_count, entry_count, group_count;
};

/* NULL: *out_r is filled; otherwise what is wrong, beginning with "must ", or "out of memory" itself. */
const char *config_parse_value(struct arena *a, const char *folder, const struct config_key *key, const char *text,
                               struct config_value *out_r);
extern const char CONFIG_NO_MEMORY[];

CHECKED enum result config_rows(struct fault *f, struct config *c, const struct config_key *const *tables);
CHECKED enum result config_check(struct fault *f, struct config *c, struct config_source *src);
const struct config_row *config_row_find(const struct config *c, const char *section, bool named, const char *key);
const struct config_entry *config_entry_find(const struct config *c, const char *section, const char *name,
                                             const char *key);
/* The word of `c`'s tables nearest to `word`: a section, or a key of `section` when that is not NULL; NULL when none
 * is near. */
const char *config_nearest(const struct config *c, const char *section, bool named, const char *word);

#endif
