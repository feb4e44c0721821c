/* A login is complete: code, session and audit row in the one transaction that also used up its state, then back to the
 * application. Runs as login_complete, on the store's writer thread: no signing here, the token endpoint signs. */
#include "private.h"

#include <string.h>

static enum result grant_data(struct exchange *x, const struct login *l, const char **out_r)
{
    const struct person *p = &l->person;
    json_t *j = arena_json(x->arena, json_pack("{s:s, s:s, s:s, s:s*, s:o*, s:s*, s:s*, s:s*, s:s*, s:s*}", "upstream",
                                               l->upstream, "iss", l->identity.iss, "sub", l->identity.sub, "acr",
                                               l->identity.acr, "auth_time",
                                               l->identity.auth_time == 0 ? NULL : json_integer(l->identity.auth_time), "name",
                                               p->display_name, "given_name", p->given_name, "family_name", p->surname,
                                               "mail", p->mail, "username",
                                               l->dhis2 != NULL ? l->account.username : p->login));
    NEED(&x->fault, j);
    if (l->identity.amr != NULL && json_object_set(j, "amr", (json_t *)(uintptr_t)l->identity.amr) != 0)
        return FAULT(&x->fault, RESULT_INTERNAL, "out of memory");
    *out_r = json_compact(x->arena, j);
    NEED(&x->fault, *out_r);
    return RESULT_OK;
}

/* A fresh sign-in ends the session of whoever used this browser before. */
static enum result session_for(struct exchange *x, struct login *l, const struct client *c, const char **session_id_r)
{
    struct fault ignored = {0};
    struct browser_session before;
    *session_id_r = l->session_id;
    if (l->session_id != NULL)
        return store_session_touch(&x->fault, x->view, l->session_id, clock_now());
    if (login_session(&ignored, x, &before) == RESULT_OK)
        TRY(login_session_end(x, before.id_hash));
    if (text_equal(c->sso, "never"))
        return RESULT_OK;
    return login_session_start(x, l, session_id_r);
}

/* The application may have been removed, disabled or changed while the browser was away. */
static enum result still_registered(struct exchange *x, const struct login *l, struct client *c)
{
    enum result r = store_client_get(&x->fault, x->view, x->arena, l->client_id, c);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (GUARD(client_unchanged, r == RESULT_NOT_FOUND || c->disabled || !client_allows_uri(x->arena, c->redirect_uris, l->redirect_uri))) {
        x->reason = "unknown_client";
        return FAULT(&x->fault, RESULT_DENIED, "the application changed during the login");
    }
    return RESULT_OK;
}

static const char *method(const struct login *l)
{
    if (l->session_id != NULL)
        return "session";
    return login_password_directory(l->upstream) != NULL ? "password" : "provider";
}

/* For the audit: a session says how it began, too. */
static const char *how(struct arena *a, const struct login *l)
{
    json_t *old = l->person.from_grace ? json_integer(clock_now() - l->person.seen) : NULL; /* seconds */
    json_t *j = arena_json(a, json_pack("{s:s, s:s, s:s*, s:o*}", "by", method(l), "upstream", l->upstream, "acr", l->identity.acr,
                                        "grace", old));
    return j == NULL ? NULL : json_compact(a, j);
}

enum result provider_complete(struct exchange *x, struct login *l)
{
    struct fault *f = &x->fault;
    const char *session_id = NULL, *data, *code = random_id(x->arena, 32), *family = random_id(x->arena, 16);
    NEED(f, code);
    NEED(f, family);
    struct client c;
    TRY(still_registered(x, l, &c));
    TRY(session_for(x, l, &c, &session_id));
    TRY(grant_data(x, l, &data));
    int64_t now = clock_now();
    const struct grant g = {.client_id = l->client_id, .person_id = l->link.person_id, .session_id = session_id,
                            .redirect_uri = l->redirect_uri, .scope = l->scope, .nonce = l->nonce,
                            .code_challenge = l->code_challenge, .data = data, .family = family, .created = now,
                            .expires = now + config_number(x->bridge->config, "tokens", NULL, "code")};
    const char *hash = sha256_base64url(x->arena, code);
    NEED(f, hash);
    TRY(store_code_add(f, x->view, hash, &g));
    const struct audit row = {.event = "login", .subject = l->link.person_id, .actor = l->client_id, .outcome = "ok",
                              .detail = how(x->arena, l), .ref = x->ref};
    NEED(f, row.detail);
    TRY(store_audit_add(f, x->view, &row));
    const struct param answer[] = {{"code", code}, {"state", l->state}, {"iss", x->bridge->issuer}};
    const char *url = url_with(x->arena, l->redirect_uri, answer, COUNT_OF(answer));
    NEED(f, url);
    reply_redirect(x->reply, url);
    x->done = true;
    char label[24];
    (void)snprintf(label, sizeof(label), "by=\"%s\"", method(l));
    metric_add("idbridge_logins_total", label, 1);
    return RESULT_OK;
}
