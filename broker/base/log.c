/* The log: one logfmt line per event to stderr, where journald reads it. Called by everybody. A line is made in a
 * buffer of fixed size, so that logging needs no memory, and is written in one piece, so that lines of several
 * threads never mix. Values are escaped: what a stranger sent can neither begin a new line nor move a cursor. */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define LINE_MAX_BYTES 4096
#define VALUE_MAX_BYTES 1024
#define END_BYTES 16 /* always free for what finish() adds */

struct line {
    size_t len;
    bool full; /* something did not fit: the pair is taken back */
    char text[LINE_MAX_BYTES];
};

static _Atomic(FILE *) target; /* NULL: stderr */
static atomic_int least_level = LEVEL_INFO;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* not flockfile, which ThreadSanitizer cannot see */

void log_setup(enum level least, FILE *to)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&target, to);
}

static void add(struct line *l, const char *s, size_t n)
{
    if (n > sizeof l->text - END_BYTES - l->len)
        l->full = true;
    if (l->full)
        return;
    memcpy(l->text + l->len, s, n);
    l->len += n;
}

static void add_text(struct line *l, const char *s)
{
    add(l, s, strlen(s));
}

/* C1 controls (U+0080 to U+009F): terminals obey them. */
static bool is_c1(const unsigned char *s, size_t len)
{
    return len == 2 && s[0] == 0xc2 && s[1] < 0xa0;
}

/* U+2028, U+2029 and the direction marks U+202A to U+202E, U+2066 to U+2069, which make a line read as another. */
static bool is_layout(const unsigned char *s, size_t len)
{
    return len == 3 && s[0] == 0xe2 &&
           ((s[1] == 0x80 && s[2] >= 0xa8 && s[2] <= 0xae) || (s[1] == 0x81 && s[2] >= 0xa6 && s[2] <= 0xa9));
}

/* Bytes from `s` that may stand as they are: 0 when the first must be escaped. */
static size_t plain_length(const unsigned char *s, size_t n)
{
    if (s[0] < 0x20 || s[0] == 0x7f || s[0] == '"' || s[0] == '\\')
        return 0;
    size_t len = utf8_sequence(s, n);
    return is_c1(s, len) || is_layout(s, len) ? 0 : len;
}

static void add_escaped(struct line *l, unsigned char c)
{
    char hex[8];
    switch (c) {
    case '"':
        add_text(l, "\\\"");
        break;
    case '\\':
        add_text(l, "\\\\");
        break;
    case '\n':
        add_text(l, "\\n");
        break;
    case '\r':
        add_text(l, "\\r");
        break;
    case '\t':
        add_text(l, "\\t");
        break;
    default:
        (void)snprintf(hex, sizeof hex, "\\x%02x", c);
        add_text(l, hex);
    }
}

/* Letters, digits and most signs: most values hold nothing else. */
static size_t simple_length(const unsigned char *s, size_t n)
{
    size_t i = 0;
    while (i < n && s[i] > ' ' && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' && s[i] != '=')
        i++;
    return i;
}

static void add_value(struct line *l, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    size_t n = strnlen(value, VALUE_MAX_BYTES);
    bool cut = value[n] != '\0';
    while (cut && n > 0 && (s[n] & 0xc0) == 0x80) /* not in the middle of a character */
        n--;
    size_t simple = simple_length(s, n);
    bool quotes = cut || n == 0 || simple < n;
    if (quotes)
        add_text(l, "\"");
    add(l, value, simple);
    for (size_t i = simple; i < n;) {
        size_t len = plain_length(s + i, n - i);
        if (len == 0)
            add_escaped(l, s[i++]);
        else
            add(l, value + i, len);
        i += len;
    }
    if (cut)
        add_text(l, "...");
    if (quotes)
        add_text(l, "\"");
}

/* A pair that does not fit leaves the line as it was before it. */
static bool add_pair(struct line *l, const char *key, const char *value)
{
    size_t before = l->len;
    if (before > 0)
        add_text(l, " ");
    add_text(l, key);
    add_text(l, "=");
    add_value(l, value);
    if (!l->full)
        return true;
    l->full = false;
    l->len = before;
    return false;
}

static void add_time(struct line *l)
{
    char text[40];
    struct tm tm;
    int64_t now = clock_now_ms();
    time_t seconds = (time_t)(now / 1000);
    if (gmtime_r(&seconds, &tm) == NULL)
        return;
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + n, sizeof text - n, ".%03dZ", (int)(now % 1000));
    (void)add_pair(l, "ts", text);
}

/* " cut=yes" says that pairs are missing. */
static void finish(struct line *l, bool complete)
{
    static const char CUT[] = " cut=yes";
    if (!complete) {
        memcpy(l->text + l->len, CUT, sizeof CUT - 1);
        l->len += sizeof CUT - 1;
    }
    l->text[l->len++] = '\n';
    FILE *to = atomic_load(&target);
    if (to == NULL)
        to = stderr;
    pthread_mutex_lock(&writing);
    (void)fwrite(l->text, 1, l->len, to);
    (void)fflush(to);
    pthread_mutex_unlock(&writing);
}

void log_event(enum level l, const char *event, ...)
{
    static const char *const NAMES[] = {"debug", "info", "warn", "error"};
    if ((int)l < atomic_load(&least_level) || (size_t)l >= COUNT_OF(NAMES))
        return;
    struct line line;
    line.len = 0;
    line.full = false;
    add_time(&line);
    bool complete = add_pair(&line, "level", NAMES[l]) && add_pair(&line, "event", event);
    va_list args;
    va_start(args, event);
    for (const char *key = va_arg(args, const char *); key != NULL; key = va_arg(args, const char *)) {
        const char *value = va_arg(args, const char *);
        if (value != NULL && !add_pair(&line, key, value))
            complete = false;
    }
    va_end(args);
    finish(&line, complete);
}

void log_fault(enum level l, const char *event, const struct fault *f)
{
    log_event(l, event, "result", result_name(f->result), "oauth_error", f->oauth_error, "where", f->where, "detail",
              f->detail, NULL);
}
