/* A bearer token of ours comes back to one of our own endpoints; and how those endpoints say no (RFC 6750 §3, RFC 6749
 * §5.2). */
#include "private.h"

#include <string.h>

void provider_failed(struct exchange *x)
{
    const struct fault *f = &x->fault;
    const char *error = f->oauth_error;
    x->done = true;
    log_fault(LEVEL_INFO, "oauth", f);
    if (error == NULL && (f->result == RESULT_OVERLOADED || f->result == RESULT_UNAVAILABLE || f->result == RESULT_TIMEOUT ||
                          f->result == RESULT_INTERNAL)) {
        json_t *j = arena_json(x->arena, json_pack("{s:s}", "message", "temporarily unavailable, try again"));
        reply_json(x->reply, f->result == RESULT_INTERNAL ? 500 : 503, j); /* no OAuth JSON: the token is not to blame */
        reply_header(x->reply, "Retry-After", "5");
        return;
    }
    if (error == NULL)
        error = "invalid_request";
    x->reason = error;
    bool client = text_equal(error, "invalid_client"), token = text_equal(error, "invalid_token");
    reply_oauth_error(x->reply, client || token ? 401 : 400, error, f->detail);
    if (client && request_authorization(x->request, "Basic") != NULL)
        reply_header(x->reply, "WWW-Authenticate", "Basic realm=\"idbridge\"");
    if (token)
        reply_header(x->reply, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
}

static enum result refused(struct exchange *x, const char *why)
{
    return FAULT_OAUTH(&x->fault, RESULT_DENIED, "invalid_token", "%s", why);
}

enum result provider_bearer(struct fault *f, struct exchange *x, const char *audience, struct bearer *out_r)
{
    static const char *const algs[] = {"RS256", "ES256", NULL};
    static const char *const typs[] = {"JWT", "at+jwt", NULL};
    const struct token_policy policy = {.algs = algs, .typs = typs, .require_typ = true};
    const struct token_ring *ring = snapshot_slot_value(x->bridge->ring, x->arena);
    const char *token = request_authorization(x->request, "Bearer");
    struct token_parts parts;
    enum token_fault why;
    if (ring == NULL || x->view == NULL)
        return FAULT(f, RESULT_INTERNAL, "no signing keys or no store");
    if (token == NULL)
        return refused(x, "no bearer token");
    if (token_verify(f, x->arena, token, strlen(token), token_ring_public(ring), &policy, &parts, &why) != RESULT_OK ||
        parts.claims == NULL)
        return refused(x, "the token does not verify");
    const struct token_expect e = {.iss = x->bridge->issuer, .aud = audience, .require_exp = true, .require_iat = true,
                                   .now = clock_now(), .leeway_s = 5};
    if (GUARD(bearer_claims, token_claims_check(f, parts.claims, &e) != RESULT_OK))
        return refused(x, "the token has expired or is for another audience");
    if (json_object_get(parts.claims, "nonce") != NULL || json_text(parts.claims, "jti") == NULL)
        return refused(x, "not an access token"); /* an id_token is none */
    const char *family = json_text(parts.claims, "fid");
    bool revoked = false;
    if (family != NULL)
        TRY(store_family_revoked(f, x->view, family, &revoked));
    if (GUARD(bearer_revoked, revoked))
        return refused(x, "the token was revoked");
    *out_r = (struct bearer){.sub = json_text(parts.claims, "sub"), .client_id = json_text(parts.claims, "client_id"),
                             .scope = json_text(parts.claims, "scope"), .claims = parts.claims};
    return out_r->sub == NULL || out_r->client_id == NULL ? refused(x, "not a token of ours") : RESULT_OK;
}

/* A DHIS2 2.41 has no oauth2-client-credentials: its Route sends a static key (auth type api-headers), CLIENT_ID.SECRET. It
 * opens what that Route may reach and nothing else; the token endpoint knows no such method. */
enum result provider_route_key(struct fault *f, struct exchange *x, struct client *out_r)
{
    if (param_times(&x->request->headers, PROVIDER_ROUTE_KEY) != 1 || x->view == NULL)
        return refused(x, "no route key, or two");
    const char *key = request_header(x->request, PROVIDER_ROUTE_KEY), *dot = strrchr(key, '.');
    const char *client_id = dot == NULL ? NULL : arena_strndup(x->arena, key, (size_t)(dot - key));
    if (client_id == NULL)
        return refused(x, "the route key is malformed");
    enum result r = store_client_get(f, x->view, x->arena, client_id, out_r);
    if (r == RESULT_NOT_FOUND || (r == RESULT_OK && !text_equal(out_r->auth_method, "route_key")))
        return refused(x, "no route of that key");
    TRY(r);
    const char *hash = keyed_hash(x->arena, x->bridge->master, "client-secret", dot + 1);
    NEED(f, hash);
    if (GUARD(route_key, out_r->secret_hash == NULL || !text_equal_secret(hash, out_r->secret_hash)))
        return refused(x, "wrong route key");
    return RESULT_OK;
}
