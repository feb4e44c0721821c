/* Reads an INI file with inih into headings and lines, each with its line number. Called by config_load.
 *
 * inih gives its handler no line number, reports only the first syntax error, cuts headings at 49 characters without a
 * word and never mentions a heading that is empty or comes twice. All of that is seen by the reader function we hand
 * it, which counts lines and looks at headings before inih does. */
#include "config_private.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* gcc 12's analyser loses sight of the arrays that hang on `src`; config_source_free frees them. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

#define FILE_MAX (64u * 1024 * 1024)
#define LINE_BYTES 65536 /* inih's buffer; a line and its end must fit */
#define HEADING_MAX 49   /* what inih keeps of one */

struct reading {
    struct config_source *src;
    const char *at, *end;
    int line;
    bool pair_expected; /* the line read last is a key, and inih has not called us about it yet */
};

/* ---- growing, complaining ------------------------------------------------------------------------- */

void *config_grow(void *array, size_t count, size_t size)
{
    if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
        return array; /* room left: capacities are 16 and then powers of two */
    size_t cap = count == 0 ? 16 : count * 2;
    return reallocarray(array, cap, size);
}

void config_complain(struct config_source *src, int line, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct config_error *errors = config_grow(src->errors, src->error_count, sizeof *errors);
    const char *copy = arena_strdup(src->arena, text);
    if (errors != NULL)
        src->errors = errors;
    if (errors == NULL || copy == NULL)
        src->out_of_memory = true;
    else
        src->errors[src->error_count++] = (struct config_error){line, copy};
}

void config_source_free(struct config_source *src)
{
    free(src->headings);
    free(src->lines);
    free(src->errors);
    arena_free(src->arena);
    *src = (struct config_source){0};
}

/* ---- headings ------------------------------------------------------------------------------------- */

static void add_heading(struct reading *r, struct config_heading heading)
{
    struct config_source *src = r->src;
    struct config_heading *headings = config_grow(src->headings, src->heading_count, sizeof *headings);
    heading.line = r->line;
    if (headings != NULL)
        src->headings = headings;
    if (headings == NULL || heading.text == NULL)
        src->out_of_memory = true;
    else
        src->headings[src->heading_count++] = heading;
}

/* Letters, digits, dot, dash and underscore: names go into URLs, metrics and log lines. */
static bool is_name(const char *s)
{
    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++)
        if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
            return false;
    return true;
}

static const char *heading_problem(const char *close, size_t len, size_t words)
{
    if (close == NULL)
        return "a section heading without ]";
    if (len > HEADING_MAX)
        return "a section heading of more than 49 characters";
    const char *after = close + 1 + strspn(close + 1, " \t\r\n");
    if (*after != '\0' && *after != ';' && *after != '#')
        return "something after the ] of a section heading";
    return words == 0 || words > 2 ? "a section heading is [section] or [section name]" : NULL;
}

/* `s` is behind the opening bracket. inih ends a heading at ] and at a comment, " ;", which is then no heading. */
static void read_heading(struct reading *r, const char *s)
{
    size_t len = strcspn(s, "]"), words = 0;
    const char *close = s[len] == ']' ? s + len : NULL;
    for (const char *c = s; close != NULL && c < close; c++)
        if (*c == ';' && c > s && isspace((unsigned char)c[-1]))
            close = NULL;
    const char *text = arena_strndup(r->src->arena, s, len);
    char **parts = text == NULL ? NULL : text_split(r->src->arena, text, " \t", &words);
    if (parts == NULL) {
        r->src->out_of_memory = true;
        return;
    }
    const char *problem = heading_problem(close, len, words);
    if (problem == NULL && (!is_name(parts[0]) || (words == 2 && !is_name(parts[1]))))
        problem = "a section heading holds letters, digits, dots, dashes and underscores only";
    if (problem != NULL) {
        config_complain(r->src, r->line, "%s", problem);
        add_heading(r, (struct config_heading){.text = text});
        return;
    }
    add_heading(r, (struct config_heading){.text = text, .section = parts[0], .name = parts[1]});
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void settle(struct reading *r)
{
    if (r->pair_expected)
        config_complain(r->src, r->line, "not a section heading, a comment or `key = value`");
    r->pair_expected = false;
}

static void look_at(struct reading *r, const char *s)
{
    if (r->line == 1 && strncmp(s, "\xef\xbb\xbf", 3) == 0)
        s += 3; /* a byte order mark, which inih skips too */
    while (isspace((unsigned char)*s))
        s++;
    if (*s == '[')
        read_heading(r, s + 1);
    else
        r->pair_expected = *s != '\0' && *s != ';' && *s != '#';
}

/* inih's ini_reader: one whole line per call, as fgets would. */
static char *read_line(char *out, int size, void *stream)
{
    struct reading *r = stream;
    settle(r);
    if (r->at == r->end)
        return NULL;
    r->line++;
    const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
    size_t n = (size_t)((newline == NULL ? r->end : newline) - r->at);
    const char *text = r->at;
    r->at = newline == NULL ? r->end : newline + 1;
    if (n + 2 >= (size_t)size) { /* inih must not see a full buffer: it would ask for the rest of the line */
        config_complain(r->src, r->line, "a line of %zu bytes; %d are read", n, LINE_BYTES - 3);
        n = 0;
    }
    memcpy(out, text, n);
    memcpy(out + n, "\n", 2);
    look_at(r, out);
    return out;
}

static int handle_pair(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;
    struct config_source *src = r->src;
    (void)section; /* cut at 49 characters; ours is not */
    r->pair_expected = false;
    if (src->heading_count == 0) {
        config_complain(src, r->line, "'%s' stands before the first section heading", key);
        return 1;
    }
    if (src->headings[src->heading_count - 1].section == NULL)
        return 1;
    struct config_line *lines = config_grow(src->lines, src->line_count, sizeof *lines);
    if (lines != NULL)
        src->lines = lines;
    struct config_line l = {src->heading_count - 1, arena_strdup(src->arena, key), arena_strdup(src->arena, value),
                            r->line};
    if (lines == NULL || l.key == NULL || l.value == NULL)
        src->out_of_memory = true;
    else
        src->lines[src->line_count++] = l;
    return 1;
}

/* ---- the file ------------------------------------------------------------------------------------- */

/* Debian's inih exports these as variables of the process: set once, before any thread may read them. */
static void set_inih(void)
{
    ini_use_stack = false;
    ini_max_line = LINE_BYTES;
    ini_initial_alloc = LINE_BYTES;
    ini_allow_realloc = false;
    ini_allow_multiline = false; /* an indented line is a key like any other */
    ini_stop_on_first_error = false;
    ini_allow_no_value = false;
}

static enum result slurp(struct fault *f, const char *path, struct buf *to)
{
    char part[16384];
    CLEANUP(file) FILE *in = fopen(path, "re");
    if (in == NULL)
        return FAULT(f, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_DENIED, "%s cannot be opened: %s", path,
                     strerror(errno));
    for (size_t n = fread(part, 1, sizeof part, in); n > 0; n = fread(part, 1, sizeof part, in))
        buf_add(to, part, n);
    if (ferror(in))
        return FAULT(f, RESULT_INTERNAL, "%s cannot be read: %s", path, strerror(errno));
    if (to->failed && to->max - to->len < sizeof part)
        return FAULT(f, RESULT_INVALID, "%s is larger than %u bytes", path, FILE_MAX);
    if (to->failed)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    wipe(part, sizeof part);
    return RESULT_OK;
}

/* inih works on C strings, so a NUL would hide the rest of a line. */
static void check_text(struct config_source *src, const struct buf *b)
{
    int line = 1;
    for (size_t at = 0; at < b->len; line++) {
        const char *newline = memchr(b->data + at, '\n', b->len - at);
        size_t n = newline == NULL ? b->len - at : (size_t)(newline - b->data) - at;
        if (memchr(b->data + at, '\0', n) != NULL)
            config_complain(src, line, "holds a NUL character");
        else if (!text_is_utf8(b->data + at, n))
            config_complain(src, line, "is not UTF-8");
        at += n + 1;
    }
}

enum result config_read(struct fault *f, const char *path, struct config_source *src)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_inih);
    CLEANUP(buf) struct buf text;
    buf_init(&text, FILE_MAX);
    src->path = path;
    src->arena = arena_new(FILE_MAX * 8u);
    NEED(f, src->arena);
    TRY(slurp(f, path, &text));
    check_text(src, &text);
    if (src->error_count > 0)
        return RESULT_OK; /* the caller reports them; nothing else can be trusted */
    const char *start = text.data == NULL ? "" : text.data; /* an empty file */
    struct reading r = {.src = src, .at = start, .end = start + text.len};
    int rc = ini_parse_stream(read_line, &r, handle_pair, &r);
    settle(&r);
    src->last_line = r.line > 0 ? r.line : 1;
    if (rc == -2 || src->out_of_memory)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    if (rc != 0 && src->error_count == 0) /* inih saw what we did not */
        config_complain(src, rc, "not a section heading, a comment or `key = value`");
    return RESULT_OK;
}
