/* The tables of configuration keys, joined and sorted: which keys exist, what a missing one means, which known word
 * is nearest to a mistyped one, and the example file. Called by config.c and config_check.c, and by admin for the
 * example. */
#include "config_private.h"

#include <stdlib.h>
#include <string.h>

#define WORD_MAX 63

/* ---- joining -------------------------------------------------------------------------------------- */

static int compare_key(const char *section, bool named, const char *key, const struct config_key *other)
{
    int c = strcmp(section, other->section);
    if (c == 0)
        c = (int)named - (int)other->named;
    return c != 0 ? c : strcmp(key, other->key);
}

static int compare_rows(const void *a, const void *b)
{
    const struct config_key *k = ((const struct config_row *)a)->key;
    return compare_key(k->section, k->named, k->key, ((const struct config_row *)b)->key);
}

static size_t count_rows(const struct config_key *const *tables)
{
    size_t n = 0;
    for (; *tables != NULL; tables++)
        for (const struct config_key *k = *tables; k->section != NULL; k++)
            n++;
    return n;
}

/* A fallback that its own type refuses, and a key of two tables, are mistakes of ours, found by the first test. */
static enum result check_rows(struct fault *f, struct config *c)
{
    for (size_t i = 0; i < c->row_count; i++) {
        struct config_row *row = &c->rows[i];
        const struct config_key *k = row->key;
        if (i > 0 && compare_rows(row - 1, row) == 0)
            return FAULT(f, RESULT_INTERNAL, "[%s] %s is in two tables", k->section, k->key);
        if (k->fallback == NULL) {
            row->fallback.list = arena_alloc(c->arena, sizeof(char *)); /* an empty list */
            NEED(f, row->fallback.list);
            continue;
        }
        const char *problem = config_parse_value(c->arena, c->folder, k, k->fallback, &row->fallback);
        if (problem != NULL)
            return FAULT(f, RESULT_INTERNAL, "[%s] %s: its fallback %s", k->section, k->key, problem);
    }
    return RESULT_OK;
}

enum result config_rows(struct fault *f, struct config *c, const struct config_key *const *tables)
{
    size_t n = count_rows(tables);
    c->rows = arena_alloc(c->arena, n * sizeof *c->rows);
    NEED(f, c->rows);
    for (; *tables != NULL; tables++)
        for (const struct config_key *k = *tables; k->section != NULL; k++)
            c->rows[c->row_count++].key = k;
    qsort(c->rows, n, sizeof *c->rows, compare_rows);
    return check_rows(f, c);
}

const struct config_row *config_row_find(const struct config *c, const char *section, bool named, const char *key)
{
    size_t low = 0, high = c->row_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_key(section, named, key, c->rows[middle].key);
        if (order == 0)
            return &c->rows[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- the nearest word ----------------------------------------------------------------------------- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[WORD_MAX + 1];
    size_t n = strlen(b);
    if (strlen(a) > WORD_MAX || n > WORD_MAX)
        return WORD_MAX;
    for (unsigned k = 0; k <= n; k++)
        row[k] = k;
    for (size_t i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0]++;
        for (size_t k = 1; k <= n; k++) {
            unsigned above = row[k];
            row[k] = least(above + 1, row[k - 1] + 1, diagonal + (a[i] != b[k - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

/* Nothing is near that differs in more than half of its letters. */
const char *config_nearest(const struct config *c, const char *section, bool named, const char *word)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)strlen(word) / 2 + 1;
    for (size_t i = 0; i < c->row_count; i++) {
        const struct config_key *k = c->rows[i].key;
        if (section != NULL && (strcmp(k->section, section) != 0 || k->named != named))
            continue;
        const char *candidate = section == NULL ? k->section : k->key;
        unsigned d = distance(word, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return best;
}

/* ---- the example file ----------------------------------------------------------------------------- */

static const char *const TYPE_WORDS[] = {
    [CONFIG_TEXT] = "text",      [CONFIG_INT] = "number",          [CONFIG_BOOL] = "on or off",
    [CONFIG_DURATION] = "duration: 30s, 10m, 8h, 7d", [CONFIG_LIST] = "list, blanks between", [CONFIG_PATH] = "path",
    [CONFIG_URL] = "http or https URL",   [CONFIG_CHOICE] = "one of",
};

static void print_key(const struct config_key *k, FILE *to)
{
    (void)fprintf(to, "\n# %s\n# (%s", k->help == NULL ? "" : k->help, TYPE_WORDS[k->type]);
    if (k->type == CONFIG_CHOICE)
        (void)fprintf(to, ": %s", k->choices);
    if (k->min != 0 || k->max != 0)
        (void)fprintf(to, ", %lld to %lld", k->min, k->max);
    (void)fprintf(to, "; %s)\n#%s = %s\n", k->need == CONFIG_REQUIRED ? "required" : "optional", k->key,
            k->fallback == NULL ? "" : k->fallback);
}

static bool same_section(const struct config_key *a, const struct config_key *b)
{
    return strcmp(a->section, b->section) == 0 && a->named == b->named;
}

static bool printed_before(const struct config_key *const *tables, const struct config_key *key)
{
    for (; *tables != NULL; tables++) {
        for (const struct config_key *k = *tables; k->section != NULL; k++) {
            if (k == key)
                return false;
            if (same_section(k, key))
                return true;
        }
    }
    return false;
}

static void print_section(const struct config_key *const *tables, const struct config_key *first, FILE *to)
{
    (void)fprintf(to, first->named ? "\n\n#[%s NAME]\n" : "\n\n[%s]\n", first->section);
    for (; *tables != NULL; tables++)
        for (const struct config_key *k = *tables; k->section != NULL; k++)
            if (same_section(k, first))
                print_key(k, to);
}

/* Every key is commented out and stands at its default; sections come in the order of the tables. */
void config_example(const struct config_key *const *tables, FILE *to)
{
    (void)fputs("# idbridge configuration. A line that begins with # or ; is a comment; so is what follows \" ;\" in a\n"
                "# value. Relative paths are taken from the folder of this file.\n",
                to);
    for (const struct config_key *const *t = tables; *t != NULL; t++)
        for (const struct config_key *k = *t; k->section != NULL; k++)
            if (!printed_before(tables, k))
                print_section(tables, k, to);
}
