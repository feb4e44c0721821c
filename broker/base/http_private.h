/* What http.c and http_answer.c share: the answer while it comes in. */
#ifndef IDBRIDGE_BASE_HTTP_PRIVATE_H
#define IDBRIDGE_BASE_HTTP_PRIVATE_H

#include "internal.h"

struct http_answer {
    struct arena *arena;
    struct http_response *response;
    struct buf *body;
    size_t header_bytes;
    bool body_began;     /* what comes after it are trailers, which are ignored */
    bool out_of_memory;
    const char *problem; /* why we broke off, or NULL */
};

/* libcurl's callbacks; `answer` is a struct http_answer. */
size_t http_answer_header(char *line, size_t size, size_t count, void *answer);
size_t http_answer_body(char *data, size_t size, size_t count, void *answer);
CHECKED enum result http_answer_finish(struct fault *f, struct http_answer *answer);

#endif
