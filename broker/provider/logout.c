/* /logout: RP-Initiated Logout 1.0. Ends the browser's session here and everything that came of it, then goes back to the
 * application when its post_logout_redirect_uri is registered; else a page says what stays open, because eSignet has no
 * logout and a DHIS2 session lives on its own. An id_token_hint may be hours past its exp (dhis2.md §1). */
#include "private.h"

#include <string.h>

struct leaving {
    struct browser_session session;
    bool has_session, confirmed;
    const char *family;        /* sid of the hint */
    const char *redirect_uri;  /* checked */
    const char *state;
    const char *application;
};

/* Signature and issuer must be right; exp is not looked at. RESULT_DENIED: no hint of ours. */
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
    const struct token_expect e = {.iss = x->bridge->issuer, .now = 0};
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
    if (uri != NULL && client_allows_uri(x->arena, c.post_logout_redirect_uris, uri))
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
        read_target(x, p, aud, g);
    }
    x->fault = (struct fault){0};
    g->confirmed |= text_equal(x->request->path, "/logout/confirm");
    return RESULT_OK;
}

static bool leaves(const struct exchange *x)
{
    const struct leaving *g = x->work;
    return g->confirmed && (g->has_session || g->family != NULL);
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

/* Without a hint anybody's link could sign a person out: ask (RP-Initiated Logout §6). */
static void ask(struct exchange *x)
{
    static const struct block blocks[] = {
        {.kind = BLOCK_TEXT, .key = "logout.ask"}, {.kind = BLOCK_FORM, .value = "/logout/confirm"},
        {.kind = BLOCK_BUTTON, .key = "logout.button"}, {.kind = BLOCK_FORM_END}, {.kind = BLOCK_END},
    };
    page_reply(x, &(struct page){.status = 200, .title = "logout.title", .blocks = blocks});
}

static enum result logout_answer(struct exchange *x)
{
    const struct leaving *g = x->work;
    x->done = true;
    if (!g->confirmed && g->has_session) {
        ask(x);
        return RESULT_OK;
    }
    if (g->redirect_uri != NULL) {
        const struct param state[] = {{"state", g->state}};
        const char *url = url_with(x->arena, g->redirect_uri, state, g->state == NULL ? 0 : 1);
        NEED(&x->fault, url);
        reply_redirect(x->reply, url);
        return RESULT_OK;
    }
    const char *upstream = g->has_session ? upstream_label(x->bridge->upstreams, g->session.upstream) : NULL;
    const char *open = g->application == NULL ? upstream
                       : upstream == NULL     ? g->application
                                              : arena_printf(x->arena, "%s, %s", g->application, upstream);
    const struct param args[] = {{"applications", open == NULL ? message_text(x->language, "word.application") : open},
                                 {NULL, NULL}};
    const struct block blocks[] = {{.kind = BLOCK_TEXT, .key = "logout.done"}, {.kind = BLOCK_NOTICE, .key = "logout.open"},
                                   {.kind = BLOCK_END}};
    page_reply(x, &(struct page){.status = 200, .title = "logout.title", .blocks = blocks, .args = args});
    return RESULT_OK;
}

const struct step logout_steps[] = {
    {"request", RUN_CPU, logout_request, NULL},
    {"commit", RUN_STORE, logout_commit, leaves},
    {"answer", RUN_CPU, logout_answer, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};
