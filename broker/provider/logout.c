/* /logout: RP-Initiated Logout 1.0. Ends the browser's session here and everything that came of it; then at the ID provider,
 * where [upstream x] logout is on; then goes back to the application when its post_logout_redirect_uri is registered. Else a
 * page says what stays open, because eSignet has no logout and a DHIS2 session lives on its own. An id_token_hint may be
 * hours past its exp (dhis2.md §1). */
#include "private.h"

#include <string.h>

#define PURPOSE_LOGOUT "logout"
#define HINT_LIFE_S (30 * 86400) /* "the OP SHOULD accept ID Tokens … even when the exp time has passed" (§2) */
#define AWAY_LIFE_S 600 /* the provider may ask the person before it sends the browser back */

struct leaving {
    struct browser_session session;
    bool has_session, confirmed;
    const char *family;        /* sid of the hint */
    const char *redirect_uri;  /* checked */
    const char *state;
    const char *application, *back; /* its name, and where a link on our page leads */
    const char *upstream;      /* where the person signed in */
    const char *upstream_url;  /* its end_session_endpoint, ready to go to */
};

/* Signature and issuer must be right; exp may be long past. RESULT_DENIED: no hint of ours. */
static enum result read_hint(struct exchange *x, const char *hint, const json_t **claims_r)
{
    static const char *const algs[] = {"RS256", NULL};
    const struct token_policy policy = {.algs = algs};
    const struct token_ring *ring = snapshot_slot_value(x->bridge->ring, x->arena);
    struct fault *f = &x->fault;
    struct token_parts parts;
    enum token_fault why;
    if (ring == NULL)
        return FAULT(f, RESULT_INTERNAL, "no signing keys");
    TRY(token_verify(f, x->arena, hint, strlen(hint), token_ring_public(ring), &policy, &parts, &why));
    const struct token_expect e = {.iss = x->bridge->issuer, .now = clock_now(), .leeway_s = HINT_LIFE_S};
    TRY(token_claims_check(f, parts.claims, &e));
    *claims_r = parts.claims;
    return RESULT_OK;
}

static void read_target(struct exchange *x, const struct params *p, const char *client_id, struct leaving *g)
{
    struct client c;
    struct fault ignored = {0};
    const char *uri = param_get(p, "post_logout_redirect_uri");
    if (client_id == NULL || store_client_get(&ignored, x->view, x->arena, client_id, &c) != RESULT_OK)
        return;
    g->application = c.name;
    g->back = client_first_uri(x->arena, c.post_logout_redirect_uris);
    if (uri != NULL && !GUARD(post_logout_redirect_uri, !client_allows_uri(x->arena, c.post_logout_redirect_uris, uri)))
        g->redirect_uri = uri;
}

static enum result logout_request(struct exchange *x)
{
    bool post = strcmp(x->request->method, "POST") == 0;
    const struct params *p = post ? &x->request->form : &x->request->query;
    struct leaving *g = arena_alloc(x->arena, sizeof(*g));
    struct fault ignored = {0};
    const json_t *claims = NULL;
    NEED(&x->fault, g);
    x->work = g;
    x->language = language_choose(param_get(p, "ui_locales"), request_header(x->request, "accept-language"));
    if (param_duplicate(p) != NULL)
        return FAULT(&x->fault, RESULT_INVALID, "a parameter comes twice");
    g->has_session = login_session(&ignored, x, &g->session) == RESULT_OK;
    g->state = param_get(p, "state");
    const char *hint = param_get(p, "id_token_hint"), *client_id = param_get(p, "client_id");
    if (hint != NULL && read_hint(x, hint, &claims) == RESULT_OK) {
        const char *aud = json_text(claims, "aud");
        if (client_id != NULL && !text_equal(client_id, aud))
            return FAULT(&x->fault, RESULT_INVALID, "client_id differs from the hint's audience");
        g->family = json_text(claims, "sid");
        g->confirmed = !g->has_session || text_equal(json_text(claims, "sub"), g->session.person_id);
        g->upstream = json_text(claims, "idp");
        read_target(x, p, aud, g);
    }
    x->fault = (struct fault){0};
    g->confirmed |= text_equal(x->request->path, "/logout/confirm");
    g->upstream = g->has_session ? g->session.upstream : g->upstream;
    x->upstream = g->upstream;
    return RESULT_OK;
}

static bool leaves(const struct exchange *x)
{
    const struct leaving *g = x->work;
    return !GUARD(logout_confirm, !g->confirmed) && (g->has_session || g->family != NULL);
}

static enum result logout_commit(struct exchange *x)
{
    const struct leaving *g = x->work;
    struct fault *f = &x->fault;
    if (g->family != NULL)
        TRY(store_revoke(f, x->view, g->family, NULL, NULL));
    if (!g->has_session)
        return RESULT_OK;
    TRY(login_session_end(x, g->session.id_hash));
    const struct audit row = {.event = "logout", .subject = g->session.person_id, .actor = "bridge", .outcome = "ok", .ref = x->ref};
    return store_audit_add(f, x->view, &row);
}

static bool leaves_upstream(const struct exchange *x)
{
    const struct leaving *g = x->work;
    return (g->has_session || g->confirmed) && g->upstream != NULL && upstream_logs_out(x->bridge->upstreams, g->upstream);
}

/* RUN_UPSTREAM: the way there and back; where the person wanted to go is sealed into `state`. A provider that is down keeps
 * nobody from leaving here. */
static enum result logout_upstream(struct exchange *x)
{
    struct leaving *g = x->work;
    struct fault *f = &x->fault;
    const char *sealed, *done = arena_printf(x->arena, "%s/logout/done", x->bridge->issuer);
    json_t *j = arena_json(x->arena, json_pack("{s:s*, s:s*, s:s*, s:s*}", "redirect_uri", g->redirect_uri, "state", g->state,
                                               "application", g->application, "back", g->back));
    NEED(f, done);
    NEED(f, j);
    TRY(token_seal_state(f, x->arena, x->bridge->master, PURPOSE_LOGOUT, j, clock_now() + AWAY_LIFE_S, &sealed));
    if (upstream_logout_url(f, x->arena, x->bridge->upstreams, g->upstream, done, sealed, &g->upstream_url) != RESULT_OK)
        log_fault(LEVEL_WARN, "upstream-logout", f);
    x->fault = (struct fault){0};
    return RESULT_OK;
}

/* Without a hint anybody's link could sign a person out: ask (RP-Initiated Logout §6). */
static void ask(struct exchange *x, const struct leaving *g)
{
    static const struct block blocks[] = {
        {.kind = BLOCK_TEXT, .key = "logout.ask"}, {.kind = BLOCK_FORM, .value = "/logout/confirm"},
        {.kind = BLOCK_BUTTON, .key = "logout.button"}, {.kind = BLOCK_FORM_END}, {.kind = BLOCK_END},
    };
    page_reply(x, &(struct page){.status = 200, .title = "logout.title", .blocks = blocks, .form_action = g->upstream_url});
}

/* Back to the application, or a page that says what stays open. `upstream` NULL: nothing there. */
static enum result farewell(struct exchange *x, const struct leaving *g, const char *upstream)
{
    x->done = true;
    if (g->redirect_uri != NULL) {
        const struct param state[] = {{"state", g->state}};
        const char *url = url_with(x->arena, g->redirect_uri, state, g->state == NULL ? 0 : 1);
        NEED(&x->fault, url);
        reply_redirect(x->reply, url);
        return RESULT_OK;
    }
    const char *open = g->application == NULL ? upstream
                       : upstream == NULL     ? g->application
                                              : arena_printf(x->arena, "%s, %s", g->application, upstream);
    const struct param args[] = {{"applications", open == NULL ? message_text(x->language, "word.applications") : open},
                                 {"application", g->application}, {NULL, NULL}};
    struct block blocks[] = {{.kind = BLOCK_TEXT, .key = "logout.done"}, {.kind = BLOCK_NOTICE, .key = "logout.open"},
                             {.kind = BLOCK_LINK, .key = "logout.back", .value = g->back}, {.kind = BLOCK_END}};
    if (g->back == NULL)
        blocks[2].kind = BLOCK_END;
    page_reply(x, &(struct page){.status = 200, .title = "logout.title", .blocks = blocks, .args = args});
    return RESULT_OK;
}

static enum result logout_answer(struct exchange *x)
{
    const struct leaving *g = x->work;
    x->done = true;
    if (!g->confirmed && g->has_session)
        ask(x, g);
    else if (g->upstream_url != NULL)
        reply_redirect(x->reply, g->upstream_url);
    else
        return farewell(x, g, g->upstream == NULL || login_password_directory(g->upstream) != NULL
                                  ? NULL /* a password leaves nothing open anywhere else */
                                  : upstream_label(x->bridge->upstreams, g->upstream));
    return RESULT_OK;
}

const struct step logout_steps[] = {
    {"request", RUN_CPU, logout_request, NULL},
    {"commit", RUN_STORE, logout_commit, leaves},
    {"provider", RUN_UPSTREAM, logout_upstream, leaves_upstream},
    {"answer", RUN_CPU, logout_answer, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};

/* /logout/done: the provider sends the browser back. A state that is not ours, or too old, still ends on the page. */
static enum result logout_returned(struct exchange *x)
{
    const char *sealed = param_get(&x->request->query, "state");
    struct leaving g = {0};
    json_t *j;
    x->language = language_choose(NULL, request_header(x->request, "accept-language"));
    if (sealed != NULL && token_open_state(&x->fault, x->arena, x->bridge->master, PURPOSE_LOGOUT, sealed, clock_now(), &j) == RESULT_OK)
        g = (struct leaving){.redirect_uri = json_text(j, "redirect_uri"), .state = json_text(j, "state"),
                             .application = json_text(j, "application"), .back = json_text(j, "back")};
    x->fault = (struct fault){0};
    return farewell(x, &g, NULL);
}

const struct step logout_done_steps[] = {{"answer", RUN_CPU, logout_returned, NULL}, {NULL, RUN_CPU, NULL, NULL}};

/* login_failed reads a login out of x->work, and there is none here. */
void logout_failed(struct exchange *x)
{
    x->work = NULL;
    login_failed(x);
}
