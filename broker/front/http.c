/* libmicrohttpd's side: one epoll thread that reads requests, answers prebuilt bytes itself and hands everything else
 * to the pools, the connection suspended meanwhile (suspend BEFORE queueing: a worker may be done at once). A reply is
 * queued on this thread only, and never on the first call of the handler (that would close the connection). */
#include "front.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARENA_MAX (4u << 20)
#define HEADER_MEMORY (36u << 10) /* above 32 KiB libmicrohttpd maps it and the kernel takes it back: nothing stays in the heap */
#define IDLE_SECONDS 20u

static char *same_text(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls, (void)c;
    return s;
}
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
    return strlen(same_text(cls, c, s)); /* paths and queries reach us as they were sent */
}

/* First sight of a request: keeps the raw target, which libmicrohttpd takes apart afterwards. */
static void *uri_seen(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->front = cls;
    c->connection = connection;
    c->started_us = clock_monotonic_us();
    c->uri = strdup(uri);
    c->uri_len = strlen(uri);
    if (c->uri == NULL || !patience_keep(connection, c)) {
        front_call_free(c);
        return NULL;
    }
    c->query = strchr(c->uri, '?');
    if (c->query != NULL)
        *c->query++ = '\0';
    return c;
}

static enum MHD_Result forget_value(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)cls, (void)kind, (void)name;
    wipe((void *)(uintptr_t)value, value == NULL ? 0 : strlen(value));
    return MHD_YES;
}

/* Location and Set-Cookie hold codes and session cookies, in copies of libmicrohttpd's own. The answer is out. */
static void forget_headers(struct MHD_Response *r)
{
    (void)MHD_get_response_headers(r, forget_value, NULL);
    MHD_destroy_response(r);
}

void front_call_free(struct call *c)
{
    if (c == NULL)
        return;
    if (c->counted)
        atomic_fetch_sub(&c->front->open, 1);
    buf_free(&c->body);
    if (c->bytes_owner != NULL)
        snapshot_release(c->bytes_owner);
    if (c->arena != NULL)
        arena_free(c->arena);
    wipe(c->uri, c->uri_len); /* code and state */
    free(c->uri);
    if (c->response != NULL)
        forget_headers(c->response);
    free(c);
}

static void completed(void *cls, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    const struct front *fr = cls;
    (void)why;
    patience_clock(fr->patience, connection, true);
    if (*state != NULL)
        patience_claim(connection);
    front_call_free(*state);
    *state = NULL;
}

const struct route *front_route(const struct front *fr, const char *method, const char *path, const char **allow_r)
{
    *allow_r = NULL;
    for (const struct route *const *t = fr->tables; *t != NULL; t++)
        for (const struct route *r = *t; r->name != NULL; r++) {
            if (strcmp(r->path, path) != 0)
                continue;
            if (strcmp(r->method, method) == 0)
                return r;
            *allow_r = r->method;
        }
    return NULL;
}

static bool make_exchange(struct call *c, const struct route *route)
{
    c->arena = arena_new(ARENA_MAX);
    if (c->arena == NULL)
        return false;
    reply_init(&c->reply, c->arena);
    c->x = (struct exchange){.arena = c->arena, .request = &c->request, .reply = &c->reply, .bridge = c->front->bridge,
                             .route = route, .ref = random_code(c->arena)};
    return c->x.ref != NULL;
}

/* ---- replying ------------------------------------------------------------------------------------------------ */

static enum MHD_Result send_reply(struct call *c)
{
    bool prebuilt = c->phase == PHASE_PREBUILT;
    const void *body = prebuilt ? c->bytes : c->reply.body;
    size_t len = prebuilt ? c->bytes_len : c->reply.body_len;
    struct MHD_Response *r = MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (r == NULL)
        return MHD_NO;
    const char *type = prebuilt ? c->bytes_type : c->reply.content_type;
    if (type != NULL)
        (void)MHD_add_response_header(r, "Content-Type", type);
    if (prebuilt) /* public documents: portals read them from a browser (CORS), caches may keep them a little */
        (void)MHD_add_response_header(r, "Access-Control-Allow-Origin", "*"),
            (void)MHD_add_response_header(r, "Cache-Control", "public, max-age=60");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (atomic_load(&c->front->draining)) /* the next request goes to the next life */
        (void)MHD_add_response_header(r, "Connection", "close");
    for (size_t i = 0; !prebuilt && i < c->reply.header_count; i++)
        (void)MHD_add_response_header(r, c->reply.headers[i].name, c->reply.headers[i].value);
    enum MHD_Result ok = MHD_queue_response(c->connection, prebuilt ? 200u : (unsigned)c->reply.status, r);
    c->response = r;
    return ok;
}

void front_wake(struct call *c)
{
    c->phase = PHASE_READY;
    MHD_resume_connection(c->connection);
}

void front_plain(struct call *c, int status, const char *reason)
{
    if (c->arena == NULL && !make_exchange(c, NULL))
        return;
    if (c->request.headers.list == NULL && front_read_headers(c) != RESULT_OK)
        return;
    c->x.language = language_choose(NULL, request_header(&c->request, "accept-language"));
    login_refuse(&c->x, reason, NULL);
    c->reply.status = status;
    c->phase = PHASE_READY;
}

static bool prebuilt(struct call *c, const char *method)
{
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return false;
    bool discovery = strcmp(c->uri, "/.well-known/openid-configuration") == 0 ||
                     strcmp(c->uri, "/.well-known/oauth-authorization-server") == 0;
    if (!discovery && strcmp(c->uri, "/jwks") != 0)
        return front_health(c, c->uri);
    c->bytes_owner = snapshot_slot_borrow(c->front->bridge->discovery);
    if (c->bytes_owner == NULL)
        return false;
    const struct prebuilt *p = snapshot_value(c->bytes_owner);
    c->bytes = discovery ? p->discovery : p->jwks;
    c->bytes_len = discovery ? p->discovery_len : p->jwks_len;
    c->bytes_type = "application/json";
    c->phase = PHASE_PREBUILT;
    return true;
}

/* ---- the handler --------------------------------------------------------------------------------------------- */

/* Applications are never limited by address: DHIS2's Routes and whole clinics come from one. */
static bool is_for_applications(const struct route *route)
{
    static const char *const names[] = {"token", "userinfo", "verification"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (text_has_prefix(route->name, names[i]))
            return true;
    return false;
}

static bool over_address_limit(const struct call *c, const struct route *route)
{
    return !is_for_applications(route) && !limits_take(c->front->bridge->address_limits, c->request.address, clock_now_ms());
}

static void start(struct call *c, const struct route *route, const char *method)
{
    if (!make_exchange(c, route))
        return;
    enum result r = front_read_request(c, method);
    if (r != RESULT_OK) {
        c->x.fault.result = RESULT_INVALID;
        route->failed(&c->x);
    } else if (GUARD(address_limit, over_address_limit(c, route))) {
        login_refuse(&c->x, "too_many_requests", NULL);
    }
    if (r != RESULT_OK || c->x.done) {
        c->phase = PHASE_READY;
        return;
    }
    c->counted = true;
    atomic_fetch_add(&c->front->open, 1);
    c->phase = PHASE_RUNNING;
    MHD_suspend_connection(c->connection);
    front_run(c);
}

static void first_call(struct call *c, const char *method)
{
    c->phase = PHASE_BODY;
    const char *allow;
    /* HEAD is no GET here: a link scanner that looks at a callback must not use it up */
    const struct route *route = front_route(c->front, method, c->uri, &allow);
    c->x.route = route;
    buf_init(&c->body, route == NULL ? 0 : route->max_body);
}

static void whole_request(struct call *c, const char *method)
{
    const struct route *route = c->x.route;
    const char *allow = NULL;
    patience_clock(c->front->patience, c->connection, false);
    if (route == NULL && prebuilt(c, method))
        return;
    if (route == NULL) {
        (void)front_route(c->front, method, c->uri, &allow);
        front_plain(c, allow == NULL ? 404 : 405, allow == NULL ? "not_found" : "bad_request");
        if (allow != NULL && c->phase == PHASE_READY)
            reply_header(&c->reply, "Allow", allow);
    } else if (GUARD(body_size, c->too_large)) {
        front_plain(c, 413, "bad_request");
    } else {
        start(c, route, method);
    }
}

static enum MHD_Result handler(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)cls, (void)connection, (void)url, (void)version;
    struct call *c = *state;
    if (c == NULL || (c->phase == PHASE_HEADERS && atomic_load(&c->front->closed)))
        return MHD_NO; /* a kept connection closed unanswered is opened anew by whoever kept it (RFC 9112 §9.3.1) */
    if (c->phase == PHASE_HEADERS) {
        patience_claim(connection);
        first_call(c, method);
        return MHD_YES;
    }
    if (*upload_size > 0) {
        if (!c->too_large)
            buf_add(&c->body, upload, *upload_size);
        c->too_large = c->body.failed || c->body.max == 0;
        *upload_size = 0;
        return MHD_YES;
    }
    if (c->phase == PHASE_BODY)
        whole_request(c, method);
    if (c->phase == PHASE_RUNNING)
        return MHD_YES; /* suspended: a worker wakes it */
    return c->phase == PHASE_READY || c->phase == PHASE_PREBUILT ? send_reply(c) : MHD_NO;
}

/* ---- start and stop --------------------------------------------------------------------------------------------- */

static enum result add_dependencies(struct fault *f, struct front *fr, enum where where, const char *const *names, size_t n)
{
    const struct config *cfg = fr->bridge->config;
    unsigned threads = (unsigned)config_number(cfg, "listen", NULL, "dependency_workers");
    unsigned queue = (unsigned)config_number(cfg, "listen", NULL, "dependency_queue");
    for (size_t i = 0; i < n; i++) {
        if (fr->dependency_count == FRONT_DEPENDENCIES)
            return FAULT(f, RESULT_INVALID, "more than %d ID providers, directories and DHIS2 instances", FRONT_DEPENDENCIES);
        struct pool *p = pool_new(names[i], threads, queue);
        NEED(f, p);
        fr->dependencies[fr->dependency_count].where = where;
        fr->dependencies[fr->dependency_count].name = names[i];
        fr->dependencies[fr->dependency_count++].pool = p;
    }
    return RESULT_OK;
}

#define LAST_TENTHS 5    /* who came in just before the end */
#define STORE_TENTHS 100 /* the writer commits within that, or nobody is left to care */
#define CLIENT_WORKERS 4u /* key sets of applications, mail: rare and slow */
#define CLIENT_QUEUE 64u

static enum result make_pools(struct fault *f, struct front *fr)
{
    const struct bridge *b = fr->bridge;
    const struct config *cfg = b->config;
    unsigned workers = (unsigned)config_number(cfg, "listen", NULL, "workers");
    if (workers == 0)
        workers = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    fr->cpu = pool_new("cpu", workers, (unsigned)config_number(cfg, "listen", NULL, "queue"));
    NEED(f, fr->cpu);
    fr->clients = pool_new("clients", CLIENT_WORKERS, CLIENT_QUEUE);
    NEED(f, fr->clients);
    const char *const *names;
    size_t n = upstreams_names(b->upstreams, &names);
    TRY(add_dependencies(f, fr, RUN_UPSTREAM, names, n));
    n = directories_names(b->directories, &names);
    TRY(add_dependencies(f, fr, RUN_DIRECTORY, names, n));
    n = dhis2s_names(b->dhis2s, &names);
    return add_dependencies(f, fr, RUN_DHIS2, names, n);
}

static void mhd_log(void *cls, const char *fmt, va_list ap)
{
    (void)cls;
    char text[200];
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    log_event(LEVEL_DEBUG, "http", "text", text, NULL);
}

enum result front_start(struct fault *f, struct bridge *b, const struct route *const *routes, struct front_sockets *sockets,
                        struct front **out_r)
{
    struct front *fr = calloc(1, sizeof(*fr));
    NEED(f, fr);
    *out_r = fr;
    fr->bridge = b;
    fr->tables = routes;
    fr->trusted_proxies = config_list(b->config, "listen", NULL, "trusted_proxies");
    TRY(make_pools(f, fr));
    TRY(patience_new(f, config_number(b->config, "listen", NULL, "request_time"), &fr->patience));
    const char *address = config_text(b->config, "listen", NULL, "address");
    int fd = front_listen(f, "address", address, &sockets->web);
    if (fd < 0)
        return f->result;
    const char *metrics = config_text(b->config, "listen", NULL, "metrics");
    if (metrics != NULL)
        TRY(front_metrics_start(f, fr, metrics, &sockets->metrics));
    fr->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handler, fr,
        MHD_OPTION_EXTERNAL_LOGGER, mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, uri_seen, fr,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, fr,
        MHD_OPTION_NOTIFY_CONNECTION, patience_notify, fr->patience, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)config_number(b->config, "listen", NULL, "connections"),
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (fr->daemon == NULL)
        return FAULT(f, RESULT_INTERNAL, "libmicrohttpd did not start");
    log_event(LEVEL_INFO, "listening", "address", address, "issuer", b->issuer, NULL);
    return RESULT_OK;
}

/* Nothing runs; and a connection taken just now had a second to say what it wants. */
static bool drained(struct front *fr, int tenths)
{
    const union MHD_DaemonInfo *info =
        fr->daemon == NULL ? NULL : MHD_get_daemon_info(fr->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    bool idle = info == NULL || info->num_connections == 0 || tenths >= 10;
    return idle && atomic_load(&fr->open) == 0;
}

static void each_pool(struct front *fr, void (*act)(struct pool *))
{
    for (size_t i = 0; i < fr->dependency_count; i++)
        act(fr->dependencies[i].pool);
    act(fr->clients);
    act(fr->cpu);
}

static void wait_tenths(struct front *fr, int most, bool (*over)(struct front *, int))
{
    for (int tenths = 0; tenths < most && !over(fr, tenths); tenths++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

static bool nothing_open(struct front *fr, int tenths)
{
    (void)tenths;
    return atomic_load(&fr->open) == 0;
}

/* Quiesce (a connection that a client keeps closes with its next answer), let what runs run, stop all pools before any is
 * freed (a job moves from one to the other), wait for what the store still has, and only then stop libmicrohttpd: it wants
 * no connection suspended. */
void front_stop(struct front *fr, int seconds)
{
    int listen_fd = fr->daemon == NULL ? -1 : MHD_quiesce_daemon(fr->daemon);
    if (listen_fd >= 0)
        close(listen_fd);
    atomic_store(&fr->draining, true);
    wait_tenths(fr, seconds * 10, drained);
    atomic_store(&fr->closed, true);
    wait_tenths(fr, LAST_TENTHS, nothing_open);
    each_pool(fr, pool_stop);
    wait_tenths(fr, STORE_TENTHS, nothing_open);
    if (fr->daemon != NULL)
        MHD_stop_daemon(fr->daemon);
    patience_free(fr->patience);
    if (fr->metrics != NULL)
        MHD_stop_daemon(fr->metrics);
    each_pool(fr, pool_free);
    free(fr);
}
