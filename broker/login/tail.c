/* The steps with which every way of signing in ends, after the identity is known: link, person, decision, account,
 * completion. Used by the callback and by the page that asks for the directory password. */
#include "private.h"

#include <string.h>

struct login *login_work(struct exchange *x)
{
    struct work *w = arena_alloc(x->arena, sizeof(*w));
    x->work = w;
    if (w == NULL)
        return NULL;
    w->l.max_age = -1;
    return &w->l;
}

/* A session or refresh token names (iss, sub): the link must still be there. */
enum result login_step_link(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    enum result r = login_load_link(&x->fault, x, &w->l, w->l.identity.iss, w->l.identity.sub, &reason);
    x->upstream = w->l.upstream;
    x->dhis2 = w->l.dhis2;
    return login_stop(x, r, r == RESULT_NOT_FOUND ? "not_linked" : reason);
}

bool tail_open(const struct exchange *x)
{
    const struct work *w = x->work;
    return !w->ask_password;
}
bool tail_form_needed(const struct exchange *x)
{
    return !tail_open(x);
}

enum result tail_load_link(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    w->l.claims = upstream_link_claims(x->bridge->upstreams, &w->l.identity);
    if (w->l.claims != NULL)
        w->l.claims = arena_json(x->arena, w->l.claims);
    enum result r = login_load_link(&x->fault, x, &w->l, w->l.identity.iss, w->l.identity.sub, &reason);
    if (r != RESULT_NOT_FOUND)
        return login_stop(x, r, reason);
    x->fault = (struct fault){0};
    w->l.linked = false;
    return RESULT_OK;
}

static bool self_link_by_password(const struct exchange *x)
{
    for (char *const *m = config_list(x->bridge->config, "link", NULL, "method"); m != NULL && *m != NULL; m++)
        if (strcmp(*m, "password") == 0)
            return true;
    return false;
}

enum result login_step_person(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    if (w->self_link) /* link.c read the entry when it checked the password */
        return RESULT_OK;
    enum result r = login_person(&x->fault, x->arena, x->bridge, &w->l, &reason);
    if (!w->l.linked && (r == RESULT_NOT_FOUND || text_equal(reason, "person_unknown")) && self_link_by_password(x)) {
        x->fault = (struct fault){0};
        w->ask_password = true;
        return RESULT_OK;
    }
    w->link_method = "search";
    return login_stop(x, r, reason);
}

bool tail_link_needed(const struct exchange *x)
{
    const struct work *w = x->work;
    return !w->ask_password && !w->l.linked;
}

/* Which identity came to which entry; kept sealed in the audit. `explain` and `link add --ref` read it. */
const char *login_link_detail(struct arena *a, const struct link *l)
{
    json_t *j = arena_json(a, json_pack("{s:s, s:s, s:s}", "iss", l->iss, "sub", l->sub, "entry", l->person_key));
    return j == NULL ? NULL : json_compact(a, j);
}

/* An entry already linked is never linked again here. Who knows its password and comes with another national ID has a
 * reissued one, most often: the row is for the administrator they will call with their reference code. */
static enum result refuse_taken(struct exchange *x, const struct login *l, const char *owner)
{
    const struct link came = {.iss = l->identity.iss, .sub = l->identity.sub, .person_key = l->person.key};
    const struct audit row = {.event = "login.refused", .subject = owner, .actor = l->client_id, .outcome = "link_taken",
                              .detail = login_link_detail(x->arena, &came), .ref = x->ref};
    NEED(&x->fault, row.detail);
    TRY(store_audit_add(&x->fault, x->view, &row));
    TRY(store_keep(&x->fault, x->view));
    return FAULT(&x->fault, RESULT_CONFLICT, "the entry is linked already");
}

/* The person id is random and made at the first link of a person; a second identity shares it. Never the sub, a national id
 * or an address: a reissued national ID changes one link and nothing in DHIS2. */
static enum result make_link(struct exchange *x, struct work *w, const char **reason_r)
{
    struct fault *f = &x->fault;
    struct login *l = &w->l;
    const char *person_id = NULL;
    bool linked = false, entry = login_password_directory(l->upstream) != NULL; /* nobody else can be the entry itself */
    enum result r = store_link_person(f, x->view, x->arena, l->person.key, &person_id, &linked);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (GUARD(link_taken, linked && !entry)) {
        *reason_r = "link_taken";
        return refuse_taken(x, l, person_id);
    }
    bool approval = !entry && config_flag(x->bridge->config, "link", NULL, "approval");
    const int64_t now = clock_now();
    l->link = (struct link){.upstream = l->upstream, .iss = l->identity.iss, .sub = l->identity.sub,
                            .person_key = l->person.key, .dn = l->person.dn, .method = w->link_method,
                            .person_id = person_id != NULL ? person_id : random_id(x->arena, 16),
                            .claims = l->claims == NULL || entry ? "{}" : json_compact(x->arena, l->claims),
                            .state = approval ? "pending" : "active", .created = now, .last_used = now};
    NEED(f, l->link.person_id);
    NEED(f, l->link.claims);
    TRY(store_link_add(f, x->view, &l->link));
    const struct audit row = {.event = "link.add", .subject = l->link.person_id, .actor = "bridge", .outcome = l->link.state,
                              .detail = login_link_detail(x->arena, &l->link), .ref = x->ref};
    NEED(f, row.detail);
    return store_audit_add(f, x->view, &row);
}

/* RUN_STORE. Of two first sign-ins at the same moment one makes the link and the other finds it. */
enum result tail_store_link(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    enum result r = login_load_link(&x->fault, x, &w->l, w->l.identity.iss, w->l.identity.sub, &reason);
    if (r == RESULT_OK && text_equal(w->l.link.person_key, w->l.person.key))
        return RESULT_OK;
    if (r == RESULT_OK) { /* linked meanwhile in another tab, to somebody else: start again with that link */
        x->reason = "login_used";
        return FAULT(&x->fault, RESULT_CONFLICT, "the identity was linked to another entry meanwhile");
    }
    if (r == RESULT_NOT_FOUND) {
        x->fault = (struct fault){0};
        r = make_link(x, w, &reason);
    }
    if (r != RESULT_OK) {
        x->reason = reason;
        return r; /* rolls back; login_failed makes the page of x->reason */
    }
    w->l.linked = true;
    x->subject = keyed_hash(x->arena, x->bridge->master, "log-subject", w->l.link.person_id);
    if (text_equal(w->l.link.state, "pending"))
        login_refuse(x, "link_pending", NULL);
    return RESULT_OK;
}

enum result login_step_grants(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    enum result r = login_grants(&x->fault, x->arena, x->bridge, &w->l, &reason);
    return login_stop(x, r, reason);
}

bool login_account_needed(const struct exchange *x)
{
    const struct work *w = x->work;
    return w->l.dhis2 != NULL;
}

enum result login_step_account(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL;
    enum result r = login_account(&x->fault, x->arena, x->bridge, &w->l, true, &reason);
    return login_stop(x, r, reason);
}

static void log_stations(const struct exchange *x, const struct login *l)
{
    char grants[16], groups[16], us[4][24];
    const int64_t took[4] = {l->us_identity, l->us_person, l->us_grants, l->us_account};
    for (size_t i = 0; i < 4; i++)
        (void)snprintf(us[i], sizeof(us[i]), "%lld", (long long)took[i]);
    (void)snprintf(grants, sizeof(grants), "%zu", l->grants.count);
    (void)snprintf(groups, sizeof(groups), "%zu", l->person.group_count);
    log_event(LEVEL_INFO, "login", "id", x->ref, "client", l->client_id, "upstream", l->upstream, "acr", l->identity.acr,
              "status", account_status_name(l->person.status), "grace", l->person.from_grace ? "yes" : "no", "groups", groups,
              "grants", grants, "dhis2", l->dhis2, "account",
              l->dhis2 == NULL ? NULL : l->account.created ? "created" : l->account.changed ? "changed" : "unchanged",
              "us_identity", us[0], "us_person", us[1], "us_grants", us[2], "us_account", us[3], "subject", x->subject, NULL);
}

/* An administrator may have moved, removed or suspended the link while the stations ran. */
static enum result still_linked(struct exchange *x, const struct login *l)
{
    struct link now;
    enum result r = store_link_get(&x->fault, x->view, x->arena, l->identity.iss, l->identity.sub, &now);
    bool same = r == RESULT_OK && text_equal(now.person_id, l->link.person_id) && text_equal(now.person_key, l->link.person_key) &&
                text_equal(now.state, "active");
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (GUARD(link_unchanged, !same)) {
        x->reason = "not_linked";
        return FAULT(&x->fault, RESULT_DENIED, "the link changed during the login");
    }
    return RESULT_OK;
}

/* RUN_STORE: used state, link use, session, code and audit row are one commit. */
enum result login_step_complete(struct exchange *x)
{
    struct work *w = x->work;
    struct login *l = &w->l;
    struct fault *f = &x->fault;
    int64_t now = clock_now();
    enum result r = GUARD(login_once, store_once(f, x->view, "login", l->transaction, now + LOGIN_LIFE_S));
    if (r == RESULT_CONFLICT)
        return again_used(x, l->client_id);
    TRY(r);
    TRY(still_linked(x, l));
    const char *claims = l->claims == NULL ? l->link.claims : json_compact(x->arena, l->claims);
    NEED(f, claims);
    if (login_password_directory(l->upstream) != NULL)
        claims = NULL; /* another link's: they stay where they were proved */
    TRY(store_link_touch(f, x->view, l->identity.iss, l->identity.sub, claims, l->person.dn, now));
    TRY(login_keep_answer(f, x, l));
    if (l->dhis2 != NULL)
        TRY(held_record(f, x, l));
    state_end(x, l);
    TRY(login_complete(x, l));
    log_stations(x, l);
    return RESULT_OK;
}
