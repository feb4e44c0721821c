/* Redeems the code at the provider's token endpoint (OpenID Connect Core §3.1.3): PKCE verifier always, the client proved
 * by private_key_jwt (a fresh 128-bit jti every time; eSignet remembers them for a day) or by a secret. */
#include "private.h"

#include <string.h>

#define ANSWER_MAX (256u << 10)
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

static enum result add_assertion(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m, struct buf *body)
{
    const struct token_private *key = snapshot_slot_value(p->signer, a);
    const char *jws, *audience = strcmp(provider_text(p, "assertion_audience"), "issuer") == 0 ? p->issuer : m->token_endpoint;
    if (key == NULL)
        return FAULT(f, RESULT_INTERNAL, "no client key: run `idbridge upstream key %.40s` and register it", p->name);
    bool kid = config_flag(p->config, "upstream", p->name, "assertion_kid");
    TRY(token_assertion(f, a, key, !kid, p->client_id, audience, clock_now(), &jws));
    form_add(body, "client_id", p->client_id);
    form_add(body, "client_assertion_type", ASSERTION_TYPE);
    form_add(body, "client_assertion", jws);
    return RESULT_OK;
}

/* RFC 6749 §2.3.1: both halves form-urlencoded before base64. */
static enum result basic_header(struct fault *f, struct arena *a, const struct provider *p, const char **out_r)
{
    char *pair = arena_printf(a, "%s:%s", form_encode(a, p->client_id), form_encode(a, p->secret == NULL ? "" : p->secret));
    NEED(f, pair);
    *out_r = arena_printf(a, "Basic %s", base64_encode(a, pair, strlen(pair)));
    wipe(pair, strlen(pair));
    NEED(f, *out_r);
    return RESULT_OK;
}

static enum result prove_client(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m,
                                struct buf *body, const char **authorization_r)
{
    if (strcmp(p->auth_method, "private_key_jwt") == 0)
        return add_assertion(f, a, p, m, body);
    if (strcmp(p->auth_method, "client_secret_basic") == 0)
        return basic_header(f, a, p, authorization_r);
    form_add(body, "client_id", p->client_id);
    form_add(body, "client_secret", strcmp(p->auth_method, "client_secret_post") == 0 ? p->secret : NULL);
    return RESULT_OK;
}

/* An error code of RFC 6749 §5.2 or eSignet's own, made safe for the log: letters, digits, - _ . only. */
static const char *safe_code(struct arena *a, const json_t *j, const char *key)
{
    const char *value = json_text(j, key);
    char *copy = value == NULL ? NULL : arena_strndup(a, value, strnlen(value, 48));
    for (char *c = copy; c != NULL && *c != '\0'; c++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", *c) == NULL)
            *c = '?';
    return copy == NULL ? "no error code" : copy;
}

static enum result read_tokens(struct fault *f, struct arena *a, const struct http_response *got, struct tokens *out_r,
                               const char **reason_r)
{
    json_t *j;
    bool json = json_parse(f, a, got->body, got->body_len, ANSWER_MAX, &j) == RESULT_OK && json_is_object(j);
    *reason_r = "upstream_down";
    if (got->status != 200 && json && got->status < 500) {
        *reason_r = "upstream_error";
        return FAULT(f, RESULT_DENIED, "the token endpoint said %s (%ld)", safe_code(a, j, "error"), got->status);
    }
    if (got->status != 200 || !json)
        return FAULT(f, RESULT_UNAVAILABLE, "the token endpoint answered %ld, %s", got->status, json ? "JSON" : "no JSON");
    const char *type = json_text(j, "token_type");
    *out_r = (struct tokens){json_text(j, "id_token"), json_text(j, "access_token")};
    bool bearer = type != NULL && strcasecmp(type, "Bearer") == 0;
    if (GUARD(token_type, !bearer) || out_r->id_token == NULL || out_r->access_token == NULL) {
        *reason_r = "upstream_untrusted";
        return FAULT(f, RESULT_DENIED, "the token endpoint's answer lacks id_token, access_token or token_type Bearer");
    }
    return RESULT_OK;
}

enum result exchange_code(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m, const char *code,
                          const char *redirect_uri, const char *verifier, struct tokens *out_r, const char **reason_r)
{
    CLEANUP(buf) struct buf body;
    buf_init(&body, 32u << 10);
    form_add(&body, "grant_type", "authorization_code");
    form_add(&body, "code", code);
    form_add(&body, "redirect_uri", redirect_uri);
    form_add(&body, "code_verifier", verifier);
    const char *authorization = NULL;
    *reason_r = "internal";
    TRY(prove_client(f, a, p, m, &body, &authorization));
    if (body.failed)
        return FAULT(f, RESULT_INVALID, "the code is too long");
    const struct http_header headers[] = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"},
                                          {authorization == NULL ? NULL : "Authorization", authorization}, {NULL, NULL}};
    struct http_request rq = {.method = "POST", .url = m->token_endpoint, .headers = headers, .body = body.data,
                              .body_len = body.len, .max_body = ANSWER_MAX};
    struct http_response got;
    provider_request(p, &rq);
    enum result r = http_fetch(f, a, &rq, &got);
    wipe(body.data, body.len);
    if (r != RESULT_OK) {
        *reason_r = provider_reason(r);
        return r;
    }
    return read_tokens(f, a, &got, out_r, reason_r);
}
