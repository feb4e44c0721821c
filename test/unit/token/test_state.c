/* test_state.c: a sealed state comes back as it was, to its purpose, until it expires, and to nobody else. Tests what
 * we use of liboauth2: oauth2_jose_jwt_encrypt and oauth2_jose_jwt_decrypt. */
#include "support.h"

#include <unistd.h>

static struct master *master, *other;

static struct master *make_master(const char *folder, const char *name)
{
    char *path = arena_printf(arena, "%s/%s", folder, name);
    struct master *m = NULL;

    assert_ok(master_create(&fault, path, 0600));
    assert_ok(master_load(&fault, path, &m));
    assert_int_equal(0, unlink(path));
    return m;
}

static int make_masters(void **state)
{
    char folder[] = "/tmp/idbridge-state-XXXXXX";

    setup_arena(state);
    assert_non_null(mkdtemp(folder));
    master = make_master(folder, "one");
    other = make_master(folder, "two");
    return rmdir(folder);
}

static int drop_masters(void **state)
{
    master_free(master);
    master_free(other);
    return free_test_arena(state);
}

static const char *sealed(const char *purpose, int64_t expires)
{
    json_t *state = arena_json(arena, json_loads("{\"client\":\"dhis2\",\"nonce\":\"n-é\",\"n\":7}", 0, NULL));
    const char *text = NULL;

    assert_ok(token_seal_state(&fault, arena, master, purpose, state, expires, &text));
    return text;
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    const char *text = sealed("upstream", 2000);
    json_t *back = NULL;

    assert_ok(token_open_state(&fault, arena, master, "upstream", text, 1000, &back));
    assert_string_equal("{\"client\":\"dhis2\",\"nonce\":\"n-é\",\"n\":7}", json_compact(arena, back));
    assert_null(strstr(text, "dhis2"));
    assert_string_not_equal(text, sealed("upstream", 2000)); /* a fresh nonce each time */
    for (const char *s = text; *s != '\0'; s++)              /* fits a URL and a cookie as it is */
        assert_true((*s >= '0' && *s <= '9') || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
                    strchr("-_.", *s) != NULL);
}

static void expires(void **state)
{
    (void)state;
    const char *text = sealed("upstream", 2000);
    json_t *back = NULL;

    assert_ok(token_open_state(&fault, arena, master, "upstream", text, 1999, &back));
    back = NULL;
    assert_result(RESULT_TIMEOUT, token_open_state(&fault, arena, master, "upstream", text, 2000, &back));
    assert_null(back);
}

static void opens_for_its_purpose_and_master_only(void **state)
{
    (void)state;
    const char *text = sealed("upstream", 2000);
    json_t *back = NULL;

    assert_result(RESULT_INVALID, token_open_state(&fault, arena, master, "form", text, 1000, &back));
    assert_result(RESULT_INVALID, token_open_state(&fault, arena, master, "", text, 1000, &back));
    assert_result(RESULT_INVALID, token_open_state(&fault, arena, other, "upstream", text, 1000, &back));
    assert_null(back);
}

static void tampering_is_seen(void **state)
{
    (void)state;
    const char *text = sealed("upstream", 2000);
    size_t n = strlen(text);
    json_t *back = NULL;

    for (size_t i = 0; i < n; i++) {
        char *bad = arena_strdup(arena, text);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_int_not_equal(RESULT_OK, token_open_state(&fault, arena, master, "upstream", bad, 1000, &back));
    }
    for (size_t i = 0; i < n; i++)
        assert_result(RESULT_INVALID,
                      token_open_state(&fault, arena, master, "upstream", arena_strndup(arena, text, i), 1000, &back));
    assert_null(back);
}

/* The sender may not choose how we decrypt: CVE-2026-53938 needs alg A256KW, CVE-2023-37464 a short tag. */
static void only_our_own_header_is_let_through(void **state)
{
    (void)state;
    const char *text = sealed("upstream", 2000), *rest = strchr(text, '.');
    static const char *const headers[] = {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\"}",
                                          "{\"alg\":\"dir\",\"enc\":\"A128GCM\"}",
                                          "{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}",
                                          "{\"alg\":\"dir\"}",
                                          "{}",
                                          "[]"};
    json_t *back = NULL;

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        const char *bad = arena_printf(arena, "%s%s", part(headers[i]), rest);
        assert_result(RESULT_INVALID, token_open_state(&fault, arena, master, "upstream", bad, 1000, &back));
        assert_null(strstr(fault.detail, "does not open")); /* it never reached liboauth2 */
    }
    const char *bad = arena_strndup(arena, text, strlen(text) - 6); /* a tag of 12 bytes */
    assert_result(RESULT_INVALID, token_open_state(&fault, arena, master, "upstream", bad, 1000, &back));
    assert_non_null(strstr(fault.detail, "sizes"));
}

static void nothing_of_it_reaches_the_log(void **state)
{
    (void)state;
    char *log = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&log, &len);
    json_t *back = NULL;
    char *bad = arena_strdup(arena, sealed("upstream", 2000));

    bad[strlen(bad) - 1] = bad[strlen(bad) - 1] == 'A' ? 'Q' : 'A';
    log_setup(LEVEL_DEBUG, to);
    assert_result(RESULT_INVALID, token_open_state(&fault, arena, master, "upstream", bad, 1000, &back));
    log_setup(LEVEL_INFO, stderr);
    fclose(to);
    assert_non_null(strstr(log, "liboauth2"));
    assert_null(strstr(log, "eyJ"));
    assert_null(strstr(log, "dhis2"));
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define MASTER_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_masters, drop_masters)
        MASTER_TEST(comes_back_as_it_was),
        MASTER_TEST(expires),
        MASTER_TEST(opens_for_its_purpose_and_master_only),
        MASTER_TEST(tampering_is_seen),
        MASTER_TEST(only_our_own_header_is_let_through),
        MASTER_TEST(nothing_of_it_reaches_the_log),
    };
    return cmocka_run_group_tests_name("token: sealed state", tests, NULL, NULL);
}
