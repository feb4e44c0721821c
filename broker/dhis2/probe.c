/* probe: what `idbridge doctor` says about one DHIS2: is it there, who are we in it, may we do what the rules ask? Plain
 * sentences, one a line. Reads only. The authorities asked for are the least found by trial (dhis2-users.md §1). */
#include "private.h"

#include <string.h>
#include <time.h>

enum { UNITS_ASKED_MAX = 200, CLOCK_MAX_S = 30, FRESH_US = 1 };

struct probe {
    struct task task;
    struct buf *to;
    bool failed;
    json_t *me;                  /* /api/me */
    struct things issuable;      /* roles this account may give */
    const struct catalogue *catalogue;
    enum grant_kind kind;        /* being walked */
    json_t *seen;                /* of this kind: thousands of rules give the same role */
    size_t good, templates, asked;
};

static void say(struct probe *p, const char *level, const char *fmt, ...) PRINTF(3, 4);
static void say(struct probe *p, const char *level, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->failed = p->failed || text_equal(level, "error");
    buf_printf(p->to, "%s: %s\n", level, text);
}

/* A look-up that failed is a finding; the rest is still worth asking. */
static bool went(struct probe *p, enum result r, const char *about)
{
    if (r != RESULT_OK)
        say(p, "error", "%s: %s", about, p->task.f->detail);
    return r == RESULT_OK;
}

/* ---- is it there? ---------------------------------------------------------------------------------------------- */

/* RFC 9110 §5.6.7: IMF-fixdate. */
static void compare_clocks(struct probe *p, const char *date)
{
    struct tm tm = {0};
    if (date == NULL || strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm) == NULL)
        return;
    long long ahead = (long long)timegm(&tm) - (long long)clock_now();
    if (ahead > CLOCK_MAX_S || ahead < -CLOCK_MAX_S)
        say(p, "error", "the clock of DHIS2 is %lld s %s ours: tokens will be refused; set both by NTP", ahead < 0 ? -ahead : ahead,
            ahead < 0 ? "behind" : "ahead of");
    else
        say(p, "ok", "the clocks agree within %d s", CLOCK_MAX_S);
}

static bool ask_version(struct probe *p)
{
    struct answer got;
    if (text_has_prefix(p->task.d->base, "http:"))
        say(p, "warning", "url is http: the bridge's credentials travel in the clear");
    if (!went(p, dhis2_call(&p->task, "GET", "/api/system/info", NULL, &got), "DHIS2 cannot be asked"))
        return false;
    const char *version = json_text(got.json, "version");
    if (got.status != 200 || version == NULL) {
        say(p, "error", "%s: HTTP %ld%s: is url the address of a DHIS2, without /api?", got.what, got.status,
            got.status == 400 ? " (a mistyped token is answered so)" : "");
        return false;
    }
    say(p, "ok", "DHIS2 %s answers", version);
    compare_clocks(p, got.date);
    if (text_has_prefix(version, "2.41"))
        say(p, "warning", "2.41: dhis.conf needs oauth2.authorization.server.enabled = off, or DHIS2 takes every bearer token "
                          "for one of its own and refuses ours");
    return true;
}

/* ---- who are we? ----------------------------------------------------------------------------------------------- */

static void check_authorities(struct probe *p)
{
    static const struct {
        const char *name, *why;
    } needed[] = {{"F_USER_VIEW", "nobody can be looked up"},
                  {"F_USER_ADD", "no account can be made or changed"},
                  {"F_USER_GROUPS_READ_ONLY_ADD_MEMBERS", "memberships of user groups are skipped in silence"}};
    const json_t *held = json_object_get(p->me, "authorities");
    if (json_holds_text(held, "ALL")) {
        say(p, "warning", "the bridge's account holds ALL: give it a role of its own with the authorities it needs");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(needed); i++)
        if (json_holds_text(held, needed[i].name))
            say(p, "ok", "authority %s is there", needed[i].name);
        else
            say(p, "error", "authority %s is missing: %s", needed[i].name, needed[i].why);
}

static bool ask_me(struct probe *p)
{
    if (!went(p, dhis2_get(&p->task, "/api/me?fields=username,authorities,organisationUnits%5Bid%5D", &p->me), "who we are"))
        return false;
    const char *username = json_text(p->me, "username");
    say(p, "ok", "the bridge is %s there", username == NULL ? "nobody" : username);
    check_authorities(p);
    if (json_array_size(json_object_get(p->me, "organisationUnits")) == 0)
        say(p, "error", "the bridge's account has no organisation unit: it can give none (E7617)");
    return true;
}

/* ---- may we give what the rules give? -------------------------------------------------------------------------- */

static const char *const by_words[] = {[BY_NAME] = "name", [BY_CODE] = "code", [BY_UID] = "uid"};

static void check_role_or_group(struct probe *p, enum grant_by by, const char *ref)
{
    struct thing one = {0};
    bool role = p->kind == GRANT_ROLE;
    const char *what = role ? "user role" : "user group";
    size_t n = catalogue_find(p->catalogue, p->kind, by, ref, &one);
    if (n == 0)
        say(p, "error", "a rule gives the %s with the %s %s: there is none that the bridge's account may see", what, by_words[by],
            ref);
    else if (n > 1)
        say(p, "error", "a rule gives the %s %s: two are called so, use code: or uid:", what, ref);
    else if (role && one.all)
        say(p, "error", "a rule gives the user role %s, which holds ALL: the bridge never gives it", ref);
    else if (role && !things_have(&p->issuable, one.id))
        say(p, "error", "a rule gives the user role %s, which the bridge's account may not give: it must hold every authority in "
                        "that role, and not the role itself", ref);
    else
        p->good++;
}

/* Below one of the bridge's own units, or one of them? */
static bool covered(const struct probe *p, const char *path)
{
    const json_t *own = json_object_get(p->me, "organisationUnits");
    for (size_t i = 0; i < json_array_size(own); i++) {
        const char *id = json_text(json_array_get(own, i), "id");
        if (id != NULL && path != NULL && strstr(path, id) != NULL)
            return true;
    }
    return false;
}

static void check_unit(struct probe *p, enum grant_by by, const char *ref)
{
    struct task *t = &p->task;
    struct thing one;
    json_t *j = NULL;
    if (p->asked++ >= UNITS_ASKED_MAX)
        return;
    if (!went(p, dhis2_unit(t, by, ref, &one), "an organisation unit of a rule"))
        return;
    const char *path = arena_printf(t->a, "/api/organisationUnits/%s?fields=path", one.id);
    if (path == NULL || !went(p, dhis2_get(t, path, &j), "an organisation unit of a rule"))
        return;
    if (covered(p, json_text(j, "path")))
        p->good++;
    else
        say(p, "error", "a rule gives the organisation unit %s, which is outside those of the bridge's account (E7617)", ref);
}

static enum result check_ref(void *arg, enum grant_by by, const char *ref)
{
    struct probe *p = arg;
    const char *key = arena_printf(p->task.a, "%s:%s", by_words[by], ref);
    NEED(p->task.f, key);
    if (json_object_get(p->seen, key) != NULL)
        return RESULT_OK;
    if (json_object_set_new(p->seen, key, json_true()) != 0)
        return FAULT(p->task.f, RESULT_INTERNAL, "out of memory");
    if (strchr(ref, '{') != NULL)
        p->templates++; /* what it becomes depends on the person */
    else if (p->kind == GRANT_ROLE || p->kind == GRANT_GROUP)
        check_role_or_group(p, by, ref);
    else
        check_unit(p, by, ref);
    return RESULT_OK;
}

static const char *article(enum grant_kind k)
{
    return k == GRANT_OU_CAPTURE ? "an" : "a";
}

static void check_rules(struct probe *p, const struct mapping *m)
{
    for (int k = 0; k < GRANT_KINDS; k++) {
        p->kind = (enum grant_kind)k;
        p->good = p->templates = p->asked = 0;
        p->seen = arena_json(p->task.a, json_object());
        (void)went(p, mapping_each_ref(m, p->task.d->name, p->kind, check_ref, p), "the rules");
        if (p->good > 0)
            say(p, "ok", "rules give %s %s that can be given: %zu", article(p->kind), grant_kind_name(p->kind), p->good);
        if (p->templates > 0)
            say(p, "ok", "rules give %s %s that depends on the person and was not tried: %zu", article(p->kind),
                grant_kind_name(p->kind), p->templates);
        if (p->asked > UNITS_ASKED_MAX)
            say(p, "warning", "rules give %s %s in %zu ways, of which %d were tried", article(p->kind), grant_kind_name(p->kind),
                p->asked, UNITS_ASKED_MAX);
    }
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static void count_units(struct probe *p)
{
    json_t *j = NULL;
    int64_t total = 0;
    if (!went(p, dhis2_get(&p->task, "/api/organisationUnits?fields=id&pageSize=1", &j), "organisation units"))
        return;
    if (json_integer_at(json_object_get(j, "pager"), "total", &total) && total > 0)
        say(p, "ok", "%lld organisation units can be read", (long long)total);
    else
        say(p, "error", "no organisation unit can be read");
}

/* No call of the Web API shows either setting. */
static void note_sessions(struct probe *p)
{
    say(p, "warning", "a browser signed in at DHIS2 through the bridge stays signed in, with its old rights, until "
                      "system.session.timeout (default 3600 s) after the last click, unless dhis.conf has redis.enabled = on: "
                      "set one or the other");
}

enum result dhis2_probe(struct fault *f, struct arena *a, struct dhis2s *d, const char *name, const struct mapping *m,
                        struct buf *findings)
{
    struct probe p = {.task = {f, a, dhis2_find(d, name), NULL}, .to = findings};
    if (p.task.d == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no such [dhis2] is configured");
    if (!ask_version(&p) || !ask_me(&p))
        return FAULT(f, RESULT_UNAVAILABLE, "%s does not work", name);
    bool roles = went(&p, dhis2_list(&p.task, "/api/userRoles?canIssue=true&fields=id&paging=false", "userRoles", &p.issuable),
                      "roles that may be given");
    bool all = went(&p, dhis2_catalogue(&p.task, FRESH_US, &p.catalogue), "roles and groups");
    if (m != NULL && roles && all)
        check_rules(&p, m);
    count_units(&p);
    note_sessions(&p);
    return p.failed ? FAULT(f, RESULT_INVALID, "%s: see the findings", name) : RESULT_OK;
}
