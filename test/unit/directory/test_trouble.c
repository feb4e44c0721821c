/* What happens when a directory server hangs, dies, restarts, shows a wrong certificate or refuses the service account? Runs
 * against OpenLDAP servers that test/flow/test_directory.py starts. A line "ask pause a" on standard output asks it to do
 * that to its server; it answers with a line. Without IDBRIDGE_LIVE_CONFIG everything is skipped, with that reason. */
#include "live.h"

#include <sys/resource.h>

/* ---- two servers, the first in trouble */

static int64_t took_ms(struct arena *a, const char *login)
{
    int64_t start = clock_monotonic_us();
    assert_int_equal(by_login(a, login).status, ACCOUNT_OK);
    return (clock_monotonic_us() - start) / 1000;
}

static int64_t cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* network_timeout and search_timeout are 1 s here. A kept connection to a server that hangs costs the search timeout,
 * then its health is known: the next question goes to the second server at once. Afterwards the first one is used again
 * only when its 30 seconds are over or the second fails. */
static void failover_hang_of_a_kept_connection(void **state)
{
    assert_true(took_ms(*state, "amina.diallo") < 990);
    ask("pause a");
    int64_t cpu = cpu_ms(), first = took_ms(*state, "amina.diallo"), second = took_ms(*state, "samuel.okoro");
    assert_in_range(first, 900, 4000);
    assert_in_range(second, 0, 990);
    assert_true(cpu_ms() - cpu < 600);
    ask("resume a");
    assert_in_range(took_ms(*state, "amina.diallo"), 0, 990);
}

/* New connections to a hung server: kernel accepts, nobody answers. libldap's own timeouts would not end the handshake. */
static void failover_hang_at_connect(void **state)
{
    ask("pause a");
    int64_t cpu = cpu_ms(), first = took_ms(*state, "amina.diallo"), second = took_ms(*state, "samuel.okoro");
    assert_in_range(first, 900, 4000);
    assert_in_range(second, 0, 990);
    assert_true(cpu_ms() - cpu < 600);
    ask("resume a");
}

static void failover_all_down_then_back(void **state)
{
    struct fault f = {0};
    struct person p;
    assert_true(took_ms(*state, "amina.diallo") < 990);
    ask("pause a");
    ask("pause b");
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "amina.diallo", &p), RESULT_TIMEOUT);
    assert_null(strstr(f.detail, "amina"));
    ask("resume b");
    assert_in_range(took_ms(*state, "amina.diallo"), 0, 2900); /* at most one short try of the dead one before */
    ask("resume a");
}

/* The server was restarted: kept connections are dead, nothing is lost, nobody is marked down. */
static void failover_restart(void **state)
{
    assert_true(took_ms(*state, "amina.diallo") < 990);
    assert_int_equal(bind_as(*state, "amina.diallo", OPENLDAP_PASSWORD), ACCOUNT_OK);
    ask("restart a");
    assert_in_range(took_ms(*state, "samuel.okoro"), 0, 990);
    assert_int_equal(bind_as(*state, "amina.diallo", OPENLDAP_PASSWORD), ACCOUNT_OK);
    assert_int_equal(dir_find(live, "staff", 5)->servers[0].down_us, 0);
}

static void failover_kill(void **state)
{
    static const char *const says[] = {"error: [directory staff] ", "Connection refused: does the server run", "ok: [directory staff] ldap", NULL};
    assert_true(took_ms(*state, "amina.diallo") < 990);
    ask("kill a");
    assert_in_range(took_ms(*state, "samuel.okoro"), 0, 990);
    assert_int_equal(bind_as(*state, "amina.diallo", OPENLDAP_PASSWORD), ACCOUNT_OK);
    probe_says(*state, RESULT_UNAVAILABLE, says);
    ask("start a");
}

/* ---- things that must not work */

static void untrusted(void **state)
{
    const char *const says[] = {"error: [directory staff] ldaps://", "TLS: the server's certificate is not accepted",
                                getenv("IDBRIDGE_LIVE_REASON"), NULL};
    struct fault f = {0};
    struct person p;
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "amina.diallo", &p), RESULT_UNAVAILABLE);
    probe_says(*state, RESULT_UNAVAILABLE, says);
}

/* A wrong bind_password_file: sent once, then not again for five minutes, or the account would be locked. */
static void wrong_service_password(void **state)
{
    static const char *const says[] = {"bind_dn is refused: wrong_password", "check bind_dn, bind_password_file", NULL};
    struct fault f = {0};
    struct person p;
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "amina.diallo", &p), RESULT_UNAVAILABLE);
    assert_non_null(strstr(f.detail, "bind_dn is refused: wrong_password"));
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "amina.diallo", &p), RESULT_UNAVAILABLE);
    assert_non_null(strstr(f.detail, "known to be down: "));
    assert_non_null(strstr(f.detail, "bind_dn is refused"));
    probe_says(*state, RESULT_UNAVAILABLE, says);
}

static void wrong_bases(void **state)
{
    static const char *const says[] = {"people_base = ou=nowhere,dc=health,dc=example does not exist",
                                       "groups_base = ou=nothing,dc=health,dc=example does not exist", NULL};
    struct fault f = {0};
    struct person p;
    assert_int_equal(directory_by_login(&f, *state, live, "staff", "amina.diallo", &p), RESULT_UNAVAILABLE);
    probe_says(*state, RESULT_UNAVAILABLE, says);
}

/* ---- what one question costs */

static void bench(void **state)
{
    enum { N = 2000 };
    (void)state;
    int64_t start = clock_monotonic_us(), cpu = cpu_ms();
    for (int i = 0; i < N; i++) {
        struct arena *a = arena_new(4 << 20);
        assert_int_equal(by_login(a, "amina.diallo").group_count, 4);
        arena_free(a);
    }
    print_message("one person with groups: %ld us, %ld us of our CPU\n", (long)((clock_monotonic_us() - start) / N),
                  (long)((cpu_ms() - cpu) * 1000 / N));
}

int main(int argc, char **argv)
{
    const char *group = argc > 1 ? argv[1] : "";
    if (no_server())
        return 0;
    GROUP(failover, LIVE_TEST(failover_hang_of_a_kept_connection), LIVE_TEST(failover_hang_at_connect),
          LIVE_TEST(failover_all_down_then_back), LIVE_TEST(failover_restart), LIVE_TEST(failover_kill))
    GROUP(untrusted, LIVE_TEST(untrusted))
    GROUP(wrong_password, LIVE_TEST(wrong_service_password))
    GROUP(wrong_bases, LIVE_TEST(wrong_bases))
    GROUP(bench, LIVE_TEST(bench))
    print_error("no group of tests is called \"%s\"\n", group);
    return 2;
}
