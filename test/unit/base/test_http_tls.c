/* The HTTP client and TLS: whom it trusts and which versions it speaks, against Python's TLS server with a certificate
 * made here by `openssl`. */
#include "unit.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/idbridge-unit-XXXXXX";
static pid_t servers[2];
static int ports[2]; /* current TLS, and TLS 1.1 only */

static const char SCRIPT[] =
    "import ssl, sys, http.server, warnings\n"
    "warnings.simplefilter('ignore')\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200); self.send_header('Content-Length', '2'); self.end_headers(); self.wfile.write(b'ok')\n"
    "    def log_message(self, *a): pass\n"
    "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
    "if sys.argv[2] == 'old':\n"
    "    c.minimum_version = ssl.TLSVersion.TLSv1_1; c.maximum_version = ssl.TLSVersion.TLSv1_1\n"
    "    c.set_ciphers('ALL:@SECLEVEL=0')\n"
    "c.load_cert_chain(sys.argv[1] + '/cert.pem', sys.argv[1] + '/key.pem')\n"
    "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
    "s.handle_error = lambda *a: None\n"
    "s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
    "print(s.server_port, flush=True)\n"
    "s.serve_forever()\n";

static int make_certificate(void)
{
    char command[600];
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=unit "
                   "-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem >openssl.log 2>&1",
                   folder);
    return system(command);
}

/* The child prints its port; at most ten seconds for that. */
static int start_server(const char *version, pid_t *pid_r, int *port_r)
{
    int out[2];
    char line[32] = "";
    if (pipe(out) != 0)
        return -1;
    *pid_r = fork();
    if (*pid_r == 0) {
        (void)dup2(out[1], STDOUT_FILENO);
        execl("/usr/bin/python3", "python3", "-c", SCRIPT, folder, version, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    struct pollfd p = {.fd = out[0], .events = POLLIN};
    ssize_t n = *pid_r > 0 && poll(&p, 1, 10000) == 1 ? read(out[0], line, sizeof line - 1) : 0;
    close(out[0]);
    *port_r = n > 0 ? (int)strtol(line, NULL, 10) : 0;
    return *port_r > 0 ? 0 : -1;
}

static int group_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL || make_certificate() != 0 || http_global_init(NULL) != RESULT_OK)
        return -1;
    return start_server("new", &servers[0], &ports[0]) != 0 || start_server("old", &servers[1], &ports[1]) != 0 ? -1 : 0;
}

static int group_down(void **state)
{
    (void)state;
    static const char *const FILES[] = {"key.pem", "cert.pem", "openssl.log"};
    char path[100];
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        if (servers[i] > 0) {
            kill(servers[i], SIGKILL);
            waitpid(servers[i], NULL, 0);
        }
    }
    for (size_t i = 0; i < COUNT_OF(FILES); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, FILES[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
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

static enum result fetch(struct arena *a, const char *host, int port, const char *ca_file, struct http_response *r)
{
    struct http_request rq = {.method = "GET", .url = arena_printf(a, "https://%s:%d/x?secret=1", host, port),
                              .ca_file = ca_file, .ip_family = "ipv4"};
    return http_fetch(&fault, a, &rq, r);
}

static char *certificate(struct arena *a)
{
    return arena_printf(a, "%s/cert.pem", folder);
}

static void test_certificate_of_our_ca_file(void **state)
{
    struct http_response r;
    assert_result(RESULT_OK, fetch(*state, "localhost", ports[0], certificate(*state), &r));
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "ok");
}

/* A connection that was trusted with a ca_file must not serve a call without it. */
static void test_unknown_authority(void **state)
{
    struct http_response r;
    assert_result(RESULT_OK, fetch(*state, "localhost", ports[0], certificate(*state), &r));
    assert_result(RESULT_UNAVAILABLE, fetch(*state, "localhost", ports[0], NULL, &r));
    assert_non_null(strstr(fault.detail, "TLS: SSL certificate problem: self-signed certificate"));
    assert_null(strstr(fault.detail, "secret"));
}

static void test_wrong_name(void **state)
{
    struct http_response r;
    assert_result(RESULT_UNAVAILABLE, fetch(*state, "127.0.0.1", ports[0], certificate(*state), &r));
    assert_non_null(strstr(fault.detail, "TLS: "));
}

static void test_ca_file_missing(void **state)
{
    struct http_response r;
    assert_result(RESULT_UNAVAILABLE, fetch(*state, "localhost", ports[0], "/nonexistent/ca.pem", &r));
    assert_non_null(strstr(fault.detail, "TLS: "));
    assert_null(strstr(fault.detail, "secret"));
}

static void test_old_tls(void **state)
{
    struct http_response r;
    assert_result(RESULT_UNAVAILABLE, fetch(*state, "localhost", ports[1], certificate(*state), &r));
    assert_non_null(strstr(fault.detail, "TLS: "));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_up, arena_down)
    const struct CMUnitTest tests[] = {
        T(test_certificate_of_our_ca_file), T(test_unknown_authority), T(test_wrong_name), T(test_ca_file_missing), T(test_old_tls),
    };
    return cmocka_run_group_tests(tests, group_up, group_down);
}
