/* memory: answers of DHIS2 worth keeping for a while: which uid a facility's code has, whether a Route's user works.
 * A fixed number of places; a key has one place, and whoever comes later takes it. Each place holds an immutable
 * entry in a snapshot slot, so readers never wait for writers. Called by units.c, enabled.c and plan.c. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    int64_t made_us;
    bool flag;
    const char *text; /* both point into `bytes` */
    char bytes[];     /* key, NUL, text, NUL */
};
struct memory {
    size_t slots;
    int64_t life_us;
    struct snapshot_slot *slot[];
};

struct memory *memory_new(size_t slots, int64_t life_us)
{
    struct memory *m = calloc(1, sizeof *m + slots * sizeof m->slot[0]); /* NOLINT(bugprone-sizeof-expression): slots are pointers */
    if (m == NULL)
        return NULL;
    m->life_us = life_us;
    for (; m->slots < slots; m->slots++)
        if ((m->slot[m->slots] = snapshot_slot_new()) == NULL) {
            memory_free(m);
            return NULL;
        }
    return m;
}

void memory_free(struct memory *m)
{
    for (size_t i = 0; m != NULL && i < m->slots; i++)
        snapshot_slot_free(m->slot[i]);
    free(m);
}

static struct snapshot_slot *place(struct memory *m, const char *key)
{
    unsigned char digest[32];
    size_t n = 0;
    sha256(key, strlen(key), digest); /* keys come from strangers: nobody shall choose who is pushed out */
    memcpy(&n, digest, sizeof n);
    return m->slot[n % m->slots];
}

bool memory_get(struct memory *m, struct arena *a, const char *key, const char **text_r, bool *flag_r)
{
    const struct entry *e = snapshot_slot_value(place(m, key), a);
    if (e == NULL || strcmp(e->bytes, key) != 0 || clock_monotonic_us() - e->made_us > m->life_us)
        return false;
    *text_r = e->text;
    *flag_r = e->flag;
    return true;
}

void memory_put(struct memory *m, const char *key, const char *text, bool flag)
{
    size_t key_len = strlen(key) + 1, text_len = strlen(text) + 1;
    struct entry *e = malloc(sizeof *e + key_len + text_len);
    if (e == NULL)
        return; /* not remembered: asked again */
    memcpy(e->bytes, key, key_len);
    memcpy(e->bytes + key_len, text, text_len);
    e->text = e->bytes + key_len;
    e->flag = flag;
    e->made_us = clock_monotonic_us();
    struct snapshot *s = snapshot_new(e, free);
    if (s != NULL)
        snapshot_slot_set(place(m, key), s);
}
