/* Worker pools: a bounded queue and some threads. Called by front and login, which name a pool per step, one pool per
 * dependency, so that a hung ID provider holds only its own threads (docs: process model). The struct job is the
 * caller's; the pool owns it from pool_submit until run() is called, and touches it no more after.
 *
 * One thread starts with the pool, the others when a job finds all of them busy: sixteen for every dependency that
 * nobody has asked yet would cost half of the time to start. */
#include "internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    unsigned waiting, idle, queue_max, threads, threads_max;
    bool stopping;
    char name[32];
    pthread_t thread[];
};

/* The next job, or NULL when the pool stops and nothing is left. */
static struct job *take(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->idle++;
    while (p->first == NULL && !p->stopping)
        pthread_cond_wait(&p->wake, &p->lock);
    p->idle--;
    struct job *j = p->first;
    if (j != NULL) {
        p->first = j->next;
        if (p->first == NULL)
            p->last = &p->first;
        p->waiting--;
    }
    pthread_mutex_unlock(&p->lock);
    return j;
}

static void *work(void *arg)
{
    struct pool *p = arg;
    char name[16]; /* what the kernel keeps; shows in top -H */
    (void)snprintf(name, sizeof name, "%.15s", p->name);
    (void)pthread_setname_np(pthread_self(), name);
    for (struct job *j = take(p); j != NULL; j = take(p)) {
        j->next = NULL;
        j->run(j);
    }
    return NULL;
}

/* Workers leave SIGTERM and SIGHUP to the main thread. Signals that a fault raises stay open, for sanitizers and
 * core handlers. */
static int start_thread(pthread_t *t, struct pool *p)
{
    sigset_t blocked, before;
    sigfillset(&blocked);
    static const int FAULTS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < COUNT_OF(FAULTS); i++)
        sigdelset(&blocked, FAULTS[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    int rc = pthread_create(t, NULL, work, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* The lock is held, or nobody else knows the pool yet. False: the system gives no more threads. */
static bool one_more(struct pool *p)
{
    bool started = start_thread(&p->thread[p->threads], p) == 0;
    if (started)
        p->threads++;
    return started;
}

static struct pool *pool_make(const char *name, unsigned threads, unsigned queue_max)
{
    struct pool *p = calloc(1, sizeof *p + threads * sizeof p->thread[0]);
    if (p == NULL)
        return NULL;
    if (pthread_mutex_init(&p->lock, NULL) != 0) {
        free(p);
        return NULL;
    }
    if (pthread_cond_init(&p->wake, NULL) != 0) {
        pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
    }
    p->last = &p->first;
    p->queue_max = queue_max;
    p->threads_max = threads;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    return p;
}

/* NULL: no threads asked for, no memory, or the system gives no more threads. */
struct pool *pool_new(const char *name, unsigned threads, unsigned queue_max)
{
    struct pool *p = threads == 0 ? NULL : pool_make(name, threads, queue_max);
    if (p != NULL && !one_more(p)) {
        pool_free(p);
        return NULL;
    }
    return p;
}

const char *pool_name(const struct pool *p)
{
    return p->name;
}

enum result pool_submit(struct pool *p, struct job *j)
{
    int64_t now = clock_monotonic_us();
    pthread_mutex_lock(&p->lock);
    bool accepted = !p->stopping && p->waiting < p->queue_max;
    if (accepted) {
        j->next = NULL;
        j->queued_us = now;
        *p->last = j;
        p->last = &j->next;
        p->waiting++;
        if (p->waiting > p->idle && p->threads < p->threads_max)
            (void)one_more(p); /* none to be had: the others do the work */
        pthread_cond_signal(&p->wake); /* under the lock: the job may be the one that ends the pool */
    }
    pthread_mutex_unlock(&p->lock);
    return accepted ? RESULT_OK : RESULT_OVERLOADED;
}

unsigned pool_waiting(const struct pool *p)
{
    struct pool *mine = (struct pool *)(uintptr_t)p; /* const for the caller; the lock is ours */
    pthread_mutex_lock(&mine->lock);
    unsigned waiting = mine->waiting;
    pthread_mutex_unlock(&mine->lock);
    return waiting;
}

/* Not from one of its own threads: it waits for them. A job that runs may still submit to this pool and is refused. */
void pool_stop(struct pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(p->thread[i], NULL);
    p->threads = 0;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    pool_stop(p);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
