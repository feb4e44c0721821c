/* What an HTTP answer holds: the few headers we read and the body, both bounded. Called by libcurl while http.c waits.
 * Header names are compared without case (RFC 9110 §5.1); of a header that comes twice the first counts. */
#include "http_private.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX (64 * 1024)

struct wanted {
    const char *name;
    size_t at; /* the member of struct http_response */
};

static const struct wanted WANTED[] = {
    {"content-type", offsetof(struct http_response, content_type)},
    {"date", offsetof(struct http_response, date)},
    {"etag", offsetof(struct http_response, etag)},
    {"location", offsetof(struct http_response, location)},
    {"www-authenticate", offsetof(struct http_response, www_authenticate)},
    {"retry-after", offsetof(struct http_response, retry_after)},
    {"dpop-nonce", offsetof(struct http_response, dpop_nonce)},
};

static const char **member(struct http_response *r, size_t at)
{
    return (const char **)(void *)((char *)r + at);
}

/* A new status line: what came before belonged to an interim answer (100, 103). */
static void forget(struct http_answer *w)
{
    for (size_t i = 0; i < COUNT_OF(WANTED); i++)
        *member(w->response, WANTED[i].at) = NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool keep(struct http_answer *w, size_t at, const char *value, size_t n)
{
    const char **to = member(w->response, at);
    while (n > 0 && is_blank(value[0])) {
        value++;
        n--;
    }
    while (n > 0 && is_blank(value[n - 1]))
        n--;
    if (*to == NULL)
        *to = arena_strndup(w->arena, value, n);
    return *to != NULL;
}

static size_t break_off(struct http_answer *w, const char *problem)
{
    w->problem = problem;
    return 0; /* anything but the count makes libcurl stop */
}

size_t http_answer_header(char *line, size_t size, size_t count, void *answer)
{
    struct http_answer *w = answer;
    size_t n = size * count;
    w->header_bytes += n;
    if (w->header_bytes > HEADERS_MAX)
        return break_off(w, "the headers of the answer are larger than 65536 bytes");
    if (w->body_began)
        return n;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0)
        forget(w);
    const char *colon = memchr(line, ':', n);
    if (colon == NULL)
        return n;
    size_t name = (size_t)(colon - line);
    for (size_t i = 0; i < COUNT_OF(WANTED); i++) {
        if (name != strlen(WANTED[i].name) || strncasecmp(line, WANTED[i].name, name) != 0)
            continue;
        w->out_of_memory = !keep(w, WANTED[i].at, colon + 1, n - name - 1);
        if (w->out_of_memory)
            return break_off(w, "out of memory");
    }
    return n;
}

size_t http_answer_body(char *data, size_t size, size_t count, void *answer)
{
    struct http_answer *w = answer;
    size_t n = size * count;
    w->body_began = true;
    bool fits = n <= w->body->max - w->body->len;
    buf_add(w->body, data, n);
    if (!w->body->failed)
        return n;
    w->out_of_memory = fits;
    return break_off(w, fits ? "out of memory" : "the answer is larger than we read");
}

/* RFC 9110 §8.3.1: type and subtype are case-insensitive; parameters are not our business. */
static char *media_type(struct arena *a, const char *value)
{
    size_t n = value == NULL ? 0 : strcspn(value, "; \t,");
    char *text = arena_strndup(a, value == NULL ? "" : value, n);
    for (char *c = text; c != NULL && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

enum result http_answer_finish(struct fault *f, struct http_answer *w)
{
    struct http_response *r = w->response;
    r->content_type = media_type(w->arena, r->content_type);
    r->body = arena_strndup(w->arena, w->body->data == NULL ? "" : w->body->data, w->body->len);
    if (r->body == NULL || r->content_type == NULL) {
        r->body = r->content_type = "";
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    r->body_len = w->body->len;
    return RESULT_OK;
}
