/* May this one try again yet? Token buckets (`burst` tokens, `per_second` come back) in a table that never grows. Called
 * by front/ and the endpoints with a client, an account or an address as the key. Keys are kept as hashes under a random
 * seed: nobody outside can aim at another key's place, and the table names nobody. Losing a bucket only forgives; what
 * guards passwords is counted in the store instead. */
#include "private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS = 8 }; /* a key may lie in one of eight places; the stalest of these gives way */

struct bucket {
    uint64_t key; /* 0: free */
    double tokens;
    int64_t at_ms;
};
struct limits {
    pthread_mutex_t lock;
    unsigned char seed[32];
    double per_ms, burst;
    size_t sets;
    struct bucket buckets[];
};

struct limits *limits_new(size_t entries, double per_second, double burst)
{
    size_t sets = (entries + WAYS - 1) / WAYS;
    sets = sets == 0 ? 1 : sets;
    struct limits *l = calloc(1, sizeof *l + sets * WAYS * sizeof l->buckets[0]);
    struct fault f;
    if (l == NULL)
        return NULL;
    if (random_bytes(&f, l->seed, sizeof l->seed) != RESULT_OK || pthread_mutex_init(&l->lock, NULL) != 0) {
        free(l);
        return NULL;
    }
    l->per_ms = per_second / 1000.0;
    l->burst = burst;
    l->sets = sets;
    return l;
}

void limits_free(struct limits *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* The bucket of `hash`: the one that has it, else a free one, else the stalest, filled to the brim. */
static struct bucket *bucket_of(struct limits *l, uint64_t hash, int64_t now_ms)
{
    struct bucket *set = &l->buckets[(hash % l->sets) * WAYS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == hash)
            return &set[i];
        if (oldest->key != 0 && (set[i].key == 0 || set[i].at_ms < oldest->at_ms))
            oldest = &set[i];
    }
    *oldest = (struct bucket){hash, l->burst, now_ms};
    return oldest;
}

static bool bucket_take(const struct limits *l, struct bucket *b, int64_t now_ms)
{
    if (now_ms > b->at_ms) /* a clock that was set back gives nothing, and counting goes on from there */
        b->tokens += (double)(now_ms - b->at_ms) * l->per_ms;
    b->at_ms = now_ms;
    if (b->tokens > l->burst)
        b->tokens = l->burst;
    if (b->tokens < 1.0)
        return false;
    b->tokens -= 1.0;
    return true;
}

bool limits_take(struct limits *l, const char *key, int64_t now_ms)
{
    unsigned char digest[32];
    uint64_t hash;
    hmac_sha256((struct bytes){l->seed, sizeof l->seed}, key, strlen(key), digest);
    memcpy(&hash, digest, sizeof hash);
    hash |= 1; /* never 0, which marks a free place */
    hash = hash >> 1 | hash << 63; /* the low bits choose the set */
    pthread_mutex_lock(&l->lock);
    bool taken = bucket_take(l, bucket_of(l, hash, now_ms), now_ms);
    pthread_mutex_unlock(&l->lock);
    return taken;
}
