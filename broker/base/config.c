/* The configuration: loaded as a whole or refused as a whole, immutable after, asked by section, name and key. Called
 * by main at start and on SIGHUP and by every folder for its own keys. Lookups are a binary search, so that their cost
 * does not grow with the number of sections. */
#include "config_private.h"

#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX (1024u * 1024 * 1024) /* of a file of at most 64 MiB */
#define ERRORS_SHOWN 100

static void cleanup_source(struct config_source *src)
{
    config_source_free(src);
}

static void cleanup_config(struct config **c)
{
    config_free(*c);
}

/* ---- loading -------------------------------------------------------------------------------------- */

static struct config *config_new(const char *path)
{
    struct arena *a = arena_new(CONFIG_BYTES_MAX);
    struct config *c = arena_alloc(a, sizeof *c);
    if (c == NULL) {
        arena_free(a);
        return NULL;
    }
    c->arena = a;
    const char *slash = strrchr(path, '/');
    c->folder = slash == NULL ? "." : arena_strndup(a, path, (size_t)(slash - path));
    if (c->folder == NULL) {
        arena_free(a);
        return NULL;
    }
    return c;
}

static int compare_errors(const void *a, const void *b)
{
    const struct config_error *x = a, *y = b;
    int c = (x->line > y->line) - (x->line < y->line);
    return c != 0 ? c : strcmp(x->text, y->text);
}

static enum result report(struct fault *f, struct config_source *src, struct buf *errors)
{
    qsort(src->errors, src->error_count, sizeof *src->errors, compare_errors);
    for (size_t i = 0; errors != NULL && i < src->error_count && i < ERRORS_SHOWN; i++)
        buf_printf(errors, "%s:%d: %s\n", src->path, src->errors[i].line, src->errors[i].text);
    if (errors != NULL && src->error_count > ERRORS_SHOWN)
        buf_printf(errors, "%s:%d: and %zu more\n", src->path, src->errors[ERRORS_SHOWN].line,
                   src->error_count - ERRORS_SHOWN);
    return FAULT(f, RESULT_INVALID, "%s:%d: %s", src->path, src->errors[0].line, src->errors[0].text);
}

enum result config_load(struct fault *f, const char *path, const struct config_key *const *tables,
                        struct buf *errors, struct config **out_r)
{
    *out_r = NULL;
    __attribute__((cleanup(cleanup_source))) struct config_source src = {0};
    CLEANUP(config) struct config *c = config_new(path);
    NEED(f, c);
    TRY(config_rows(f, c, tables));
    TRY(config_read(f, path, &src));
    if (src.out_of_memory)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    bool readable = src.last_line > 0; /* otherwise it is not text, and every key would count as missing */
    if (readable)
        TRY(config_check(f, c, &src));
    if (src.error_count > 0)
        return report(f, &src, errors);
    *out_r = c;
    c = NULL;
    return RESULT_OK;
}

void config_free(struct config *c)
{
    if (c != NULL)
        arena_free(c->arena);
}

/* ---- asking --------------------------------------------------------------------------------------- */

/* The table row of the key; a key of no table, or of another type, is a bug of the caller. */
static const struct config_row *row_of(const struct config *c, const char *section, const char *name, const char *key,
                                       unsigned types)
{
    const struct config_row *row = config_row_find(c, section, name != NULL, key);
    if (row != NULL && (types >> row->key->type & 1u) != 0)
        return row;
    log_event(LEVEL_ERROR, "config_bug", "section", section, "key", key, "detail",
              row == NULL ? "this key is in no table" : "this key is of another type", NULL);
    abort();
}

#define ANY_TYPE (~0u)
#define TYPE(t) (1u << (t))

static const struct config_value *value_of(const struct config *c, const char *section, const char *name,
                                           const char *key, unsigned types)
{
    const struct config_row *row = row_of(c, section, name, key, types);
    const struct config_entry *e = config_entry_find(c, row->key->section, name, row->key->key);
    return e == NULL ? &row->fallback : &e->value;
}

size_t config_names(const struct config *c, const char *section, const char *const **names_r)
{
    for (size_t i = 0; i < c->group_count; i++) {
        if (strcmp(c->groups[i].section, section) == 0) {
            *names_r = c->groups[i].names;
            return c->groups[i].count;
        }
    }
    *names_r = NULL;
    return 0;
}

bool config_has(const struct config *c, const char *section, const char *name, const char *key)
{
    (void)row_of(c, section, name, key, ANY_TYPE);
    return config_entry_find(c, section, name, key) != NULL;
}

/* Of any type: what the file says, or the fallback; of CONFIG_PATH the resolved path. */
const char *config_text(const struct config *c, const char *section, const char *name, const char *key)
{
    return value_of(c, section, name, key, ANY_TYPE)->text;
}

long long config_number(const struct config *c, const char *section, const char *name, const char *key)
{
    return value_of(c, section, name, key, TYPE(CONFIG_INT) | TYPE(CONFIG_DURATION))->number;
}

bool config_flag(const struct config *c, const char *section, const char *name, const char *key)
{
    return value_of(c, section, name, key, TYPE(CONFIG_BOOL))->flag;
}

char *const *config_list(const struct config *c, const char *section, const char *name, const char *key)
{
    return value_of(c, section, name, key, TYPE(CONFIG_LIST))->list;
}

void config_each_path(const struct config *c, void (*each)(void *arg, const char *path), void *arg)
{
    each(arg, c->folder);
    for (size_t i = 0; i < c->entry_count; i++)
        if (c->entries[i].row->key->type == CONFIG_PATH && c->entries[i].value.text != NULL)
            each(arg, c->entries[i].value.text);
    for (size_t i = 0; i < c->row_count; i++)
        if (c->rows[i].key->type == CONFIG_PATH && c->rows[i].fallback.text != NULL)
            each(arg, c->rows[i].fallback.text);
}
