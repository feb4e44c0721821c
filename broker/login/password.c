/* Login by a directory's own password, for clinics where the national ID is not there yet. Off unless offer.c says otherwise.
 * A page asks for user name and password (login_begin shows it), POST /password counts the try, finds the entry, binds as it,
 * and goes on like every login: link, grants, account, completion. `amr` says pwd (RFC 8176 §2).
 *
 * The identity is the entry itself: iss "directory:NAME", sub its stable id. Its link shares the person id of every other
 * identity of that entry, so a national ID linked before or later is the same DHIS2 user. Mapping sees the claims of the
 * national ID's link, so the same person gets the same account either way. */
#include "private.h"

#include <string.h>

/* The form's `state` is the login's own, bound to the cookie of this browser's transaction as at an ID provider's callback. */
static void show(struct exchange *x, const struct work *w)
{
    const struct param args[] = {{"provider", x->provider == NULL ? "" : x->provider},
                                 {"application", x->application == NULL ? "" : x->application}, {NULL, NULL}};
    struct block blocks[] = {
        {.kind = BLOCK_NOTICE, .key = "password.wrong"},
        {.kind = BLOCK_TEXT, .key = "password.intro"},
        {.kind = BLOCK_FORM, .value = "/password"},
        {.kind = BLOCK_HIDDEN, .name = "state", .value = w->form_state},
        {.kind = BLOCK_FIELD, .key = "link.user", .name = "username", .value = w->user},
        {.kind = BLOCK_PASSWORD, .key = "link.password", .name = "password"},
        {.kind = BLOCK_BUTTON, .key = "password.button"},
        {.kind = BLOCK_FORM_END},
        {.kind = BLOCK_END},
    };
    page_reply(x, &(struct page){.status = 200, .title = "password.title", .blocks = w->wrong ? blocks : blocks + 1,
                                 .args = args, .form_action = w->l.redirect_uri});
    x->reason = w->wrong ? "link_refused" : "password_form";
    if (w->wrong)
        refusals_note(x->reason);
    x->done = true;
}

/* Ends the exchange with a page where the way is not open: to nobody who typed the URL, sends an old form, or moved. */
static enum result check_offer(struct exchange *x, const struct login *l)
{
    struct client c;
    const char *directory = login_password_directory(l->upstream);
    enum result r = store_client_get(&x->fault, x->view, x->arena, l->client_id, &c);
    if (r == RESULT_NOT_FOUND || (r == RESULT_OK && c.disabled)) {
        login_refuse(x, "unknown_client", NULL);
        return RESULT_OK;
    }
    TRY(r);
    x->application = c.name;
    if (directory == NULL || !login_password_offered(x, &c, l->acr_values, directory))
        login_refuse(x, "password_not_offered", NULL);
    return RESULT_OK;
}

enum result password_begin(struct exchange *x, struct login *l)
{
    TRY(check_offer(x, l));
    if (x->done)
        return RESULT_OK;
    TRY(state_start(x, l));
    x->provider = login_provider_label(x, l->upstream);
    const struct work w = {.l = *l, .form_state = l->rq.state};
    show(x, &w);
    return RESULT_OK;
}

/* ---- POST /password ------------------------------------------------------------------------------------------------- */

static enum result find_login(struct exchange *x, struct work *w)
{
    const char *reason = NULL;
    enum result r = state_find(x, w->form_state, &w->l, &reason);
    if (r != RESULT_OK && text_equal(reason, "login_used"))
        return again_used(x, w->l.client_id);
    if (r != RESULT_OK) {
        login_refuse(x, reason, NULL);
        return RESULT_OK;
    }
    x->language = language_choose(w->l.ui_locales, request_header(x->request, "accept-language"));
    x->provider = login_provider_label(x, w->l.upstream);
    x->upstream = w->l.upstream;
    x->dhis2 = w->l.dhis2;
    return check_offer(x, &w->l);
}

static enum result password_open(struct exchange *x)
{
    const struct params *form = &x->request->form;
    struct work *w = arena_alloc(x->arena, sizeof(*w));
    NEED(&x->fault, w);
    x->work = w;
    w->form_state = param_get(form, "state");
    w->user = param_get(form, "username");
    w->password = param_get(form, "password");
    w->form = show;
    if (w->form_state == NULL || w->user == NULL || w->password == NULL || param_duplicate(form) != NULL)
        return FAULT(&x->fault, RESULT_INVALID, "the form is incomplete");
    TRY(find_login(x, w));
    if (!x->done && !proof_complete(w)) {
        w->wrong = true;
        show(x, w);
    }
    return RESULT_OK;
}

/* Nobody is known yet whom tries could count for but the account; so that one address does not try one password on every
 * account, it has a number of wrong ones too. Right ones are given back: a clinic shares one address. */
static const char *address_key(struct exchange *x)
{
    const char *address = offer_address_key(x->arena, x->request->address);
    return address == NULL ? NULL : proof_key(x, "address", address);
}

static enum result password_count_address(struct exchange *x)
{
    const struct work *w = x->work;
    const struct config *c = x->bridge->config;
    struct fault *f = &x->fault;
    int64_t count, most = config_number(c, "directory", login_password_directory(w->l.upstream), "password_login_tries");
    const char *key = address_key(x);
    NEED(f, key);
    TRY(store_attempt(f, x->view, key, clock_now(), config_number(c, "link", NULL, "window"), &count));
    if (GUARD(password_address, count > most))
        login_refuse(x, "link_limit", NULL);
    return RESULT_OK;
}

/* What the directory proved, as an ID provider would say it. */
static enum result take_identity(struct exchange *x, struct login *l)
{
    const char *colon = strchr(l->person.key, ':');
    json_t *amr = arena_json(x->arena, json_pack("[s]", "pwd"));
    NEED(&x->fault, amr);
    l->identity = (struct identity){.upstream = l->upstream, .iss = l->upstream, .sub = colon == NULL ? l->person.key : colon + 1,
                                    .acr = LOGIN_PASSWORD_ACR, .amr = amr, .auth_time = clock_now()};
    l->identity.claims = arena_json(x->arena, json_object());
    NEED(&x->fault, l->identity.claims);
    return RESULT_OK;
}

/* RUN_CPU, after the bind: the link first, so that a refusal of somebody known is written down as theirs; then the policy.
 * The bind may know more than the entry shows: that the password must be changed, for one. */
static enum result password_status(struct exchange *x)
{
    struct work *w = x->work;
    struct login *l = &w->l;
    const char *reason = NULL;
    TRY(take_identity(x, l));
    enum result r = login_load_link(&x->fault, x, l, l->identity.iss, l->identity.sub, &reason);
    if (r == RESULT_OK && !text_equal(l->link.person_key, l->person.key)) {
        reason = "not_linked";
        r = FAULT(&x->fault, RESULT_DENIED, "the link of this entry was moved to another one");
    }
    if (r == RESULT_OK || r == RESULT_NOT_FOUND) {
        l->linked = r == RESULT_OK;
        x->fault = (struct fault){0};
        if (w->said != ACCOUNT_OK)
            l->person.holds |= 1U << w->said;
        r = login_check_status(&x->fault, x->bridge, &l->person, true, &reason);
    }
    return login_stop(x, r, reason);
}

/* RUN_STORE: the tries of somebody who got in are forgotten, and the first time the entry becomes an identity of its person. */
static enum result password_link(struct exchange *x)
{
    struct work *w = x->work;
    struct fault *f = &x->fault;
    const char *account = proof_key(x, "account", w->l.person.key), *address = address_key(x);
    NEED(f, account);
    NEED(f, address);
    TRY(store_attempt_clear(f, x->view, account));
    TRY(store_attempt_return(f, x->view, address));
    if (w->l.linked)
        return RESULT_OK;
    w->link_method = "directory";
    TRY(tail_store_link(x));
    return password_claims(f, x->view, x->arena, &w->l);
}

/* Claims are kept with the link of whoever vouched for them; the directory's own link has none. */
enum result password_claims(struct fault *f, struct store_view *v, struct arena *a, struct login *l)
{
    struct link national;
    l->claims = NULL;
    if (login_password_directory(l->link.upstream) == NULL)
        return RESULT_OK;
    enum result r = store_link_by_person_id(f, v, a, l->link.person_id, &national);
    if (r == RESULT_NOT_FOUND || (r == RESULT_OK && !text_equal(national.state, "active")))
        return RESULT_OK;
    TRY(r);
    return national.claims == NULL ? RESULT_OK : json_parse(f, a, national.claims, strlen(national.claims), LINK_CLAIMS_MAX, &l->claims);
}

const struct step password_steps[] = {
    {"open", RUN_CPU, password_open, NULL},
    {"tries of the address", RUN_STORE, password_count_address, NULL},
    {"entry", RUN_DIRECTORY, proof_find, NULL},
    {"tries of the account", RUN_STORE, proof_count_account, NULL},
    {"password", RUN_DIRECTORY, proof_bind, NULL},
    {"status", RUN_CPU, password_status, NULL},
    {"link", RUN_STORE, password_link, NULL},
    {"grants", RUN_ANYWHERE, login_step_grants, NULL},
    {"account", RUN_DHIS2, login_step_account, login_account_needed},
    {"complete", RUN_STORE, login_step_complete, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};
