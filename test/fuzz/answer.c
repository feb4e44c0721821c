/* The answer of a server we called, as libcurl hands it over: header lines, an empty line, the body. Headers are bounded,
 * and hold no line end that could get into one of ours. */
#include "../../broker/base/http_private.h"
#include "fuzz.h"

static void check_header(const char *value)
{
    if (value == NULL)
        return;
    MUST(strchr(value, '\n') == NULL);
    MUST(value[0] != ' ' && value[0] != '\t');
}

static void check(const struct http_response *r)
{
    MUST(strlen(r->body) <= r->body_len && r->body[r->body_len] == '\0');
    for (const char *c = r->content_type; *c != '\0'; c++)
        MUST(strchr("; \t,", *c) == NULL && !(*c >= 'A' && *c <= 'Z'));
    check_header(r->location);
    check_header(r->www_authenticate);
    check_header(r->retry_after);
    check_header(r->dpop_nonce);
}

/* Line by line until the empty one; libcurl gives each with its line end. False: broken off. */
static bool feed(struct http_answer *w, char *text, size_t size)
{
    while (size > 0) {
        char *newline = memchr(text, '\n', size);
        size_t n = newline == NULL ? size : (size_t)(newline - text) + 1;
        if (http_answer_header(text, 1, n, w) != n)
            return false;
        bool last = n <= 2;
        text += n;
        size -= n;
        if (last)
            break;
    }
    return size == 0 || http_answer_body(text, 1, size, w) == size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    CLEANUP(buf) struct buf body;
    struct http_response r = {.status = 200};
    struct http_answer w = {.arena = a, .response = &r, .body = &body};
    struct fault f = {0};
    char *text = arena_strndup(a, (const char *)data, size);

    buf_init(&body, 4096);
    if (feed(&w, text, size)) {
        MUST(http_answer_finish(&f, &w) == RESULT_OK && r.body_len <= 4096);
        check(&r);
    } else {
        MUST(w.problem != NULL && !w.out_of_memory);
    }
    arena_free(a);
    return 0;
}
