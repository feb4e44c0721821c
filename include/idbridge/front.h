/* front: libmicrohttpd, the route table, the hand-over between pools, health and metrics. */
#ifndef IDBRIDGE_FRONT_H
#define IDBRIDGE_FRONT_H

#include <idbridge/provider.h>
#include <idbridge/verification.h>

extern const struct config_key front_config_keys[]; /* [listen] */
/* What a table cannot say: whether the addresses are addresses. */
CHECKED enum result front_config_check(struct fault *f, const struct config *c);

/* The listening sockets outlive one configuration: at a reload the next front answers on them while the one before still
 * drains. All zero at first; an address that changed is opened anew. */
struct front_sockets {
    struct front_socket {
        int fd; /* meaningful when address is set */
        char address[128];
    } web, metrics;
};
void front_sockets_close(struct front_sockets *s);

struct front;
/* Makes the pools, binds the sockets and starts answering. `routes`: NULL-ended array of tables, each ended by name NULL. */
CHECKED enum result front_start(struct fault *f, struct bridge *b, const struct route *const *routes,
                                struct front_sockets *sockets, struct front **out_r);
/* Stops taking connections, waits at most `seconds` for what is under way, frees everything. */
void front_stop(struct front *fr, int seconds);
#endif
