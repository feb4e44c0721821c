/* pool: which connection serves an operation, and what happens when it fails. Called by directory.c, bind.c, each.c.
 *
 * A connection serves one operation at a time. Those bound as the service account and those that persons bind on are kept
 * apart, so that nobody's identity ever reaches a search. Of each kind a server gets `pool_size`, no more; when they are all
 * busy the next server is asked, and when all servers are busy one waits its turn. What is known of servers is in health.c.
 * The lock guards lists and health only; nobody waits for the network under it. */
#include "internal.h"

#include <poll.h>

enum { LEAST_TIME_US = 1000000 }; /* to connect, however late it is */

/* What one operation has learnt about the servers. */
struct attempt {
    enum handle_kind kind;
    int64_t give_up_us;                 /* then no further server is tried */
    int64_t failed_us[DIR_SERVERS_MAX]; /* when it failed in this operation; 0: it did not */
    bool fresh[DIR_SERVERS_MAX];        /* a kept connection to it was dead: only a new one will do */
    bool stuck[DIR_SERVERS_MAX];        /* a connection to it was silent, though it answers on others */
    struct fault last;                  /* why the one before failed */
};

/* ---- who waits, first come, first served; the lock is held */

struct waiter {
    struct waiter *next;
    const struct attempt *attempt;
    pthread_cond_t wake;
    struct server *server;  /* what was handed over: a connection to it, */
    struct connection *got; /* or NULL: the right to open one */
};

static void leave_queue(struct directory *d, const struct waiter *w)
{
    for (struct waiter **p = &d->waiting[w->attempt->kind]; *p != NULL; p = &(*p)->next)
        if (*p == w) {
            *p = w->next;
            return;
        }
}

static void join_queue(struct directory *d, struct waiter *w)
{
    struct waiter **last = &d->waiting[w->attempt->kind];
    while (*last != NULL)
        last = &(*last)->next;
    *last = w;
}

/* False: nobody waits who may use it. */
static bool hand_over(struct server *s, enum handle_kind kind, struct connection *c)
{
    struct directory *d = s->directory;
    for (struct waiter *w = d->waiting[kind]; w != NULL; w = w->next) {
        if (!dir_health_may_try(s, w->attempt->failed_us[s - d->servers]))
            continue;
        w->server = s;
        w->got = c;
        leave_queue(d, w);
        (void)pthread_cond_signal(&w->wake);
        return true;
    }
    return false;
}

void dir_pool_wake(struct directory *d)
{
    for (size_t kind = 0; kind < HANDLE_KINDS; kind++)
        for (struct waiter *w = d->waiting[kind]; w != NULL; w = w->next)
            (void)pthread_cond_signal(&w->wake);
}

/* ---- connections; each function takes the lock itself */

/* Makes room again for one that is closed or could not be opened. */
static void forget(struct server *s, enum handle_kind kind, unsigned count)
{
    struct directory *d = s->directory;
    (void)pthread_mutex_lock(&d->lock);
    for (; count > 0; count--)
        if (!hand_over(s, kind, NULL))
            s->open[kind]--;
    (void)pthread_mutex_unlock(&d->lock);
}

static void give_back(struct server *s, enum handle_kind kind, struct connection *c)
{
    struct directory *d = s->directory;
    if (c->broken || c->spent) {
        dir_close(c);
        forget(s, kind, 1);
        return;
    }
    c->used_us = clock_monotonic_us();
    (void)pthread_mutex_lock(&d->lock);
    if (!hand_over(s, kind, c)) {
        c->next = s->kept[kind];
        s->kept[kind] = c;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

static unsigned close_all(struct connection *c)
{
    unsigned n = 0;
    for (struct connection *next; c != NULL; c = next, n++) {
        next = c->next;
        dir_close(c);
    }
    return n;
}

void dir_pool_drop(struct server *s)
{
    for (enum handle_kind kind = 0; kind < HANDLE_KINDS; kind++) {
        (void)pthread_mutex_lock(&s->directory->lock);
        struct connection *dropped = s->kept[kind];
        s->kept[kind] = NULL;
        (void)pthread_mutex_unlock(&s->directory->lock);
        unsigned n = close_all(dropped);
        if (n > 0)
            forget(s, kind, n);
    }
}

void dir_pool_adopt(struct server *s, struct connection *c)
{
    struct directory *d = s->directory;
    (void)pthread_mutex_lock(&d->lock);
    bool room = s->open[HANDLE_SERVICE] < d->pool_size;
    if (room)
        s->open[HANDLE_SERVICE]++;
    (void)pthread_mutex_unlock(&d->lock);
    if (room)
        give_back(s, HANDLE_SERVICE, c);
    else
        dir_close(c);
}

/* ---- is a kept connection still one? */

/* Between operations nothing may be readable: it is the server's notice of disconnection or the end of the stream. */
static bool is_silent(const struct connection *c)
{
    int fd = -1;
    if (ldap_get_option(c->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* Any answer is one, "not before you bind" too; codes below zero are libldap's own. */
bool dir_pool_answers(struct connection *c, int64_t timeout_us)
{
    static char attribute[] = LDAP_NO_ATTRS;
    char *attributes[] = {attribute, NULL};
    CLEANUP(ldapmsg) LDAPMessage *answer = NULL;
    struct timeval limit = {.tv_sec = timeout_us / 1000000, .tv_usec = timeout_us % 1000000};
    int code = ldap_search_ext_s(c->ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 1, NULL, NULL, &limit, 1, &answer);
    return code >= LDAP_SUCCESS && code != LDAP_BUSY && code != LDAP_UNAVAILABLE;
}

/* A firewall may have forgotten a connection that was idle for long, without a word to either side. */
static bool is_usable(const struct directory *d, struct connection *c)
{
    int64_t now = clock_monotonic_us();
    if (now - c->opened_us > DIR_OPEN_SECONDS_MAX * 1000000LL || !is_silent(c))
        return false;
    return now - c->used_us <= d->idle_us || dir_pool_answers(c, 1000000);
}

/* ---- taking one */

/* The lock is held. A kept connection, or the right to open one (*c_r NULL), at the first server in order that has either. */
static struct server *choose(struct directory *d, const struct attempt *t, struct connection **c_r, bool *busy_r)
{
    struct server *order[DIR_SERVERS_MAX];
    size_t n = dir_health_order(d, order);
    *busy_r = false;
    for (size_t i = 0; i < n; i++) {
        struct server *s = order[i];
        size_t at = (size_t)(s - d->servers);
        if (!dir_health_may_try(s, t->failed_us[at]))
            continue;
        bool room = s->open[t->kind] < d->pool_size;
        *c_r = t->fresh[at] && room ? NULL : s->kept[t->kind];
        if (*c_r != NULL) {
            s->kept[t->kind] = (*c_r)->next;
            return s;
        }
        if (room) {
            s->open[t->kind]++;
            return s;
        }
        *busy_r = true;
    }
    return NULL;
}

/* The lock is held. A server that has just gone down may be restarting: its first probes are worth a moment. Not one whose
 * silence this very operation has waited for. */
static int64_t may_return_until(const struct directory *d, const struct attempt *t)
{
    int64_t until = 0;
    for (size_t i = 0; i < d->server_count; i++) {
        const struct server *s = &d->servers[i];
        int64_t soon = s->down_us + DIR_RESTART_SECONDS * 1000000LL;
        if (s->state == SERVER_DOWN && t->failed_us[i] != INT64_MAX && soon > until)
            until = soon;
    }
    return until;
}

/* The lock is held. Nobody to ask: why? */
static enum result nobody(struct fault *f, const struct directory *d, const struct attempt *t, bool busy)
{
    if (busy)
        return FAULT(f, RESULT_TIMEOUT, "every connection to the directory is busy");
    if (t->last.result != RESULT_OK) {
        *f = t->last;
        return f->result == RESULT_DENIED ? (f->result = RESULT_UNAVAILABLE) : f->result;
    }
    return FAULT(f, RESULT_UNAVAILABLE, "known to be down: %s", d->servers[0].reason);
}

/* The lock is held. Until a connection is handed over, or a server came back. */
static enum result wait_turn(struct fault *f, struct directory *d, struct waiter *w, bool busy)
{
    const struct attempt *t = w->attempt;
    for (;;) {
        int64_t until = busy ? t->give_up_us : may_return_until(d, t);
        if (until > t->give_up_us)
            until = t->give_up_us;
        if (clock_monotonic_us() >= until || d->stopping)
            return nobody(f, d, t, busy);
        dir_condition_wait(&w->wake, &d->lock, until);
        if (w->server != NULL || (w->server = choose(d, t, &w->got, &busy)) != NULL)
            return RESULT_OK;
    }
}

static enum result queue_up(struct fault *f, struct directory *d, const struct attempt *t, bool busy, struct server **s_r,
                            struct connection **c_r)
{
    struct waiter w = {.attempt = t};
    if (!dir_condition_init(&w.wake))
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    join_queue(d, &w);
    enum result r = wait_turn(f, d, &w, busy);
    leave_queue(d, &w);
    (void)pthread_cond_destroy(&w.wake);
    *s_r = w.server;
    *c_r = w.got;
    return r;
}

/* A server with a connection, or with room for one. Waits while all are busy, never for one that is known to be down. */
static enum result reserve(struct fault *f, struct directory *d, const struct attempt *t, struct server **s_r,
                           struct connection **c_r)
{
    bool busy = false;
    (void)pthread_mutex_lock(&d->lock);
    *s_r = choose(d, t, c_r, &busy);
    enum result r = *s_r != NULL ? RESULT_OK : queue_up(f, d, t, busy, s_r, c_r);
    (void)pthread_mutex_unlock(&d->lock);
    return r;
}

static enum result open_at(struct fault *f, struct server *s, const struct attempt *t, struct connection **out_r)
{
    struct directory *d = s->directory;
    int64_t left_us = t->give_up_us - clock_monotonic_us(), timeout_us = left_us < LEAST_TIME_US ? LEAST_TIME_US : left_us;
    timeout_us = timeout_us < d->network_timeout_us ? timeout_us : d->network_timeout_us;
    int64_t started_us = clock_monotonic_us();
    enum result r = dir_connect(f, d, (size_t)(s - d->servers), timeout_us, out_r);
    bool connected = r == RESULT_OK;
    if (connected && t->kind == HANDLE_SERVICE)
        r = dir_bind_service(f, *out_r);
    if (connected && r != RESULT_OK)
        dir_close(*out_r);
    dir_trace_connected(d, (size_t)(s - d->servers), started_us, r == RESULT_OK ? NULL : f);
    return r;
}

/* A silent server (INT64_MAX) is out for this operation; one that refused a connection may come back while it lasts. */
static void failed(struct attempt *t, struct server *s, const struct fault *f, enum result r)
{
    size_t at = (size_t)(s - s->directory->servers);
    t->failed_us[at] = r == RESULT_TIMEOUT ? INT64_MAX : clock_monotonic_us();
    t->fresh[at] = false; /* what is kept by the time it is up again comes from its probe */
    t->last = *f;
    t->last.result = r;
    dir_pool_drop(s);
    dir_health_down(s, f, r == RESULT_DENIED);
}

static void kept_was_dead(struct attempt *t, struct server *s, struct connection *c)
{
    dir_close(c);
    forget(s, t->kind, 1);
    dir_pool_drop(s);
    t->fresh[s - s->directory->servers] = true;
}

static enum result take(struct fault *f, struct directory *d, struct attempt *t, struct server **s_r,
                        struct connection **out_r)
{
    for (;;) {
        struct connection *c = NULL;
        TRY(reserve(f, d, t, s_r, &c));
        if (*s_r == NULL) /* never; the analyser does not follow reserve that far */
            return FAULT(f, RESULT_INTERNAL, "no server was chosen");
        if (c != NULL && is_usable(d, c)) {
            c->fresh = false;
            *out_r = c;
            return RESULT_OK;
        }
        if (c != NULL) {
            kept_was_dead(t, *s_r, c);
            continue;
        }
        enum result r = open_at(f, *s_r, t, out_r);
        if (r == RESULT_OK)
            return RESULT_OK;
        forget(*s_r, t->kind, 1);
        failed(t, *s_r, f, r);
    }
}

/* ---- one operation */

/* Others got answers meanwhile: it is this connection that is stuck, or this question that is too much, not the server. */
static bool only_this_one(struct server *s, enum result r, int64_t half_us)
{
    (void)pthread_mutex_lock(&s->directory->lock);
    bool alive = r == RESULT_TIMEOUT && dir_health_answered_since(s, clock_monotonic_us() - half_us);
    (void)pthread_mutex_unlock(&s->directory->lock);
    return alive;
}

/* A server that hung or broke a new connection is out for this operation; one that closed a kept connection (it was
 * restarted, or tidies up) deserves a new one. True: try again. */
static bool settle(struct attempt *t, struct server *s, const struct connection *c, enum result r, const struct fault *f,
                   int64_t took_us)
{
    size_t at = (size_t)(s - s->directory->servers);
    if (!c->broken) {
        dir_health_answered(s, c->spent || c->committed ? 0 : took_us);
        return false;
    }
    if (only_this_one(s, r, s->directory->search_timeout_us / 2)) {
        t->failed_us[at] = t->stuck[at] ? INT64_MAX : 0; /* once more; the second time it is the question */
        t->stuck[at] = true;
        t->last = *f;
    } else if (c->fresh || r == RESULT_TIMEOUT) {
        failed(t, s, f, r);
    } else {
        t->fresh[at] = true;
        dir_pool_drop(s);
    }
    metric_add("idbridge_directory_retries_total", s->labels, 1);
    return !c->committed && clock_monotonic_us() < t->give_up_us;
}

enum result dir_run(struct fault *f, struct directory *d, enum handle_kind kind,
                    enum result (*op)(struct fault *f, struct connection *c, void *arg), void *arg)
{
    struct attempt t = {.kind = kind};
    t.give_up_us = clock_monotonic_us() + d->network_timeout_us + 2 * d->search_timeout_us;
    for (;;) {
        struct connection *c = NULL;
        struct server *s = NULL;
        TRY(take(f, d, &t, &s, &c));
        int64_t start = clock_monotonic_us();
        enum result r = op(f, c, arg);
        bool again = settle(&t, s, c, r, f, clock_monotonic_us() - start);
        give_back(s, kind, c);
        if (!again)
            return r;
    }
}

void dir_pool_free(struct directory *d)
{
    dir_health_stop(d);
    for (size_t i = 0; i < d->server_count; i++) {
        dir_pool_drop(&d->servers[i]);
        dir_endpoint_release(d->servers[i].endpoint);
    }
    (void)pthread_cond_destroy(&d->tended);
    dir_tls_free(d);
    (void)pthread_mutex_destroy(&d->lock);
}
