/* First sign-in of somebody who is linked to nobody: one page asks for the directory user name and password once, binds as
 * that person and stores the link on (iss, sub), never on an e-mail address (CVE-2026-9087, CVE-2025-7365). What the ID
 * provider proved travels in the form, sealed and bound to this browser's transaction. Tries are counted in the store
 * before the bind (CVE-2023-47111). */
#include "private.h"

#include <string.h>
#include <strings.h>

#define PURPOSE_FORM "link-form"

static enum result seal_form(struct exchange *x, const struct work *w, const char **out_r)
{
    struct fault *f = &x->fault;
    json_t *j = state_to_json(x->arena, &w->l);
    NEED(f, j);
    const json_t *claims = w->l.identity.claims;
    if (w->l.claims != NULL && json_object_set(j, "claims", w->l.claims) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    json_t *match = json_pack("{s:s*, s:s*}", "name", json_text(claims, "name"), "birthdate", json_text(claims, "birthdate"));
    if (match == NULL || json_object_set_new(j, "match", match) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return token_seal_state(f, x->arena, x->bridge->master, PURPOSE_FORM, j, clock_now() + LOGIN_LIFE_S, out_r);
}

static bool mails(const struct config *c)
{
    return config_text(c, "link", NULL, "smtp") != NULL && config_text(c, "link", NULL, "mail_from") != NULL;
}

static void show_form(struct exchange *x, const struct work *w)
{
    const struct param args[] = {{"provider", x->provider == NULL ? "" : x->provider},
                                 {"application", x->application == NULL ? "" : x->application}, {NULL, NULL}};
    const char *name = json_text(w->l.identity.claims, "name"); /* told to nobody but the person who just proved it */
    struct block blocks[12];
    size_t n = 0;
    if (w->wrong)
        blocks[n++] = (struct block){.kind = BLOCK_NOTICE, .key = "link.wrong"};
    blocks[n++] = (struct block){.kind = BLOCK_TEXT, .key = "link.intro"};
    if (name != NULL && name[0] != '\0')
        blocks[n++] = (struct block){.kind = BLOCK_FACT, .key = "link.person", .value = name};
    blocks[n++] = (struct block){.kind = BLOCK_FORM, .value = "/link"};
    blocks[n++] = (struct block){.kind = BLOCK_HIDDEN, .name = "state", .value = w->form_state};
    blocks[n++] = (struct block){.kind = BLOCK_FIELD, .key = "link.user", .name = "username", .value = w->user};
    blocks[n++] = (struct block){.kind = BLOCK_PASSWORD, .key = "link.password", .name = "password"};
    blocks[n++] = (struct block){.kind = BLOCK_BUTTON, .key = "link.button"};
    blocks[n++] = (struct block){.kind = BLOCK_FORM_END};
    blocks[n++] = (struct block){.kind = BLOCK_LINK, .key = "sso.other", .value = again_other(x, &w->l)};
    if (mails(x->bridge->config))
        blocks[n++] = (struct block){.kind = BLOCK_TEXT, .key = "link.told"};
    blocks[n] = (struct block){.kind = BLOCK_END};
    page_reply(x, &(struct page){.status = 200, .title = "link.title", .blocks = blocks, .args = args,
                                 .form_action = w->l.redirect_uri});
    x->reason = w->wrong ? "link_refused" : "link_form";
    x->done = true;
}

enum result link_page(struct exchange *x, struct work *w)
{
    TRY(seal_form(x, w, &w->form_state));
    show_form(x, w);
    return RESULT_OK;
}

/* ---- POST /link ------------------------------------------------------------------------------------------------ */

static enum result open_form(struct exchange *x, struct work *w)
{
    struct fault *f = &x->fault;
    json_t *j;
    struct login cookie;
    TRY(token_open_state(f, x->arena, x->bridge->master, PURPOSE_FORM, w->form_state, clock_now(), &j));
    TRY(state_from_json(f, x->arena, j, &w->l));
    TRY(GUARD(link_browser, state_of_cookie(x, w->l.transaction, &cookie))); /* the same browser */
    w->l.claims = json_object_get(j, "claims");
    w->l.identity.claims = json_object_get(j, "match");
    return RESULT_OK;
}

static enum result link_open(struct exchange *x)
{
    struct work *w = arena_alloc(x->arena, sizeof(*w));
    NEED(&x->fault, w);
    x->work = w;
    const struct params *form = &x->request->form;
    w->form_state = param_get(form, "state");
    w->user = param_get(form, "username");
    w->password = param_get(form, "password");
    if (w->form_state == NULL || w->user == NULL || w->password == NULL || param_duplicate(form) != NULL)
        return FAULT(&x->fault, RESULT_INVALID, "the form is incomplete");
    enum result r = open_form(x, w);
    if (r == RESULT_NOT_FOUND && w->l.transaction != NULL && again_finished(x, w->l.transaction))
        return again_used(x, w->l.client_id);
    if (r != RESULT_OK) {
        login_refuse(x, r == RESULT_TIMEOUT ? "login_expired" : "login_other_browser", NULL);
        return RESULT_OK;
    }
    struct client c;
    struct fault ignored = {0};
    if (store_client_get(&ignored, x->view, x->arena, w->l.client_id, &c) == RESULT_OK)
        x->application = c.name;
    x->provider = upstream_label(x->bridge->upstreams, w->l.upstream);
    x->language = language_choose(w->l.ui_locales, request_header(x->request, "accept-language"));
    x->upstream = w->l.upstream;
    x->dhis2 = w->l.dhis2;
    w->self_link = true;
    w->link_method = "password";
    w->form = show_form;
    if (!proof_complete(w)) {
        w->wrong = true;
        show_form(x, w);
    }
    return RESULT_OK;
}

static enum result link_count_identity(struct exchange *x)
{
    const struct work *w = x->work;
    return proof_count(x, "identity", w->l.identity.sub);
}

/* Compares names as sets of words without case: order and middle names differ between registers. All words of the shorter
 * one must be in the longer one. */
static bool same_name(struct arena *a, const char *left, const char *right)
{
    size_t nl, nr;
    char **l = left == NULL ? NULL : text_split(a, left, " ,.-'", &nl);
    char **r = right == NULL ? NULL : text_split(a, right, " ,.-'", &nr);
    if (l == NULL || r == NULL || nl == 0 || nr == 0)
        return false;
    if (nl > nr) {
        char **t = l;
        l = r;
        r = t;
    }
    for (; *l != NULL; l++) {
        char **m = r;
        while (*m != NULL && strcasecmp(*m, *l) != 0)
            m++;
        if (*m == NULL)
            return false;
    }
    return true;
}

/* A calendar day out of 1988-04-12, 1988/04/12, 19880412 or 19880412000000Z (RFC 4517 §3.3.13); false: it is none. */
static bool read_day(const char *s, char day[9])
{
    size_t n = 0;
    for (; s != NULL && *s != '\0' && n < 8; s++)
        if (*s >= '0' && *s <= '9')
            day[n++] = *s;
        else if ((*s != '-' && *s != '/') || (n != 4 && n != 6))
            return false;
    day[n] = '\0';
    return n == 8;
}

static bool same_day(const char *left, const char *right)
{
    char l[9], r[9];
    return read_day(left, l) && read_day(right, r) && strcmp(l, r) == 0;
}

enum result link_match(struct exchange *x)
{
    const struct work *w = x->work;
    const json_t *proved = w->l.identity.claims;
    const char *reason = NULL;
    enum result r = RESULT_OK;
    for (char *const *m = config_list(x->bridge->config, "link", NULL, "match"); m != NULL && *m != NULL; m++) {
        bool agrees = strcmp(*m, "name") == 0 ? same_name(x->arena, json_text(proved, "name"), w->l.person.display_name)
                                              : same_day(json_text(proved, "birthdate"), w->l.person.birth_date);
        if (GUARD(link_match, !agrees)) {
            reason = "link_mismatch";
            r = FAULT(&x->fault, RESULT_DENIED, "%s differs", *m);
        }
    }
    if (r == RESULT_OK) /* the same policy as for the linked */
        r = login_check_status(&x->fault, x->bridge, &w->l.person, false, &reason);
    return login_stop(x, r, reason);
}

/* The tries of somebody who got in are forgotten; the others keep counting. */
static enum result link_store(struct exchange *x)
{
    const struct work *w = x->work;
    const char *key = proof_key(x, "account", w->l.person.key);
    NEED(&x->fault, key);
    TRY(store_attempt_clear(&x->fault, x->view, key));
    return tail_store_link(x);
}

/* The directory's address is told: a link somebody else made with a stolen password does not stay unseen. Failure to send
 * is logged and stops nobody. */
static enum result link_tell(struct exchange *x)
{
    const struct work *w = x->work;
    const struct config *c = x->bridge->config;
    const char *smtp = config_text(c, "link", NULL, "smtp"), *from = config_text(c, "link", NULL, "mail_from");
    struct fault f = {0};
    const struct param args[] = {{"application", x->application == NULL ? "" : x->application},
                                 {"provider", x->provider == NULL ? "" : x->provider}, {NULL, NULL}};
    const char *text = message_fill(x->arena, message_text(x->language, "link.mail"), args);
    if (text != NULL && mail_send(&f, smtp, from, w->l.person.mail, message_text(x->language, "link.mail.subject"), text) != RESULT_OK)
        log_fault(LEVEL_WARN, "link-mail", &f);
    return RESULT_OK;
}
static bool tell_needed(const struct exchange *x)
{
    const struct work *w = x->work;
    return w->l.person.mail != NULL && mails(x->bridge->config);
}

const struct step link_steps[] = {
    {"open", RUN_CPU, link_open, NULL},
    {"tries of the identity", RUN_STORE, link_count_identity, NULL},
    {"entry", RUN_DIRECTORY, proof_find, NULL},
    {"tries of the account", RUN_STORE, proof_count_account, NULL},
    {"password", RUN_DIRECTORY, proof_bind, NULL},
    {"match", RUN_CPU, link_match, NULL},
    {"new link", RUN_STORE, link_store, NULL},
    {"tell", RUN_CLIENT, link_tell, tell_needed},
    {"grants", RUN_ANYWHERE, login_step_grants, NULL},
    {"account", RUN_DHIS2, login_step_account, login_account_needed},
    {"complete", RUN_STORE, login_step_complete, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};
