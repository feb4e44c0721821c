/* Private to front/: the daemon's HTTP side. socket.c opens sockets, http.c talks to libmicrohttpd, receive.c reads a request,
 * run.c moves an exchange through its steps, patience.c drops slow clients, health.c answers for the operator. */
#ifndef FRONT_PRIVATE_H
#define FRONT_PRIVATE_H

#include <idbridge/front.h>
#include <microhttpd.h>
#include <stdatomic.h>

#define FRONT_DEPENDENCIES 64

struct front {
    struct bridge *bridge;
    const struct route *const *tables;
    struct MHD_Daemon *daemon, *metrics;
    struct pool *cpu, *clients;
    struct {
        enum where where;
        const char *name;
        struct pool *pool;
    } dependencies[FRONT_DEPENDENCIES];
    size_t dependency_count;
    char *const *trusted_proxies;
    atomic_int open; /* exchanges under way */
    atomic_bool draining, closed; /* answers say so and close the connection; then nobody is answered any more */
    struct patience *patience;
};

/* One request from its first byte to its last; made by http.c, freed when libmicrohttpd says it is complete. */
enum phase { PHASE_HEADERS, PHASE_BODY, PHASE_RUNNING, PHASE_READY, PHASE_PREBUILT };
struct call {
    struct job job;
    struct store_write write;
    struct front *front;
    struct MHD_Connection *connection;
    _Atomic enum phase phase;
    char *uri; /* raw path and query, as sent */
    size_t uri_len;
    char *query; /* points into uri, or NULL */
    struct buf body;
    bool too_large;
    struct arena *arena;
    struct request request;
    struct reply reply;
    struct exchange x;
    const struct step *step;
    int64_t started_us;
    bool counted;
    /* PHASE_PREBUILT */
    const char *bytes;
    size_t bytes_len;
    const char *bytes_type;
    struct MHD_Response *response; /* queued; kept until it is out */
    struct snapshot *bytes_owner;
};

/* Matches the route byte for byte; *known_path_r when only the method is wrong. NULL: none. */
const struct route *front_route(const struct front *fr, const char *method, const char *path, const char **allow_r);
/* Starts the steps: the connection is suspended already. */
void front_run(struct call *c);
/* The reply is complete: wakes the connection. Any thread. */
void front_wake(struct call *c);
void front_call_free(struct call *c); /* NULL is none */
/* A bare reply without steps: unknown path, too large, overloaded before the start. */
void front_plain(struct call *c, int status, const char *reason);

/* receive.c: fills c->request; RESULT_INVALID when it cannot be read. */
CHECKED enum result front_read_headers(struct call *c);
CHECKED enum result front_read_request(struct call *c, const char *method);

/* patience.c: cuts off clients that take too long to send a request. The clock of a connection stands still from the
 * moment its request is whole until the answer is out. */
struct patience;
CHECKED enum result patience_new(struct fault *f, int64_t seconds, struct patience **out_r);
void patience_free(struct patience *p);
void patience_notify(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);
void patience_clock(struct patience *p, struct MHD_Connection *connection, bool runs);
/* Takes c until the handler claims it, or the connection ends; false: not taken. */
bool patience_keep(struct MHD_Connection *connection, struct call *c);
void patience_claim(struct MHD_Connection *connection);

/* A descriptor of the listening socket for `address`, the value of [listen] `key` (the caller's to close), opening it unless it is open already; -1. */
int front_listen(struct fault *f, const char *key, const char *address, struct front_socket *s);
/* Health for the operator; true when `path` was one of them and c holds the bytes. */
bool front_health(struct call *c, const char *path);
CHECKED enum result front_metrics_start(struct fault *f, struct front *fr, const char *address, struct front_socket *s);

#endif
