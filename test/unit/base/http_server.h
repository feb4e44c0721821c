/* A tiny HTTP server on a loopback port inside the test: a thread per connection, the path says what to answer. It
 * counts connections, so that a test can see one being reused. */
#ifndef IDBRIDGE_TEST_HTTP_SERVER_H
#define IDBRIDGE_TEST_HTTP_SERVER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVER_CONNECTIONS 64

struct server {
    int listener, port;
    pthread_t thread;
    pthread_t workers[SERVER_CONNECTIONS];
    int sockets[SERVER_CONNECTIONS];
    atomic_int connections;
    char last_request[8192]; /* read it only when no call is under way */
    pthread_mutex_t lock;
};

struct server_connection {
    struct server *server;
    int socket;
};

static void server_send(int s, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t k = send(s, text, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        text += k;
        n -= (size_t)k;
    }
}

static void server_text(int s, const char *text)
{
    server_send(s, text, strlen(text));
}

static void server_filler(int s, const char *line, int times)
{
    for (int i = 0; i < times; i++)
        server_text(s, line);
}

/* Answers one request; 0: close the connection. */
static int server_answer(int s, const char *path)
{
    if (strncmp(path, "/ok", 3) == 0 || strncmp(path, "http://", 7) == 0) /* the latter as a proxy */
        server_text(s, "HTTP/1.1 200 OK\r\nContent-Type:  Application/JSON ; charset=UTF-8\r\nDate: Sun, 22 Nov 2026 19:43:00 GMT\r\n"
                       "ETag: \"e1\"\r\nX-Other: y\r\nDPoP-Nonce: n1\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    else if (strcmp(path, "/redirect") == 0)
        server_text(s, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/denied") == 0)
        server_text(s, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\nwww-authenticate: Basic\r\n"
                       "Retry-After: 7\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/interim") == 0)
        server_text(s, "HTTP/1.1 103 Early Hints\r\nETag: \"early\"\r\nLocation: /early\r\n\r\nHTTP/1.1 204 No Content\r\nETag: \"late\"\r\n\r\n");
    else if (strcmp(path, "/trailers") == 0)
        server_text(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: ETag\r\n\r\n3\r\nabc\r\n0\r\nETag: \"trailer\"\r\n\r\n");
    else if (strcmp(path, "/big") == 0) {
        server_text(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        server_filler(s, "0123456789", 10000);
    } else if (strcmp(path, "/big-chunked") == 0) {
        server_text(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        server_filler(s, "a\r\n0123456789\r\n", 10000);
        server_text(s, "0\r\n\r\n");
    } else if (strcmp(path, "/big-headers") == 0) {
        server_text(s, "HTTP/1.1 200 OK\r\n");
        server_filler(s, "X-Filler: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n", 1000);
        server_text(s, "Content-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/nul") == 0)
        server_send(s, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na\0b", 41);
    else if (strcmp(path, "/short") == 0)
        server_text(s, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    else if (strcmp(path, "/cookie") == 0)
        server_text(s, "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n");
    else if (strcmp(path, "/rubbish") == 0)
        server_text(s, "SSH-2.0-OpenSSH\r\n");
    else if (strcmp(path, "/slow") == 0 || strcmp(path, "/drip") == 0) {
        server_text(s, path[1] == 'd' ? "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" : "");
        char byte;
        for (int i = 0; i < 50 && recv(s, &byte, 1, MSG_DONTWAIT) != 0; i++) {
            server_text(s, path[1] == 'd' ? "x" : "");
            (void)nanosleep(&(struct timespec){0, 100 * 1000 * 1000}, NULL);
        }
        return 0;
    }
    return strcmp(path, "/rubbish") != 0 && strcmp(path, "/short") != 0 && strcmp(path, "/close") != 0;
}

/* Reads one request with its body (Content-Length only) and remembers it; 0: the client has gone. */
static int server_read(struct server *v, int s, char path[64])
{
    char text[sizeof v->last_request];
    size_t n = 0, want = 0;
    while (want == 0 || n < want) {
        ssize_t k = recv(s, text + n, sizeof text - 1 - n, 0);
        if (k <= 0)
            return 0;
        n += (size_t)k;
        text[n] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
        if (end != NULL)
            want = (size_t)(end - text) + 4 + (length == NULL ? 0 : strtoul(length + 17, NULL, 10));
    }
    pthread_mutex_lock(&v->lock);
    memcpy(v->last_request, text, n + 1);
    pthread_mutex_unlock(&v->lock);
    return sscanf(text, "%*s %63[^ ?]", path) == 1;
}

static void *server_serve(void *arg)
{
    struct server_connection c = *(struct server_connection *)arg;
    char path[64];
    free(arg);
    while (server_read(c.server, c.socket, path) && server_answer(c.socket, path))
        continue;
    (void)shutdown(c.socket, SHUT_RDWR);
    return NULL;
}

static void *server_accept(void *arg)
{
    struct server *v = arg;
    for (;;) {
        int s = accept(v->listener, NULL, NULL);
        if (s < 0)
            return NULL;
        int n = atomic_load(&v->connections);
        struct server_connection *c = n < SERVER_CONNECTIONS ? malloc(sizeof *c) : NULL;
        if (c == NULL) {
            close(s);
            return NULL;
        }
        *c = (struct server_connection){v, s};
        v->sockets[n] = s;
        if (pthread_create(&v->workers[n], NULL, server_serve, c) != 0)
            abort();
        atomic_store(&v->connections, n + 1);
    }
}

static int server_start(struct server *v)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    memset(v, 0, sizeof *v);
    pthread_mutex_init(&v->lock, NULL);
    v->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (v->listener < 0 || bind(v->listener, (struct sockaddr *)&a, n) != 0 || listen(v->listener, 16) != 0 ||
        getsockname(v->listener, (struct sockaddr *)&a, &n) != 0)
        return -1;
    v->port = ntohs(a.sin_port);
    return pthread_create(&v->thread, NULL, server_accept, v);
}

static void server_stop(struct server *v)
{
    (void)shutdown(v->listener, SHUT_RDWR);
    pthread_join(v->thread, NULL);
    close(v->listener);
    for (int i = 0; i < atomic_load(&v->connections); i++) {
        (void)shutdown(v->sockets[i], SHUT_RDWR);
        pthread_join(v->workers[i], NULL);
        close(v->sockets[i]);
    }
    pthread_mutex_destroy(&v->lock);
}

#endif
