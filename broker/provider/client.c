/* Who calls the token endpoint: client_secret_basic (both halves form-urlencoded first, RFC 6749 §2.3.1, as DHIS2 does),
 * client_secret_post, private_key_jwt (RFC 7523 §3) or none for a public client with PKCE. One method per request. */
#include "private.h"

#include <string.h>

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define ASSERTION_LIFE_MAX_S 3600
#define LEEWAY_S 60

static enum result refused(struct exchange *x, const char *why)
{
    return FAULT_OAUTH(&x->fault, RESULT_DENIED, "invalid_client", "%s", why);
}

static enum result load(struct exchange *x, struct caller *c, const char *client_id)
{
    enum result r = store_client_get(&x->fault, x->view, x->arena, client_id, &c->client);
    if (r == RESULT_NOT_FOUND || (r == RESULT_OK && c->client.disabled))
        return refused(x, "unknown client");
    return r;
}

static enum result check_secret(struct exchange *x, struct caller *c, const char *method, const char *secret)
{
    if (GUARD(client_auth_method, !text_equal(c->client.auth_method, method)))
        return refused(x, "the client is registered for another authentication method");
    const char *hash = keyed_hash(x->arena, x->bridge->master, "client-secret", secret);
    NEED(&x->fault, hash);
    if (GUARD(client_secret, c->client.secret_hash == NULL || !text_equal_secret(hash, c->client.secret_hash)))
        return refused(x, "wrong client secret");
    c->proved = true;
    return RESULT_OK;
}

static enum result by_basic(struct exchange *x, struct caller *c, const char *credentials)
{
    struct fault *f = &x->fault;
    struct bytes plain;
    char *id, *secret;
    c->basic = true;
    if (base64_decode(f, x->arena, credentials, strlen(credentials), &plain) != RESULT_OK)
        return refused(x, "Basic credentials are not base64");
    const unsigned char *colon = memchr(plain.data, ':', plain.len);
    if (colon == NULL)
        return refused(x, "Basic credentials without a colon");
    size_t n = (size_t)(colon - plain.data);
    if (percent_decode(f, x->arena, (const char *)plain.data, n, true, &id) != RESULT_OK ||
        percent_decode(f, x->arena, (const char *)colon + 1, plain.len - n - 1, true, &secret) != RESULT_OK)
        return refused(x, "Basic credentials are not form-urlencoded");
    const char *also = param_get(&x->request->form, "client_id");
    if (also != NULL && !text_equal(also, id))
        return FAULT_OAUTH(f, RESULT_INVALID, "invalid_request", "client_id differs from the Basic credentials");
    TRY(load(x, c, id));
    return check_secret(x, c, "client_secret_basic", secret);
}

/* The key set is known: signature, then the claims of RFC 7523 §3, one by one. */
static enum result check_assertion(struct exchange *x, struct caller *c, const char *jwks)
{
    static const char *const algs[] = {"RS256", "PS256", "ES256", NULL};
    static const char *const typs[] = {"JWT", "client-authentication+jwt", NULL};
    const struct token_policy policy = {.algs = algs, .typs = typs};
    struct fault *f = &x->fault;
    struct token_keys *keys;
    struct token_parts parts;
    enum token_fault why;
    if (token_keys_parse(f, jwks, strlen(jwks), &keys) != RESULT_OK)
        return refused(x, "the client's keys cannot be read");
    enum result r = token_verify(f, x->arena, c->assertion, strlen(c->assertion), keys, &policy, &parts, &why);
    token_keys_free(keys);
    if (r != RESULT_OK || parts.claims == NULL)
        return refused(x, "the client assertion does not verify");
    const char *id = c->client.client_id, *issuer = x->bridge->issuer;
    int64_t now = clock_now();
    const struct token_expect e = {.iss = id, .sub = id, .require_exp = true, .now = now, .leeway_s = LEEWAY_S};
    const char *endpoint = arena_printf(x->arena, "%s/token", issuer);
    NEED(f, endpoint);
    const json_t *aud = json_object_get(parts.claims, "aud");
    if (GUARD(assertion_claims, token_claims_check(f, parts.claims, &e) != RESULT_OK))
        return refused(x, "the client assertion's claims do not fit");
    if (GUARD(assertion_audience, !json_holds_text(aud, endpoint) && !json_holds_text(aud, issuer)))
        return refused(x, "the client assertion is for another audience");
    c->jti = json_text(parts.claims, "jti");
    if (c->jti == NULL || !json_integer_at(parts.claims, "exp", &c->jti_expires) ||
        GUARD(assertion_life, c->jti_expires > now + ASSERTION_LIFE_MAX_S))
        return refused(x, "the client assertion has no jti or lives too long");
    c->jti_expires += LEEWAY_S;
    c->proved = true;
    return RESULT_OK;
}

/* Its keys are at jwks_uri. What does not verify against a fresh copy is refused without a fetch; with no copy or an old one
 * the client stays unproved, and the step "client keys" fetches. */
static enum result by_published_keys(struct exchange *x, struct caller *c)
{
    bool fresh;
    const char *jwks = client_keys_cached(x, c->client.client_id, &fresh);
    if (jwks == NULL)
        return fresh ? FAULT(&x->fault, RESULT_UNAVAILABLE, "jwks_uri did not answer a moment ago") : RESULT_OK;
    enum result r = check_assertion(x, c, jwks);
    if (r == RESULT_OK || fresh)
        return r;
    x->fault = (struct fault){0};
    return RESULT_OK;
}

static enum result by_assertion(struct exchange *x, struct caller *c, const char *type)
{
    struct fault *f = &x->fault;
    struct token_parts peek;
    if (!text_equal(type, ASSERTION_TYPE) || token_peek(f, x->arena, c->assertion, strlen(c->assertion), &peek) != RESULT_OK ||
        json_text(peek.claims, "sub") == NULL)
        return refused(x, "the client assertion cannot be read");
    const char *id = json_text(peek.claims, "sub"), *also = param_get(&x->request->form, "client_id");
    if (also != NULL && !text_equal(also, id))
        return refused(x, "client_id differs from the assertion");
    TRY(load(x, c, id));
    if (!text_equal(c->client.auth_method, "private_key_jwt"))
        return refused(x, "the client is registered for another authentication method");
    if (c->client.jwks != NULL)
        return check_assertion(x, c, c->client.jwks);
    return by_published_keys(x, c);
}

enum result caller_fetch_keys(struct exchange *x, struct caller *c)
{
    if (c->client.jwks_uri == NULL)
        return refused(x, "the client has no keys");
    bool fresh; /* by now: others may have waited for the same fetch, and one is enough */
    const char *jwks = client_keys_cached(x, c->client.client_id, &fresh);
    if (fresh && jwks == NULL)
        return FAULT(&x->fault, RESULT_UNAVAILABLE, "jwks_uri did not answer a moment ago");
    if (!fresh)
        TRY(client_keys_fetch(x, &c->client, &jwks));
    return check_assertion(x, c, jwks);
}

enum result caller_read(struct exchange *x, struct caller *c)
{
    const struct params *form = &x->request->form;
    const char *basic = request_authorization(x->request, "Basic"), *secret = param_get(form, "client_secret");
    const char *id = param_get(form, "client_id");
    c->assertion = param_get(form, "client_assertion");
    if (GUARD(one_auth_method, (basic != NULL) + (secret != NULL) + (c->assertion != NULL) > 1)) /* RFC 6749 §2.3 */
        return FAULT_OAUTH(&x->fault, RESULT_INVALID, "invalid_request", "more than one way of client authentication");
    if (basic != NULL)
        return by_basic(x, c, basic);
    if (c->assertion != NULL)
        return by_assertion(x, c, param_get(form, "client_assertion_type"));
    if (id == NULL)
        return refused(x, "no client authentication");
    TRY(load(x, c, id));
    if (secret != NULL)
        return check_secret(x, c, "client_secret_post", secret);
    if (GUARD(public_client, !text_equal(c->client.auth_method, "none")))
        return refused(x, "no client authentication");
    c->proved = true;
    return RESULT_OK;
}
