/* The bounded growable buffer, and views on other people's bytes. Called wherever text is put together piece by
 * piece. Every buffer is created with the most it may ever hold (curl's rule: no buffer without a maximum). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

struct bytes bytes_of(const char *s)
{
    return (struct bytes){(const unsigned char *)s, s == NULL ? 0 : strlen(s)};
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max < SIZE_MAX - 1 ? max : SIZE_MAX - 1};
}

/* Not realloc: the old copy may hold a secret and is wiped. */
static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap == 0 ? FIRST_CAP : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    char *data = malloc(cap);
    if (data == NULL)
        return false;
    if (b->data != NULL) {
        memcpy(data, b->data, b->len);
        wipe(b->data, b->len);
    }
    free(b->data);
    b->data = data;
    b->cap = cap;
    return true;
}

/* Room for n more bytes and the NUL, or `failed`. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    bool full = b->data == NULL || b->len + n + 1 > b->cap;
    if (n > b->max - b->len || (full && !grow(b, b->len + n + 1)))
        b->failed = true;
    return !b->failed;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_text(struct buf *b, const char *s)
{
    if (s != NULL)
        buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        b->failed = true;
    else if (reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

char *buf_take(struct buf *b)
{
    if (!b->failed && b->data == NULL)
        buf_add(b, "", 0);
    char *data = b->failed ? NULL : b->data;
    if (data != NULL)
        b->data = NULL;
    buf_free(b);
    return data;
}

/* Empties it; the same buffer may be used again with the same maximum. */
void buf_free(struct buf *b)
{
    wipe(b->data, b->data == NULL ? 0 : b->len);
    free(b->data);
    buf_init(b, b->max);
}

void cleanup_buf(struct buf *b)
{
    buf_free(b);
}
