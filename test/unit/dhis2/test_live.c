/* A DHIS2 as dhis2/ meets it: carries out what standard input asks for against the server of a configuration file, and
 * prints what came back, one JSON object a line. Driven by test/flow/test_dhis2_client.py, which owns the server and
 * makes the assertions. Without IDBRIDGE_TEST_DHIS2 (the configuration file) there is nothing to talk to: says so, ends. */
#include <idbridge/dhis2.h>

#include "../../../broker/mapping/private.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, GRANTS_MAX = 64, THREADS_MAX = 16 };

static struct dhis2s *instances;

static enum grant_kind kind_of(const char *word)
{
    for (int k = 0; k < GRANT_KINDS; k++)
        if (text_equal(grant_kind_name((enum grant_kind)k), word))
            return (enum grant_kind)k;
    abort();
}

static enum grant_by by_of(const char *word)
{
    return text_equal(word, "code") ? BY_CODE : text_equal(word, "uid") ? BY_UID : BY_NAME;
}

static bool could_give(void *arg, enum grant_kind k, enum grant_by by, const char *ref)
{
    return k == GRANT_GROUP && by == BY_CODE && json_holds_text(arg, ref);
}

static size_t grants_of(const json_t *list, struct granted out[GRANTS_MAX])
{
    size_t n = 0;
    for (; n < json_array_size(list) && n < GRANTS_MAX; n++) {
        const json_t *one = json_array_get(list, n);
        out[n] = (struct granted){.kind = kind_of(json_string_value(json_array_get(one, 0))),
                                  .by = by_of(json_string_value(json_array_get(one, 1))),
                                  .ref = json_string_value(json_array_get(one, 2))};
    }
    return n;
}

static json_t *text_or_null(const char *s)
{
    return s == NULL ? json_null() : json_string(s);
}

static json_t *outcome(enum result r, const char *reason, const struct fault *f)
{
    return json_pack("{s:s, s:o, s:s}", "result", result_name(r), "reason", text_or_null(reason), "detail",
                     r == RESULT_OK ? "" : f->detail);
}

static json_t *ensure(struct arena *a, const json_t *rq)
{
    struct granted list[GRANTS_MAX];
    struct grants grants = {.list = list, .count = grants_of(json_object_get(rq, "grants"), list)};
    json_t *givable = json_object_get(rq, "could_give");
    const struct account_wish wish = {.open_id = json_text(rq, "open_id"),
                                      .login = json_text(rq, "login"),
                                      .given_name = json_text(rq, "given_name"),
                                      .surname = json_text(rq, "surname"),
                                      .mail = json_text(rq, "mail"),
                                      .phone = json_text(rq, "phone"),
                                      .grants = &grants,
                                      .could_give = givable == NULL ? NULL : could_give,
                                      .could_give_arg = givable};
    struct account out;
    struct fault f = {.result = RESULT_OK};
    const char *reason = NULL;
    bool write = !json_is_false(json_object_get(rq, "write"));
    enum result r = dhis2_account_ensure(&f, a, instances, "hmis", &wish, write, &out, &reason);
    json_t *answer = outcome(r, reason, &f);
    json_t *account = json_pack("{s:o, s:o, s:b, s:b, s:b, s:o}", "uid", text_or_null(out.uid), "username",
                                text_or_null(out.username), "created", out.created, "changed", out.changed, "disabled",
                                out.disabled, "patch", text_or_null(out.patch));
    json_object_update_new(answer, account);
    return answer;
}

static json_t *enabled(struct arena *a, const json_t *rq)
{
    struct fault f = {.result = RESULT_OK};
    const char *uid = NULL;
    bool is = false;
    enum result r = dhis2_user_enabled(&f, a, instances, "hmis", json_text(rq, "username"), &is, &uid);
    json_t *answer = outcome(r, NULL, &f);
    json_object_set_new(answer, "enabled", json_boolean(is));
    json_object_set_new(answer, "uid", text_or_null(uid));
    return answer;
}

/* Rules as the store would give them; the index is for deciding only. */
static struct mapping rules_of(struct arena *a, const json_t *list)
{
    struct mapping m = {.arena = a, .rules = arena_alloc(a, (json_array_size(list) + 1) * sizeof(struct rule))};
    struct fault f;
    for (; m.count < json_array_size(list); m.count++)
        if (rule_parse(&f, a, json_compact(a, json_array_get(list, m.count)), &m.rules[m.count], NULL) != RESULT_OK)
            abort();
    return m;
}

static json_t *probe(struct arena *a, const json_t *rq)
{
    const struct mapping rules = rules_of(a, json_object_get(rq, "rules"));
    CLEANUP(buf) struct buf findings;
    struct fault f = {.result = RESULT_OK};
    buf_init(&findings, 1 << 20);
    enum result r = dhis2_probe(&f, a, instances, "hmis", rules.count == 0 ? NULL : &rules, &findings);
    json_t *answer = outcome(r, NULL, &f);
    json_object_set_new(answer, "findings", text_or_null(findings.data));
    return answer;
}

/* ---- several at once ------------------------------------------------------------------------------------------------- */

struct one {
    pthread_t thread;
    const json_t *rq;
    json_t *answer;
};

static json_t *carry_out(const json_t *rq)
{
    CLEANUP(arena) struct arena *a = arena_new(MEMORY);
    const char *what = json_text(rq, "do");
    return text_equal(what, "enabled") ? enabled(a, rq) : text_equal(what, "probe") ? probe(a, rq) : ensure(a, rq);
}

static void *run(void *arg)
{
    struct one *o = arg;
    o->answer = carry_out(o->rq);
    return NULL;
}

/* {"at_once": [request, …]}: each on a thread of its own, answers in the same order. */
static json_t *at_once(const json_t *list)
{
    struct one all[THREADS_MAX];
    size_t n = json_array_size(list) < THREADS_MAX ? json_array_size(list) : THREADS_MAX;
    json_t *answers = json_array();
    for (size_t i = 0; i < n; i++) {
        all[i] = (struct one){.rq = json_array_get(list, i)};
        if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        pthread_join(all[i].thread, NULL);
        json_array_append_new(answers, all[i].answer);
    }
    return json_pack("{s:o}", "answers", answers);
}

static int serve(void)
{
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        json_t *rq = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        if (rq == NULL)
            break;
        const json_t *list = json_object_get(rq, "at_once");
        json_t *answer = list != NULL ? at_once(list) : carry_out(rq);
        json_dumpf(answer, stdout, JSON_COMPACT);
        (void)putchar('\n');
        (void)fflush(stdout);
        json_decref(answer);
        json_decref(rq);
    }
    free(line);
    return 0;
}

int main(void)
{
    static const struct config_key *const tables[] = {dhis2_config_keys, NULL};
    const char *path = getenv("IDBRIDGE_TEST_DHIS2");
    if (path == NULL) {
        puts("skipped: IDBRIDGE_TEST_DHIS2 names no configuration; test/flow/test_dhis2_client.py runs this with a server");
        return 0;
    }
    CLEANUP(buf) struct buf errors;
    struct config *c = NULL;
    struct fault f = {.result = RESULT_OK};
    buf_init(&errors, 1 << 16);
    if (http_global_init(&f) != RESULT_OK || config_load(&f, path, tables, &errors, &c) != RESULT_OK ||
        dhis2s_new(&f, c, &instances) != RESULT_OK) {
        fprintf(stderr, "%s\n%s\n", f.detail, errors.data == NULL ? "" : errors.data);
        return 2;
    }
    config_free(c);
    int status = serve();
    dhis2s_free(instances);
    return status;
}
