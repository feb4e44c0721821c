/* /token: authorization_code, refresh_token and client_credentials (RFC 6749 §4.1.3, §6, §4.4). The client proves who it
 * is, the code or refresh token is used up in one commit, then the tokens are signed: never the other way round. A refresh
 * runs the stations again: person, grants, account. */
#include "private.h"

#include <string.h>

enum kind { KIND_CODE, KIND_REFRESH, KIND_CLIENT };

struct asking {
    struct login *l; /* the refresh's stations; x->work belongs to login/ */
    struct caller caller;
    enum kind kind;
    const char *code_hash, *refresh_hash, *next_refresh, *next_hash;
    struct grant grant;
    const char *person_id; /* refresh: whom the token was made for, and when the person signed in */
    int64_t signed_in;
    bool refreshes; /* a refresh token goes out */
};

static struct asking *asking_of(const struct exchange *x)
{
    const struct login *l = x->work;
    return l->beside;
}

static enum result oauth_fault(struct exchange *x, const char *error, const char *why)
{
    return FAULT_OAUTH(&x->fault, RESULT_INVALID, error, "%s", why);
}

/* ---- the request ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum kind kind;
} GRANT_TYPES[] = {
    {"authorization_code", KIND_CODE}, {"refresh_token", KIND_REFRESH}, {"client_credentials", KIND_CLIENT},
};

static enum result read_grant_type(struct exchange *x, struct asking *q)
{
    const char *type = param_get(&x->request->form, "grant_type");
    if (type == NULL)
        return oauth_fault(x, "invalid_request", "grant_type is missing");
    for (size_t i = 0; i < COUNT_OF(GRANT_TYPES); i++)
        if (strcmp(type, GRANT_TYPES[i].name) == 0) {
            q->kind = GRANT_TYPES[i].kind;
            return GUARD(grant_type, !text_has_word(q->caller.client.grant_types, type))
                       ? oauth_fault(x, "unauthorized_client", "the client may not use this grant")
                       : RESULT_OK;
        }
    return oauth_fault(x, "unsupported_grant_type", "grant_type is not offered");
}

static enum result read_code(struct exchange *x, struct asking *q)
{
    const char *code = param_get(&x->request->form, "code");
    if (code == NULL)
        return oauth_fault(x, "invalid_request", "code is missing");
    q->code_hash = sha256_base64url(x->arena, code);
    NEED(&x->fault, q->code_hash);
    return RESULT_OK;
}

static enum result read_refresh(struct exchange *x, struct asking *q)
{
    struct fault *f = &x->fault;
    const char *token = param_get(&x->request->form, "refresh_token");
    if (token == NULL)
        return oauth_fault(x, "invalid_request", "refresh_token is missing");
    q->refresh_hash = sha256_base64url(x->arena, token);
    NEED(f, q->refresh_hash);
    struct grant g;
    enum result r = store_refresh_peek(f, x->view, x->arena, q->refresh_hash, clock_now(), &g);
    if (r == RESULT_NOT_FOUND)
        return RESULT_OK; /* the rotation says what is wrong, and revokes a family on reuse */
    TRY(r);
    q->person_id = g.person_id;
    q->signed_in = g.created;
    if (GUARD(refresh_client, !text_equal(g.client_id, q->caller.client.client_id)))
        return oauth_fault(x, "invalid_grant", "the refresh token belongs to another client");
    json_t *data;
    TRY(json_parse(f, x->arena, g.data, strlen(g.data), 64u << 10, &data));
    q->l->dhis2 = q->caller.client.dhis2;
    q->l->client_id = g.client_id;
    q->l->upstream = json_text(data, "upstream");
    q->l->identity.iss = json_text(data, "iss");
    q->l->identity.sub = json_text(data, "sub");
    return RESULT_OK;
}

static enum result token_request(struct exchange *x)
{
    struct fault *f = &x->fault;
    struct asking *q = arena_alloc(x->arena, sizeof(*q));
    struct login *l = login_work(x);
    NEED(f, q);
    NEED(f, l);
    q->l = l;
    l->beside = q;
    if (x->request->form.count == 0)
        return oauth_fault(x, "invalid_request", "the body must be application/x-www-form-urlencoded");
    if (GUARD(token_duplicate, param_duplicate(&x->request->form) != NULL))
        return oauth_fault(x, "invalid_request", "a parameter comes twice");
    return caller_read(x, &q->caller);
}

static enum result token_client_keys(struct exchange *x)
{
    return caller_fetch_keys(x, &asking_of(x)->caller);
}
static bool keys_needed(const struct exchange *x)
{
    return !asking_of(x)->caller.proved;
}

/* Only who is proved hears what the client may do (RFC 6749 §3.2.1: the client is authenticated first). */
static enum result token_grant(struct exchange *x)
{
    struct asking *q = asking_of(x);
    struct fault *f = &x->fault;
    TRY(read_grant_type(x, q));
    q->refreshes = q->kind != KIND_CLIENT && text_has_word(q->caller.client.grant_types, "refresh_token");
    if (q->refreshes) {
        q->next_refresh = random_id(x->arena, 32);
        NEED(f, q->next_refresh);
        q->next_hash = sha256_base64url(x->arena, q->next_refresh);
        NEED(f, q->next_hash);
    }
    if (q->kind == KIND_CODE)
        return read_code(x, q);
    return q->kind == KIND_REFRESH ? read_refresh(x, q) : RESULT_OK;
}

/* ---- refresh: the stations again ---------------------------------------------------------------------------------------- */

static bool stations_needed(const struct exchange *x)
{
    return asking_of(x)->kind == KIND_REFRESH && asking_of(x)->l->identity.sub != NULL;
}
static bool account_needed(const struct exchange *x)
{
    return stations_needed(x) && login_account_needed(x);
}

/* A person who may not work here any more: the refresh token is dead. A directory that is down: 503 without OAuth JSON, for
 * DHIS2's Android app throws its session away on any OAuth error. */
static enum result as_oauth(struct exchange *x, enum result r, const char *reason)
{
    if (r == RESULT_OK)
        return r;
    x->reason = reason;
    if (r == RESULT_DENIED || r == RESULT_NOT_FOUND || r == RESULT_CONFLICT)
        return FAULT_OAUTH(&x->fault, RESULT_DENIED, "invalid_grant", "%s", reason == NULL ? "refused" : reason);
    return r;
}
static enum result refresh_link(struct exchange *x)
{
    struct login *l = x->work;
    const char *reason = NULL;
    enum result r = login_load_link(&x->fault, x, l, l->identity.iss, l->identity.sub, &reason);
    x->upstream = l->upstream;
    x->dhis2 = l->dhis2;
    if (r == RESULT_OK && !text_equal(l->link.person_id, asking_of(x)->person_id))
        r = FAULT(&x->fault, RESULT_DENIED, "the identity is linked to somebody else now");
    if (r == RESULT_OK && !login_password_kept(x->bridge, l->client_id, l->upstream)) {
        reason = "password_not_offered"; /* turned off since */
        r = FAULT(&x->fault, RESULT_DENIED, "login by password is not offered any more");
    }
    return as_oauth(x, r, reason == NULL ? "not_linked" : reason);
}
static enum result refresh_person(struct exchange *x)
{
    const char *reason = NULL;
    enum result r = login_person(&x->fault, x->arena, x->bridge, x->work, &reason);
    return r == RESULT_OK ? r : as_oauth(x, r, reason);
}
static enum result refresh_grants(struct exchange *x)
{
    const char *reason = NULL;
    enum result r = login_grants(&x->fault, x->arena, x->bridge, x->work, &reason);
    return r == RESULT_OK ? r : as_oauth(x, r, reason);
}
static enum result refresh_account(struct exchange *x)
{
    const char *reason = NULL;
    enum result r = login_account(&x->fault, x->arena, x->bridge, x->work, true, &reason);
    if (r == RESULT_OK)
        return r;
    return text_equal(reason, "dhis2_down") ? FAULT(&x->fault, RESULT_UNAVAILABLE, "DHIS2 did not answer")
                                            : as_oauth(x, RESULT_DENIED, reason);
}

/* ---- one commit ------------------------------------------------------------------------------------------------------------ */

/* RFC 7636 §4.6. A verifier without a challenge is a downgrade in disguise (RFC 9700 §4.8.2). */
static const char *pkce_fault(struct exchange *x, const struct grant *g)
{
    const char *verifier = param_get(&x->request->form, "code_verifier");
    if (g->code_challenge == NULL)
        return GUARD(pkce_downgrade, verifier != NULL) ? "code_verifier without code_challenge" : NULL;
    if (GUARD(pkce_missing, verifier == NULL || strlen(verifier) < 43 || strlen(verifier) > 128))
        return "code_verifier is missing or has a wrong length";
    const char *challenge = verifier == NULL ? NULL : sha256_base64url(x->arena, verifier);
    return GUARD(pkce_verifier, !text_equal_secret(challenge, g->code_challenge)) ? "code_verifier does not fit" : NULL;
}

static const char *code_fault(struct exchange *x, const struct asking *q)
{
    if (GUARD(code_redirect_uri, !text_equal(q->grant.redirect_uri, param_get(&x->request->form, "redirect_uri"))))
        return "redirect_uri differs from the one the code was sent to";
    return pkce_fault(x, &q->grant);
}

/* Refuses, and what was used up stays used up: the step ends well so that it is committed. */
static enum result refuse_committed(struct exchange *x, const char *error, const char *why)
{
    (void)oauth_fault(x, error, why);
    provider_failed(x);
    return RESULT_OK;
}

static enum result redeem_code(struct exchange *x, struct asking *q)
{
    struct fault *f = &x->fault;
    const char *family = NULL;
    /* RFC 6749 §4.1.2: the code is bound to its client. Another one's use of it neither burns it nor counts as reuse. */
    enum result r = store_code_redeem(f, x->view, x->arena, q->code_hash, q->caller.client.client_id, clock_now(), &q->grant, &family);
    if (GUARD(code_reuse, r == RESULT_CONFLICT)) { /* RFC 9700 §2.1: a code used twice ends what came of it */
        TRY(store_revoke(f, x->view, family, NULL, NULL));
        const struct audit row = {.event = "code.reuse", .actor = q->caller.client.client_id, .outcome = "revoked", .ref = x->ref};
        TRY(store_audit_add(f, x->view, &row));
        return refuse_committed(x, "invalid_grant", "the code was used before");
    }
    if (r == RESULT_NOT_FOUND)
        return refuse_committed(x, "invalid_grant", "the code is unknown or has expired");
    TRY(r);
    const char *why = code_fault(x, q);
    if (why != NULL)
        return refuse_committed(x, "invalid_grant", why);
    if (!q->refreshes)
        return RESULT_OK;
    struct grant g = q->grant;
    g.created = clock_now();
    g.expires = g.created + config_number(x->bridge->config, "tokens", NULL, "refresh");
    return store_refresh_add(f, x->view, q->next_hash, &g);
}

static enum result rotate_refresh(struct exchange *x, struct asking *q)
{
    struct fault *f = &x->fault;
    const struct config *c = x->bridge->config;
    const char *successor = NULL;
    int64_t now = clock_now();
    int64_t next = now + config_number(c, "tokens", NULL, "refresh");
    int64_t last = q->signed_in + config_number(c, "tokens", NULL, "refresh_absolute"); /* then the person signs in again */
    enum result r = store_refresh_rotate(f, x->view, x->arena, q->refresh_hash, q->next_hash, q->next_refresh, now,
                                         q->signed_in != 0 && last < next ? last : next,
                                         config_number(c, "tokens", NULL, "refresh_grace"), &q->grant, &successor);
    if (r == RESULT_CONFLICT) /* the answer got lost on a bad network: the same successor again */
        q->next_refresh = successor;
    else if (r == RESULT_DENIED)
        return refuse_committed(x, "invalid_grant", "the refresh token was used before: everything of it is revoked");
    else if (r == RESULT_NOT_FOUND)
        return refuse_committed(x, "invalid_grant", "the refresh token is unknown, revoked or has expired");
    else
        TRY(r);
    if (GUARD(refresh_client, !text_equal(q->grant.client_id, q->caller.client.client_id)))
        return refuse_committed(x, "invalid_grant", "the refresh token belongs to another client");
    if (q->l == NULL)
        return RESULT_OK;
    if (q->l->person.from_grace) { /* an ordinary refresh leaves no row */
        const struct audit row = {.event = "refresh", .subject = q->l->link.person_id, .actor = q->caller.client.client_id,
                                  .outcome = "grace", .ref = x->ref};
        TRY(store_audit_add(f, x->view, &row));
    }
    return login_keep_answer(f, x, q->l);
}

static enum result token_commit(struct exchange *x)
{
    struct asking *q = asking_of(x);
    struct fault *f = &x->fault;
    if (GUARD(assertion_once, q->caller.jti != NULL)) { /* RFC 7523 §3 item 7; CVE-2020-15222 */
        char *once = arena_printf(x->arena, "%s %s", q->caller.client.client_id, q->caller.jti);
        NEED(f, once);
        enum result r = store_once(f, x->view, "jti", once, q->caller.jti_expires);
        if (r == RESULT_CONFLICT)
            return FAULT_OAUTH(f, RESULT_DENIED, "invalid_client", "the client assertion was used before");
        TRY(r);
    }
    if (q->kind == KIND_CODE)
        return redeem_code(x, q);
    return q->kind == KIND_REFRESH ? rotate_refresh(x, q) : RESULT_OK;
}
static bool commit_needed(const struct exchange *x)
{
    const struct asking *q = asking_of(x);
    return q->kind != KIND_CLIENT || q->caller.jti != NULL;
}

/* ---- the answer ---------------------------------------------------------------------------------------------------------------- */

static enum result token_answer(struct exchange *x)
{
    struct asking *q = asking_of(x);
    struct fault *f = &x->fault;
    bool person = q->kind != KIND_CLIENT;
    struct minted m;
    x->fault = (struct fault){0};
    TRY(mint(x, &q->caller.client, &q->grant, person && text_has_word(q->grant.scope, "openid"), &m));
    json_t *j = arena_json(x->arena, json_pack("{s:s, s:s, s:I, s:s*, s:s*, s:s*}", "access_token", m.access_token,
                                               "token_type", "Bearer", "expires_in", (json_int_t)m.expires_in, "id_token",
                                               m.id_token, "refresh_token", q->refreshes ? q->next_refresh : NULL, "scope",
                                               person ? q->grant.scope : NULL));
    NEED(f, j);
    reply_json(x->reply, 200, j);
    reply_header(x->reply, "Pragma", "no-cache");
    x->done = true;
    return RESULT_OK;
}

const struct step token_steps[] = {
    {"request", RUN_CPU, token_request, NULL},
    {"client keys", RUN_CLIENT, token_client_keys, keys_needed},
    {"grant", RUN_CPU, token_grant, NULL},
    {"link", RUN_CPU, refresh_link, stations_needed},
    {"person", RUN_DIRECTORY, refresh_person, stations_needed},
    {"grants", RUN_ANYWHERE, refresh_grants, stations_needed},
    {"account", RUN_DHIS2, refresh_account, account_needed},
    {"commit", RUN_STORE, token_commit, commit_needed},
    {"sign", RUN_CPU, token_answer, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};
