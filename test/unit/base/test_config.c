/* The configuration file: what is read, and that every mistake is named with its line. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct config_key BASE[] = {
    {"listen", false, "address", CONFIG_TEXT, CONFIG_REQUIRED, NULL, NULL, 0, 0, "Address and port."},
    {"listen", false, "threads", CONFIG_INT, CONFIG_OPTIONAL, "2", NULL, 1, 64, "Threads."},
    {"listen", false, "idle", CONFIG_DURATION, CONFIG_OPTIONAL, "30s", NULL, 1, 3600, "How long a connection may idle."},
    {"listen", false, "proxies", CONFIG_LIST, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "Trusted proxies."},
    {"store", false, "path", CONFIG_PATH, CONFIG_OPTIONAL, "state/idbridge.db", NULL, 0, 0, "The database."},
    {"store", false, "sync", CONFIG_CHOICE, CONFIG_OPTIONAL, "full", "full normal", 0, 0, "Durability."},
    {NULL},
};
static const struct config_key UPSTREAM[] = {
    {"upstream", true, "issuer", CONFIG_URL, CONFIG_REQUIRED, NULL, NULL, 0, 0, "The provider."},
    {"upstream", true, "pkce", CONFIG_BOOL, CONFIG_OPTIONAL, "on", NULL, 0, 0, "Use PKCE."},
    {"upstream", true, "scope", CONFIG_LIST, CONFIG_OPTIONAL, "openid profile", NULL, 0, 0, "Scopes."},
    {"upstream", true, "timeout", CONFIG_DURATION, CONFIG_OPTIONAL, "10s", NULL, 0, 0, "Patience."},
    {"upstream", true, "label", CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "On the button."},
    {"upstream", true, "offset", CONFIG_INT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "Any number."},
    {NULL},
};
static const struct config_key *const TABLES[] = {BASE, UPSTREAM, NULL};

static char folder[] = "/tmp/idbridge-unit-XXXXXX";
static char path[64];

static int group_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/f.ini", folder);
    return 0;
}

static int group_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void write_file(const char *text, size_t n)
{
    CLEANUP(file) FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
}

static struct config *load(const char *text)
{
    struct fault f = {0};
    struct config *c;
    CLEANUP(buf) struct buf errors;
    buf_init(&errors, 10000);
    write_file(text, strlen(text));
    if (config_load(&f, path, TABLES, &errors, &c) != RESULT_OK)
        fail_msg("%s | %s", f.detail, errors.data == NULL ? "" : errors.data);
    assert_int_equal(errors.len, 0);
    return c;
}

/* `expected`: the errors with "F:" for the file's name. */
static void assert_errors_n(const char *text, size_t n, const char *expected)
{
    struct fault f = {0};
    struct config *c;
    CLEANUP(buf) struct buf errors, short_errors;
    buf_init(&errors, 100000);
    buf_init(&short_errors, 100000);
    write_file(text, n);
    assert_result(RESULT_INVALID, config_load(&f, path, TABLES, &errors, &c));
    assert_null(c);
    assert_non_null(errors.data);
    assert_true(text_has_prefix(f.detail, path));
    for (char *line = strtok(errors.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(text_has_prefix(line, path));
        buf_printf(&short_errors, "F%s\n", line + strlen(path));
    }
    assert_string_equal(short_errors.data, expected);
}

static void assert_errors(const char *text, const char *expected)
{
    assert_errors_n(text, strlen(text), expected);
}

/* ---- what is read --------------------------------------------------------------------------------- */

static void test_values_of_every_type(void **state)
{
    (void)state;
    struct config *c = load("\xef\xbb\xbf# comment\n[listen]\naddress = 127.0.0.1:8080 ; here\nthreads=8\r\n  idle: 10m\nproxies = 10.0.0.1  ::1\n"
                            "\n; more\n[store] ; comment\npath = /var/lib/x.db\nsync = normal\n"
                            "[upstream national-id]\nissuer = https://id.example.org/v1\npkce = off\nscope = openid\nlabel = Nom d'usage; oui #1\noffset = -5\n"
                            "[upstream b.2_x]\nissuer = http://localhost:8088\ntimeout = 2h\n");
    assert_string_equal(config_text(c, "listen", NULL, "address"), "127.0.0.1:8080");
    assert_int_equal(config_number(c, "listen", NULL, "threads"), 8);
    assert_int_equal(config_number(c, "listen", NULL, "idle"), 600);
    assert_string_equal(config_list(c, "listen", NULL, "proxies")[1], "::1");
    assert_null(config_list(c, "listen", NULL, "proxies")[2]);
    assert_string_equal(config_text(c, "store", NULL, "path"), "/var/lib/x.db");
    assert_string_equal(config_text(c, "store", NULL, "sync"), "normal");
    assert_string_equal(config_text(c, "upstream", "national-id", "issuer"), "https://id.example.org/v1");
    assert_false(config_flag(c, "upstream", "national-id", "pkce"));
    assert_true(config_flag(c, "upstream", "b.2_x", "pkce"));
    assert_string_equal(config_text(c, "upstream", "national-id", "label"), "Nom d'usage; oui #1");
    assert_int_equal(config_number(c, "upstream", "national-id", "offset"), -5);
    assert_int_equal(config_number(c, "upstream", "b.2_x", "timeout"), 7200);
    assert_true(config_has(c, "upstream", "national-id", "pkce"));
    assert_false(config_has(c, "upstream", "b.2_x", "pkce"));
    config_free(c);
}

static void test_fallbacks(void **state)
{
    (void)state;
    char expected[100];
    struct config *c = load("[upstream x]\nissuer = https://h\n[listen]\naddress = a\n");
    assert_int_equal(config_number(c, "listen", NULL, "threads"), 2);
    assert_int_equal(config_number(c, "listen", NULL, "idle"), 30);
    assert_non_null(config_list(c, "listen", NULL, "proxies"));
    assert_null(config_list(c, "listen", NULL, "proxies")[0]);
    assert_string_equal(config_list(c, "upstream", "x", "scope")[1], "profile");
    assert_null(config_text(c, "upstream", "x", "label"));
    assert_int_equal(config_number(c, "upstream", "x", "offset"), 0);
    assert_string_equal(config_text(c, "upstream", "nobody", "scope"), "openid profile");
    (void)snprintf(expected, sizeof expected, "%s/state/idbridge.db", folder);
    assert_string_equal(config_text(c, "store", NULL, "path"), expected);
    assert_false(config_has(c, "store", NULL, "path"));
    config_free(c);
    config_free(NULL);
}

static void test_names_in_file_order(void **state)
{
    (void)state;
    const char *const *names;
    struct config *c = load("[upstream z]\nissuer=https://z\n[listen]\naddress=a\n[upstream a]\nissuer=https://a\n[upstream m]\nissuer=https://m\n");
    assert_int_equal(config_names(c, "upstream", &names), 3);
    assert_string_equal(names[0], "z");
    assert_string_equal(names[1], "a");
    assert_string_equal(names[2], "m");
    assert_int_equal(config_names(c, "listen", &names), 0);
    assert_int_equal(config_names(c, "unheard", &names), 0);
    config_free(c);
}

static void test_relative_paths(void **state)
{
    (void)state;
    char expected[100];
    struct config *c = load("[listen]\naddress=a\n[store]\npath = ../x y.db\n");
    (void)snprintf(expected, sizeof expected, "%s/../x y.db", folder);
    assert_string_equal(config_text(c, "store", NULL, "path"), expected);
    config_free(c);
    int back = open(".", O_RDONLY | O_DIRECTORY); /* a bare file name: its folder is the current one */
    assert_int_equal(chdir(folder), 0);
    enum result r = config_load(NULL, "f.ini", TABLES, NULL, &c);
    assert_int_equal(fchdir(back), 0);
    close(back);
    assert_result(RESULT_OK, r);
    assert_string_equal(config_text(c, "store", NULL, "path"), "./../x y.db");
    config_free(c);
}

static void test_long_lines_and_headings(void **state)
{
    (void)state;
    CLEANUP(free) char *text = calloc(1, 200000), *value = calloc(1, 100001);
    memset(value, 'v', 60000);
    (void)snprintf(text, 200000, "[listen]\naddress = %s\n[upstream a123456789012345678901234567890123456789]\nissuer=https://h\n", value);
    struct config *c = load(text);
    assert_int_equal(strlen(config_text(c, "listen", NULL, "address")), 60000);
    assert_string_equal(config_text(c, "upstream", "a123456789012345678901234567890123456789", "issuer"), "https://h");
    config_free(c);
    memset(value, 'v', 65520);
    (void)snprintf(text, 200000, "[listen]\naddress = a\naddress = %s\nthreads = x\n", value);
    assert_errors(text, "F:3: 'address' is given again (first on line 2)\nF:4: [listen] threads must be a whole number\n");
    memset(value, 'v', 100000);
    (void)snprintf(text, 200000, "[listen]\naddress = a\nidle = %s\nthreads = x\n", value);
    assert_errors(text, "F:3: a line of 100007 bytes; 65533 are read\nF:4: [listen] threads must be a whole number\n");
}

/* ---- what is refused ------------------------------------------------------------------------------ */

#define OK_LISTEN "[listen]\naddress = a\n" /* lines 1 and 2 */

static void test_unknown_words(void **state)
{
    (void)state;
    assert_errors(OK_LISTEN "adress = b\nthread = 4\nzzzzzzzzzz = 1\n[stoer]\npath = x\n[upstrem a]\nissuer = b\n[quite-other]\n"
                            "[store]\nissuer = x\nsync=full\n",
                  "F:3: unknown key 'adress' in [listen]; did you mean 'address'?\n"
                  "F:4: unknown key 'thread' in [listen]; did you mean 'threads'?\n"
                  "F:5: unknown key 'zzzzzzzzzz' in [listen]\n"
                  "F:6: unknown section [stoer]; did you mean [store]?\n"
                  "F:8: unknown section [upstrem a]; did you mean [upstream]?\n"
                  "F:10: unknown section [quite-other]\n"
                  "F:12: unknown key 'issuer' in [store]; it belongs to [upstream]\n");
}

static void test_duplicates(void **state)
{
    (void)state;
    assert_errors(OK_LISTEN "address = b\n[upstream x]\nissuer=https://a\n[store]\n\n[upstream  x]\nissuer=https://b\n[store]\n[store]\n",
                  "F:3: 'address' is given again (first on line 2)\n"
                  "F:8: section [upstream  x] appears again (first on line 4)\n"
                  "F:9: 'issuer' is given again (first on line 5)\n"
                  "F:10: section [store] appears again (first on line 6)\n"
                  "F:11: section [store] appears again (first on line 6)\n");
}

static void test_bad_values(void **state)
{
    (void)state;
    assert_errors("[listen]\naddress =\nthreads = 65\nidle = 10x\n[store]\npath =\nsync = Full\n"
                  "[upstream a]\nissuer = ftp://secret.example.org/\npkce = maybe\ntimeout = -3\noffset = 12 3\n"
                  "[upstream b]\nissuer = https://h/#x\ntimeout = 99999999999999999d\noffset = +1\nscope =\n",
                  "F:2: [listen] address must not be empty\n"
                  "F:3: [listen] threads must be from 1 to 64\n"
                  "F:4: [listen] idle must be a duration such as 30, 30s, 10m, 8h or 7d\n"
                  "F:6: [store] path must be a path\n"
                  "F:7: [store] sync must be one of: full normal\n"
                  "F:9: [upstream a] issuer must be an http or https URL (URL begins with neither http:// nor https://)\n"
                  "F:10: [upstream a] pkce must be on or off\n"
                  "F:11: [upstream a] timeout must be a duration such as 30, 30s, 10m, 8h or 7d\n"
                  "F:12: [upstream a] offset must be a whole number\n"
                  "F:14: [upstream b] issuer must be an http or https URL (URL has a fragment)\n"
                  "F:15: [upstream b] timeout must be a shorter duration\n"
                  "F:16: [upstream b] offset must be a whole number\n");
    assert_errors(OK_LISTEN "idle = 2h\nthreads = 0\n[store]\nsync = full normal\n",
                  "F:3: [listen] idle must be from 1 to 3600 seconds\n"
                  "F:4: [listen] threads must be from 1 to 64\n"
                  "F:6: [store] sync must be one of: full normal\n");
    assert_errors(OK_LISTEN "threads = 99999999999999999999\n", "F:3: [listen] threads must be a whole number\n");
}

static void test_missing(void **state)
{
    (void)state;
    assert_errors("\n[listen]\nthreads = 1\n[upstream a]\n[upstream b]\nissuer = https://b\n[upstream c]\n",
                  "F:2: [listen] address is required and missing\n"
                  "F:4: [upstream a] issuer is required and missing\n"
                  "F:7: [upstream c] issuer is required and missing\n");
    assert_errors("[store]\n\n\n", "F:3: [listen] address is required and missing\n");
    assert_errors("", "F:1: [listen] address is required and missing\n");
}

static void test_syntax(void **state)
{
    (void)state;
    assert_errors("stray = 1\n" OK_LISTEN "just words\n  indented words\n[store\npath = x\n[]\n[a b c]\n[store] x\n[up/stream]\n"
                  "[upstream 0123456789012345678901234567890123456789x]\nissuer=https://h\n[store ;x]\n= 5\n",
                  "F:1: 'stray' stands before the first section heading\n"
                  "F:4: not a section heading, a comment or `key = value`\n"
                  "F:5: not a section heading, a comment or `key = value`\n"
                  "F:6: a section heading without ]\n"
                  "F:8: a section heading is [section] or [section name]\n"
                  "F:9: a section heading is [section] or [section name]\n"
                  "F:10: something after the ] of a section heading\n"
                  "F:11: a section heading holds letters, digits, dots, dashes and underscores only\n"
                  "F:12: a section heading of more than 49 characters\n"
                  "F:14: a section heading without ]\n");
    assert_errors(OK_LISTEN "= 5\n[upstream]\n[store main]\n",
                  "F:3: unknown key '' in [listen]\n"
                  "F:4: section [upstream] needs a name: [upstream NAME]\n"
                  "F:5: section [store] takes no name\n");
    assert_errors(OK_LISTEN "trailing words", "F:3: not a section heading, a comment or `key = value`\n");
}

/* inih would glue an indented line to the key before it. */
static void test_indented_lines_are_keys(void **state)
{
    (void)state;
    struct config *c = load("[listen]\naddress = a\n   threads = 5\n\tidle = 9\n");
    assert_string_equal(config_text(c, "listen", NULL, "address"), "a");
    assert_int_equal(config_number(c, "listen", NULL, "threads"), 5);
    assert_int_equal(config_number(c, "listen", NULL, "idle"), 9);
    config_free(c);
}

static void test_not_text(void **state)
{
    (void)state;
    static const char NUL[] = "[listen]\naddress = a\0b\nthreads = \xff\n";
    assert_errors_n(NUL, sizeof NUL - 1, "F:2: holds a NUL character\nF:3: is not UTF-8\n");
    struct config *c;
    struct fault f;
    assert_result(RESULT_NOT_FOUND, config_load(&f, "/nonexistent/x.ini", TABLES, NULL, &c));
    assert_null(c);
    assert_result(RESULT_INTERNAL, config_load(&f, folder, TABLES, NULL, &c));
}

static void test_many_errors_are_summed_up(void **state)
{
    (void)state;
    struct config *c;
    CLEANUP(buf) struct buf text, errors;
    buf_init(&text, 100000);
    buf_init(&errors, 100000);
    buf_text(&text, OK_LISTEN);
    for (int i = 0; i < 150; i++)
        buf_printf(&text, "qqqqqqqqqq%d = 1\n", i);
    write_file(text.data, text.len);
    assert_result(RESULT_INVALID, config_load(NULL, path, TABLES, &errors, &c));
    assert_non_null(strstr(errors.data, ":102: unknown key 'qqqqqqqqqq99' in [listen]\n"));
    assert_non_null(strstr(errors.data, ":103: and 50 more\n"));
    assert_null(strstr(errors.data, "qqqqqqqqqq100"));
}

static void test_secrets_are_not_repeated(void **state)
{
    (void)state;
    struct config *c;
    CLEANUP(buf) struct buf errors;
    buf_init(&errors, 10000);
    static const char TEXT[] = OK_LISTEN "threads = hunter2\nidle = hunter2\n[store]\nsync = hunter2\n[upstream a]\nissuer=hunter2\npkce=hunter2\n";
    write_file(TEXT, sizeof TEXT - 1);
    assert_result(RESULT_INVALID, config_load(NULL, path, TABLES, &errors, &c));
    assert_null(strstr(errors.data, "hunter2"));
}

/* ---- our own mistakes ----------------------------------------------------------------------------- */

static void test_bad_tables(void **state)
{
    (void)state;
    static const struct config_key TWICE[] = {{"listen", false, "idle", CONFIG_INT, CONFIG_OPTIONAL, "1", NULL, 0, 0, ""}, {NULL}};
    static const struct config_key FALLBACK[] = {{"a", false, "b", CONFIG_INT, CONFIG_OPTIONAL, "x", NULL, 0, 0, ""}, {NULL}};
    static const struct config_key *const A[] = {BASE, TWICE, NULL}, *const B[] = {FALLBACK, NULL};
    struct config *c;
    struct fault f;
    write_file("", 0);
    assert_result(RESULT_INTERNAL, config_load(&f, path, A, NULL, &c));
    assert_string_equal(f.detail, "[listen] idle is in two tables");
    assert_result(RESULT_INTERNAL, config_load(&f, path, B, NULL, &c));
    assert_string_equal(f.detail, "[a] b: its fallback must be a whole number");
}

/* Runs in a child: 1 when it ended by abort. */
static bool aborts(const struct config *c, const char *section, const char *name, const char *key, bool as_number)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        log_setup(LEVEL_ERROR, fopen("/dev/null", "w"));
        if (as_number)
            (void)config_number(c, section, name, key);
        else
            (void)config_text(c, section, name, key);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_asking_for_what_no_table_has_aborts(void **state)
{
    (void)state;
    struct config *c = load(OK_LISTEN);
    assert_true(aborts(c, "listen", NULL, "port", false));
    assert_true(aborts(c, "listen", "x", "address", false));
    assert_true(aborts(c, "listen", NULL, "address", true));
    assert_false(aborts(c, "listen", NULL, "address", false));
    config_free(c);
}

/* ---- the example, and size ------------------------------------------------------------------------ */

static void test_example(void **state)
{
    (void)state;
    CLEANUP(free) char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    config_example(TABLES, out);
    fclose(out);
    assert_non_null(strstr(text, "\n[listen]\n\n# Address and port.\n# (text; required)\n#address = \n"));
    assert_non_null(strstr(text, "# How long a connection may idle.\n# (duration: 30s, 10m, 8h, 7d, 1 to 3600; optional)\n#idle = 30s\n"));
    assert_non_null(strstr(text, "# (one of: full normal; optional)\n#sync = full\n"));
    assert_non_null(strstr(text, "\n#[upstream NAME]\n"));
    assert_ptr_equal(strstr(strstr(text, "[store]") + 1, "[store]"), NULL);
    assert_errors_n(text, n, "F:5: [listen] address is required and missing\n");
}

/* 20,000 sections: the cost may not grow with the square of their number (libini_config: minutes). */
static void test_many_sections(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf text;
    buf_init(&text, 10000000);
    buf_text(&text, OK_LISTEN);
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "[upstream n%d]\nissuer = https://h/%d\nscope = a b\n", i, i);
    int64_t began = clock_monotonic_us();
    struct config *c = load(text.data);
    assert_string_equal(config_text(c, "upstream", "n19999", "issuer"), "https://h/19999");
    const char *const *names;
    assert_int_equal(config_names(c, "upstream", &names), 20000);
    for (size_t i = 0; i < 20000; i++)
        assert_true(config_has(c, "upstream", names[i], "issuer"));
    assert_true(clock_monotonic_us() - began < 20000000);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_every_type), cmocka_unit_test(test_fallbacks),
        cmocka_unit_test(test_names_in_file_order), cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_long_lines_and_headings), cmocka_unit_test(test_unknown_words),
        cmocka_unit_test(test_duplicates), cmocka_unit_test(test_bad_values), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_syntax), cmocka_unit_test(test_indented_lines_are_keys), cmocka_unit_test(test_not_text),
        cmocka_unit_test(test_many_errors_are_summed_up), cmocka_unit_test(test_secrets_are_not_repeated),
        cmocka_unit_test(test_bad_tables), cmocka_unit_test(test_asking_for_what_no_table_has_aborts),
        cmocka_unit_test(test_example), cmocka_unit_test(test_many_sections),
    };
    return cmocka_run_group_tests(tests, group_up, group_down);
}
