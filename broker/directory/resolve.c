/* resolve: which addresses has a directory server's name? Called by dial.c. getaddrinfo(3) may block for tens of seconds and
 * takes no time limit, so it runs in a thread of its own, which nobody waits for but the very first who ask, and those only
 * for a bounded time. Everybody else gets the addresses known last; a resolver that fails changes nothing. The thread holds
 * the endpoint: a reload need not wait for it either. */
#include "server.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { STALE_SECONDS = 900, STALE_WAIT_US = 1000000, AGAIN_SECONDS = 5 };

struct endpoint {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned holders; /* the directory, and the thread that asks the resolver */
    bool literal;     /* the host is an address: there is nothing to ask */
    bool resolving;
    int failed;       /* getaddrinfo's last code; 0: it worked */
    int64_t tried_us, resolved_us; /* 0: never */
    struct address list[DIR_ADDRESSES_MAX];
    size_t count;
    char port[8];
    char host[];
};

/* ---- the lock is held, or nobody else knows the endpoint yet */

static bool same_address(const struct address *a, const struct address *b)
{
    return a->len == b->len && memcmp(&a->at, &b->at, a->len) == 0;
}

static void bring_to_front(struct endpoint *e, const struct address *wanted)
{
    for (size_t i = 1; i < e->count; i++)
        if (same_address(&e->list[i], wanted)) {
            struct address found = e->list[i];
            memmove(&e->list[1], &e->list[0], i * sizeof e->list[0]);
            e->list[0] = found;
            return;
        }
}

/* The one that answered last stays in front as long as the name has it. */
static void take_over(struct endpoint *e, const struct addrinfo *all)
{
    const struct address first = e->list[0];
    bool had = e->count > 0;
    size_t n = 0;
    for (const struct addrinfo *ai = all; ai != NULL && n < DIR_ADDRESSES_MAX; ai = ai->ai_next) {
        if (ai->ai_addrlen > sizeof e->list[n].at)
            continue;
        e->list[n] = (struct address){.len = ai->ai_addrlen};
        memcpy(&e->list[n].at, ai->ai_addr, ai->ai_addrlen);
        n++;
    }
    e->count = n;
    if (had)
        bring_to_front(e, &first);
}

/* ---- asking */

static int ask(struct endpoint *e, int flags, struct addrinfo **all_r)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    return getaddrinfo(e->host, e->port, &hints, all_r);
}

static void *resolve(void *arg)
{
    struct endpoint *e = arg;
    struct addrinfo *all = NULL;
    int failed = ask(e, 0, &all);
    (void)pthread_mutex_lock(&e->lock);
    e->failed = failed;
    e->tried_us = clock_monotonic_us();
    e->resolving = false;
    if (failed == 0) {
        take_over(e, all);
        e->resolved_us = e->tried_us;
    }
    (void)pthread_cond_broadcast(&e->changed);
    (void)pthread_mutex_unlock(&e->lock);
    if (failed == 0)
        freeaddrinfo(all);
    dir_endpoint_release(e);
    return NULL;
}

/* The lock is held. */
static void start_resolving(struct endpoint *e)
{
    pthread_t thread;
    e->resolving = true;
    e->holders++;
    if (pthread_create(&thread, NULL, resolve, e) == 0) {
        (void)pthread_detach(thread);
        return;
    }
    e->holders--;
    e->resolving = false;
    e->failed = EAI_AGAIN;
    e->tried_us = clock_monotonic_us();
}

static bool is_due(const struct endpoint *e, int64_t now)
{
    if (e->literal || e->resolving)
        return false;
    if (e->count == 0)
        return true;
    return now - e->resolved_us > DIR_RESOLVE_SECONDS * 1000000LL && now - e->tried_us > AGAIN_SECONDS * 1000000LL;
}

/* After a quiet night the addresses may be those of a server that is gone: then it is worth a moment. */
static int64_t patience(const struct endpoint *e, int64_t now, int64_t wait_us)
{
    if (e->count == 0)
        return wait_us;
    bool stale = now - e->resolved_us > STALE_SECONDS * 1000000LL && e->failed == 0;
    return stale && wait_us > STALE_WAIT_US ? STALE_WAIT_US : stale ? wait_us : 0;
}

enum result dir_endpoint_addresses(struct fault *f, struct endpoint *e, const char *url, int64_t wait_us,
                                   struct address *list, size_t *count_r)
{
    int64_t now = clock_monotonic_us();
    (void)pthread_mutex_lock(&e->lock);
    if (is_due(e, now))
        start_resolving(e);
    int64_t until = now + patience(e, now, wait_us);
    while (e->resolving && clock_monotonic_us() < until)
        dir_condition_wait(&e->changed, &e->lock, until);
    bool asking = e->resolving;
    int failed = e->failed;
    *count_r = e->count;
    memcpy(list, e->list, e->count * sizeof *list);
    (void)pthread_mutex_unlock(&e->lock);
    if (*count_r > 0)
        return RESULT_OK;
    if (asking)
        return FAULT(f, RESULT_TIMEOUT, "%s: name not found in time: the resolver does not answer", url);
    return FAULT(f, RESULT_UNAVAILABLE, "%s: name not found: %s", url, gai_strerror(failed));
}

void dir_endpoint_answers(struct endpoint *e, const struct address *a)
{
    (void)pthread_mutex_lock(&e->lock);
    bring_to_front(e, a);
    (void)pthread_mutex_unlock(&e->lock);
}

/* ---- made and forgotten */

void dir_endpoint_release(struct endpoint *e)
{
    if (e == NULL)
        return;
    (void)pthread_mutex_lock(&e->lock);
    bool last = --e->holders == 0;
    (void)pthread_mutex_unlock(&e->lock);
    if (!last)
        return;
    (void)pthread_cond_destroy(&e->changed);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

/* An address needs no resolver: with AI_NUMERICHOST nobody is asked. */
static void try_literal(struct endpoint *e)
{
    struct addrinfo *all = NULL;
    if (ask(e, AI_NUMERICHOST, &all) != 0)
        return;
    take_over(e, all);
    e->literal = true;
    freeaddrinfo(all);
}

enum result dir_endpoint_new(struct fault *f, const char *host, int port, struct endpoint **out_r)
{
    size_t len = strlen(host) + 1;
    struct endpoint *e = calloc(1, sizeof *e + len);
    NEED(f, e);
    memcpy(e->host, host, len);
    (void)snprintf(e->port, sizeof e->port, "%d", port);
    e->holders = 1;
    if (pthread_mutex_init(&e->lock, NULL) != 0 || !dir_condition_init(&e->changed)) {
        free(e);
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    try_literal(e);
    *out_r = e;
    return RESULT_OK;
}
