/* edges: group -> group knowledge of one directory, so that nested groups need not be asked for at every login. A person's
 * own groups are never here. Called by groups.c on many threads.
 *
 * Two generations share the memory: what is new goes into the current one; when that is full or a minute old it becomes the
 * previous one, and the one before it is freed as a whole. So nothing is evicted singly and memory stays bounded. Every
 * entry has its own age, and who looks says how old it may be. The lock is held for memory only, never over the network. */
#include "edges.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 256, GENERATION_SECONDS = 60 };

struct kept {
    const char *key;
    uint64_t hash;
    int64_t asked_us;
    size_t count;
    struct edge list[];
};

struct generation {
    struct arena *arena;
    struct kept **slots; /* open addressing; a power of two of them, half of which stay free */
    size_t slot_count, count;
    int64_t born_us;
};

struct edges {
    pthread_mutex_t lock;
    size_t generation_bytes;
    struct generation current, previous;
};

static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037ULL; /* FNV-1a */
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 1099511628211ULL;
    return h;
}

static struct kept **slot_of(const struct generation *g, uint64_t hash, const char *key)
{
    size_t mask = g->slot_count - 1, i = hash & mask;
    while (g->slots[i] != NULL && (g->slots[i]->hash != hash || strcmp(g->slots[i]->key, key) != 0))
        i = (i + 1) & mask;
    return &g->slots[i];
}

static const struct kept *look(const struct generation *g, uint64_t hash, const char *key, int64_t oldest_us)
{
    const struct kept *k = g->slot_count == 0 ? NULL : *slot_of(g, hash, key);
    return k != NULL && k->asked_us >= oldest_us ? k : NULL;
}

bool edges_find(struct edges *e, const char *key, int64_t oldest_us,
                enum result (*each)(void *arg, const struct edge *group), void *arg, enum result *r_r)
{
    uint64_t hash = hash_of(key);
    (void)pthread_mutex_lock(&e->lock);
    const struct kept *k = look(&e->current, hash, key, oldest_us);
    if (k == NULL)
        k = look(&e->previous, hash, key, oldest_us);
    *r_r = RESULT_OK;
    for (size_t i = 0; k != NULL && i < k->count && *r_r == RESULT_OK; i++)
        *r_r = each(arg, &k->list[i]);
    bool found = k != NULL;
    (void)pthread_mutex_unlock(&e->lock);
    return found;
}

static struct kept *copy(struct arena *a, const char *key, uint64_t hash, const struct edge *list, size_t count,
                         int64_t asked_us)
{
    struct kept *k = arena_alloc(a, sizeof *k + count * sizeof k->list[0]);
    if (k == NULL)
        return NULL;
    *k = (struct kept){.key = arena_strdup(a, key), .hash = hash, .asked_us = asked_us};
    for (; k->key != NULL && k->count < count; k->count++) {
        const struct edge *from = &list[k->count];
        struct edge *to = &k->list[k->count];
        *to = (struct edge){.dn = arena_strdup(a, from->dn), .name = arena_strdup(a, from->name)};
        to->as_sent = text_equal(from->dn, from->as_sent) ? to->dn : arena_strdup(a, from->as_sent);
        if (to->dn == NULL || to->as_sent == NULL || to->name == NULL)
            return NULL;
    }
    return k->key == NULL ? NULL : k;
}

static bool grow(struct generation *g)
{
    struct generation wider = *g;
    wider.slot_count = g->slot_count == 0 ? SLOTS_FIRST : 2 * g->slot_count;
    wider.slots = arena_alloc(g->arena, wider.slot_count * sizeof(struct kept *));
    if (wider.slots == NULL)
        return false;
    for (size_t i = 0; i < g->slot_count; i++)
        if (g->slots[i] != NULL)
            *slot_of(&wider, g->slots[i]->hash, g->slots[i]->key) = g->slots[i];
    *g = wider;
    return true;
}

/* False: the generation is full. */
static bool put(struct generation *g, const char *key, const struct edge *list, size_t count, int64_t asked_us)
{
    uint64_t hash = hash_of(key);
    if (g->arena == NULL || (2 * (g->count + 1) > g->slot_count && !grow(g)))
        return false;
    struct kept **slot = slot_of(g, hash, key), *k = NULL;
    if (*slot != NULL && (*slot)->asked_us >= asked_us)
        return true; /* another thread asked later */
    k = copy(g->arena, key, hash, list, count, asked_us);
    if (k == NULL)
        return false;
    g->count += *slot == NULL;
    *slot = k;
    return true;
}

/* The oldest generation, for the caller to free once the lock is open: memory is wiped as it goes. */
static struct arena *turn(struct edges *e, int64_t now_us)
{
    struct arena *old = e->previous.arena;
    e->previous = e->current;
    e->current = (struct generation){.arena = arena_new(e->generation_bytes), .born_us = now_us};
    return old;
}

void edges_keep(struct edges *e, const char *key, const struct edge *list, size_t count, int64_t asked_us)
{
    struct arena *old[2] = {NULL, NULL};
    (void)pthread_mutex_lock(&e->lock);
    if (e->current.arena == NULL || asked_us - e->current.born_us > GENERATION_SECONDS * 1000000LL)
        old[0] = turn(e, asked_us);
    if (!put(&e->current, key, list, count, asked_us) && e->current.count > 0) {
        old[1] = turn(e, asked_us);
        (void)put(&e->current, key, list, count, asked_us);
    }
    (void)pthread_mutex_unlock(&e->lock);
    arena_free(old[0]);
    arena_free(old[1]);
}

struct edges *edges_new(size_t max_bytes)
{
    struct edges *e = calloc(1, sizeof *e);
    if (e == NULL)
        return NULL;
    (void)pthread_mutex_init(&e->lock, NULL);
    e->generation_bytes = max_bytes / 2;
    return e;
}

void edges_free(struct edges *e)
{
    if (e == NULL)
        return;
    arena_free(e->current.arena);
    arena_free(e->previous.arena);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}
