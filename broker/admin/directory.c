/* `idbridge directory`: what was asked of a directory about a person, what it answered and what that means (`show`), and
 * whether each of its servers can be used (`test`; `doctor` does the same among other things). In words, or with --json for
 * programs. Reads only, and asks as a login would: the same questions on the same connections. No password is printed: none
 * travels with these questions, and an attribute that looks like one is not shown. */
#include "private.h"

#include <string.h>
#include <strings.h>

#define FINDINGS_MAX (256u << 10)
#define FILTER_SHOWN 400

/* ---- what was asked ------------------------------------------------------------------------------------------------------ */

struct watching {
    json_t *asked, *why; /* as they came */
    struct arena *arena;
    bool anybody; /* doctor looks at whoever comes first: that person is not named */
};

/* "(member=uid=a,ou=b)" becomes "(member=...)": parentheses inside a value are escaped (RFC 4515 §3). */
static const char *without_dns(struct arena *a, const char *filter)
{
    char *out = arena_strdup(a, filter), *to = out;
    for (const char *from = filter; out != NULL && *from != '\0';) {
        size_t len = strcspn(from, "=");
        size_t value = from[len] == '=' ? strcspn(from + len + 1, "()") : 0;
        bool is_dn = value > 3 && memchr(from + len + 1, '=', value) != NULL;
        len += from[len] == '=';
        memmove(to, from, len);
        to += len;
        from += len;
        memmove(to, is_dn ? "..." : from, is_dn ? 3 : value);
        to += is_dn ? 3 : value;
        from += value;
    }
    if (out != NULL)
        *to = '\0';
    return out;
}

static void note(void *arg, const struct directory_event *e)
{
    struct watching *w = arg;
    double ms = (double)e->us / 1000.0;
    const char *filter = e->filter, *base = e->base;
    if (w->anybody && e->kind == DIRECTORY_SEARCHED) {
        filter = without_dns(w->arena, filter);
        base = strcmp(e->scope, "this entry") == 0 ? "(a person or a group)" : base;
    }
    if (e->kind == DIRECTORY_FACT)
        (void)json_array_append_new(w->why, json_pack("{s:s, s:s*, s:s}", "attribute", e->attribute, "value", e->value, "status",
                                                      account_status_name(e->status)));
    else if (e->kind == DIRECTORY_CONNECTED)
        (void)json_array_append_new(w->asked, json_pack("{s:s, s:s, s:s*, s:f}", "what", "connect", "server", e->server, "problem",
                                                        e->problem, "ms", ms));
    else
        (void)json_array_append_new(w->asked, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s*, s:f}", "what", "search", "server",
                                                        e->server, "base", base, "scope", e->scope, "filter", filter,
                                                        "entries", (json_int_t)e->entries, "problem", e->problem, "ms", ms));
}

static void watch(struct admin *ad, bool anybody, struct watching *w)
{
    w->arena = ad->arena;
    w->anybody = anybody;
    w->asked = arena_json(ad->arena, json_array());
    w->why = arena_json(ad->arena, json_array());
    directory_watch(note, w);
}

static void print_asked(const json_t *asked, const char *indent)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)asked, i, one) {
        const char *filter = json_text(one, "filter"), *problem = json_text(one, "problem");
        double ms = json_real_value(json_object_get(one, "ms"));
        long long n = (long long)json_integer_value(json_object_get(one, "entries"));
        (void)printf("%s%s: ", indent, json_text(one, "server"));
        if (filter == NULL)
            (void)printf("%s", problem == NULL ? "connected" : problem);
        else
            (void)printf("%.*s%s in %s %s: ", FILTER_SHOWN, filter, strlen(filter) > FILTER_SHOWN ? "..." : "", json_text(one, "scope"),
                         json_text(one, "base"));
        if (filter != NULL && problem != NULL)
            (void)printf("%s", problem);
        else if (filter != NULL)
            (void)printf("%lld %s", n, n == 1 ? "entry" : "entries");
        (void)printf(", %.1f ms\n", ms);
    }
}

/* ---- show ---------------------------------------------------------------------------------------------------------------- */

struct showing {
    struct admin ad;
    struct watching watching;
    struct person person;
    int64_t us;
};

/* Of its link, as `explain` takes it. RESULT_NOT_FOUND: neither an identity nor a person id. */
static enum result by_link(struct showing *q, const char *who)
{
    struct fault *f = &q->ad.fault;
    struct link l;
    const char *blank = strchr(who, ' '), *colon = strstr(who, "://");
    bool identity = blank != NULL && colon != NULL && colon < blank;
    struct store_view *v = store_reader(f, q->ad.b.store);
    if (v == NULL)
        return f->result;
    TRY(identity ? store_link_get(f, v, q->ad.arena, arena_strndup(q->ad.arena, who, (size_t)(blank - who)), blank + 1, &l)
                 : store_link_by_person_id(f, v, q->ad.arena, who, &l));
    return directory_by_key(f, q->ad.arena, q->ad.b.directories, l.person_key, &q->person);
}

/* By stable id, with the directory's name before it or without; q->person stays unknown when there is none. */
static enum result by_id(struct showing *q, const char *directory, const char *who)
{
    const char *const *names;
    size_t n = directories_names(q->ad.b.directories, &names);
    for (size_t i = 0; i < n && q->person.status == ACCOUNT_UNKNOWN; i++) {
        size_t len = strlen(names[i]);
        bool named = strncmp(who, names[i], len) == 0 && who[len] == ':';
        if (directory != NULL && strcmp(directory, names[i]) != 0)
            continue;
        const char *key = named ? who : arena_printf(q->ad.arena, "%s:%s", names[i], who);
        NEED(&q->ad.fault, key);
        enum result r = directory_by_key(&q->ad.fault, q->ad.arena, q->ad.b.directories, key, &q->person);
        if (r == RESULT_INVALID)
            q->person.status = ACCOUNT_UNKNOWN; /* no id of that directory */
        else
            TRY(r);
    }
    return RESULT_OK;
}

static enum result find(struct showing *q, const char *directory, const char *who)
{
    int64_t started_us = clock_monotonic_us();
    enum result r = directory != NULL ? RESULT_NOT_FOUND : by_link(q, who);
    if (r == RESULT_NOT_FOUND) {
        r = login_find_entry(&q->ad.fault, q->ad.arena, &q->ad.b, directory, who, &q->person);
        if (r == RESULT_OK && q->person.status == ACCOUNT_UNKNOWN)
            r = by_id(q, directory, who);
    }
    q->us = clock_monotonic_us() - started_us;
    if (r != RESULT_OK || (q->person.status != ACCOUNT_UNKNOWN && q->person.status != ACCOUNT_AMBIGUOUS))
        return r;
    return FAULT(&q->ad.fault, RESULT_NOT_FOUND, "the directory has %s for that name",
                 q->person.status == ACCOUNT_UNKNOWN ? "no entry" : "several entries");
}

/* What the policy makes of the status: "allowed", or which status refuses. */
static const char *verdict(const struct showing *q, bool by_password)
{
    enum account_status s = directory_refusal(q->ad.b.directories, &q->person, by_password);
    return s == ACCOUNT_OK ? "allowed" : arena_printf(q->ad.arena, "refused, %s", account_status_name(s));
}

static bool may_be_shown(const char *attribute)
{
    static const char *const secret[] = {"password", "pwd", "key", "secret"};
    for (size_t i = 0; i < COUNT_OF(secret); i++)
        if (strcasestr(attribute, secret[i]) != NULL)
            return false;
    return true;
}

static void print_status(const struct showing *q)
{
    size_t i;
    json_t *one;
    (void)printf("status    %s\n", account_status_name(q->person.status));
    json_array_foreach(q->watching.why, i, one)
        (void)printf("            %s, because %s is %s\n", json_text(one, "status"), json_text(one, "attribute"),
                     json_text(one, "value") == NULL ? "set (no text)" : json_text(one, "value"));
    if (json_array_size(q->watching.why) == 0)
        (void)printf("            no attribute of the entry says anything else\n");
    (void)printf("            sign-in by an ID provider: %s; by this directory's password, where that is offered: %s\n",
                 verdict(q, false), verdict(q, true));
}

static void print_groups(const struct person *p)
{
    size_t direct = 0;
    for (size_t i = 0; i < p->group_count; i++)
        direct += p->groups[i].direct;
    (void)printf("groups    %zu: %zu direct, %zu nested\n", p->group_count, direct, p->group_count - direct);
    for (size_t i = 0; i < p->group_count; i++)
        (void)printf("            %s %s (%s)\n", p->groups[i].direct ? "direct" : "nested",
                     p->groups[i].name == NULL ? "-" : p->groups[i].name, p->groups[i].dn);
}

static void print_attributes(const struct person *p)
{
    const char *name;
    json_t *values, *one;
    size_t i;
    (void)printf("attributes for rules: %zu\n", json_object_size(p->attributes));
    json_object_foreach(p->attributes, name, values) {
        (void)printf("            %s", name);
        json_array_foreach(values, i, one)
            (void)printf("%s %s", i == 0 ? " =" : ",", may_be_shown(name) ? json_string_value(one) : "(not shown)");
        (void)printf("\n");
    }
}

static void print_words(const struct showing *q)
{
    const struct person *p = &q->person;
    (void)printf("directory %s\n", p->directory == NULL ? "-" : p->directory);
    if (p->dn != NULL) {
        (void)printf("entry     %s\nkey       %s\nlogin     %s\n", p->dn, p->key, p->login == NULL ? "-" : p->login);
        print_status(q);
        print_groups(p);
        print_attributes(p);
    } else {
        (void)printf("status    %s\n", account_status_name(p->status));
    }
    (void)printf("asked     %.1f ms altogether\n", (double)q->us / 1000.0);
    print_asked(q->watching.asked, "            ");
}

static void print_json(const struct showing *q)
{
    const struct person *p = &q->person;
    json_t *groups = json_array(), *attributes = json_object(), *values;
    const char *name;
    for (size_t i = 0; i < p->group_count; i++)
        (void)json_array_append_new(groups, json_pack("{s:s, s:s*, s:b}", "dn", p->groups[i].dn, "name", p->groups[i].name, "direct",
                                                      p->groups[i].direct));
    json_object_foreach(p->attributes, name, values)
        if (may_be_shown(name))
            (void)json_object_set(attributes, name, values);
    CLEANUP(json) json_t *j = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s, s:O, s:s, s:s, s:o, s:o, s:O, s:f}", "directory", p->directory, "dn",
                                        p->dn, "key", p->key, "login", p->login, "status", account_status_name(p->status), "why",
                                        q->watching.why, "by_provider", verdict(q, false), "by_password", verdict(q, true), "groups",
                                        groups, "attributes", attributes, "asked", q->watching.asked, "ms", (double)q->us / 1000.0);
    (void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    (void)printf("\n");
}

#define SHOW_USAGE "show [--directory NAME] [--json] PERSON"
static int show(int argc, char **argv)
{
    static const struct option options[] = {{"directory", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct showing q = {0};
    const char *directory = NULL;
    bool json = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'd')
            directory = optarg;
        json |= o == 'j';
        if (o == '?')
            return 2;
    }
    if (optind + 1 != argc)
        return admin_usage("directory " SHOW_USAGE "   (a login name, a stable id, a person id, or \"ISS SUB\")");
    int status = admin_begin(&q.ad, true);
    if (status != 0)
        return status;
    q.person.status = ACCOUNT_UNREACHABLE;
    watch(&q.ad, false, &q.watching);
    enum result r = find(&q, directory, argv[optind]);
    directory_watch(NULL, NULL);
    (json ? print_json : print_words)(&q);
    return admin_end(&q.ad, r);
}

/* ---- test ---------------------------------------------------------------------------------------------------------------- */

enum result admin_probe_directory(struct admin *ad, const char *name, struct buf *findings, json_t **asked_r)
{
    struct watching w;
    watch(ad, true, &w);
    enum result r = directory_probe(&ad->fault, ad->arena, ad->b.directories, name, findings);
    directory_watch(NULL, NULL);
    login_password_probe(&ad->b, ad->arena, name, findings);
    *asked_r = w.asked;
    return r;
}

void admin_print_asked(const json_t *asked)
{
    print_asked(asked, "  asked: ");
}

/* "error: text" as {"level": "error", "text": …} */
static json_t *findings_json(const char *findings)
{
    json_t *list = json_array();
    for (const char *line = findings; line != NULL && *line != '\0'; line = strchr(line, '\n'), line = line == NULL ? NULL : line + 1) {
        const char *colon = strstr(line, ": ");
        size_t len = strcspn(line, "\n");
        if (colon != NULL && colon < line + len)
            (void)json_array_append_new(list, json_pack("{s:s%, s:s%}", "level", line, (size_t)(colon - line), "text", colon + 2,
                                                        len - (size_t)(colon + 2 - line)));
    }
    return list;
}

static enum result test_one(struct admin *ad, const char *name, json_t *json)
{
    CLEANUP(buf) struct buf out;
    json_t *asked;
    buf_init(&out, FINDINGS_MAX);
    enum result r = admin_probe_directory(ad, name, &out, &asked);
    if (r == RESULT_NOT_FOUND)
        return r;
    if (json != NULL)
        return json_object_set_new(json, name, json_pack("{s:b, s:o, s:O}", "well", r == RESULT_OK, "findings", findings_json(out.data),
                                                         "asked", asked)) == 0 ? r : RESULT_INTERNAL;
    (void)printf("directory %s\n", name);
    for (char *line = out.data == NULL ? NULL : strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
        (void)printf("  %s\n", line);
    admin_print_asked(asked);
    return r;
}

#define TEST_USAGE "test [--json] [NAME]"
static int test(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct admin ad;
    bool as_json = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        as_json |= o == 'j';
        if (o == '?')
            return 2;
    }
    if (optind + 1 < argc)
        return admin_usage("directory " TEST_USAGE);
    int status = admin_begin(&ad, true);
    if (status != 0)
        return status;
    const char *only[] = {optind < argc ? argv[optind] : NULL};
    const char *const *names = only;
    size_t n = only[0] != NULL ? 1 : directories_names(ad.b.directories, &names);
    json_t *json = as_json ? arena_json(ad.arena, json_object()) : NULL;
    enum result r = n == 0 ? FAULT(&ad.fault, RESULT_NOT_FOUND, "there is no [directory NAME] in the configuration") : RESULT_OK;
    for (size_t i = 0; i < n; i++) {
        enum result one = test_one(&ad, names[i], json);
        r = one == RESULT_OK ? r : one;
    }
    if (json != NULL) {
        (void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
        (void)printf("\n");
    }
    return admin_end(&ad, r);
}

static const struct subcommand DIRECTORY[] = {
    {"show", show, SHOW_USAGE, "What was asked about a person, what the directory answered, and what that means."},
    {"test", test, TEST_USAGE, "Tries each server of a directory and says what was asked and what is wrong."},
    {NULL, NULL, NULL, NULL},
};
int admin_directory(int argc, char **argv)
{
    return admin_dispatch("directory", DIRECTORY, argc, argv);
}
