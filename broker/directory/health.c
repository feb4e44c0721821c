/* health: which server of a directory is well? Called by pool.c. A server that fails gets no operation from then on: the login
 * that met it paid for it, once. A thread of its own tries it, after a tenth of a second and then less and less often, and
 * gives it back to the logins together with an open connection. A server that is slower than its equals is passed over for a
 * while. A refused bind_dn is tried again every five minutes only, whichever server it is: more would lock that account. */
#include "internal.h"

#include <string.h>

enum {
    FIRST_PAUSE_US = 100000,
    LONGEST_PAUSE_US = 5000000,
    SLOW_US = 200000, /* faster than that nobody is slow */
    SLOW_FACTOR = 4,
    SLOW_SPELL_US = 30000000,
    SLOW_SPELL_MAX_US = 300000000
};

static void wake_everybody(struct directory *d)
{
    dir_pool_wake(d);
    (void)pthread_cond_broadcast(&d->tended);
}

static void report(const struct server *s, bool up, const char *reason)
{
    log_event(up ? LEVEL_INFO : LEVEL_WARN, up ? "directory_server_up" : "directory_server_down", "directory",
              s->directory->name, "url", s->url, "reason", reason, NULL);
}

/* ---- back again: the thread of a server that is down */

/* The lock is held. */
static int64_t due_at(const struct server *s, int64_t paused_us)
{
    return s->state == SERVER_REFUSED ? s->directory->refused_next_us : paused_us;
}

/* False: the directory is given up. */
static bool wait_turn(struct server *s, int64_t pause_us)
{
    struct directory *d = s->directory;
    int64_t paused_us = clock_monotonic_us() + pause_us;
    (void)pthread_mutex_lock(&d->lock);
    while (!d->stopping && clock_monotonic_us() < due_at(s, paused_us))
        dir_condition_wait(&d->tended, &d->lock, due_at(s, paused_us));
    if (s->state == SERVER_REFUSED)
        d->refused_next_us = clock_monotonic_us() + DIR_REFUSED_SECONDS * 1000000LL;
    bool go_on = !d->stopping;
    (void)pthread_mutex_unlock(&d->lock);
    return go_on;
}

/* Connected and bound is not enough: of a stopped server the kernel still takes connections. */
static enum result probe(struct fault *f, struct server *s, struct connection **out_r)
{
    struct directory *d = s->directory;
    TRY(dir_connect(f, d, (size_t)(s - d->servers), d->network_timeout_us, out_r));
    enum result r = dir_bind_service(f, *out_r);
    if (r == RESULT_OK && !dir_pool_answers(*out_r, d->search_timeout_us))
        r = FAULT(f, RESULT_TIMEOUT, "%s: connected, and no answer", s->url);
    if (r != RESULT_OK)
        dir_close(*out_r);
    return r;
}

static void *keep_trying(void *arg)
{
    struct server *s = arg;
    for (int64_t pause = FIRST_PAUSE_US; wait_turn(s, pause);
         pause = pause * 2 > LONGEST_PAUSE_US ? LONGEST_PAUSE_US : pause * 2) {
        struct connection *c = NULL;
        struct fault f = {0};
        enum result r = probe(&f, s, &c);
        if (r != RESULT_OK) {
            dir_health_down(s, &f, r == RESULT_DENIED);
            continue;
        }
        dir_pool_adopt(s, c);
        dir_health_up(s);
        return NULL;
    }
    return NULL;
}

/* The lock is held. Without a thread to be had logins try the server themselves, last. */
static void start_prober(struct server *s)
{
    if (s->probing || s->directory->stopping)
        return;
    if (s->joinable)
        (void)pthread_join(s->prober, NULL); /* it brought the server back and ended */
    s->joinable = s->probing = pthread_create(&s->prober, NULL, keep_trying, s) == 0;
}

void dir_health_down(struct server *s, const struct fault *f, bool refused)
{
    struct directory *d = s->directory;
    int64_t now = clock_monotonic_us();
    (void)pthread_mutex_lock(&d->lock);
    bool was_up = s->state == SERVER_UP;
    if (was_up)
        s->down_us = now;
    if (refused)
        d->refused_next_us = now + DIR_REFUSED_SECONDS * 1000000LL;
    s->state = refused ? SERVER_REFUSED : SERVER_DOWN;
    (void)snprintf(s->reason, sizeof s->reason, "%s", f->detail);
    start_prober(s);
    wake_everybody(d);
    (void)pthread_mutex_unlock(&d->lock);
    metric_set("idbridge_directory_server_up", s->labels, 0); /* each time: a life that ends sets it to 1 */
    if (was_up)
        report(s, false, f->detail);
}

void dir_health_up(struct server *s)
{
    struct directory *d = s->directory;
    (void)pthread_mutex_lock(&d->lock);
    bool was_up = s->state == SERVER_UP;
    if (s->state == SERVER_REFUSED)
        d->refused_next_us = 0; /* the account is in order again: the others may be tried at once */
    s->state = SERVER_UP;
    s->up_us = s->answered_us = clock_monotonic_us();
    s->latency_us = s->slow_until_us = 0;
    s->probing = false;
    wake_everybody(d);
    (void)pthread_mutex_unlock(&d->lock);
    metric_set("idbridge_directory_server_up", s->labels, 1);
    if (!was_up)
        report(s, true, NULL);
}

bool dir_health_unreachable(struct directory *d)
{
    bool all = true;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->server_count; i++)
        all = all && d->servers[i].state == SERVER_DOWN;
    (void)pthread_mutex_unlock(&d->lock);
    return all;
}

void dir_health_stop(struct directory *d)
{
    (void)pthread_mutex_lock(&d->lock);
    d->stopping = true;
    wake_everybody(d);
    (void)pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->server_count; i++) {
        if (d->servers[i].joinable)
            (void)pthread_join(d->servers[i].prober, NULL);
        if (d->servers[i].state != SERVER_UP) /* it may be gone from the configuration, and nobody would set it again */
            metric_set("idbridge_directory_server_up", d->servers[i].labels, 1);
    }
}

/* ---- slower than the others */

/* The lock is held. */
static bool has_a_faster_equal(const struct server *s)
{
    const struct directory *d = s->directory;
    int64_t now = clock_monotonic_us();
    for (size_t i = 0; i < d->server_count; i++) {
        const struct server *o = &d->servers[i];
        if (o != s && o->state == SERVER_UP && o->slow_until_us < now && s->latency_us > SLOW_FACTOR * o->latency_us)
            return true; /* of one that was never asked nothing bad is known */
    }
    return false;
}

/* The lock is held. */
static void weigh(struct server *s, int64_t took_us, int64_t now)
{
    s->latency_us = s->latency_us == 0 ? took_us : s->latency_us + (took_us - s->latency_us) / 8;
    if (now > s->slow_until_us + SLOW_SPELL_MAX_US)
        s->slow_spell_us = SLOW_SPELL_US;
    if (now < s->slow_until_us || s->latency_us < SLOW_US || !has_a_faster_equal(s))
        return;
    s->slow_until_us = now + s->slow_spell_us;
    s->slow_spell_us = s->slow_spell_us * 2 > SLOW_SPELL_MAX_US ? SLOW_SPELL_MAX_US : s->slow_spell_us * 2;
    s->latency_us = 0; /* afterwards it is judged anew */
}

void dir_health_answered(struct server *s, int64_t took_us)
{
    struct directory *d = s->directory;
    int64_t now = clock_monotonic_us();
    (void)pthread_mutex_lock(&d->lock);
    s->answered_us = now;
    if (took_us > 0 && s->state == SERVER_UP)
        weigh(s, took_us, now);
    bool back = s->state == SERVER_DOWN && !s->probing; /* a login tried it, for want of a thread */
    (void)pthread_mutex_unlock(&d->lock);
    if (back)
        dir_health_up(s);
    if (took_us > 0)
        metric_observe_ms("idbridge_directory_ms", s->labels, (double)took_us / 1000.0);
}

/* ---- the order of asking; the lock is held */

bool dir_health_answered_since(const struct server *s, int64_t us)
{
    return s->answered_us > us;
}

bool dir_health_may_try(const struct server *s, int64_t failed_us)
{
    if (s->state == SERVER_UP)
        return failed_us == 0 || s->up_us > failed_us;
    return s->state == SERVER_DOWN && !s->probing && failed_us == 0;
}

/* As configured, but slow ones after the others, and last those that are down and have no thread. */
static unsigned rank(const struct server *s, int64_t now)
{
    if (s->state != SERVER_UP)
        return 2;
    return s->slow_until_us > now ? 1 : 0;
}

size_t dir_health_order(struct directory *d, struct server **order_r)
{
    int64_t now = clock_monotonic_us();
    size_t n = 0;
    for (unsigned wanted = 0; wanted <= 2; wanted++)
        for (size_t i = 0; i < d->server_count; i++)
            if (rank(&d->servers[i], now) == wanted)
                order_r[n++] = &d->servers[i];
    return n;
}
