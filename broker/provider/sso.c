/* May the session of this browser answer instead of the ID provider? The client's `sso` decides: never (DHIS2: on a shared
 * tablet nurse B must not become nurse A), ask (one page, "Continue as A / Not me"), silent. */
#include "private.h"

#include <string.h>

#define PURPOSE_SSO "sso-form"
#define FORM_LIFE_S 600

static bool fresh_enough(const struct login *l, const struct browser_session *s)
{
    return l->rq.prompt == NULL && (l->max_age < 0 || s->auth_time + l->max_age >= clock_now());
}

static bool acr_enough(const struct login *l, const struct client *c, const struct browser_session *s)
{
    const char *wanted[] = {c->acr_values, l->acr_values};
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (wanted[i] != NULL && (s->acr == NULL || !text_has_word(wanted[i], s->acr)))
            return false;
    return true;
}

/* An application that keeps to one provider takes no other's session; and one where passwords are not offered takes no
 * session that was made by one. */
static bool way_fits(const struct exchange *x, const struct login *l, const struct client *c, const struct browser_session *s)
{
    const char *directory = login_password_directory(s->upstream);
    if (directory != NULL)
        return !GUARD(password_session, !login_password_offered(x, c, l->acr_values, directory));
    return c->upstream == NULL || text_equal(c->upstream, s->upstream);
}

static enum result take_session(struct exchange *x, struct login *l, const struct browser_session *s)
{
    l->session_id = s->id_hash;
    l->upstream = s->upstream;
    l->identity = (struct identity){.upstream = s->upstream, .iss = s->iss, .sub = s->sub, .acr = s->acr,
                                    .amr = json_object_get(s->data, "amr"), .auth_time = s->auth_time};
    l->transaction = random_id(x->arena, 16);
    NEED(&x->fault, l->transaction);
    return RESULT_OK;
}

/* What travels in the form: the application's request; the session is found by its cookie again. */
static json_t *request_json(struct arena *a, const struct login *l)
{
    return arena_json(a, json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:s*, s:s, s:I}", "client_id", l->client_id,
                                   "redirect_uri", l->redirect_uri, "scope", l->scope, "state", l->state, "nonce", l->nonce,
                                   "code_challenge", l->code_challenge, "acr_values", l->acr_values, "ui_locales",
                                   l->ui_locales, "dhis2", l->dhis2, "upstream", l->upstream,
                                   "max_age", (json_int_t)l->max_age));
}

static enum result show(struct exchange *x, const struct login *l, const struct client *c, const struct browser_session *s)
{
    struct fault *f = &x->fault;
    json_t *j = request_json(x->arena, l);
    NEED(f, j);
    if (json_object_set_new(j, "session", json_string(s->id_hash)) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    const char *sealed;
    TRY(token_seal_state(f, x->arena, x->bridge->master, PURPOSE_SSO, j, clock_now() + FORM_LIFE_S, &sealed));
    const struct param args[] = {{"person", s->display_name == NULL ? "" : s->display_name}, {"application", c->name},
                                 {NULL, NULL}};
    const struct block blocks[] = {
        {.kind = BLOCK_FORM, .value = "/continue"},
        {.kind = BLOCK_HIDDEN, .name = "state", .value = sealed},
        {.kind = BLOCK_BUTTON, .key = "sso.continue", .name = "answer", .value = "continue"},
        {.kind = BLOCK_CHOICE, .key = "sso.other", .name = "answer", .value = "other"},
        {.kind = BLOCK_FORM_END},
        {.kind = BLOCK_END},
    };
    page_reply(x, &(struct page){.status = 200, .title = "sso.title", .blocks = blocks, .args = args,
                                 .form_action = l->redirect_uri});
    x->done = true;
    return RESULT_OK;
}

enum result sso_try(struct exchange *x, struct login *l, const struct client *c, bool interactive, enum sso *out_r)
{
    struct browser_session s;
    struct fault ignored = {0};
    *out_r = SSO_NO;
    if (GUARD(sso_never, text_equal(c->sso, "never")) || login_session(&ignored, x, &s) != RESULT_OK ||
        GUARD(prompt_login, !fresh_enough(l, &s)) ||
        !acr_enough(l, c, &s) || !way_fits(x, l, c, &s))
        return RESULT_OK;
    TRY(take_session(x, l, &s));
    /* OpenID Connect Core §3.1.2.1: with prompt=consent the person is asked, also for a client that is otherwise silent */
    bool consent = l->prompt != NULL && text_has_word(l->prompt, "consent");
    if (text_equal(c->sso, "silent") && !GUARD(prompt_consent, consent)) {
        *out_r = SSO_YES;
        return RESULT_OK;
    }
    l->session_id = NULL; /* not before the person said so */
    *out_r = interactive ? SSO_SHOWN : SSO_ASK_REFUSED;
    return interactive ? show(x, l, c, &s) : RESULT_OK;
}

enum result sso_answer(struct exchange *x)
{
    struct fault *f = &x->fault;
    const struct params *form = &x->request->form;
    const char *sealed = param_get(form, "state"), *answer = param_get(form, "answer");
    struct login *l = login_work(x);
    NEED(f, l);
    if (sealed == NULL || answer == NULL || param_duplicate(form) != NULL)
        return FAULT(f, RESULT_INVALID, "the form is incomplete");
    json_t *j;
    enum result r = token_open_state(f, x->arena, x->bridge->master, PURPOSE_SSO, sealed, clock_now(), &j);
    if (r != RESULT_OK) {
        login_refuse(x, r == RESULT_TIMEOUT ? "login_expired" : "bad_request", NULL);
        return RESULT_OK;
    }
    l->client_id = json_text(j, "client_id");
    l->redirect_uri = json_text(j, "redirect_uri");
    l->scope = json_text(j, "scope");
    l->state = json_text(j, "state");
    l->nonce = json_text(j, "nonce");
    l->code_challenge = json_text(j, "code_challenge");
    l->acr_values = l->rq.acr_values = json_text(j, "acr_values");
    l->ui_locales = json_text(j, "ui_locales");
    l->dhis2 = json_text(j, "dhis2");
    l->upstream = json_text(j, "upstream");
    (void)json_integer_at(j, "max_age", &l->max_age);
    x->upstream = l->upstream;
    struct browser_session s;
    struct fault ignored = {0};
    bool same = login_session(&ignored, x, &s) == RESULT_OK &&
                !GUARD(sso_same_session, !text_equal(s.id_hash, json_text(j, "session")));
    struct client c;
    if (same && text_equal(answer, "continue") && store_client_get(&ignored, x->view, x->arena, l->client_id, &c) == RESULT_OK &&
        way_fits(x, l, &c, &s)) /* the person may be elsewhere by now */
        return take_session(x, l, &s);
    l->rq.prompt = "login"; /* not me: the ID provider asks anew */
    return RESULT_OK;
}
