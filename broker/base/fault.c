/* Results and faults: what a failed call tells its caller and the log. Called by everybody through FAULT().
 * Also the cleanup functions behind CLEANUP(json), CLEANUP(free) and CLEANUP(file). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = {
    [RESULT_OK] = "ok",
    [RESULT_INVALID] = "invalid",
    [RESULT_DENIED] = "denied",
    [RESULT_NOT_FOUND] = "not_found",
    [RESULT_CONFLICT] = "conflict",
    [RESULT_UNAVAILABLE] = "unavailable",
    [RESULT_TIMEOUT] = "timeout",
    [RESULT_OVERLOADED] = "overloaded",
    [RESULT_INTERNAL] = "internal",
};

const char *result_name(enum result r)
{
    return (size_t)r < COUNT_OF(NAMES) ? NAMES[r] : "unknown";
}

/* Drops a UTF-8 sequence that vsnprintf cut in the middle, so that the log line stays readable text. */
static void drop_cut_sequence(char *s, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 4 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)s[start - 1] >= 0xc0) {
        start--;
        if (utf8_sequence((const unsigned char *)s + start, len - start) != len - start)
            s[start] = '\0';
    }
}

/* Returns `r`, so that a refusal is one statement. The text is made in a buffer of its own because an argument may
 * be the old f->detail ("while reading the key: %s"). */
enum result fault_set(struct fault *f, enum result r, const char *oauth_error, const char *where, const char *fmt, ...)
{
    if (f == NULL)
        return r;
    char detail[sizeof f->detail];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(detail, sizeof detail, fmt, args);
    va_end(args);
    if (n < 0)
        detail[0] = '\0';
    else if ((size_t)n >= sizeof detail)
        drop_cut_sequence(detail, sizeof detail - 1);
    f->result = r;
    f->oauth_error = oauth_error;
    f->where = where;
    memcpy(f->detail, detail, sizeof detail);
    return r;
}

void cleanup_json(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

/* For CLEANUP(free) on a pointer of any type: `pp` is the address of that pointer. */
void cleanup_free(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p);
    free(p);
}

void cleanup_file(FILE **f)
{
    if (*f != NULL)
        (void)fclose(*f);
    *f = NULL;
}
