/* Moves an exchange through its route's steps. Each step names where it runs: the cpu pool, the store's writer thread
 * (inside a transaction), or the pool of one dependency. Request and arena move with the job; one owner at a time; no step
 * waits on another pool, so a hung ID provider never slows the minting of tokens. */
#include "front.h"

#include <string.h>

/* A job that waited longer than this answers "come back later": the person has given up by then. */
#define QUEUE_LIMIT_US (20 * 1000000LL)

static const char *dependency_of(const struct exchange *x, enum where where)
{
    switch (where) {
    case RUN_UPSTREAM: return x->upstream;
    case RUN_DIRECTORY: return login_directory_of(x);
    case RUN_DHIS2: return x->dhis2;
    default: return NULL;
    }
}

/* NULL: the step names a dependency that is not configured. Never another pool instead: a call that blocks would hold the
 * threads that sign. But a directory that is gone from the configuration is asked nothing: its step only says so. */
static struct pool *pool_for(const struct front *fr, const struct exchange *x, enum where where)
{
    if (where == RUN_CLIENT)
        return fr->clients;
    if (where != RUN_UPSTREAM && where != RUN_DIRECTORY && where != RUN_DHIS2)
        return fr->cpu;
    const char *name = dependency_of(x, where);
    for (size_t i = 0; i < fr->dependency_count; i++)
        if (fr->dependencies[i].where == where && text_equal(fr->dependencies[i].name, name))
            return fr->dependencies[i].pool;
    return where == RUN_DIRECTORY ? fr->cpu : NULL;
}

static void log_exchange(const struct call *c)
{
    char status[16], ms[32];
    (void)snprintf(status, sizeof(status), "%d", c->reply.status);
    (void)snprintf(ms, sizeof(ms), "%.1f", (double)(clock_monotonic_us() - c->started_us) / 1000.0);
    const struct exchange *x = &c->x;
    log_event(c->reply.status >= 500 ? LEVEL_WARN : LEVEL_INFO, "request", "id", x->ref, "route", x->route->name, "status",
              status, "ms", ms, "reason", x->reason, "upstream", x->upstream, "dhis2", x->dhis2, "subject", x->subject, NULL);
    char labels[96];
    (void)snprintf(labels, sizeof(labels), "route=\"%s\",status=\"%d\"", x->route->name, c->reply.status);
    metric_add("idbridge_requests_total", labels, 1);
    (void)snprintf(labels, sizeof(labels), "route=\"%s\"", x->route->name);
    metric_observe_ms("idbridge_request_ms", labels, (double)(clock_monotonic_us() - c->started_us) / 1000.0);
}

static void finish(struct call *c)
{
    c->x.view = NULL;
    log_exchange(c);
    front_wake(c);
}

static void fail(struct call *c, enum result r)
{
    c->x.fault.result = r;
    c->x.done = true;
    c->x.view = NULL;
    c->x.route->failed(&c->x);
    finish(c);
}

static void pass_over(struct call *c)
{
    while (!c->x.done && c->step->run != NULL && c->step->needed != NULL && !c->step->needed(&c->x))
        c->step++;
}

static void advance(struct call *c);

static bool runs_here(const struct call *c, const struct pool *here)
{
    enum where where = c->step->where;
    return where == RUN_ANYWHERE || (where != RUN_STORE && pool_for(c->front, &c->x, where) == here);
}

static void run_job(struct job *j)
{
    struct call *c = (struct call *)j; /* job is its first member */
    if (clock_monotonic_us() - j->queued_us > QUEUE_LIMIT_US) {
        fail(c, FAULT(&c->x.fault, RESULT_OVERLOADED, "waited too long in a queue"));
        return;
    }
    const struct pool *here = pool_for(c->front, &c->x, c->step->where);
    do { /* neighbours that run here too need no queue between them */
        struct fault ignored = {0};
        c->x.view = c->step->where == RUN_CPU ? store_reader(&ignored, c->front->bridge->store) : NULL;
        enum result r = c->step->run(&c->x);
        if (r != RESULT_OK) {
            fail(c, r);
            return;
        }
        c->step++;
        pass_over(c);
    } while (!c->x.done && c->step->run != NULL && runs_here(c, here));
    advance(c);
}

static enum result run_in_store(struct fault *f, struct store_view *v, void *arg)
{
    struct call *c = arg;
    c->x.view = v;
    enum result r = c->step->run(&c->x);
    *f = c->x.fault;
    f->result = r;
    return r;
}

static void store_done(struct store_write *w)
{
    struct call *c = w->arg;
    c->x.view = NULL;
    if (w->fault.result != RESULT_OK) {
        c->x.fault = w->fault;
        fail(c, w->fault.result);
        return;
    }
    c->step++;
    advance(c);
}

static void hand_over(struct call *c)
{
    enum where where = c->step->where;
    enum result r;
    if (where == RUN_STORE) {
        c->write = (struct store_write){.run = run_in_store, .done = store_done, .arg = c};
        r = store_submit(c->front->bridge->store, &c->write);
    } else {
        c->job.run = run_job;
        struct pool *p = pool_for(c->front, &c->x, where);
        if (p == NULL) {
            fail(c, FAULT(&c->x.fault, RESULT_INTERNAL, "step %s: its dependency is not configured", c->step->name));
            return;
        }
        r = pool_submit(p, &c->job);
    }
    if (r != RESULT_OK)
        fail(c, FAULT(&c->x.fault, r, "the queue for %s is full", c->step->name));
}

static void advance(struct call *c)
{
    pass_over(c);
    if (c->x.done)
        finish(c);
    else if (c->step->run == NULL)
        fail(c, FAULT(&c->x.fault, RESULT_INTERNAL, "route %s ended without a reply", c->x.route->name));
    else
        hand_over(c);
}

void front_run(struct call *c)
{
    c->step = c->x.route->steps;
    advance(c);
}
