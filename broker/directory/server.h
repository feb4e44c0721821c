/* One server of a directory as pool.c, health.c, resolve.c and dial.c share it: its addresses, what is known of its health,
 * and its connections. Everything behind "guarded" belongs to the lock of its directory; nobody waits for the network under
 * that lock. */
#ifndef IDBRIDGE_DIRECTORY_SERVER_H
#define IDBRIDGE_DIRECTORY_SERVER_H

#include <idbridge/base.h>

#include <ldap.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
    DIR_SERVERS_MAX = 16,
    DIR_ADDRESSES_MAX = 8,
    DIR_REASON_MAX = 160,
    DIR_REFUSED_SECONDS = 300,  /* between two tries of a bind_dn that was refused, over all servers: or it gets locked */
    DIR_RESOLVE_SECONDS = 60,   /* addresses older than that are asked for anew, in the background */
    DIR_OPEN_SECONDS_MAX = 600, /* then a kept connection is closed: what changed at the server counts by then */
    DIR_RESTART_SECONDS = 2     /* a login waits that long for a server that has just gone down to come back */
};

enum handle_kind { HANDLE_SERVICE, HANDLE_USER, HANDLE_KINDS }; /* a person's bind never touches a search handle */
enum scheme { SCHEME_LDAP, SCHEME_LDAPS, SCHEME_LDAPI };
enum server_state {
    SERVER_UP,
    SERVER_DOWN,   /* it gets no operation; a thread of its own tries it until it answers */
    SERVER_REFUSED /* the same, but it was bind_dn that failed */
};

struct directory;
struct connection;
struct endpoint;
struct waiter;

enum { TLS_FILES = 3 };
struct tls {
    LDAP *template; /* a handle that never connects: owner of the context; NULL: none was made yet */
    struct stat made_of[TLS_FILES];
};

struct server {
    const char *url;
    enum scheme scheme;
    const char *host; /* of ldapi: the socket's path */
    int port;
    bool loopback;
    struct endpoint *endpoint; /* the addresses of `host`; NULL for ldapi */
    struct directory *directory;
    char labels[112];          /* of its metrics */

    /* guarded */
    enum server_state state;
    char reason[DIR_REASON_MAX]; /* why it is not up */
    int64_t down_us, up_us;      /* when it went down, came back */
    int64_t answered_us;         /* its last answer to an operation */
    int64_t latency_us;          /* moving average of what operations took; 0: unknown */
    int64_t slow_until_us, slow_spell_us; /* until then others are asked first */
    pthread_t prober;
    bool probing, joinable;
    struct connection *kept[HANDLE_KINDS];
    unsigned open[HANDLE_KINDS]; /* kept, in use and being opened */
};

/* ---- resolve.c: names to addresses, off the way of a login (getaddrinfo(3) has no time limit) */
struct address {
    struct sockaddr_storage at;
    socklen_t len;
};
/* RESULT_INTERNAL: no memory. Does not ask the resolver yet. */
CHECKED enum result dir_endpoint_new(struct fault *f, const char *host, int port, struct endpoint **out_r);
void dir_endpoint_release(struct endpoint *e); /* NULL is none; does not wait for the resolver */
/* The addresses as last known, at most DIR_ADDRESSES_MAX; the one that last answered comes first. Waits at most `wait_us`, and
 * only when none was ever known. RESULT_UNAVAILABLE, RESULT_TIMEOUT: none is. */
CHECKED enum result dir_endpoint_addresses(struct fault *f, struct endpoint *e, const char *url, int64_t wait_us,
                                           struct address *list, size_t *count_r);
void dir_endpoint_answers(struct endpoint *e, const struct address *a); /* a connection to that one came about */

/* ---- tls.c: what a TLS session needs, made once for all connections of a directory */
/* Gives `ld` all TLS options. False: there is no such file, or no certificate in it. */
bool dir_tls_set(struct directory *d, LDAP *ld);
bool dir_tls_modern(LDAP *ld); /* after the handshake: at least TLS 1.2 */
void dir_tls_free(struct directory *d);

/* ---- waiting.c: condition variables on the clock of clock_monotonic_us */
bool dir_condition_init(pthread_cond_t *c);
void dir_condition_wait(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_us);

/* ---- health.c: which server is well? The first three want the directory's lock held */
/* May one that failed at `failed_us` (0: did not) be tried in this operation? */
bool dir_health_may_try(const struct server *s, int64_t failed_us);
/* All servers, the one to ask first in front. */
size_t dir_health_order(struct directory *d, struct server **order_r);
bool dir_health_answered_since(const struct server *s, int64_t us);
void dir_health_answered(struct server *s, int64_t took_us); /* 0: it answered, but its time is no measure */
void dir_health_down(struct server *s, const struct fault *f, bool refused);
void dir_health_up(struct server *s);
bool dir_health_unreachable(struct directory *d); /* every server of it is down, and none because it refused bind_dn */
void dir_health_stop(struct directory *d); /* ends the probing threads; one that waits for the network is waited for */

/* ---- pool.c, for health.c */
void dir_pool_wake(struct directory *d);                    /* who waits looks again; the lock is held */
void dir_pool_drop(struct server *s);                       /* closes what is kept to a server that failed */
void dir_pool_adopt(struct server *s, struct connection *c); /* keeps a connection that a probe opened, or closes it */
bool dir_pool_answers(struct connection *c, int64_t timeout_us); /* reads the root DSE */
#endif
