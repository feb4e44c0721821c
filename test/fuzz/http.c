/* A connection of a stranger: request line, headers, cookies and body as they come from the network, through libmicrohttpd
 * and the daemon's own callbacks. front/http.c is compiled in, for they are private to it; the pools behind it are replaced
 * by one route that looks at the request and sends parts of it back in headers. No client of a test is slow. */
#include "../../broker/front/http.c" /* NOLINT(bugprone-suspicious-include): see above */
#include "fuzz.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum { MAX_BODY = 512, TURNS_MAX = 200 };

static const struct step no_steps[] = {{.run = NULL}};
static void failed(struct exchange *x)
{
    x->reply->status = 400;
}
static const struct route routes[] = {
    {"GET", "/echo", "echo", no_steps, failed, 0}, {"POST", "/echo", "echo", no_steps, failed, MAX_BODY}, {.name = NULL}};
static const struct route *const tables[] = {routes, NULL};
static struct bridge bridge = {.issuer = "https://id.example", .secure = true};
static struct front front = {.bridge = &bridge, .tables = tables};
static struct MHD_Daemon *mhd;

/* ---- instead of front/run.c ---------------------------------------------------------------------------- */

static void check_list(const struct params *p, size_t most)
{
    MUST(p->count <= most);
    for (size_t i = 0; i < p->count; i++)
        MUST(p->list[i].name != NULL && p->list[i].value != NULL);
}

void front_run(struct call *c)
{
    const struct request *rq = &c->request;
    const char *a = param_get(&rq->query, "a"), *b = param_get(&rq->form, "b"), *cookie = request_cookie(rq, "login");

    MUST(strcmp(rq->path, "/echo") == 0 && rq->address != NULL);
    check_list(&rq->query, 64);
    check_list(&rq->form, 64);
    check_list(&rq->cookies, 64);
    check_list(&rq->headers, 100);
    for (size_t i = 0; i < rq->headers.count; i++)
        for (const char *s = rq->headers.list[i].name; *s != '\0'; s++)
            MUST(!(*s >= 'A' && *s <= 'Z'));
    MUST(rq->body.len <= MAX_BODY && (rq->form.count == 0 || strcmp(rq->method, "POST") == 0));
    reply_header(&c->reply, "X-Query", a == NULL ? "" : a);
    reply_header(&c->reply, "X-Form", b == NULL ? "" : b);
    reply_cookie(&c->reply, rq, "login", cookie, -1);
    atomic_fetch_sub(&front.open, 1);
    c->counted = false;
    front_wake(c);
}
/* ---- one connection -------------------------------------------------------------------------------------- */

static void quiet(void *cls, const char *fmt, va_list ap)
{
    (void)cls, (void)fmt, (void)ap;
}

/* What the pages of refusals are made with. */
static void prepare_bridge(void)
{
    static const struct config_key *const all[] = {login_config_keys, front_config_keys, NULL};
    static const char text[] = "[bridge]\nissuer = https://id.example\n";
    struct fault f = {0};
    struct config *c;
    char path[64];
    int fd = fuzz_file(text, sizeof text - 1, path);

    MUST(messages_load(&f) == RESULT_OK && config_load(&f, path, all, NULL, &c) == RESULT_OK);
    MUST(patience_new(&f, 3600, &front.patience) == RESULT_OK);
    close(fd);
    bridge.config = c;
    bridge.discovery = snapshot_slot_new();
    bridge.address_limits = limits_new(16, 1e9, 1e9);
    MUST(bridge.discovery != NULL && bridge.address_limits != NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    log_setup(LEVEL_ERROR, fopen("/dev/null", "we"));
    prepare_bridge();
    mhd = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, handler,
                           &front, MHD_OPTION_EXTERNAL_LOGGER, quiet, NULL, MHD_OPTION_URI_LOG_CALLBACK, uri_seen, &front,
                           MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_COMPLETED, completed, &front,
                           MHD_OPTION_NOTIFY_CONNECTION, patience_notify, front.patience, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,
                           MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    MUST(mhd != NULL);
    return 0;
}

/* Nothing of the request ends a header line of the answer and begins another (CWE-113). */
static void check_answer(const char *answer, size_t n)
{
    MUST(n == 0 || text_has_prefix(answer, "HTTP/1."));
    MUST(strcasestr(answer, "\nInjected:") == NULL);
}

static bool read_all(int fd, struct buf *to)
{
    char part[4096];
    for (;;) {
        ssize_t n = read(fd, part, sizeof part);
        if (n <= 0)
            return n == 0;
        buf_add(to, part, (size_t)n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf) struct buf answer;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int ends[2];
    bool closed = false;

    buf_init(&answer, 1u << 20);
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    size = size < 65536 ? size : 65536;
    MUST(write(ends[1], data, size) == (ssize_t)size && shutdown(ends[1], SHUT_WR) == 0);
    MUST(MHD_add_connection(mhd, ends[0], (const struct sockaddr *)(const void *)&from, sizeof from) == MHD_YES);
    for (int turn = 0; turn < TURNS_MAX && !closed; turn++) {
        MUST(MHD_run(mhd) == MHD_YES);
        closed = read_all(ends[1], &answer);
    }
    close(ends[1]);
    (void)MHD_run(mhd);
    MUST(closed && atomic_load(&front.open) == 0);
    if (answer.data != NULL)
        check_answer(answer.data, answer.len);
    return 0;
}
