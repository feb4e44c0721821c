/* The ID provider sends the browser back: /callback/NAME, one address per provider (RFC 9700 §4.4, mix-up). Beginning a
 * login, restarting one, and the answer that came without a state are here too. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define CALLBACK_PREFIX "/callback/"

enum result (*login_complete)(struct exchange *x, struct login *l);

static const char *callback_url(struct exchange *x, const char *upstream)
{
    return arena_printf(x->arena, "%s" CALLBACK_PREFIX "%s", x->bridge->issuer, upstream);
}

bool login_begin_waits(const struct exchange *x, const struct login *l)
{
    return login_password_directory(l->upstream) == NULL && !upstream_ready(x->bridge->upstreams, l->upstream);
}

enum result login_begin(struct exchange *x, struct login *l)
{
    struct fault *f = &x->fault;
    if (login_password_directory(l->upstream) != NULL)
        return password_begin(x, l);
    const char *url, *redirect_uri = callback_url(x, l->upstream);
    NEED(f, redirect_uri);
    x->upstream = l->upstream;
    TRY(state_start(x, l));
    enum result r = upstream_authorize_url(f, x->arena, x->bridge->upstreams, l->upstream, redirect_uri, &l->rq, &url);
    if (r != RESULT_OK) {
        reply_init(x->reply, x->arena); /* no cookie for a login that did not begin */
        login_refuse(x, r == RESULT_TIMEOUT ? "upstream_slow" : "upstream_down", again_same_page(x));
        return RESULT_OK;
    }
    reply_redirect(x->reply, url);
    x->done = true;
    return RESULT_OK;
}

/* ---- the answer without a state ------------------------------------------------------------------------------- */

/* Which application, and how long ago: what tells several open logins apart. */
static const char *open_login_text(struct exchange *x, const struct login *l)
{
    struct client c;
    struct fault ignored = {0};
    char minutes[24];
    bool known = store_client_get(&ignored, x->view, x->arena, l->client_id, &c) == RESULT_OK;
    (void)snprintf(minutes, sizeof(minutes), "%lld", (long long)((clock_now() - l->started) / 60 + 1));
    const struct param args[] = {{"application", known ? c.name : l->client_id}, {"minutes", minutes}, {NULL, NULL}};
    return message_fill(x->arena, message_text(x->language, "restart.open"), args);
}

/* eSignet sends errors with state=null after PAR, and others send none: the login is the one whose cookie is open. With
 * several open nobody can tell, so each gets a link that starts it again. */
static enum result without_state(struct exchange *x, struct work *w, const char *upstream)
{
    struct login open[LOGIN_COOKIES_MAX + 1];
    size_t n = state_open_logins(x, upstream, open, COUNT_OF(open));
    if (n == 1) {
        w->l = open[0];
        return RESULT_OK;
    }
    if (n == 0) {
        login_refuse(x, "login_other_browser", NULL);
        return RESULT_OK;
    }
    const struct param args[] = {{NULL, NULL}};
    struct block blocks[LOGIN_COOKIES_MAX + 5] = {{.kind = BLOCK_NOTICE, .key = "reason.login_choose"},
                                                  {.kind = BLOCK_TEXT, .key = "reason.login_choose.next"}};
    if (x->language == NULL)
        x->language = language_choose(open[0].ui_locales, request_header(x->request, "accept-language"));
    for (size_t i = 0; i < n; i++)
        blocks[i + 2] = (struct block){.kind = BLOCK_LINK, .text = open_login_text(x, &open[i]), .value = again_restart(x, &open[i])};
    blocks[n + 2] = (struct block){.kind = BLOCK_REF, .value = x->ref};
    blocks[n + 3] = (struct block){.kind = BLOCK_END};
    x->reason = "login_choose";
    page_reply(x, &(struct page){.status = 400, .title = "error.title", .blocks = blocks, .args = args});
    x->done = true;
    return RESULT_OK;
}

/* ---- steps of /callback/NAME ------------------------------------------------------------------------------------ */

static void name_parties(struct exchange *x, const struct login *l)
{
    struct client c;
    struct fault ignored = {0};
    if (l->client_id != NULL && x->view != NULL && store_client_get(&ignored, x->view, x->arena, l->client_id, &c) == RESULT_OK)
        x->application = c.name;
    if (x->language == NULL)
        x->language = language_choose(l->ui_locales, request_header(x->request, "accept-language"));
    x->provider = login_provider_label(x, l->upstream);
}

static enum result callback_open(struct exchange *x)
{
    const struct params *q = &x->request->query;
    const char *upstream = x->request->path + strlen(CALLBACK_PREFIX);
    struct work *w = arena_alloc(x->arena, sizeof(*w));
    NEED(&x->fault, w);
    x->work = w;
    x->upstream = upstream;
    if (GUARD(callback_duplicate, param_duplicate(q) != NULL))
        return FAULT(&x->fault, RESULT_INVALID, "a parameter comes twice in the callback");
    const char *state = param_get(q, "state"), *reason = NULL;
    bool stateless = state == NULL || text_equal(state, "null") || text_equal(state, "");
    enum result r = RESULT_OK;
    if (stateless && param_get(q, "error") != NULL)
        TRY(without_state(x, w, upstream));
    else if (stateless)
        return FAULT(&x->fault, RESULT_INVALID, "callback without state");
    else
        r = state_find(x, state, &w->l, &reason);
    if (x->done)
        return RESULT_OK;
    if (r != RESULT_OK && text_equal(reason, "login_used"))
        return again_used(x, w->l.client_id);
    if (r != RESULT_OK) {
        login_refuse(x, reason, NULL);
        return RESULT_OK;
    }
    name_parties(x, &w->l);
    if (GUARD(mix_up, !text_equal(w->l.upstream, upstream))) /* mix-up: another provider's answer */
        return login_stop(x, FAULT(&x->fault, RESULT_DENIED, "answer at another provider's address"), "upstream_untrusted");
    r = upstream_callback_check(&x->fault, x->bridge->upstreams, upstream, q, &reason);
    if (r == RESULT_OK && (w->code = param_get(q, "code")) == NULL)
        r = FAULT(&x->fault, RESULT_INVALID, "callback without code");
    return login_stop(x, r, reason);
}

static enum result callback_identify(struct exchange *x)
{
    struct work *w = x->work;
    const char *reason = NULL, *redirect_uri = callback_url(x, w->l.upstream);
    NEED(&x->fault, redirect_uri);
    int64_t start = clock_monotonic_us();
    enum result r = upstream_identify(&x->fault, x->arena, x->bridge->upstreams, w->l.upstream, w->code, redirect_uri,
                                      &w->l.rq, &w->l.identity, &reason);
    w->l.us_identity = clock_monotonic_us() - start;
    x->dhis2 = w->l.dhis2;
    return login_stop(x, r, reason);
}

/* RUN_STORE: the state is used up before a form is shown: a replayed callback gets no second one. */
static enum result callback_form(struct exchange *x)
{
    struct work *w = x->work;
    char *once = arena_printf(x->arena, "form:%s", w->l.transaction);
    NEED(&x->fault, once);
    enum result r = GUARD(form_once, store_once(&x->fault, x->view, "login", once, clock_now() + LOGIN_LIFE_S));
    if (r == RESULT_CONFLICT)
        x->reason = "login_used";
    TRY(r);
    return link_page(x, w);
}

static const struct step CALLBACK_STEPS[] = {
    {"open", RUN_CPU, callback_open, NULL},
    {"identity", RUN_UPSTREAM, callback_identify, NULL},
    {"link", RUN_CPU, tail_load_link, NULL},
    {"person", RUN_DIRECTORY, login_step_person, NULL},
    {"form", RUN_STORE, callback_form, tail_form_needed},
    {"match", RUN_ANYWHERE, link_match, tail_link_needed},
    {"new link", RUN_STORE, tail_store_link, tail_link_needed},
    {"grants", RUN_ANYWHERE, login_step_grants, NULL},
    {"account", RUN_DHIS2, login_step_account, login_account_needed},
    {"complete", RUN_STORE, login_step_complete, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};

/* ---- /restart ------------------------------------------------------------------------------------------------------ */

/* The same application's request once more, with fresh secrets, out of the cookie it was kept in. */
static enum result restart_open(struct exchange *x)
{
    struct work *w = arena_alloc(x->arena, sizeof(*w));
    NEED(&x->fault, w);
    x->work = w;
    const char *transaction = param_get(&x->request->query, "login");
    struct login old;
    enum result r = transaction == NULL ? FAULT(&x->fault, RESULT_INVALID, "restart of nothing")
                                        : state_of_cookie(x, transaction, &old);
    if (r != RESULT_OK) {
        login_refuse(x, r == RESULT_TIMEOUT ? "login_expired" : "login_other_browser", NULL);
        return RESULT_OK;
    }
    w->l = old;
    w->l.identity = (struct identity){0};
    if (param_get(&x->request->query, "other") != NULL)
        w->l.rq.prompt = "login"; /* a provider that remembers somebody must ask who is there now */
    x->upstream = w->l.upstream;
    name_parties(x, &w->l);
    return RESULT_OK;
}

static enum result restart_begin(struct exchange *x)
{
    struct work *w = x->work;
    state_end(x, &w->l);
    return login_begin(x, &w->l);
}

static bool restart_waits(const struct exchange *x)
{
    const struct work *w = x->work;
    return login_begin_waits(x, &w->l);
}

static const struct step RESTART_STEPS[] = {
    {"open", RUN_CPU, restart_open, NULL},
    {"begin", RUN_UPSTREAM, restart_begin, restart_waits},
    {"begin", RUN_CPU, restart_begin, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};

/* ---- routes ----------------------------------------------------------------------------------------------------------- */

#define LINK_BODY_MAX (16u << 10)

enum result login_routes(struct fault *f, const struct config *c, const struct route **out_r, size_t *count_r)
{
    const char *const *names;
    size_t n = config_names(c, "upstream", &names);
    struct route *routes = calloc(n + 4, sizeof(*routes));
    NEED(f, routes);
    *out_r = routes;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(CALLBACK_PREFIX) + strlen(names[i]) + 1;
        char *path = malloc(len);
        NEED(f, path);
        (void)snprintf(path, len, CALLBACK_PREFIX "%s", names[i]);
        routes[i] = (struct route){"GET", path, "callback", CALLBACK_STEPS, login_failed, 0};
    }
    routes[n] = (struct route){"POST", "/link", "link", link_steps, login_failed, LINK_BODY_MAX};
    routes[n + 1] = (struct route){"GET", "/restart", "restart", RESTART_STEPS, login_failed, 0};
    routes[n + 2] = (struct route){"POST", "/password", "password", password_steps, login_failed, LINK_BODY_MAX};
    *count_r = n + 3;
    return RESULT_OK;
}

void login_routes_free(const struct route *routes)
{
    for (const struct route *r = routes; r != NULL && r->name != NULL; r++)
        if (r->steps == CALLBACK_STEPS)
            free((char *)(uintptr_t)r->path);
    free((struct route *)(uintptr_t)routes);
}
