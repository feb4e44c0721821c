/* `idbridge explain PERSON`: the stations of a login, with a trace and without writes. */
#include "private.h"

#include <string.h>

static enum result keep_link(void *arg, const struct link *l)
{
    struct link *to = arg;
    if (to->person_id == NULL)
        *to = *l;
    return RESULT_OK;
}

/* PERSON is "ISS SUB", a person id, or a login name; the last need not be linked yet. */
static enum result find(struct fault *f, struct arena *a, struct bridge *b, struct store_view *v, const char *person,
                        struct login *l, const char **reason_r)
{
    const char *blank = strchr(person, ' ');
    enum result r;
    if (blank != NULL)
        r = store_link_get(f, v, a, arena_strndup(a, person, (size_t)(blank - person)), blank + 1, &l->link);
    else
        r = store_link_by_person_id(f, v, a, person, &l->link);
    if (r == RESULT_OK) {
        l->linked = true;
        l->upstream = l->link.upstream;
        return login_person(f, a, b, l, reason_r);
    }
    if (r == RESULT_NOT_FOUND && blank != NULL)
        return FAULT(f, r, "that identity is linked to nobody");
    if (r != RESULT_NOT_FOUND)
        return r;
    TRY(login_find_entry(f, a, b, NULL, person, &l->person));
    if (l->person.key != NULL)
        TRY(store_link_each(f, v, a, l->person.key, keep_link, &l->link));
    l->linked = l->link.person_id != NULL;
    return login_check_status(f, b, &l->person, false, reason_r);
}

static void print_person(FILE *to, const struct login *l)
{
    const struct person *p = &l->person;
    char grace[96] = "";
    if (p->from_grace)
        (void)snprintf(grace, sizeof grace, " (grace: the directory's last answer, %lld s old, no server of it can be reached)",
                       (long long)(clock_now() - p->seen));
    (void)fprintf(to, "person    %s  status %s%s, %zu groups, %s\n", p->key == NULL ? "-" : p->key, account_status_name(p->status), grace,
                  p->group_count,
                  l->linked ? "linked" : "not linked to any national ID yet");
    for (size_t i = 0; i < p->group_count; i++)
        (void)fprintf(to, "            %s %s\n", p->groups[i].direct ? "in    " : "nested", p->groups[i].name == NULL ? p->groups[i].dn : p->groups[i].name);
}

static void print_grants(FILE *to, struct arena *a, const struct login *l, const struct held *held)
{
    (void)fprintf(to, "grants    %zu\n", l->grants.count);
    for (size_t i = 0; i < l->grants.count; i++) {
        const struct granted *g = &l->grants.list[i];
        static const char *const by[] = {"name", "code", "uid"};
        int64_t since = held_since(held, g);
        (void)fprintf(to, "            %-16s %s:%s  by rule %s%s%s\n", grant_kind_name(g->kind), by[g->by], g->ref, g->rule,
                      since == 0 ? "" : ", since ", since == 0 ? "" : clock_text(a, since));
    }
    CLEANUP(json) json_t *trace = l->grants.trace == NULL ? NULL : json_loads(l->grants.trace, 0, NULL);
    size_t i, far = 0;
    json_t *row;
    json_array_foreach(trace, i, row) {
        const char *why = json_text(row, "why");
        bool near = !text_equal(why, "no such group") && !text_equal(why, "for another DHIS2");
        if (why != NULL && near) /* it nearly held: that is what somebody asks about */
            (void)fprintf(to, "            rule %s gives nothing: %s\n", json_text(row, "rule"), why);
        far += why != NULL && !near;
    }
    if (far > 0)
        (void)fprintf(to, "            %zu rules are for groups the person is not in (--json lists them)\n", far);
}

/* Where the directory's password signs in, and whether it would this person; nothing where it does not. */
static void tell_password(const struct bridge *b, const struct login *l, json_t *told)
{
    CLEANUP(buf) struct buf where;
    const char *reason = NULL;
    struct fault ignored = {0};
    buf_init(&where, 16u << 10);
    if (l->person.directory == NULL || !login_password_describe(b, l->person.directory, &where) || where.data == NULL)
        return;
    bool in = login_check_status(&ignored, b, &l->person, true, &reason) == RESULT_OK;
    (void)json_object_set_new(told, "password_login", json_pack("{s:s, s:s*}", "where", where.data, "refused", in ? NULL : reason));
}
static void print_password(FILE *to, const json_t *told)
{
    const json_t *j = json_object_get(told, "password_login");
    const char *refused = json_text(j, "refused");
    if (j != NULL)
        (void)fprintf(to, "password  %s: %s\n", json_text(j, "where"),
                      refused == NULL ? "would be let in with the right one" : login_reason(refused)->log);
}

static json_t *grants_json(const struct grants *g)
{
    static const char *const by[] = {"name", "code", "uid"};
    json_t *list = json_array();
    for (size_t i = 0; i < g->count; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "kind", grant_kind_name(g->list[i].kind), "by",
                                                    by[g->list[i].by], "ref", g->list[i].ref, "rule", g->list[i].rule));
    return list;
}

static void print_json(FILE *to, const struct login *l, json_t *told, const char *reason)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < l->person.group_count; i++)
        (void)json_array_append_new(groups, json_string(l->person.groups[i].dn));
    CLEANUP(json) json_t *j = json_pack(
        "{s:s*, s:s*, s:s, s:b, s:b, s:o, s:o, s:s*, s:s*}", "person_key", l->person.key, "person_id", l->link.person_id, "status",
        account_status_name(l->person.status), "grace", l->person.from_grace, "linked", l->linked, "groups", groups, "grants", grants_json(&l->grants), "patch",
        l->account.patch, "refused", reason);
    json_t *trace = l->grants.trace == NULL ? NULL : json_loads(l->grants.trace, 0, NULL);
    if (trace != NULL)
        (void)json_object_set_new(j, "trace", trace);
    (void)json_object_update(j, told);
    (void)json_dumpf(j, to, JSON_INDENT(2));
    (void)fprintf(to, "\n");
}

static enum result stations(struct fault *f, struct arena *a, struct bridge *b, struct store_view *v, const char *person,
                            struct login *l, const char **reason_r)
{
    TRY(find(f, a, b, v, person, l, reason_r));
    if (login_password_directory(l->link.upstream) != NULL)
        TRY(password_claims(f, v, a, l));
    else if (l->link.claims != NULL)
        TRY(json_parse(f, a, l->link.claims, strlen(l->link.claims), LINK_CLAIMS_MAX, &l->claims));
    TRY(login_grants(f, a, b, l, reason_r));
    if (l->dhis2 != NULL && l->linked)
        TRY(login_account(f, a, b, l, false, reason_r));
    if (!text_equal(l->link.state, "pending"))
        return RESULT_OK;
    *reason_r = "link_pending";
    return FAULT(f, RESULT_DENIED, "the link waits for approval");
}

enum result login_explain(struct fault *f, struct arena *a, struct bridge *b, const char *person, const char *dhis2,
                          bool json, FILE *to)
{
    const char *const *names, *reason = NULL;
    struct login *l = arena_alloc(a, sizeof(*l));
    struct store_view *v = store_reader(f, b->store);
    NEED(f, l);
    if (v == NULL)
        return f->result;
    l->want_trace = true;
    l->dhis2 = dhis2 != NULL ? dhis2 : dhis2s_names(b->dhis2s, &names) > 0 ? names[0] : NULL;
    if (l->dhis2 != NULL && !dhis2s_has(b->dhis2s, l->dhis2))
        return FAULT(f, RESULT_NOT_FOUND, "there is no [dhis2 %.60s] in the configuration", l->dhis2);
    enum result r = stations(f, a, b, v, person, l, &reason);
    if (r != RESULT_OK && reason == NULL)
        return r;
    json_t *told;
    TRY(explain_links(f, a, v, l, reason, &told));
    tell_password(b, l, told);
    struct held held = {0};
    if (l->linked && l->dhis2 != NULL)
        TRY(held_load(f, a, b, l, &held));
    if (json) {
        print_json(to, l, told, reason);
        return r == RESULT_OK ? RESULT_OK : r;
    }
    print_person(to, l);
    explain_links_print(to, l, told);
    print_grants(to, a, l, &held);
    if (l->dhis2 != NULL && l->linked && r == RESULT_OK)
        (void)fprintf(to, "account   %s in %s: %s\n            %s\n", l->account.username == NULL ? "(new)" : l->account.username,
                      l->dhis2, l->account.created ? "would be created" : l->account.changed ? "would be changed" : "agrees already",
                      l->account.patch == NULL ? "[]" : l->account.patch);
    else if (r == RESULT_OK)
        (void)fprintf(to, "account   looked up when the person is linked: its openId is made then\n");
    (void)fprintf(to, "sign-in   %s\n", r == RESULT_OK ? "allowed" : login_reason(reason)->log);
    print_password(to, told);
    return r;
}
