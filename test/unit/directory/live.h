/* What the tests against real servers share: the directory under test, one question to it, a word to the harness that
 * started the servers. Used by test_live.c and test_trouble.c. */
#ifndef DIRECTORY_TEST_LIVE_H
#define DIRECTORY_TEST_LIVE_H

#include "support.h"

#define OPENLDAP_PASSWORD "Health-Demo-1"
#define AD_PASSWORD "Us3r-Pass!"

#define OPENLDAP_PASSWORD "Health-Demo-1"

static struct directories *live;

static inline void ask(const char *what)
{
    char answer[64];
    printf("ask %s\n", what);
    fflush(stdout);
    assert_non_null(fgets(answer, sizeof answer, stdin));
}

static inline int open_live(void **state)
{
    const struct config_key *const tables[] = {directory_config_keys, NULL};
    struct config *c = NULL;
    struct fault f = {0};
    struct buf errors;
    buf_init(&errors, 4096);
    enum result r = config_load(&f, getenv("IDBRIDGE_LIVE_CONFIG"), tables, &errors, &c);
    if (r == RESULT_OK)
        r = directories_new(&f, c, &live);
    if (r != RESULT_OK)
        print_error("%s %s\n", f.detail, errors.data == NULL ? "" : errors.data);
    buf_free(&errors);
    config_free(c);
    return r == RESULT_OK ? make_arena(state) : -1;
}

static inline int close_live(void **state)
{
    directories_free(live);
    live = NULL;
    return drop_arena(state);
}

static inline struct person by_login(struct arena *a, const char *login)
{
    struct fault f = {0};
    struct person p;
    enum result r = directory_by_login(&f, a, live, "staff", login, &p);
    if (r != RESULT_OK)
        print_error("%s: %s\n", login, f.detail);
    assert_int_equal(r, RESULT_OK);
    return p;
}

static inline enum account_status bind_as(struct arena *a, const char *login, const char *password)
{
    struct fault f = {0};
    struct person p = by_login(a, login);
    enum account_status s = ACCOUNT_UNKNOWN;
    assert_non_null(p.dn);
    enum result r = directory_bind(&f, a, live, "staff", p.dn, password, &s);
    if (r != RESULT_OK)
        print_error("%s: %s\n", login, f.detail);
    assert_int_equal(r, RESULT_OK);
    return s;
}

static inline void probe_says(struct arena *a, enum result want, const char *const *says)
{
    struct fault f = {0};
    struct buf b;
    buf_init(&b, 65536);
    enum result r = directory_probe(&f, a, live, "staff", &b);
    if (r != want)
        print_error("%s\n", b.data);
    assert_int_equal(r, want);
    for (; *says != NULL; says++) {
        if (strstr(b.data, *says) == NULL)
            print_error("not said: %s\nin: %s\n", *says, b.data);
        assert_non_null(strstr(b.data, *says));
    }
    buf_free(&b);
}

#define LIVE_TEST(fn) cmocka_unit_test_setup_teardown(fn, open_live, close_live)
#define GROUP(name, ...)                                                                                               \
    if (strcmp(group, #name) == 0) {                                                                                   \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                                               \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

/* The group of tests named on the command line; 0 and a reason where no server was started. */
static inline bool no_server(void)
{
    if (getenv("IDBRIDGE_LIVE_CONFIG") != NULL)
        return false;
    printf("skipped: IDBRIDGE_LIVE_CONFIG is not set; test/flow/test_directory.py starts the servers and sets it\n");
    return true;
}
#endif
