/* dial: a connected, non-blocking socket to one directory server, within a time. Called by connection.c.
 *
 * Why not libldap's own connect: with LDAP_OPT_CONNECT_ASYNC (needed, or a hung TLS server spins the CPU for ever) it
 * polls a connect in progress for zero seconds, answers LDAP_X_CONNECTING on any network slower than loopback, and does
 * not go on to the name's next address. The addresses come from resolve.c: no login waits for the resolver. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* So that a connection whose other end vanished is noticed within half a minute, and small requests leave at once. */
static void set_socket_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},   {IPPROTO_TCP, TCP_NODELAY, 1},      {IPPROTO_TCP, TCP_KEEPIDLE, 15},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3},      {IPPROTO_TCP, TCP_USER_TIMEOUT, 20000},
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

/* Waits until the connect is decided. Returns 0 or an errno value. */
static int wait_connected(int fd, int64_t deadline_us)
{
    for (;;) {
        int64_t left_ms = (deadline_us - clock_monotonic_us() + 999) / 1000;
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int n = left_ms <= 0 ? 0 : poll(&p, 1, (int)left_ms);
        if (n == 0)
            return ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0)
            break;
    }
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* Returns 0 and the socket, or an errno value. */
static int connect_one(int family, const struct sockaddr *address, socklen_t len, int64_t deadline_us, int *fd_r)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    int error = 0;
    if (connect(fd, address, len) != 0)
        error = errno == EINPROGRESS ? wait_connected(fd, deadline_us) : errno;
    if (error != 0) {
        (void)close(fd);
        return error;
    }
    if (family != AF_UNIX)
        set_socket_options(fd);
    *fd_r = fd;
    return 0;
}

static enum result connect_fault(struct fault *f, const struct server *s, int error)
{
    if (error == ETIMEDOUT)
        return FAULT(f, RESULT_TIMEOUT, "%s: no connection in time", s->url);
    return FAULT(f, RESULT_UNAVAILABLE, "%s: %s", s->url, strerrordesc_np(error));
}

static enum result dial_path(struct fault *f, const struct server *s, int64_t deadline_us, int *fd_r)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(s->host);
    if (len >= sizeof address.sun_path)
        return FAULT(f, RESULT_UNAVAILABLE, "%s: the socket's path is longer than 107 bytes", s->url);
    memcpy(address.sun_path, s->host, len + 1);
    int error = connect_one(AF_UNIX, (const struct sockaddr *)&address, sizeof address, deadline_us, fd_r);
    return error == 0 ? RESULT_OK : connect_fault(f, s, error);
}

/* Of the time that is left each address may take its share only: one whose packets vanish does not keep us from the next. */
static int64_t share(int64_t deadline_us, size_t addresses_left)
{
    int64_t now = clock_monotonic_us();
    return now + (deadline_us - now) / (int64_t)addresses_left;
}

enum result dir_dial(struct fault *f, const struct server *s, int64_t timeout_us, int *fd_r)
{
    int64_t deadline_us = clock_monotonic_us() + timeout_us;
    struct address list[DIR_ADDRESSES_MAX];
    size_t count = 0;
    int first = 0; /* the first address tells why: getaddrinfo(3) puts what has no route last */
    if (s->scheme == SCHEME_LDAPI)
        return dial_path(f, s, deadline_us, fd_r);
    TRY(dir_endpoint_addresses(f, s->endpoint, s->url, timeout_us, list, &count));
    for (size_t i = 0; i < count; i++) {
        const struct sockaddr *at = (const struct sockaddr *)&list[i].at;
        int error = connect_one(at->sa_family, at, list[i].len, share(deadline_us, count - i), fd_r);
        if (error == 0 && i > 0)
            dir_endpoint_answers(s->endpoint, &list[i]);
        if (error == 0)
            return RESULT_OK;
        first = first == 0 ? error : first;
    }
    return connect_fault(f, s, first);
}
