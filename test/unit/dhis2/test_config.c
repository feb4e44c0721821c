/* The keys of [dhis2 NAME], and the memory of answers made from them. */
#include "support.h"

#include <pthread.h>
#include <unistd.h>

struct folder {
    char path[64];
    struct dhis2s *made;
    struct fault fault;
    char said[1024];
};

static int folder_up(void **state)
{
    struct folder *d = calloc(1, sizeof *d);
    *state = d;
    (void)snprintf(d->path, sizeof d->path, "/tmp/dhis2-config-XXXXXX");
    return d == NULL || mkdtemp(d->path) == NULL ? -1 : 0;
}

static const char *inside(const struct folder *d, const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", d->path, name);
    return path;
}

static void put(const struct folder *d, const char *name, const char *text)
{
    FILE *to = fopen(inside(d, name), "w");
    assert_non_null(to);
    (void)fputs(text, to);
    (void)fclose(to);
}

static int folder_down(void **state)
{
    struct folder *d = *state;
    dhis2s_free(d->made);
    (void)unlink(inside(d, "idbridge.ini"));
    (void)unlink(inside(d, "token"));
    (void)rmdir(d->path);
    free(d);
    return 0;
}

static enum result load(struct folder *d, const char *text)
{
    static const struct config_key *const tables[] = {dhis2_config_keys, NULL};
    CLEANUP(buf) struct buf errors;
    struct config *c = NULL;
    buf_init(&errors, sizeof d->said);
    put(d, "idbridge.ini", text);
    dhis2s_free(d->made);
    d->made = NULL;
    enum result r = config_load(&d->fault, inside(d, "idbridge.ini"), tables, &errors, &c);
    (void)snprintf(d->said, sizeof d->said, "%s", errors.data == NULL ? "" : errors.data);
    if (r == RESULT_OK) {
        r = dhis2s_new(&d->fault, c, &d->made);
        (void)snprintf(d->said, sizeof d->said, "%s", d->fault.detail);
    }
    config_free(c);
    return r;
}

#define BEGIN "[dhis2 hmis]\nurl = https://hmis.example.org/dhis/\ntoken_file = token\n"

static void a_working_section(void **state)
{
    struct folder *d = *state;
    const char *const *names = NULL;
    put(d, "token", "d2p_secret\r\n");
    assert_result(RESULT_OK, load(d, BEGIN "[dhis2 training]\nurl = http://127.0.0.1:8080\ntoken_file = token\n"));
    assert_int_equal(dhis2s_names(d->made, &names), 2);
    assert_string_equal(names[1], "training");
    assert_true(dhis2s_has(d->made, "hmis") && !dhis2s_has(d->made, "other") && !dhis2s_has(d->made, NULL));
    assert_string_equal(dhis2_base_url(d->made, "hmis"), "https://hmis.example.org/dhis");
    assert_null(dhis2_base_url(d->made, "other"));
    const struct dhis2 *one = dhis2_find(d->made, "hmis");
    assert_string_equal(one->authorization, "ApiToken d2p_secret");
    assert_int_equal(one->own, OWN_NAMES | OWN_MAIL | OWN_ROLES | OWN_GROUPS | OWN_ORG_UNITS);
    assert_true(one->reenable && one->timeout_ms == 10000 && one->metadata_life_us == 300000000);
}

/* Nobody is asked about: no call (nothing listens at that address), no crash. */
static void a_user_without_a_name_is_nobody(void **state)
{
    struct folder *d = *state;
    CLEANUP(arena) struct arena *a = arena_new(1 << 16);
    bool enabled = true;
    const char *uid = "x";
    put(d, "token", "d2p_secret\n");
    assert_result(RESULT_OK, load(d, "[dhis2 hmis]\nurl = http://127.0.0.1:1\ntoken_file = token\n"));
    static const char *const names[] = {NULL, ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_result(RESULT_NOT_FOUND, dhis2_user_enabled(&d->fault, a, d->made, "hmis", names[i], &enabled, &uid));
        assert_true(!enabled && uid == NULL);
    }
}

static void basic_credentials(void **state)
{
    struct folder *d = *state;
    put(d, "token", "Provision1!\n");
    assert_result(RESULT_OK, load(d, "[dhis2 hmis]\nurl = http://127.0.0.1:1\nauth = basic\nusername = prov1\npassword_file = token\n"));
    assert_string_equal(dhis2_find(d->made, "hmis")->authorization, "Basic cHJvdjE6UHJvdmlzaW9uMSE=");
}

static const struct {
    const char *text, *says;
} wrong[] = {
    {"[dhis2 hmis]\ntoken_file = token\n", "url"},
    {"[dhis2 hmis]\nurl = https://hmis.example.org\n", "token_file"},
    {"[dhis2 hmis]\nurl = https://hmis.example.org\ntoken_file = nowhere\n", "cannot be read"},
    {"[dhis2 hmis]\nurl = https://hmis.example.org\nauth = basic\n", "username"},
    {"[dhis2 hmis]\nurl = https://hmis.example.org\nauth = basic\nusername = prov1\n", "password_file"},
    {BEGIN "own = names roles sessions\n", "sessions"},
    {BEGIN "managed_groups = HIV\n", "managed_groups"},
    {BEGIN "unmanaged_roles = all\n", "unmanaged_roles"},
    {BEGIN "reenable = perhaps\n", "reenable"},
    {BEGIN "tokenfile = token\n", "token_file"},
};

static void wrong_sections_name_the_key(void **state)
{
    struct folder *d = *state;
    put(d, "token", "d2p_secret\n");
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_result(RESULT_INVALID, load(d, wrong[i].text));
        assert_non_null(strstr(d->said, wrong[i].says));
        assert_null(strstr(d->said, "d2p_secret"));
        assert_null(d->made);
    }
    put(d, "token", "\n");
    assert_result(RESULT_INVALID, load(d, BEGIN));
    assert_non_null(strstr(d->said, "empty"));
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static void answers_are_remembered_for_their_life(void **state)
{
    struct rig *r = *state;
    const char *text = NULL;
    bool flag = false;
    struct memory *m = memory_new(2, 50000);
    assert_non_null(m);
    assert_false(memory_get(m, r->arena, "code:F1", &text, &flag));
    memory_put(m, "code:F1", "OuAAAAAAA01", true);
    assert_true(memory_get(m, r->arena, "code:F1", &text, &flag));
    assert_string_equal(text, "OuAAAAAAA01");
    assert_true(flag);
    assert_false(memory_get(m, r->arena, "code:F2", &text, &flag));
    (void)usleep(60000);
    assert_false(memory_get(m, r->arena, "code:F1", &text, &flag));
    memory_free(m);
}

static void a_full_table_stays_as_large_as_it_is(void **state)
{
    struct rig *r = *state;
    const char *text = NULL;
    bool flag = false;
    size_t kept = 0;
    struct memory *m = memory_new(4, 60 * 1000000);
    char key[20], value[20];
    assert_non_null(m);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "key %d", i);
        (void)snprintf(value, sizeof value, "text %d", i);
        memory_put(m, key, value, false);
    }
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "key %d", i);
        (void)snprintf(value, sizeof value, "text %d", i);
        if (memory_get(m, r->arena, key, &text, &flag)) {
            assert_string_equal(text, value);
            kept++;
        }
    }
    assert_in_range(kept, 1, 4);
    memory_free(m);
}

static void *use(void *arg)
{
    struct memory *m = arg;
    struct arena *a = arena_new(8 << 20);
    for (int i = 0; i < 2000; i++) {
        const char *text = NULL;
        char key[12];
        (void)snprintf(key, sizeof key, "%d", i % 7);
        bool flag = false;
        memory_put(m, key, key, false);
        if (memory_get(m, a, key, &text, &flag) && strcmp(text, key) != 0)
            abort();
    }
    arena_free(a);
    return NULL;
}

static void readers_and_writers_at_once(void **state)
{
    pthread_t threads[4];
    struct memory *m = memory_new(2, 60 * 1000000);
    assert_non_null(m);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, m), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    memory_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_working_section, folder_up, folder_down),
        cmocka_unit_test_setup_teardown(a_user_without_a_name_is_nobody, folder_up, folder_down),
        cmocka_unit_test_setup_teardown(basic_credentials, folder_up, folder_down),
        cmocka_unit_test_setup_teardown(wrong_sections_name_the_key, folder_up, folder_down),
        with_rig(answers_are_remembered_for_their_life),
        with_rig(a_full_table_stays_as_large_as_it_is),
        with_rig(readers_and_writers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
