/* For the operator: /healthz (the process answers), /readyz (store writable and keys loaded, nothing about ID provider,
 * directory or DHIS2: one outage must not empty the load balancer), and /metrics on a second, loopback address. */
#include "front.h"

#include <stdlib.h>
#include <string.h>

static bool answer(struct call *c, int status, const char *text)
{
    if (status == 200) {
        c->bytes = text;
        c->bytes_len = strlen(text);
        c->bytes_type = "text/plain";
        c->phase = PHASE_PREBUILT;
        return true;
    }
    c->arena = arena_new(64u << 10);
    if (c->arena == NULL)
        return false;
    reply_init(&c->reply, c->arena);
    c->reply.status = status;
    c->reply.content_type = "text/plain";
    c->reply.body = text;
    c->reply.body_len = strlen(text);
    c->phase = PHASE_READY;
    return true;
}

bool front_health(struct call *c, const char *path)
{
    if (strcmp(path, "/healthz") == 0)
        return answer(c, 200, "ok\n");
    if (strcmp(path, "/readyz") != 0)
        return false;
    struct fault f = {0};
    struct bridge *b = c->front->bridge;
    if (b->stopping)
        return answer(c, 503, "stopping\n");
    c->bytes_owner = snapshot_slot_borrow(b->ring);
    if (c->bytes_owner == NULL)
        return answer(c, 503, "no signing keys\n");
    if (store_writable(&f, b->store) != RESULT_OK)
        return answer(c, 503, "store not writable\n");
    return answer(c, 200, "ready\n");
}

static unsigned waiting_for(const struct front *fr, enum where where)
{
    unsigned n = 0;
    for (size_t i = 0; i < fr->dependency_count; i++)
        n += fr->dependencies[i].where == where ? pool_waiting(fr->dependencies[i].pool) : 0;
    return n;
}

static enum MHD_Result metrics_handler(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                       const char *version, const char *upload, size_t *upload_size, void **state)
{
    (void)version, (void)upload;
    static int seen;
    const struct front *fr = cls;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    *upload_size = 0;
    struct buf b;
    buf_init(&b, 1u << 20);
    bool ok = strcmp(url, "/metrics") == 0 && strcmp(method, "GET") == 0;
    if (ok) {
        metric_set("idbridge_requests_open", NULL, atomic_load(&fr->open));
        metric_set("idbridge_queue_waiting", "pool=\"cpu\"", pool_waiting(fr->cpu));
        metric_set("idbridge_queue_waiting", "pool=\"directory\"", waiting_for(fr, RUN_DIRECTORY));
        metrics_render(&b);
    } else {
        buf_text(&b, "not found\n");
    }
    size_t len = b.len;
    char *text = buf_take(&b);
    struct MHD_Response *r = text == NULL ? NULL : MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (r == NULL) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, "Content-Type", "text/plain; version=0.0.4");
    enum MHD_Result queued = MHD_queue_response(connection, ok ? 200 : 404, r);
    MHD_destroy_response(r);
    return queued;
}

enum result front_metrics_start(struct fault *f, struct front *fr, const char *address, struct front_socket *s)
{
    if (!text_has_prefix(address, "127.") && !text_has_prefix(address, "[::1]:"))
        return FAULT(f, RESULT_INVALID, "[listen] metrics must be a loopback address");
    int fd = front_listen(f, "metrics", address, s);
    if (fd < 0)
        return f->result;
    /* MHD_USE_ITC: without it MHD_stop_daemon shuts the listening socket down, which the next life has too */
    fr->metrics = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, metrics_handler, fr, MHD_OPTION_LISTEN_SOCKET,
                                   fd, MHD_OPTION_CONNECTION_LIMIT, 16u, MHD_OPTION_CONNECTION_TIMEOUT, 5u, MHD_OPTION_END);
    return fr->metrics == NULL ? FAULT(f, RESULT_INTERNAL, "metrics did not start") : RESULT_OK;
}
