/* What does the folder say about one person of a real server? Not a test by itself: test/flow/test_people.py starts the
 * servers, asks by lines on standard input, and holds the answers against its table of people.
 *
 *   look LOGIN            -> status as read by login name, and again by key
 *   claims NUMBER         -> status as found by the claim employee_number
 *   bind LOGIN PASSWORD   -> what the bind said
 *
 * Each answer is one line: "= " and a status; or a status, a result and the fault. */
#include "live.h"

static void answer(enum result r, const struct fault *f, enum account_status s)
{
    if (r == RESULT_OK)
        printf("= %s\n", account_status_name(s));
    else
        printf("= %s (%s): %s\n", account_status_name(s), result_name(r), f->detail);
    (void)fflush(stdout);
}

static void look(struct arena *a, const char *login)
{
    struct fault f = {0};
    struct person p, again;
    enum result r = directory_by_login(&f, a, live, "staff", login, &p);
    if (r == RESULT_OK && p.key != NULL) {
        r = directory_by_key(&f, a, live, p.key, &again);
        assert_true(r != RESULT_OK || (again.status == p.status && strcmp(again.dn, p.dn) == 0));
    }
    answer(r, &f, p.status);
}

static void claims(struct arena *a, const char *number)
{
    struct fault f = {0};
    struct person p;
    json_t *j = arena_json(a, json_pack("{s:s}", "employee_number", number));
    enum result r = directory_by_claims(&f, a, live, "staff", j, &p);
    answer(r, &f, p.status);
}

static void try_bind(struct arena *a, const char *login, const char *password)
{
    struct fault f = {0};
    struct person p;
    enum account_status said = ACCOUNT_UNREACHABLE;
    enum result r = directory_by_login(&f, a, live, "staff", login, &p);
    if (r == RESULT_OK)
        r = directory_bind(&f, a, live, "staff", p.dn, password, &said);
    answer(r, &f, said);
}

static void obey(void **state)
{
    char line[512];
    (void)state;
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct arena *a = arena_new(16 << 20);
        char *rest = line, *word = strtok_r(line, " \n", &rest);
        assert_non_null(word);
        const char *login = strtok_r(NULL, " \n", &rest), *password = strtok_r(NULL, " \n", &rest);
        assert_non_null(login);
        if (strcmp(word, "look") == 0)
            look(a, login);
        else if (strcmp(word, "claims") == 0)
            claims(a, login);
        else
            try_bind(a, login, password);
        arena_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {LIVE_TEST(obey)};
    if (getenv("IDBRIDGE_LIVE_CONFIG") == NULL) {
        printf("skipped: IDBRIDGE_LIVE_CONFIG is not set; test/flow/test_people.py starts the servers and sets it\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
