/* Which names and values did the browser or application send? Query strings, form bodies and Cookie headers become
 * lists of decoded pairs. front/ calls the two parsers on bytes of strangers, handlers call the look-ups. Pure: no
 * state, no log, nothing but the arena; the fuzz targets enter here. RFC 6749 appendix B (application/
 * x-www-form-urlencoded in UTF-8) and RFC 6265 §4.2.1 (Cookie). */
#include "private.h"

#include <string.h>

enum { PAIRS_MAX = 64 };

/* How many parts `separator` makes of the text, empty ones counted: the size of the list before it is filled. */
static size_t parts_at_most(const char *s, size_t n, char separator)
{
    size_t parts = 1;
    for (size_t i = 0; i < n; i++)
        parts += s[i] == separator;
    return parts;
}

static enum result pair_decode(struct fault *f, struct arena *a, const char *s, size_t n, struct param *out_r)
{
    const char *equals = memchr(s, '=', n);
    size_t name_len = equals == NULL ? n : (size_t)(equals - s);
    char *name = NULL, *value = NULL;
    TRY(percent_decode(f, a, s, name_len, true, &name));
    if (equals == NULL)
        value = arena_strdup(a, "");
    else
        TRY(percent_decode(f, a, equals + 1, n - name_len - 1, true, &value));
    NEED(f, value);
    *out_r = (struct param){name, value};
    return RESULT_OK;
}

enum result params_parse(struct fault *f, struct arena *a, const char *s, size_t n, struct params *out_r)
{
    *out_r = (struct params){NULL, 0};
    if (n == 0)
        return RESULT_OK;
    if (memchr(s, '\0', n) != NULL)
        return FAULT_OAUTH(f, RESULT_INVALID, "invalid_request", "NUL in parameters");
    size_t most = parts_at_most(s, n, '&');
    struct param *list = arena_alloc(a, (most < PAIRS_MAX ? most : PAIRS_MAX) * sizeof *list);
    NEED(f, list);
    size_t count = 0;
    for (const char *at = s, *end = s + n; at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        if (stop > at) { /* "a=1&&b=2": the empty part is nothing */
            if (count == PAIRS_MAX)
                return FAULT_OAUTH(f, RESULT_INVALID, "invalid_request", "more than %d parameters", PAIRS_MAX);
            TRY(pair_decode(f, a, at, (size_t)(stop - at), &list[count]));
            count++;
        }
        at = stop + 1;
    }
    *out_r = (struct params){list, count};
    return RESULT_OK;
}

/* RFC 6265 §4.1.1: cookie-octet is any visible ASCII but DQUOTE, comma, semicolon, backslash. */
bool cookie_value_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~' || strchr("\",;\\", s[i]) != NULL)
            return false;
    return true;
}

/* RFC 9110 §5.6.2 token: what a cookie or header may be called. */
bool token_name_ok(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~' || strchr("()<>@,;:\\\"/[]?={}", s[i]) != NULL)
            return false;
    return n > 0;
}

static const char *skip_blanks(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    return s;
}

/* One name=value of a Cookie header; false when it does not parse. */
static bool cookie_decode(struct arena *a, const char *s, const char *end, struct param *out_r)
{
    s = skip_blanks(s, end);
    while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    const char *equals = memchr(s, '=', (size_t)(end - s));
    if (equals == NULL || !token_name_ok(s, (size_t)(equals - s)))
        return false;
    const char *value = equals + 1;
    if (end - value >= 2 && value[0] == '"' && end[-1] == '"') { /* quotes are allowed around a value */
        value++;
        end--;
    }
    if (!cookie_value_ok(value, (size_t)(end - value)))
        return false;
    *out_r = (struct param){arena_strndup(a, s, (size_t)(equals - s)), arena_strndup(a, value, (size_t)(end - value))};
    return out_r->name != NULL && out_r->value != NULL;
}

void cookies_parse(struct arena *a, const char *header, struct params *out_r)
{
    *out_r = (struct params){NULL, 0};
    if (header == NULL)
        return;
    size_t most = parts_at_most(header, strlen(header), ';');
    struct param *list = arena_alloc(a, (most < PAIRS_MAX ? most : PAIRS_MAX) * sizeof *list);
    if (list == NULL)
        return;
    size_t count = 0;
    for (const char *at = header; at != NULL && count < PAIRS_MAX;) {
        const char *stop = strchr(at, ';');
        count += cookie_decode(a, at, stop == NULL ? at + strlen(at) : stop, &list[count]);
        at = stop == NULL ? NULL : stop + 1;
    }
    *out_r = (struct params){list, count};
}

const char *param_get(const struct params *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->list[i].name, name) == 0)
            return p->list[i].value;
    return NULL;
}

size_t param_times(const struct params *p, const char *name)
{
    size_t times = 0;
    for (size_t i = 0; i < p->count; i++)
        times += strcmp(p->list[i].name, name) == 0;
    return times;
}

/* RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once." At most 64 pairs, so the
 * square of it is small. */
const char *param_duplicate(const struct params *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (param_times(p, p->list[i].name) > 1)
            return p->list[i].name;
    return NULL;
}
