/* What does the folder make of this directory's answers? No tests of its own: test/flow/test_directory_groups.py and
 * test_people.py start the servers, well-behaved and other ones, write one command a line and judge the JSON that comes back, one object a line.
 *
 *     login NAME | claims JSON | key KEY      \xHH in NAME is that byte
 *     bind NAME PASSWORD                      NAME is a login name, or a DN: that of an entry found before
 *     clock SECONDS                           what is kept about groups is that much older from now on
 *     memory                                  the most memory this program has had so far, in kB */
#include "live.h"

#include <sys/resource.h>

static int64_t ahead_us;

static int64_t later_us(void)
{
    return clock_monotonic_us() + ahead_us;
}

static void unescape(char *s)
{
    char *to = s;
    for (const char *from = s; *from != '\0'; to++) {
        unsigned byte;
        if (sscanf(from, "\\x%2x", &byte) == 1) {
            *to = (char)byte;
            from += 4;
        } else
            *to = *from++;
    }
    *to = '\0';
}

static json_t *groups_of(const struct person *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->group_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "dn", p->groups[i].dn, "name", p->groups[i].name, "direct",
                                              (int)p->groups[i].direct));
    return list;
}

static json_t *names_of(const struct person *p)
{
    return json_pack("{s:s?, s:s?, s:s?, s:s?, s:O?}", "login", p->login, "display_name", p->display_name, "given_name", p->given_name,
                     "mail", p->mail, "attributes", p->attributes);
}

/* As who types a password does: found by name, bound by the DN that was found. */
static json_t *ask_bind(char *rest)
{
    struct fault f = {0};
    struct person p = {0};
    enum account_status said = ACCOUNT_UNREACHABLE;
    CLEANUP(arena) struct arena *a = arena_new(4 << 20);
    char *password = strrchr(rest, ' ');
    if (password == NULL)
        return json_pack("{s:s}", "result", "no command");
    *password++ = '\0';
    const char *name = rest;
    enum result r = RESULT_OK;
    if (directory_dn_normal(a, rest) == NULL) {
        r = directory_by_login(&f, a, live, "staff", rest, &p);
        name = p.dn == NULL ? "" : p.dn;
    }
    int64_t started = clock_monotonic_us();
    if (r == RESULT_OK)
        r = directory_bind(&f, a, live, "staff", name, password, &said);
    return json_pack("{s:s, s:s, s:s, s:I}", "result", result_name(r), "detail", f.detail, "status", account_status_name(said), "us",
                     (json_int_t)(clock_monotonic_us() - started));
}

static json_t *ask_person(const char *verb, char *rest)
{
    struct fault f = {0};
    struct person p = {0};
    struct rusage before, after;
    CLEANUP(arena) struct arena *a = arena_new(4 << 20); /* as much as a login has */
    enum result r = RESULT_INVALID;
    int64_t started = clock_monotonic_us();
    getrusage(RUSAGE_SELF, &before);
    unescape(rest);
    if (strcmp(verb, "claims") == 0)
        r = directory_by_claims(&f, a, live, "staff", arena_json(a, json_loads(rest, JSON_ALLOW_NUL, NULL)), &p);
    else if (strcmp(verb, "key") == 0)
        r = directory_by_key(&f, a, live, rest, &p);
    else
        r = directory_by_login(&f, a, live, "staff", rest, &p);
    getrusage(RUSAGE_SELF, &after);
    return json_pack("{s:s, s:b, s:s, s:s, s:s?, s:s?, s:o, s:o, s:I, s:I}", "result", result_name(r), "unreachable",
                     (int)directory_unreachable(live, "staff"), "detail", f.detail, "status",
                     account_status_name(p.status), "dn", r == RESULT_OK ? p.dn : NULL, "key", r == RESULT_OK ? p.key : NULL, "groups",
                     r == RESULT_OK ? groups_of(&p) : json_array(), "names", r == RESULT_OK ? names_of(&p) : json_object(), "us", (json_int_t)(clock_monotonic_us() - started), "cpu_us",
                     (json_int_t)((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec));
}

static json_t *obey(char *line)
{
    char *rest = strchr(line, ' ');
    struct rusage u;
    line[strcspn(line, "\n")] = '\0';
    if (rest != NULL)
        *rest++ = '\0';
    if (strcmp(line, "clock") == 0 && rest != NULL) {
        ahead_us += strtol(rest, NULL, 10) * 1000000;
        return json_pack("{s:I}", "ahead_us", (json_int_t)ahead_us);
    }
    if (strcmp(line, "memory") == 0) {
        getrusage(RUSAGE_SELF, &u);
        return json_pack("{s:I}", "kb", (json_int_t)u.ru_maxrss);
    }
    if (rest == NULL)
        return json_pack("{s:s}", "result", "no command");
    return strcmp(line, "bind") == 0 ? ask_bind(rest) : ask_person(line, rest);
}

int main(void)
{
    char line[65536];
    void *state = NULL;
    if (getenv("IDBRIDGE_LIVE_CONFIG") == NULL) {
        printf("skipped: IDBRIDGE_LIVE_CONFIG is not set; test/flow/test_directory_groups.py starts the servers and sets it\n");
        return 0;
    }
    if (open_live(&state) != 0)
        return 1;
    dir_find(live, "staff", 5)->clock_us = later_us;
    while (fgets(line, sizeof line, stdin) != NULL) {
        json_t *answer = obey(line);
        char *text = json_dumps(answer, JSON_COMPACT);
        assert_non_null(text);
        printf("%s\n", text);
        fflush(stdout);
        free(text);
        json_decref(answer);
    }
    return close_live(&state);
}
