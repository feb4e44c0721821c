/* Opens the listening socket that [listen] address names: ADDRESS:PORT, [IPV6]:PORT, unix:/path. Called at start by
 * http.c and health.c. */
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static int listen_unix(struct fault *f, const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sa.sun_path)) {
        (void)FAULT(f, RESULT_INVALID, "the socket's path is longer than %zu bytes", sizeof(sa.sun_path) - 1);
        return -1;
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(path); /* left by a run that was killed */
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || chmod(path, 0660) != 0 || listen(fd, BACKLOG) != 0) {
        (void)FAULT(f, RESULT_UNAVAILABLE, "cannot listen on unix:%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* A host name may mean several addresses, or other ones tomorrow: only an address is taken. */
static enum result read_inet(struct fault *f, const char *key, const char *address, struct addrinfo **out_r)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(address, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    char host[64];
    long port = colon == NULL ? 0 : strtol(colon + 1, NULL, 10);
    if (n == 0 || n >= sizeof(host) || port < 1 || port > 65535)
        return FAULT(f, RESULT_INVALID, "[listen] %s must be ADDRESS:PORT, [IPV6]:PORT or unix:/path", key);
    bool bracketed = address[0] == '[' && n > 2 && address[n - 1] == ']';
    memcpy(host, address + (bracketed ? 1 : 0), n - (bracketed ? 2 : 0));
    host[n - (bracketed ? 2 : 0)] = '\0';
    int rc = getaddrinfo(host, colon + 1, &hints, out_r);
    if (rc == EAI_NONAME)
        return FAULT(f, RESULT_INVALID, "[listen] %s must be an IP address and a port, such as 127.0.0.1:8470 or [::1]:8470, not the name %s", key, host);
    return rc == 0 ? RESULT_OK : FAULT(f, RESULT_INVALID, "[listen] %s %s: %s", key, address, gai_strerror(rc));
}

static int listen_inet(struct fault *f, const char *key, const char *address)
{
    struct addrinfo *ai = NULL;
    if (read_inet(f, key, address, &ai) != RESULT_OK)
        return -1;
    int one = 1;
    int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        (void)FAULT(f, RESULT_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(ai);
    return fd;
}

enum result front_config_check(struct fault *f, const struct config *c)
{
    static const char *const keys[] = {"address", "metrics"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *address = config_text(c, "listen", NULL, keys[i]);
        struct addrinfo *ai = NULL;
        if (address == NULL || text_has_prefix(address, "unix:"))
            continue;
        TRY(read_inet(f, keys[i], address, &ai));
        freeaddrinfo(ai);
    }
    return RESULT_OK;
}

int front_listen(struct fault *f, const char *key, const char *address, struct front_socket *s)
{
    if (strlen(address) >= sizeof(s->address)) {
        (void)FAULT(f, RESULT_INVALID, "an address to listen on is too long");
        return -1;
    }
    if (strcmp(s->address, address) != 0) {
        int fd = text_has_prefix(address, "unix:") ? listen_unix(f, address + 5) : listen_inet(f, key, address);
        if (fd < 0)
            return -1;
        if (s->address[0] != '\0')
            (void)close(s->fd);
        s->fd = fd;
        memcpy(s->address, address, strlen(address) + 1);
    }
    int copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        (void)FAULT(f, RESULT_INTERNAL, "no descriptor left: %s", strerror(errno));
    return copy;
}

void front_sockets_close(struct front_sockets *s)
{
    struct front_socket *both[] = {&s->web, &s->metrics};
    for (size_t i = 0; i < COUNT_OF(both); i++)
        if (both[i]->address[0] != '\0') {
            (void)close(both[i]->fd);
            if (text_has_prefix(both[i]->address, "unix:"))
                (void)unlink(both[i]->address + 5);
            both[i]->address[0] = '\0';
        }
}
