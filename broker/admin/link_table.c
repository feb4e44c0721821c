/* A file of people as administrators have it, row by row: what a spreadsheet or a personnel system saves (CSV, RFC 4180,
 * with the separator of the country and a byte order mark), or one JSON object a line. Called by link_import.c.
 *
 * CSV is read by libcsv: quoting, separators within quotes and both line ends are the places where parsers of one's own
 * go wrong. JSON lines are jansson's, which the bridge has anyway. */
#include "link.h"

#include <csv.h>
#include <string.h>

#define COLUMNS_MAX 64u
#define FIELD_MAX 4096u

struct table {
    struct fault *fault;
    struct arena *arena;
    enum result (*each)(void *arg, size_t line, const json_t *row);
    void *arg;
    size_t line;
    const char *columns[COLUMNS_MAX];
    size_t width, at;
    json_t *row; /* NULL: the header is being read */
    enum result result;
};

static enum result bad(struct table *t, const char *what)
{
    return t->result = FAULT(t->fault, RESULT_INVALID, "line %zu: %s", t->line, what);
}

static void take_field(void *field, size_t len, void *arg)
{
    struct table *t = arg;
    const char *text = field == NULL ? "" : field;
    if (t->result != RESULT_OK)
        return;
    if (len > FIELD_MAX || !text_is_utf8(text, len) || memchr(text, '\0', len) != NULL || t->at >= COLUMNS_MAX ||
        (t->row != NULL && t->at >= t->width && len > 0)) {
        (void)bad(t, "a field is too long, or no UTF-8, or there are more than the header names");
        return;
    }
    if (t->row == NULL)
        t->columns[t->at] = arena_strndup(t->arena, text, len);
    else if (len > 0 && t->at < t->width)
        (void)json_object_set_new(t->row, t->columns[t->at], json_stringn(text, len));
    t->at++;
}

static void end_row(int end, void *arg)
{
    struct table *t = arg;
    (void)end;
    if (t->result != RESULT_OK)
        return;
    if (t->row == NULL) {
        t->width = t->at;
        t->row = arena_json(t->arena, json_object());
        if (t->row == NULL)
            t->result = FAULT(t->fault, RESULT_INTERNAL, "out of memory");
    } else if (json_object_size(t->row) > 0) {
        t->result = t->each(t->arg, t->line, t->row);
        (void)json_object_clear(t->row);
    }
    t->at = 0;
}

/* In the header of a file that Excel wrote in French or Spanish there are semicolons. */
static unsigned char separator(const char *text)
{
    size_t n = strcspn(text, "\r\n");
    for (const char *s = ",;\t"; *s != '\0'; s++)
        if (memchr(text, *s, n) != NULL)
            return (unsigned char)*s;
    return ',';
}

/* Line by line, so that each row knows its own: libcsv does not count. */
static enum result read_csv(struct table *t, const char *text, size_t len)
{
    struct csv_parser p;
    if (csv_init(&p, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return FAULT(t->fault, RESULT_INTERNAL, "out of memory");
    csv_set_delim(&p, separator(text));
    for (size_t at = 0, n; at < len && t->result == RESULT_OK; at += n) {
        const char *end = memchr(text + at, '\n', len - at);
        n = end == NULL ? len - at : (size_t)(end - text) - at + 1;
        t->line++;
        if (csv_parse(&p, text + at, n, take_field, end_row, t) != n && t->result == RESULT_OK)
            (void)bad(t, csv_strerror(csv_error(&p)));
    }
    if (t->result == RESULT_OK && csv_fini(&p, take_field, end_row, t) != 0 && t->result == RESULT_OK)
        (void)bad(t, "a quote is not closed");
    csv_free(&p);
    return t->result;
}

static enum result read_object(struct table *t, const char *line, size_t n)
{
    const char *name;
    void *next;
    json_t *row, *value;
    struct fault why = {0};
    if (json_parse(&why, t->arena, line, n, COLUMNS_MAX * FIELD_MAX, &row) != RESULT_OK)
        return bad(t, why.detail);
    if (!json_is_object(row))
        return bad(t, "no JSON object");
    json_object_foreach_safe(row, next, name, value)
        if (json_is_null(value) || text_equal(json_string_value(value), ""))
            (void)json_object_del(row, name);
        else if (json_text(row, name) == NULL)
            return bad(t, "a member is no text");
    return t->result = json_object_size(row) == 0 ? RESULT_OK : t->each(t->arg, t->line, row);
}

static enum result read_json_lines(struct table *t, const char *text, size_t len)
{
    for (size_t at = 0, n; at < len; at += n + 1) {
        const char *end = memchr(text + at, '\n', len - at);
        n = end == NULL ? len - at : (size_t)(end - text) - at;
        t->line++;
        if (strspn(text + at, " \t\r") < n)
            TRY(read_object(t, text + at, n));
    }
    return RESULT_OK;
}

enum result link_table(struct fault *f, struct arena *a, const char *text, size_t len,
                       enum result (*each)(void *arg, size_t line, const json_t *row), void *arg)
{
    struct table t = {.fault = f, .arena = a, .each = each, .arg = arg};
    if (text_has_prefix(text, "\xef\xbb\xbf")) { /* the byte order mark of Windows */
        text += 3;
        len -= 3;
    }
    return text[strspn(text, " \t\r\n")] == '{' ? read_json_lines(&t, text, len) : read_csv(&t, text, len);
}
