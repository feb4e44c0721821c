/* How long may a client take to say what it wants? libmicrohttpd drops a connection that is silent, but one that sends a
 * byte every few seconds is never silent and would keep its place for ever (slow loris). Here every connection has a clock
 * that runs while a request is awaited and read: who is not done within [listen] request_time is cut off. http.c tells when
 * a clock starts and stops; a thread of its own looks once a second, for nothing else wakes up when every place is taken.
 *
 * It also keeps what was made when a request line was seen: libmicrohttpd tells nobody about some requests that it
 * refuses itself before the handler was called (more cookies than its memory holds). */
#include "front.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

#define LOOK_EVERY_S 1

struct waiting {
    TAILQ_ENTRY(waiting) next;
    int fd;
    int64_t since_us;       /* 0: its request is whole, the clock stands still */
    struct call *unclaimed; /* its request line was seen, the handler has not been called */
};
struct patience {
    pthread_mutex_t lock;
    pthread_cond_t end;
    pthread_t thread;
    bool ending;
    int64_t limit_us;
    TAILQ_HEAD(, waiting) all;
};

/* The lock is held: the descriptor is still this connection's, for libmicrohttpd closes it after patience_notify. */
static void cut_off_slow(struct patience *p)
{
    int64_t now = clock_monotonic_us();
    struct waiting *w;
    TAILQ_FOREACH(w, &p->all, next)
        if (GUARD(request_time, w->since_us != 0 && now - w->since_us > p->limit_us)) {
            (void)shutdown(w->fd, SHUT_RDWR); /* libmicrohttpd sees the end of the stream and tidies up */
            w->since_us = 0;
            metric_add("idbridge_slow_clients_total", NULL, 1);
        }
}

static void *look(void *arg)
{
    struct patience *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LOOK_EVERY_S;
        (void)pthread_cond_timedwait(&p->end, &p->lock, &until);
        cut_off_slow(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum result patience_new(struct fault *f, int64_t seconds, struct patience **out_r)
{
    struct patience *p = calloc(1, sizeof(*p));
    NEED(f, p);
    p->limit_us = seconds * 1000000;
    TAILQ_INIT(&p->all);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->end, NULL);
    if (pthread_create(&p->thread, NULL, look, p) != 0) {
        free(p);
        return FAULT(f, RESULT_INTERNAL, "no thread for slow clients");
    }
    *out_r = p;
    return RESULT_OK;
}

void patience_free(struct patience *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_signal(&p->end);
    pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->end);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static struct waiting *waiting_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

static struct waiting *begin(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct waiting *w = info == NULL ? NULL : calloc(1, sizeof(*w));
    if (w != NULL)
        *w = (struct waiting){.fd = info->connect_fd, .since_us = clock_monotonic_us()};
    return w;
}

void patience_notify(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct patience *p = cls;
    struct waiting *w = code == MHD_CONNECTION_NOTIFY_STARTED ? begin(connection) : *context;
    if (w == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        TAILQ_INSERT_TAIL(&p->all, w, next);
    else
        TAILQ_REMOVE(&p->all, w, next);
    pthread_mutex_unlock(&p->lock);
    *context = code == MHD_CONNECTION_NOTIFY_STARTED ? w : NULL;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        return;
    front_call_free(w->unclaimed);
    free(w);
}

bool patience_keep(struct MHD_Connection *connection, struct call *c)
{
    struct waiting *w = waiting_of(connection);
    if (w == NULL)
        return false;
    front_call_free(w->unclaimed);
    w->unclaimed = c;
    return true;
}

void patience_claim(struct MHD_Connection *connection)
{
    struct waiting *w = waiting_of(connection);
    if (w != NULL)
        w->unclaimed = NULL;
}

void patience_clock(struct patience *p, struct MHD_Connection *connection, bool runs)
{
    struct waiting *w = waiting_of(connection);
    if (w == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    w->since_us = runs ? clock_monotonic_us() : 0;
    pthread_mutex_unlock(&p->lock);
}
