/* The arena: one per request, freed as a whole. Called by everybody who needs memory that lives as long as a job.
 * Tokens, passwords and personal data pass through it, so what was handed out is wiped before it is returned to
 * the system.
 *
 * Blocks of the usual size go from one arena to the next: a request needs a dozen, and malloc() tidies up its free lists
 * at every block of that size. What lies spare is wiped, so it is as good as calloc()'s.
 *
 * Under AddressSanitizer every allocation gets a block of its own, otherwise a write past one of them would land in
 * the next and stay unseen. */
#include "internal.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define BLOCK_BYTES 0
#else
#define BLOCK_BYTES 8192
#endif

#define SPARE_MAX 32

struct block {
    struct block *next;
    size_t used, cap;
    alignas(max_align_t) unsigned char data[];
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *p;
};

struct arena {
    struct block *blocks; /* the first one is the one being filled */
    struct deferred *deferred;
    size_t used, max;
};

/* ---- spare blocks ---------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    struct block *first;
    unsigned count;
} spare = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct block *spare_take(void)
{
    pthread_mutex_lock(&spare.lock);
    struct block *b = spare.first;
    if (b != NULL) {
        spare.first = b->next;
        spare.count--;
    }
    pthread_mutex_unlock(&spare.lock);
    if (b != NULL)
        b->next = NULL;
    return b;
}

/* What was handed out is zero again. False: there are enough. */
static bool spare_keep(struct block *b)
{
    b->used = 0;
    pthread_mutex_lock(&spare.lock);
    bool room = spare.count < SPARE_MAX;
    if (room) {
        b->next = spare.first;
        spare.first = b;
        spare.count++;
    }
    pthread_mutex_unlock(&spare.lock);
    return room;
}

/* ---- the arena --------------------------------------------------------------------------------------- */

struct arena *arena_new(size_t max_bytes)
{
    struct arena *a = calloc(1, sizeof *a);
    if (a != NULL)
        a->max = max_bytes;
    return a;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    while (a->deferred != NULL) {
        struct deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->p);
    }
    while (a->blocks != NULL) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        wipe(b->data, b->used);
        if (BLOCK_BYTES == 0 || b->cap != BLOCK_BYTES || !spare_keep(b))
            free(b);
    }
    free(a);
}

void cleanup_arena(struct arena **a)
{
    arena_free(*a);
    *a = NULL;
}

static struct block *block_new(size_t cap)
{
    struct block *b = cap == BLOCK_BYTES ? spare_take() : NULL;
    if (b == NULL && (b = calloc(1, sizeof *b + cap)) != NULL)
        b->cap = cap;
    return b;
}

/* A large allocation gets a block of its own, put behind the one being filled so that the rest of that one is not
 * lost. */
static struct block *block_for(struct arena *a, size_t n)
{
    struct block *first = a->blocks;
    if (first != NULL && first->cap - first->used >= n)
        return first;
    bool own = n > BLOCK_BYTES / 4;
    struct block *b = block_new(own ? n : BLOCK_BYTES);
    if (b == NULL)
        return NULL;
    if (own && first != NULL) {
        b->next = first->next;
        first->next = b;
    } else {
        b->next = first;
        a->blocks = b;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (a == NULL || n > a->max)
        return NULL;
    size_t need = n == 0 ? align : (n + align - 1) / align * align;
    if (need > a->max - a->used)
        return NULL;
#ifdef __SANITIZE_ADDRESS__
    size_t take = n == 0 ? 1 : n; /* to the byte: the red zone begins right behind it */
#else
    size_t take = need;
#endif
    struct block *b = block_for(a, take);
    if (b == NULL)
        return NULL;
    void *p = b->data + b->used;
    b->used += take;
    a->used += need;
    return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    if (s == NULL || n == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(a, n + 1);
    if (copy != NULL && n > 0)
        memcpy(copy, s, n);
    return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *s = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (s != NULL)
        (void)vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

bool arena_defer(struct arena *a, void (*fn)(void *), void *p)
{
    struct deferred *d = arena_alloc(a, sizeof *d);
    if (d == NULL) {
        fn(p);
        return false;
    }
    d->fn = fn;
    d->p = p;
    d->next = a->deferred;
    a->deferred = d;
    return true;
}

static void decref(void *p)
{
    json_decref(p);
}

json_t *arena_json(struct arena *a, json_t *owned)
{
    if (owned == NULL)
        return NULL;
    return arena_defer(a, decref, owned) ? owned : NULL;
}
