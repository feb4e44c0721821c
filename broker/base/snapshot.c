/* Immutable values that are swapped as a whole: configuration, rules, key sets, metadata. A job borrows the current
 * one and keeps it, whatever is swapped in meanwhile. Called by every folder that reloads something. */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct snapshot {
    atomic_uint count;
    void *value;
    void (*free_value)(void *);
};

/* The lock covers reading the pointer and raising the count together; without it the last release could happen in
 * between. */
struct snapshot_slot {
    pthread_mutex_t lock;
    struct snapshot *current;
};

struct snapshot *snapshot_new(void *value, void (*free_value)(void *))
{
    struct snapshot *s = malloc(sizeof *s);
    if (s == NULL) {
        if (free_value != NULL)
            free_value(value);
        return NULL;
    }
    atomic_init(&s->count, 1);
    s->value = value;
    s->free_value = free_value;
    return s;
}

void *snapshot_value(const struct snapshot *s)
{
    return s == NULL ? NULL : s->value;
}

void snapshot_release(struct snapshot *s)
{
    if (s == NULL || atomic_fetch_sub_explicit(&s->count, 1, memory_order_acq_rel) != 1)
        return;
    if (s->free_value != NULL)
        s->free_value(s->value);
    free(s);
}

struct snapshot_slot *snapshot_slot_new(void)
{
    struct snapshot_slot *slot = calloc(1, sizeof *slot);
    if (slot != NULL && pthread_mutex_init(&slot->lock, NULL) != 0) {
        free(slot);
        slot = NULL;
    }
    return slot;
}

void snapshot_slot_free(struct snapshot_slot *slot)
{
    if (slot == NULL)
        return;
    snapshot_release(slot->current);
    pthread_mutex_destroy(&slot->lock);
    free(slot);
}

void snapshot_slot_set(struct snapshot_slot *slot, struct snapshot *s)
{
    pthread_mutex_lock(&slot->lock);
    struct snapshot *old = slot->current;
    slot->current = s;
    pthread_mutex_unlock(&slot->lock);
    snapshot_release(old); /* outside the lock: freeing a large value takes time */
}

struct snapshot *snapshot_slot_borrow(struct snapshot_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct snapshot *s = slot->current;
    if (s != NULL)
        atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&slot->lock);
    return s;
}

static void release(void *s)
{
    snapshot_release(s);
}

void *snapshot_slot_value(struct snapshot_slot *slot, struct arena *a)
{
    struct snapshot *s = snapshot_slot_borrow(slot);
    if (s == NULL || !arena_defer(a, release, s))
        return NULL;
    return snapshot_value(s);
}
