/* The HTTP client against a small server in this process: what it reads, what it refuses, where it stops, and that
 * connections are kept. */
#include "unit.h"

#include "http_server.h"

static struct server server;

static int group_up(void **state)
{
    (void)state;
    /* None of these may have any effect. */
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("HTTPS_PROXY", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    return http_global_init(NULL) == RESULT_OK ? server_start(&server) : -1;
}

static int group_down(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

static int arena_up(void **state)
{
    *state = arena_new(4 << 20);
    return *state == NULL;
}

static int arena_down(void **state)
{
    arena_free(*state);
    return 0;
}

static struct fault fault;
static struct http_response answer;

static char *url(struct arena *a, const char *path)
{
    return arena_printf(a, "http://127.0.0.1:%d%s", server.port, path);
}

static enum result get(struct arena *a, const char *path)
{
    struct http_request rq = {.method = "GET", .url = url(a, path), .max_body = 1000, .timeout_ms = 5000};
    return http_fetch(&fault, a, &rq, &answer);
}

/* "http://127.0.0.1:PORT: " is in front of every fault of a call. */
static void assert_detail(const char *rest)
{
    char expected[sizeof fault.detail];
    (void)snprintf(expected, sizeof expected, "http://127.0.0.1:%d: %s", server.port, rest);
    assert_string_equal(fault.detail, expected);
    assert_string_equal(answer.body, "");
    assert_string_equal(answer.content_type, "");
}

/* ---- what is read --------------------------------------------------------------------------------- */

static void test_answer(void **state)
{
    assert_result(RESULT_OK, get(*state, "/ok?secret=1"));
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/json");
    assert_string_equal(answer.body, "{\"a\":1}");
    assert_int_equal(answer.body_len, 7);
    assert_string_equal(answer.date, "Sun, 22 Nov 2026 19:43:00 GMT");
    assert_string_equal(answer.etag, "\"e1\"");
    assert_string_equal(answer.dpop_nonce, "n1");
    assert_null(answer.location);
    assert_null(answer.retry_after);
    assert_true(answer.took_us > 0);
    assert_non_null(strstr(server.last_request, "GET /ok?secret=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(server.last_request, "\r\nUser-Agent: idbridge\r\n"));
    assert_null(strcasestr(server.last_request, "\r\nAccept-Encoding:"));
}

static void test_redirect_is_not_followed(void **state)
{
    assert_result(RESULT_OK, get(*state, "/redirect"));
    assert_int_equal(answer.status, 307);
    assert_string_equal(answer.location, "/ok");
    assert_string_equal(answer.body, "");
    assert_non_null(strstr(server.last_request, "GET /redirect "));
}

static void test_first_of_two_headers_counts(void **state)
{
    assert_result(RESULT_OK, get(*state, "/denied"));
    assert_int_equal(answer.status, 401);
    assert_string_equal(answer.www_authenticate, "Bearer error=\"invalid_token\"");
    assert_string_equal(answer.retry_after, "7");
    assert_string_equal(answer.content_type, "");
}

static void test_interim_answers_and_trailers_do_not_count(void **state)
{
    assert_result(RESULT_OK, get(*state, "/interim"));
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer.etag, "\"late\"");
    assert_null(answer.location);
    assert_result(RESULT_OK, get(*state, "/trailers"));
    assert_string_equal(answer.body, "abc");
    assert_null(answer.etag);
    assert_result(RESULT_OK, get(*state, "/nul"));
    assert_int_equal(answer.body_len, 3);
    assert_memory_equal(answer.body, "a\0b", 4);
}

static void test_methods_headers_and_bodies(void **state)
{
    const struct http_header headers[] = {{"Authorization", "Bearer x.y.z"}, {"Content-Type", "application/json-patch+json"}, {"X-Empty", ""}, {NULL, NULL}};
    static const char *const METHODS[] = {"POST", "PATCH", "PUT", "DELETE"};
    for (size_t i = 0; i < COUNT_OF(METHODS); i++) {
        struct http_request rq = {.method = METHODS[i], .url = url(*state, "/ok"), .headers = headers, .body = "a\0b=c", .body_len = 5};
        assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
        assert_memory_equal(server.last_request, METHODS[i], strlen(METHODS[i]));
        assert_non_null(strstr(server.last_request, "\r\nAuthorization: Bearer x.y.z\r\n"));
        assert_non_null(strstr(server.last_request, "\r\nContent-Type: application/json-patch+json\r\n"));
        assert_non_null(strstr(server.last_request, "\r\nX-Empty:\r\n"));
        assert_non_null(strstr(server.last_request, "\r\nContent-Length: 5\r\n"));
        assert_null(strstr(server.last_request, "\r\nExpect"));
        assert_memory_equal(strstr(server.last_request, "\r\n\r\n") + 4, "a\0b=c", 6);
    }
    struct http_request rq = {.method = "POST", .url = url(*state, "/ok")};
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    assert_non_null(strstr(server.last_request, "\r\nContent-Length: 0\r\n"));
    rq.method = "DELETE";
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    assert_memory_equal(server.last_request, "DELETE ", 7);
    rq.method = "GET"; /* nothing of the calls before stays */
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    assert_memory_equal(server.last_request, "GET ", 4);
    assert_null(strstr(server.last_request, "Bearer"));
}

static void test_no_cookies(void **state)
{
    assert_result(RESULT_OK, get(*state, "/cookie"));
    assert_result(RESULT_OK, get(*state, "/ok"));
    assert_null(strcasestr(server.last_request, "\r\nCookie:"));
}

/* ---- connections ---------------------------------------------------------------------------------- */

static void *two_calls(void *result)
{
    CLEANUP(arena) struct arena *a = arena_new(1 << 20);
    struct http_response r;
    struct http_request rq = {.method = "GET", .url = url(a, "/ok")};
    for (int i = 0; i < 2; i++)
        if (http_fetch(NULL, a, &rq, &r) != RESULT_OK || r.status != 200)
            *(bool *)result = false;
    return NULL;
}

static void test_connection_is_kept_per_thread(void **state)
{
    assert_result(RESULT_OK, get(*state, "/ok"));
    int before = atomic_load(&server.connections);
    for (int i = 0; i < 10; i++)
        assert_result(RESULT_OK, get(*state, "/ok"));
    assert_int_equal(atomic_load(&server.connections), before);
    pthread_t threads[4];
    bool good[4] = {true, true, true, true};
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, two_calls, &good[i]), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
    assert_int_equal(atomic_load(&server.connections), before + 4);
}

/* The server closed it while it was idle: the next call opens another one by itself. */
static void test_connection_closed_by_the_server(void **state)
{
    assert_result(RESULT_OK, get(*state, "/ok"));
    for (int i = 0; i < atomic_load(&server.connections); i++)
        (void)shutdown(server.sockets[i], SHUT_RDWR);
    assert_result(RESULT_OK, get(*state, "/ok"));
    assert_int_equal(answer.status, 200);
}

/* ---- where it stops ------------------------------------------------------------------------------- */

static void test_body_cap(void **state)
{
    assert_result(RESULT_UNAVAILABLE, get(*state, "/big"));
    assert_detail("the answer is larger than 1000 bytes");
    assert_result(RESULT_UNAVAILABLE, get(*state, "/big-chunked"));
    assert_detail("the answer is larger than we read");
    struct http_request rq = {.method = "GET", .url = url(*state, "/big"), .max_body = 100000};
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    assert_int_equal(answer.body_len, 100000);
    rq.max_body = 99999;
    assert_result(RESULT_UNAVAILABLE, http_fetch(&fault, *state, &rq, &answer));
    rq.url = url(*state, "/big-chunked");
    rq.max_body = 100000;
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    assert_int_equal(answer.body_len, 100000);
}

static void test_header_cap(void **state)
{
    assert_result(RESULT_UNAVAILABLE, get(*state, "/big-headers"));
    assert_detail("the headers of the answer are larger than 65536 bytes");
}

static void test_arena_too_small_for_the_body(void **state)
{
    CLEANUP(arena) struct arena *small = arena_new(2000);
    struct http_request rq = {.method = "GET", .url = url(*state, "/big"), .max_body = 100000};
    assert_result(RESULT_INTERNAL, http_fetch(&fault, small, &rq, &answer));
    assert_string_equal(answer.body, "");
}

static void test_timeouts(void **state)
{
    struct http_request rq = {.method = "GET", .url = url(*state, "/slow"), .timeout_ms = 300};
    assert_result(RESULT_TIMEOUT, http_fetch(&fault, *state, &rq, &answer));
    assert_detail("no complete answer within 300 ms");
    assert_in_range(answer.took_us, 290000, 3000000);
    rq.url = url(*state, "/drip"); /* a byte now and then does not prolong it */
    assert_result(RESULT_TIMEOUT, http_fetch(&fault, *state, &rq, &answer));
    assert_detail("no complete answer within 300 ms");
    assert_in_range(answer.took_us, 290000, 3000000);
}

/* A listener whose queue is full lets SYNs fall on the floor. */
static void test_connect_timeout(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int full[8], l = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(l, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(l, 0), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
    for (size_t i = 0; i < COUNT_OF(full); i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(full[i], (struct sockaddr *)&a, n);
    }
    char *target = arena_printf(*state, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    struct http_request rq = {.method = "GET", .url = target, .connect_timeout_ms = 300, .timeout_ms = 4000};
    enum result r = http_fetch(&fault, *state, &rq, &answer);
    for (size_t i = 0; i < COUNT_OF(full); i++)
        close(full[i]);
    close(l);
    assert_result(RESULT_TIMEOUT, r);
    assert_non_null(strstr(fault.detail, ": no connection within 300 ms"));
    assert_in_range(answer.took_us, 290000, 3000000);
}

static void test_unavailable(void **state)
{
    assert_result(RESULT_UNAVAILABLE, get(*state, "/short"));
    assert_result(RESULT_UNAVAILABLE, get(*state, "/rubbish"));
    assert_result(RESULT_UNAVAILABLE, get(*state, "/close"));
    assert_null(strstr(fault.detail, "/close"));
    struct http_request rq = {.method = "GET", .url = "http://name.invalid:81/x?secret=1"};
    assert_result(RESULT_UNAVAILABLE, http_fetch(&fault, *state, &rq, &answer));
    assert_true(text_has_prefix(fault.detail, "http://name.invalid:81: "));
    assert_null(strstr(fault.detail, "secret"));
    rq.url = arena_printf(*state, "https://127.0.0.1:%d/", server.port);
    rq.timeout_ms = 2000; /* the server waits for a request line, the client for a TLS answer */
    assert_int_not_equal(http_fetch(&fault, *state, &rq, &answer), RESULT_OK);
}

static void test_refused_connection(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else gets this port meanwhile */
    assert_int_equal(bind(s, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(s, (struct sockaddr *)&a, &n), 0);
    char *origin = arena_printf(*state, "http://127.0.0.1:%d", ntohs(a.sin_port));
    struct http_request rq = {.method = "GET", .url = arena_printf(*state, "%s/x?secret=1", origin)};
    enum result r = http_fetch(&fault, *state, &rq, &answer);
    close(s);
    assert_result(RESULT_UNAVAILABLE, r);
    assert_string_equal(fault.detail, arena_printf(*state, "%s: could not connect (Connection refused)", origin));
}

static void test_proxy_is_used_when_configured(void **state)
{
    char *proxy = url(*state, "");
    struct http_request rq = {.method = "GET", .url = "http://elsewhere.invalid/ok", .proxy = proxy};
    setenv("no_proxy", "*", 1); /* no effect either */
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    unsetenv("no_proxy");
    assert_non_null(strstr(server.last_request, "GET http://elsewhere.invalid/ok HTTP/1.1\r\n"));
}

static void test_ip_family(void **state)
{
    struct http_request rq = {.method = "GET", .url = arena_printf(*state, "http://localhost:%d/ok", server.port), .ip_family = "ipv4"};
    assert_result(RESULT_OK, http_fetch(&fault, *state, &rq, &answer));
    rq.url = url(*state, "/ok");
    rq.ip_family = "ipv6"; /* an IPv4 address has no IPv6 one */
    assert_result(RESULT_UNAVAILABLE, http_fetch(&fault, *state, &rq, &answer));
}

static void test_bad_requests(void **state)
{
    const struct http_header bad[][2] = {
        {{"X-A", "b\r\nX-C: d"}, {NULL, NULL}}, {{"X-A", "b\n"}, {NULL, NULL}}, {{"X A", "b"}, {NULL, NULL}},
        {{"X-A:", "b"}, {NULL, NULL}}, {{"", "b"}, {NULL, NULL}}, {{"X-A", NULL}, {NULL, NULL}}, {{"X-A", "\x7f"}, {NULL, NULL}},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct http_request rq = {.method = "GET", .url = url(*state, "/ok"), .headers = bad[i]};
        assert_result(RESULT_INVALID, http_fetch(&fault, *state, &rq, &answer));
    }
    static const char *const URLS[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/", "gopher://127.0.0.1/", "127.0.0.1"};
    for (size_t i = 0; i < COUNT_OF(URLS); i++) {
        struct http_request rq = {.method = "GET", .url = URLS[i]};
        assert_result(RESULT_INVALID, http_fetch(&fault, *state, &rq, &answer));
    }
    struct http_request rq = {.method = "TRACE", .url = url(*state, "/ok")};
    assert_result(RESULT_INVALID, http_fetch(&fault, *state, &rq, &answer));
    rq.method = NULL;
    assert_result(RESULT_INVALID, http_fetch(&fault, *state, &rq, &answer));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_up, arena_down)
    const struct CMUnitTest tests[] = {
        T(test_answer), T(test_redirect_is_not_followed), T(test_first_of_two_headers_counts),
        T(test_interim_answers_and_trailers_do_not_count), T(test_methods_headers_and_bodies), T(test_no_cookies),
        T(test_connection_is_kept_per_thread), T(test_connection_closed_by_the_server), T(test_body_cap), T(test_header_cap),
        T(test_arena_too_small_for_the_body), T(test_timeouts), T(test_connect_timeout), T(test_unavailable),
        T(test_refused_connection), T(test_proxy_is_used_when_configured), T(test_ip_family), T(test_bad_requests),
    };
    return cmocka_run_group_tests(tests, group_up, group_down);
}
