/* /authorize: an application asks who this is (OpenID Connect Core §3.1.2, RFC 6749 §4.1, RFC 7636, RFC 9207). Until
 * client and redirect_uri are known to be right, every refusal is a page; afterwards it goes to the application. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define PARAM_MAX 2000 /* bytes of one parameter: the request must fit a cookie while the browser is away */

struct asked {
    const struct params *p;
    struct client client;
};

void authorize_error(struct exchange *x, const struct login *l, const char *error, const char *description)
{
    const struct param answer[] = {{"error", error}, {"error_description", description}, {"state", l->state},
                                   {"iss", x->bridge->issuer}};
    const char *url = url_with(x->arena, l->redirect_uri, answer, COUNT_OF(answer));
    x->reason = error;
    x->done = true;
    if (url == NULL)
        login_refuse(x, "internal", NULL);
    else
        reply_redirect(x->reply, url);
}

bool client_allows_uri(struct arena *a, const char *json_array, const char *uri)
{
    struct fault ignored = {0};
    json_t *list;
    if (json_array == NULL || uri == NULL ||
        json_parse(&ignored, a, json_array, strlen(json_array), 64u << 10, &list) != RESULT_OK)
        return false;
    return json_is_array(list) && json_holds_text(list, uri); /* RFC 9700 §2.1: exact string matching */
}

/* ---- one validator per rule; each returns NULL or the sentence for the developer ---------------------------------- */

static const char *rule_response_type(const struct asked *q, const char **error_r)
{
    const char *type = param_get(q->p, "response_type");
    if (type == NULL)
        return "response_type is missing";
    *error_r = "unsupported_response_type";
    return GUARD(response_type, !text_equal(type, "code")) ? "only response_type=code is offered" : NULL;
}
static const char *rule_response_mode(const struct asked *q, const char **error_r)
{
    (void)error_r;
    const char *mode = param_get(q->p, "response_mode");
    return GUARD(response_mode, mode != NULL && !text_equal(mode, "query")) ? "only response_mode=query is offered" : NULL;
}
/* OpenID Connect Core §6: a request object must never be ignored. */
static const char *rule_request(const struct asked *q, const char **error_r)
{
    *error_r = "request_not_supported";
    return GUARD(request_object, param_get(q->p, "request") != NULL) ? "request objects are not offered" : NULL;
}
static const char *rule_request_uri(const struct asked *q, const char **error_r)
{
    *error_r = "request_uri_not_supported";
    return GUARD(request_uri, param_get(q->p, "request_uri") != NULL) ? "request_uri is not offered" : NULL;
}
/* What is asked for and not registered is left out (RFC 6749 §3.3); the token's answer says what was given. */
static const char *granted_scope(struct arena *a, const char *asked, const char *registered)
{
    CLEANUP(buf) struct buf b;
    char **words = text_split(a, asked, " ", NULL);
    buf_init(&b, PARAM_MAX);
    for (; words != NULL && *words != NULL; words++)
        if (text_has_word(registered, *words) && (b.data == NULL || !text_has_word(b.data, *words)))
            buf_printf(&b, "%s%s", b.len == 0 ? "" : " ", *words);
    return b.failed || b.data == NULL ? NULL : arena_strdup(a, b.data);
}

static const char *rule_scope(const struct asked *q, const char **error_r)
{
    const char *scope = param_get(q->p, "scope");
    *error_r = "invalid_scope";
    if (scope == NULL || !text_has_word(scope, "openid"))
        return scope != NULL && strchr(scope, ',') != NULL ? "scope is a list separated by blanks, not commas"
                                                           : "scope must contain openid";
    return GUARD(scope_registered, !text_has_word(q->client.scopes, "openid")) ? "the client is not registered for openid" : NULL;
}
/* RFC 7636 §4.3; RFC 9700 §2.1.1: S256 only. A challenge that vanished would be a downgrade (CVE-2024-23647). */
static const char *rule_pkce(const struct asked *q, const char **error_r)
{
    (void)error_r;
    const char *challenge = param_get(q->p, "code_challenge"), *method = param_get(q->p, "code_challenge_method");
    if (challenge == NULL)
        return GUARD(pkce_required, q->client.require_pkce || method != NULL) ? "code_challenge is required" : NULL;
    if (GUARD(pkce_s256, !text_equal(method, "S256")))
        return "code_challenge_method must be S256";
    return strlen(challenge) == 43 ? NULL : "code_challenge must be a base64url SHA-256";
}
static const char *rule_prompt(const struct asked *q, const char **error_r)
{
    (void)error_r;
    const char *prompt = param_get(q->p, "prompt");
    return prompt != NULL && text_has_word(prompt, "none") && !text_equal(prompt, "none") ? "prompt=none stands alone" : NULL;
}
static const char *rule_max_age(const struct asked *q, const char **error_r)
{
    (void)error_r;
    const char *s = param_get(q->p, "max_age");
    return s == NULL || (strlen(s) <= 9 && s[0] != '\0' && strspn(s, "0123456789") == strlen(s)) ? NULL
                                                                                                : "max_age must be seconds";
}

static const char *(*const RULES[])(const struct asked *, const char **) = {
    rule_response_type, rule_response_mode, rule_request, rule_request_uri, rule_scope, rule_pkce, rule_prompt, rule_max_age,
};

/* ---- steps -------------------------------------------------------------------------------------------------------- */

static enum result find_client(struct exchange *x, struct asked *q, struct login *l)
{
    const char *client_id = param_get(q->p, "client_id");
    struct fault *f = &x->fault;
    enum result r = client_id == NULL ? RESULT_NOT_FOUND : store_client_get(f, x->view, x->arena, client_id, &q->client);
    if (r == RESULT_NOT_FOUND || (r == RESULT_OK && q->client.disabled)) {
        login_refuse(x, "unknown_client", NULL);
        return RESULT_OK;
    }
    TRY(r);
    x->application = q->client.name;
    l->client_id = q->client.client_id;
    l->dhis2 = q->client.dhis2;
    l->redirect_uri = param_get(q->p, "redirect_uri");
    if (GUARD(redirect_uri, !client_allows_uri(x->arena, q->client.redirect_uris, l->redirect_uri)) ||
        !text_has_word(q->client.grant_types, "authorization_code"))
        login_refuse(x, "bad_redirect_uri", NULL);
    return RESULT_OK;
}

static void take_parameters(struct asked *q, struct login *l)
{
    l->scope = param_get(q->p, "scope");
    l->state = param_get(q->p, "state");
    l->nonce = param_get(q->p, "nonce");
    l->code_challenge = param_get(q->p, "code_challenge");
    l->ui_locales = param_get(q->p, "ui_locales");
    l->prompt = param_get(q->p, "prompt");
    l->acr_values = q->client.acr_values != NULL ? q->client.acr_values : param_get(q->p, "acr_values");
    l->rq.acr_values = l->acr_values;
    const char *max_age = param_get(q->p, "max_age");
    l->max_age = max_age == NULL ? -1 : strtoll(max_age, NULL, 10);
    if (l->max_age == 0 || (l->prompt != NULL && (text_has_word(l->prompt, "login") || text_has_word(l->prompt, "select_account"))))
        l->rq.prompt = "login";
}

/* Several providers and no choice made: one page with a link each, back to this same request. */
static void choose_upstream(struct exchange *x, const struct asked *q, const char *const *names, size_t n)
{
    struct block *blocks = arena_alloc(x->arena, (n + 2) * sizeof(*blocks));
    if (blocks == NULL)
        return;
    blocks[0] = (struct block){.kind = BLOCK_TEXT, .key = "choose.intro"};
    for (size_t i = 0; i < n; i++) {
        struct param *again = arena_alloc(x->arena, (q->p->count + 1) * sizeof(*again));
        if (again == NULL)
            return;
        size_t kept = 0;
        for (size_t p = 0; p < q->p->count; p++)
            if (strcmp(q->p->list[p].name, "upstream") != 0)
                again[kept++] = q->p->list[p];
        again[kept++] = (struct param){"upstream", names[i]};
        blocks[i + 1] = (struct block){.kind = BLOCK_LINK, .text = login_provider_label(x, names[i]),
                                       .value = url_with(x->arena, "/authorize", again, kept)};
    }
    const struct param args[] = {{"application", q->client.name}, {NULL, NULL}};
    page_reply(x, &(struct page){.status = 200, .title = "choose.title", .blocks = blocks, .args = args});
    x->done = true;
}

/* Several sections of one issuer are one provider to a person: a roll-over of the bridge's key there is a second client_id
 * beside the first, and nobody is asked to choose between them. The first section of each issuer stays. */
static size_t distinct_upstreams(const struct upstreams *u, const char *const *names, size_t n, const char **out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < kept && !text_equal(upstream_issuer(u, out[k]), upstream_issuer(u, names[i])))
            k++;
        if (k == kept)
            out[kept++] = names[i];
    }
    return kept;
}

#define PASSWORD_WAYS_MAX 8u

static bool holds(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (text_equal(list[i], word))
            return true;
    return false;
}

/* A section that the page does not show, being another one of the same issuer, may be named all the same. */
static bool may_wish(const struct exchange *x, const struct asked *q, const char *wish)
{
    return q->client.upstream == NULL && upstreams_has(x->bridge->upstreams, wish);
}

static void pick_upstream(struct exchange *x, const struct asked *q, struct login *l)
{
    const char *const *names;
    size_t n = upstreams_names(x->bridge->upstreams, &names);
    const char **ways = arena_alloc(x->arena, (n + PASSWORD_WAYS_MAX + 1) * sizeof(*ways));
    if (ways == NULL)
        return;
    const char *wish = param_get(q->p, "upstream");
    if (q->client.upstream != NULL)
        ways[0] = q->client.upstream;
    n = q->client.upstream != NULL ? 1 : distinct_upstreams(x->bridge->upstreams, names, n, ways);
    n += login_password_ways(x, &q->client, l->acr_values, ways + n, PASSWORD_WAYS_MAX);
    if (wish != NULL && (may_wish(x, q, wish) || holds(ways, n, wish)))
        l->upstream = wish;
    else if (n == 1)
        l->upstream = ways[0];
    else if (n == 0)
        login_refuse(x, "password_not_offered", NULL);
    else if (l->prompt != NULL && text_has_word(l->prompt, "none"))
        authorize_error(x, l, "login_required", "nobody is signed in");
    else
        choose_upstream(x, q, ways, n);
    x->provider = l->upstream == NULL ? NULL : login_provider_label(x, l->upstream);
}

static enum result check_rules(struct exchange *x, const struct asked *q, const struct login *l)
{
    for (size_t i = 0; i < COUNT_OF(RULES) && !x->done; i++) {
        const char *error = "invalid_request";
        const char *sentence = RULES[i](q, &error);
        if (sentence != NULL)
            authorize_error(x, l, error, sentence);
    }
    return RESULT_OK;
}

static enum result authorize_request(struct exchange *x)
{
    struct fault *f = &x->fault;
    struct login *l = login_work(x);
    NEED(f, l);
    bool post = strcmp(x->request->method, "POST") == 0;
    struct asked q = {.p = post ? &x->request->form : &x->request->query};
    x->language = language_choose(param_get(q.p, "ui_locales"), request_header(x->request, "accept-language"));
    for (size_t i = 0; i < q.p->count; i++)
        if (GUARD(parameter_length, strlen(q.p->list[i].value) > PARAM_MAX))
            return FAULT(f, RESULT_INVALID, "a parameter is longer than %d bytes", PARAM_MAX);
    if (GUARD(authorize_duplicate, param_duplicate(q.p) != NULL)) /* RFC 6749 §3.1 */
        return FAULT(f, RESULT_INVALID, "a parameter comes twice");
    TRY(find_client(x, &q, l));
    if (x->done)
        return RESULT_OK;
    take_parameters(&q, l);
    TRY(check_rules(x, &q, l));
    if (x->done)
        return RESULT_OK;
    l->scope = granted_scope(x->arena, l->scope, q.client.scopes);
    NEED(f, l->scope);
    bool none = text_equal(l->prompt, "none");
    enum sso answer;
    TRY(sso_try(x, l, &q.client, !none, &answer));
    if (answer == SSO_NO && l->rq.prompt == NULL && l->prompt != NULL && text_has_word(l->prompt, "consent"))
        l->rq.prompt = "consent"; /* no session that could be asked: the ID provider asks */
    if (answer == SSO_NO && none)
        authorize_error(x, l, "login_required", "nobody is signed in");
    else if (answer == SSO_ASK_REFUSED)
        authorize_error(x, l, "interaction_required", "the person must confirm");
    else if (answer == SSO_NO)
        pick_upstream(x, &q, l);
    x->upstream = l->upstream;
    return RESULT_OK;
}

static bool from_session(const struct exchange *x)
{
    const struct login *l = x->work;
    return l->session_id != NULL;
}
static bool account_of_session(const struct exchange *x)
{
    return from_session(x) && login_account_needed(x);
}
static bool must_fetch(const struct exchange *x)
{
    const struct login *l = x->work;
    return login_begin_waits(x, l);
}
static enum result begin(struct exchange *x)
{
    return login_begin(x, x->work);
}

#define SESSION_STEPS                                                                                                  \
    {"link", RUN_CPU, login_step_link, from_session}, {"person", RUN_DIRECTORY, login_step_person, from_session},       \
        {"grants", RUN_ANYWHERE, login_step_grants, from_session}, {"account", RUN_DHIS2, login_step_account, account_of_session}, \
        {"complete", RUN_STORE, login_step_complete, from_session}

const struct step authorize_steps[] = {
    {"request", RUN_CPU, authorize_request, NULL},
    SESSION_STEPS,
    {"begin", RUN_UPSTREAM, begin, must_fetch}, /* the provider's metadata is not known yet */
    {"begin", RUN_CPU, begin, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};

/* ---- the answer to "Continue as …" (sso.c shows it) ----------------------------------------------------------------- */

extern enum result sso_answer(struct exchange *x);

const struct step continue_steps[] = {
    {"answer", RUN_CPU, sso_answer, NULL},
    SESSION_STEPS,
    {"begin", RUN_UPSTREAM, begin, must_fetch},
    {"begin", RUN_CPU, begin, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};
