/* Holds the lines of a configuration file against the tables: unknown sections and keys, duplicates, bad values and
 * missing required keys, all of them in one go, each with its line. Called by config_load. */
#include "config_private.h"

#include <stdlib.h>
#include <string.h>

struct checking {
    struct config *config;
    struct config_source *src;
};

static const char *const EMPTY = "";

static int compare_place(const struct config_entry *a, const struct config_entry *b)
{
    int c = strcmp(a->section, b->section);
    if (c == 0)
        c = strcmp(a->name == NULL ? EMPTY : a->name, b->name == NULL ? EMPTY : b->name);
    return c != 0 ? c : strcmp(a->key, b->key);
}

static int compare_entries(const void *a, const void *b)
{
    const struct config_entry *x = a, *y = b;
    int c = compare_place(x, y);
    return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

const struct config_entry *config_entry_find(const struct config *c, const char *section, const char *name,
                                             const char *key)
{
    struct config_entry wanted = {.section = section, .name = name, .key = key};
    size_t low = 0, high = c->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_place(&wanted, &c->entries[middle]);
        if (order == 0)
            return &c->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- headings ------------------------------------------------------------------------------------- */

static bool section_exists(const struct config *c, const char *section, bool named)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].key->named == named && strcmp(c->rows[i].key->section, section) == 0)
            return true;
    return false;
}

/* True when the heading is known; complains otherwise. */
static bool check_heading(struct checking *k, const struct config_heading *h)
{
    if (section_exists(k->config, h->section, h->name != NULL))
        return true;
    const char *near = config_nearest(k->config, NULL, false, h->section);
    if (section_exists(k->config, h->section, true))
        config_complain(k->src, h->line, "section [%s] needs a name: [%s NAME]", h->section, h->section);
    else if (section_exists(k->config, h->section, false))
        config_complain(k->src, h->line, "section [%s] takes no name", h->section);
    else if (near != NULL)
        config_complain(k->src, h->line, "unknown section [%s]; did you mean [%s]?", h->text, near);
    else
        config_complain(k->src, h->line, "unknown section [%s]", h->text);
    return false;
}

static int compare_headings(const void *a, const void *b)
{
    const struct config_heading *x = a, *y = b;
    int c = strcmp(x->section == NULL ? EMPTY : x->section, y->section == NULL ? EMPTY : y->section);
    if (c == 0)
        c = strcmp(x->name == NULL ? EMPTY : x->name, y->name == NULL ? EMPTY : y->name);
    return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

static bool same_heading(const struct config_heading *a, const struct config_heading *b)
{
    return text_equal(a->section, b->section) &&
           strcmp(a->name == NULL ? EMPTY : a->name, b->name == NULL ? EMPTY : b->name) == 0;
}

/* On a sorted copy, because the file's order is needed for config_names. */
static void check_duplicate_headings(struct checking *k)
{
    size_t n = k->src->heading_count;
    CLEANUP(free) struct config_heading *sorted = calloc(n + 1, sizeof *sorted);
    if (sorted == NULL) {
        k->src->out_of_memory = true;
        return;
    }
    if (n > 0)
        memcpy(sorted, k->src->headings, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_headings);
    for (size_t i = 1, first = 0; i < n; i++) {
        if (same_heading(&sorted[i], &sorted[first]))
            config_complain(k->src, sorted[i].line, "section [%s] appears again (first on line %d)", sorted[i].text,
                            sorted[first].line);
        else
            first = i;
    }
}

/* ---- keys ----------------------------------------------------------------------------------------- */

/* The section of the tables that has this key, when another one than `section` does. */
static const char *other_section(const struct config *c, const char *section, const char *key)
{
    for (size_t i = 0; i < c->row_count; i++)
        if (strcmp(c->rows[i].key->key, key) == 0 && strcmp(c->rows[i].key->section, section) != 0)
            return c->rows[i].key->section;
    return NULL;
}

static void complain_unknown_key(struct checking *k, const struct config_heading *h, const struct config_line *l)
{
    const char *near = config_nearest(k->config, h->section, h->name != NULL, l->key);
    const char *other = other_section(k->config, h->section, l->key);
    if (other != NULL)
        config_complain(k->src, l->line, "unknown key '%s' in [%s]; it belongs to [%s]", l->key, h->text, other);
    else if (near != NULL)
        config_complain(k->src, l->line, "unknown key '%s' in [%s]; did you mean '%s'?", l->key, h->text, near);
    else
        config_complain(k->src, l->line, "unknown key '%s' in [%s]", l->key, h->text);
}

static const char *copy_or_null(struct arena *a, const char *s)
{
    return s == NULL ? NULL : arena_strdup(a, s);
}

static void check_line(struct checking *k, const struct config_line *l)
{
    struct config *c = k->config;
    const struct config_heading *h = &k->src->headings[l->heading];
    const struct config_row *row = config_row_find(c, h->section, h->name != NULL, l->key);
    if (row == NULL) {
        complain_unknown_key(k, h, l);
        return;
    }
    struct config_entry *e = &c->entries[c->entry_count++];
    *e = (struct config_entry){.section = row->key->section, .key = row->key->key, .row = row, .line = l->line};
    e->name = copy_or_null(c->arena, h->name);
    const char *problem = config_parse_value(c->arena, c->folder, row->key, l->value, &e->value);
    if (problem == CONFIG_NO_MEMORY || (e->name == NULL && h->name != NULL))
        k->src->out_of_memory = true;
    else if (problem != NULL)
        config_complain(k->src, l->line, "[%s] %s %s", h->text, l->key, problem);
}

static void check_duplicate_keys(struct checking *k)
{
    const struct config_entry *e = k->config->entries;
    for (size_t i = 1, first = 0; i < k->config->entry_count; i++) {
        if (compare_place(&e[first], &e[i]) == 0)
            config_complain(k->src, e[i].line, "'%s' is given again (first on line %d)", e[i].key, e[first].line);
        else
            first = i;
    }
}

/* ---- what is missing ------------------------------------------------------------------------------ */

static void check_required_in(struct checking *k, const struct config_key *key, const struct config_heading *h)
{
    if (config_entry_find(k->config, key->section, h == NULL ? NULL : h->name, key->key) == NULL)
        config_complain(k->src, h == NULL ? k->src->last_line : h->line, "[%s] %s is required and missing",
                        h == NULL ? key->section : h->text, key->key);
}

/* Of a plain section also when it is absent altogether, then on the last line; of a named one in each of its kind. */
static void check_required(struct checking *k, const struct config_key *key)
{
    bool found = false;
    for (size_t i = 0; i < k->src->heading_count; i++) {
        const struct config_heading *h = &k->src->headings[i];
        if (!text_equal(h->section, key->section) || (h->name != NULL) != key->named)
            continue;
        if (!found || key->named)
            check_required_in(k, key, h);
        found = true;
    }
    if (!found && !key->named)
        check_required_in(k, key, NULL);
}

/* ---- names ---------------------------------------------------------------------------------------- */

static struct config_group *group_get(struct config *c, const char *section)
{
    for (size_t i = 0; i < c->group_count; i++)
        if (strcmp(c->groups[i].section, section) == 0)
            return &c->groups[i];
    return NULL;
}

/* NULL: a plain section. */
static struct config_group *group_of(struct config *c, const struct config_heading *h)
{
    return h->name == NULL ? NULL : group_get(c, h->section);
}

/* There are at most as many groups as rows; the first pass counts, the second fills. */
static enum result collect_names(struct fault *f, struct config *c, const struct config_source *src)
{
    c->groups = arena_alloc(c->arena, (c->row_count + 1) * sizeof *c->groups);
    NEED(f, c->groups);
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].key->named && group_get(c, c->rows[i].key->section) == NULL)
            c->groups[c->group_count++].section = c->rows[i].key->section;
    for (size_t i = 0; i < src->heading_count; i++) {
        struct config_group *g = group_of(c, &src->headings[i]);
        if (g != NULL)
            g->count++;
    }
    for (size_t i = 0; i < c->group_count; i++) {
        c->groups[i].names = arena_alloc(c->arena, (c->groups[i].count + 1) * sizeof(char *));
        NEED(f, c->groups[i].names);
        c->groups[i].count = 0;
    }
    for (size_t i = 0; i < src->heading_count; i++) {
        struct config_group *g = group_of(c, &src->headings[i]);
        if (g == NULL)
            continue;
        g->names[g->count] = arena_strdup(c->arena, src->headings[i].name);
        NEED(f, g->names[g->count++]);
    }
    return RESULT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static void check_headings_and_lines(struct checking *k)
{
    struct config_source *src = k->src;
    for (size_t i = 0, l = 0; i < src->heading_count; i++) {
        struct config_heading *h = &src->headings[i];
        bool known = h->section != NULL && check_heading(k, h);
        for (; l < src->line_count && src->lines[l].heading == i; l++)
            if (known)
                check_line(k, &src->lines[l]);
    }
}

enum result config_check(struct fault *f, struct config *c, struct config_source *src)
{
    struct checking k = {c, src};
    c->entries = arena_alloc(c->arena, (src->line_count + 1) * sizeof *c->entries);
    NEED(f, c->entries);
    check_headings_and_lines(&k);
    qsort(c->entries, c->entry_count, sizeof *c->entries, compare_entries);
    check_duplicate_headings(&k);
    check_duplicate_keys(&k);
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].key->need == CONFIG_REQUIRED)
            check_required(&k, c->rows[i].key);
    if (src->out_of_memory)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return src->error_count > 0 ? RESULT_OK : collect_names(f, c, src); /* the caller reports the errors */
}
