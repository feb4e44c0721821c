/* Does a connect end within its time, try every address of a name, and say in words what failed? Listeners of our own. */
#include "support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int listener(int backlog, struct server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *s = (struct server){.url = "ldap://test", .scheme = SCHEME_LDAP, .host = "127.0.0.1", .port = ntohs(address.sin_port)};
    return fd;
}

static enum result dial(struct fault *f, struct server *s, int64_t timeout_us, int *fd_r)
{
    struct fault ignored = {0};
    assert_int_equal(dir_endpoint_new(&ignored, s->host, s->port, &s->endpoint), RESULT_OK);
    enum result r = dir_dial(f, s, timeout_us, fd_r);
    dir_endpoint_release(s->endpoint);
    return r;
}

static void connects(void **state)
{
    struct fault f = {0};
    struct server s;
    int fd = -1, l = listener(4, &s);
    (void)state;
    assert_int_equal(dial(&f, &s, 2000000, &fd), RESULT_OK);
    close(fd);
    s.host = "localhost"; /* ::1 first on many machines, and nobody is there */
    assert_int_equal(dial(&f, &s, 2000000, &fd), RESULT_OK);
    close(fd);
    close(l);
    assert_int_equal(dial(&f, &s, 2000000, &fd), RESULT_UNAVAILABLE);
    assert_string_equal(f.detail, "ldap://test: Connection refused");
}

/* A full queue: the kernel answers no further SYN, as a firewall that drops packets would. */
static void ends_in_time(void **state)
{
    enum { MANY = 16 };
    struct fault f = {0};
    struct server s;
    int fds[MANY], l = listener(0, &s), n = 0;
    enum result r = RESULT_OK;
    int64_t start = 0;
    (void)state;
    for (; n < MANY && r == RESULT_OK; n++) {
        start = clock_monotonic_us();
        r = dial(&f, &s, 300000, &fds[n]);
    }
    int64_t took_ms = (clock_monotonic_us() - start) / 1000;
    assert_int_equal(r, RESULT_TIMEOUT);
    assert_in_range(took_ms, 299, 2000);
    for (int i = 0; i < n - 1; i++)
        close(fds[i]);
    close(l);
}

static void says_what_failed(void **state)
{
    struct fault f = {0};
    int fd = -1;
    struct server name = {.url = "ldap://x", .scheme = SCHEME_LDAP, .host = "no-such-host.invalid", .port = 389};
    struct server path = {.url = "ldapi://x", .scheme = SCHEME_LDAPI, .host = "/nowhere/ldapi"};
    char many[200];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    struct server far = {.url = "ldapi://y", .scheme = SCHEME_LDAPI, .host = many};
    (void)state;
    assert_int_equal(dial(&f, &name, 1000000, &fd), RESULT_UNAVAILABLE);
    assert_non_null(strstr(f.detail, "ldap://x: name not found"));
    assert_int_equal(dir_dial(&f, &path, 1000000, &fd), RESULT_UNAVAILABLE);
    assert_string_equal(f.detail, "ldapi://x: No such file or directory");
    assert_int_equal(dir_dial(&f, &far, 1000000, &fd), RESULT_UNAVAILABLE);
    assert_non_null(strstr(f.detail, "107 bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(connects), cmocka_unit_test(ends_in_time),
                                       cmocka_unit_test(says_what_failed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
