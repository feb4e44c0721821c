/* The log line: its form, what is escaped, what is cut, and that lines of several threads never mix; and the metrics
 * in Prometheus' text form. */
#include "unit.h"

#include <pthread.h>
#include <regex.h>

static char *text;
static size_t text_len;
static FILE *sink;

static int log_up(void **state)
{
    (void)state;
    sink = open_memstream(&text, &text_len);
    log_setup(LEVEL_INFO, sink);
    return sink == NULL;
}

static int log_down(void **state)
{
    (void)state;
    log_setup(LEVEL_INFO, NULL);
    (void)fclose(sink);
    free(text);
    text = NULL;
    return 0;
}

static bool matches(const char *s, const char *pattern)
{
    regex_t r;
    assert_int_equal(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool hit = regexec(&r, s, 0, NULL, 0) == 0;
    regfree(&r);
    return hit;
}

static void test_form_of_a_line(void **state)
{
    (void)state;
    log_event(LEVEL_INFO, "login", "ref", "AB12", "upstream", NULL, "why", "no group", "empty", "", NULL);
    assert_true(matches(text, "^ts=20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z level=info "
                              "event=login ref=AB12 why=\"no group\" empty=\"\"\n$"));
}

static void test_levels(void **state)
{
    (void)state;
    log_event(LEVEL_DEBUG, "hidden", NULL);
    fflush(sink);
    assert_int_equal(text_len, 0);
    log_event(LEVEL_WARN, "shown", NULL);
    assert_non_null(strstr(text, "level=warn event=shown\n"));
    log_setup(LEVEL_ERROR, sink);
    size_t before = text_len;
    log_event(LEVEL_WARN, "hidden", NULL);
    fflush(sink);
    assert_int_equal(text_len, before);
    log_setup(LEVEL_DEBUG, sink);
    log_event(LEVEL_DEBUG, "seen", NULL);
    assert_non_null(strstr(text, "level=debug event=seen\n"));
}

static void test_nothing_begins_a_new_line(void **state)
{
    (void)state;
    log_event(LEVEL_INFO, "x", "v", "a\nlevel=error\r\t\"q\" \\ \x1b[31m \x7f \xff \xc2\x85 \xe2\x80\xae", NULL);
    assert_non_null(strstr(text, "v=\"a\\nlevel=error\\r\\t\\\"q\\\" \\\\ \\x1b[31m \\x7f \\xff \\xc2\\x85 \\xe2\\x80\\xae\"\n"));
    assert_int_equal(strcspn(text, "\n") + 1, text_len);
}

static void test_letters_of_the_world_stay(void **state)
{
    (void)state;
    log_event(LEVEL_INFO, "x", "v", "\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a", "w", "a=b", NULL);
    assert_non_null(strstr(text, "v=\"\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\" w=\"a=b\"\n"));
}

static void test_long_values_are_cut(void **state)
{
    (void)state;
    char value[3001], mine[2000];
    memset(value, 'y', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    log_event(LEVEL_INFO, "x", "long", value, "after", "z", NULL);
    assert_non_null(strstr(text, "yyy...\" after=z\n"));
    assert_true(text_len < 1200);
    memset(mine, 0x1b, sizeof mine - 1); /* four characters each: 4096, more than a line has */
    mine[sizeof mine - 1] = '\0';
    size_t before = text_len;
    log_event(LEVEL_INFO, "x", "noise", mine, "after", "z", NULL);
    assert_non_null(strstr(text + before, "event=x after=z cut=yes\n"));
    before = text_len;
    log_event(LEVEL_INFO, "x", "a", value, "b", value, "c", value, "d", value, "e", "z", NULL);
    assert_true(text_len - before <= 4096);
    assert_non_null(strstr(text + before, " e=z cut=yes\n"));
}

static void test_cut_values_stay_utf8(void **state)
{
    (void)state;
    for (size_t lead = 0; lead < 3; lead++) {
        char value[1600] = "aa";
        for (size_t i = 0; i < 500; i++)
            memcpy(value + lead + 3 * i, "\xe2\x82\xac", 4);
        log_event(LEVEL_INFO, "x", "v", value, NULL);
    }
    assert_true(text_is_utf8(text, text_len));
    assert_null(strstr(text, "\\x"));
}

static void test_log_fault(void **state)
{
    (void)state;
    struct fault f = {0};
    (void)FAULT(&f, RESULT_TIMEOUT, "no answer");
    log_fault(LEVEL_ERROR, "upstream", &f);
    assert_non_null(strstr(text, "level=error event=upstream result=timeout where=test_log_fault detail=\"no answer\"\n"));
}

static void *write_lines(void *name)
{
    for (int i = 0; i < 500; i++)
        log_event(LEVEL_INFO, "thread", "a", name, "b", name, NULL);
    return NULL;
}

static void test_lines_never_mix(void **state)
{
    (void)state;
    static char names[8][64];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        memset(names[i], 'a' + i, 60);
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    size_t lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        const char *a = strstr(line, " a="), *b = strstr(line, " b=");
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(b - a, 63);
        assert_int_equal(strlen(b), 63);
        assert_memory_equal(a + 3, b + 3, 60);
    }
    assert_int_equal(lines, 4000);
}

/* ---- metrics -------------------------------------------------------------------------------------- */

/* The registry is one per process, so the tests below use names of their own. */
static char *render(void)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    metrics_render(&b);
    assert_false(b.failed);
    return buf_take(&b);
}

static void test_counters_and_gauges(void **state)
{
    (void)state;
    metrics_help("t_logins_total", "Logins by result.");
    metric_add("t_logins_total", "result=\"ok\"", 1);
    metric_add("t_queue", NULL, 0);
    metric_add("t_logins_total", "result=\"denied\"", 2);
    metric_add("t_logins_total", "result=\"ok\"", 1.5);
    metric_set("t_open", NULL, 7);
    metric_add("t_open", NULL, -2);
    CLEANUP(free) char *s = render();
    assert_non_null(strstr(s, "# HELP t_logins_total Logins by result.\n# TYPE t_logins_total counter\n"
                              "t_logins_total{result=\"ok\"} 2.5\nt_logins_total{result=\"denied\"} 2\n"));
    assert_non_null(strstr(s, "# TYPE t_queue counter\nt_queue 0\n"));
    assert_non_null(strstr(s, "# TYPE t_open gauge\nt_open 5\n"));
}

static void test_histogram(void **state)
{
    (void)state;
    metric_observe_ms("t_ms", "step=\"bind\"", 1);
    metric_observe_ms("t_ms", "step=\"bind\"", 7);
    metric_observe_ms("t_ms", "step=\"bind\"", 60000);
    metric_observe_ms("t_plain_ms", NULL, 2.5);
    CLEANUP(free) char *s = render();
    assert_non_null(strstr(s, "# TYPE t_ms histogram\nt_ms_bucket{step=\"bind\",le=\"1\"} 1\nt_ms_bucket{step=\"bind\",le=\"2.5\"} 1\n"));
    assert_non_null(strstr(s, "t_ms_bucket{step=\"bind\",le=\"10\"} 2\n"));
    assert_non_null(strstr(s, "t_ms_bucket{step=\"bind\",le=\"30000\"} 2\nt_ms_bucket{step=\"bind\",le=\"+Inf\"} 3\n"
                              "t_ms_sum{step=\"bind\"} 60008\nt_ms_count{step=\"bind\"} 3\n"));
    assert_non_null(strstr(s, "t_plain_ms_bucket{le=\"2.5\"} 1\n"));
    assert_non_null(strstr(s, "t_plain_ms_sum 2.5\nt_plain_ms_count 1\n"));
}

static void test_misuse_and_overflow_are_counted(void **state)
{
    (void)state;
    char label[32], long_label[200];
    metric_add("t_kind", NULL, 1);
    metric_observe_ms("t_kind", NULL, 1);
    metric_add("t_kind", NULL, -1);
    metric_set("t_kind", NULL, 9);
    memset(long_label, 'x', sizeof long_label - 1);
    long_label[sizeof long_label - 1] = '\0';
    metric_add("t_kind", long_label, 1);
    CLEANUP(free) char *before = render();
    assert_non_null(strstr(before, "\nt_kind 1\n"));
    assert_non_null(strstr(before, "\nidbridge_metrics_dropped_total 4\n"));
    for (int i = 0; i < 600; i++) {
        (void)snprintf(label, sizeof label, "n=\"%d\"", i);
        metric_add("t_many", label, 1);
    }
    metric_add("t_logins_total", "result=\"ok\"", 1); /* what is there goes on */
    CLEANUP(free) char *after = render();
    assert_non_null(strstr(after, "t_logins_total{result=\"ok\"} 3.5\n"));
    const char *dropped = strstr(after, "\nidbridge_metrics_dropped_total ");
    assert_non_null(dropped);
    assert_in_range(strtol(dropped + 32, NULL, 10), 90, 104);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, log_up, log_down)
    const struct CMUnitTest tests[] = {
        T(test_form_of_a_line), T(test_levels), T(test_nothing_begins_a_new_line), T(test_letters_of_the_world_stay),
        T(test_long_values_are_cut), T(test_cut_values_stay_utf8), T(test_log_fault), T(test_lines_never_mix),
        cmocka_unit_test(test_counters_and_gauges), cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_misuse_and_overflow_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
