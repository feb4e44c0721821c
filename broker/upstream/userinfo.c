/* Userinfo (OpenID Connect Core §5.3) as plain JSON, as a signed JWT, or as a JWE of a signed JWT; always GET, never with
 * `Accept: application/json` where a JWT is expected (eSignet answers 406). What is signed must verify: signature, the
 * configured userinfo issuer, aud, exp when there; and sub is the id_token's in every form (§5.3.2). */
#include "private.h"

#include <string.h>

#define USERINFO_MAX (1u << 20) /* a picture is a data URI */

static enum result fetch(struct fault *f, struct arena *a, const struct provider *p, const struct metadata *m,
                         const struct tokens *t, struct http_response *out_r)
{
    bool json = strcmp(p->userinfo, "json") == 0;
    const char *bearer = arena_printf(a, "Bearer %s", t->access_token);
    NEED(f, bearer);
    const struct http_header headers[] = {{"Authorization", bearer}, {"Accept", json ? "application/json" : "application/jwt"},
                                          {NULL, NULL}};
    struct http_request rq = {.method = "GET", .url = m->userinfo_endpoint, .headers = headers, .max_body = USERINFO_MAX};
    provider_request(p, &rq);
    TRY(http_fetch(f, a, &rq, out_r));
    if (out_r->status != 200)
        return FAULT(f, RESULT_UNAVAILABLE, "userinfo answered %ld", out_r->status);
    if (GUARD(userinfo_type, strcmp(out_r->content_type, json ? "application/json" : "application/jwt") != 0))
        return FAULT(f, RESULT_DENIED, "userinfo came as another type than configured");
    return RESULT_OK;
}

static enum result unwrap(struct fault *f, struct arena *a, struct provider *p, const char *body, size_t n, const char **jws_r)
{
    static const char *const algs[] = {"RSA-OAEP-256", NULL};
    const struct token_private *key = snapshot_slot_value(p->decrypter, a);
    struct bytes plain;
    const char *cty;
    if (key == NULL)
        return FAULT(f, RESULT_INTERNAL, "no decryption key: run `idbridge upstream key --encryption %.40s`", p->name);
    TRY(token_decrypt(f, a, body, n, &key, 1, algs, (const char *const *)provider_list(p, "userinfo_encs"), &plain, &cty));
    *jws_r = arena_strndup(a, (const char *)plain.data, plain.len);
    NEED(f, *jws_r);
    return RESULT_OK;
}

static enum result read_signed(struct fault *f, struct arena *a, struct provider *p, const struct http_response *got,
                               json_t **claims_r)
{
    const char *jws = got->body;
    struct token_parts parts;
    bool wants_jwe = strcmp(p->userinfo, "jwe") == 0;
    if (wants_jwe != token_looks_encrypted(got->body, got->body_len))
        return FAULT(f, RESULT_DENIED, "userinfo is %s encrypted, which is not what is configured", wants_jwe ? "not" : "");
    if (wants_jwe)
        TRY(unwrap(f, a, p, got->body, got->body_len, &jws));
    TRY(metadata_verify(f, a, p, jws, provider_list(p, "userinfo_algs"), &parts));
    const struct token_expect e = {.iss = p->userinfo_issuer, .aud = p->client_id, .now = clock_now(),
                                   .leeway_s = provider_number(p, "leeway")};
    if (parts.claims == NULL)
        return FAULT(f, RESULT_DENIED, "userinfo holds no claims");
    TRY(token_claims_check(f, parts.claims, &e));
    *claims_r = parts.claims;
    return RESULT_OK;
}

enum result userinfo_fetch(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m,
                           const struct tokens *t, struct identity *i, const char **reason_r)
{
    struct http_response got;
    json_t *claims = NULL;
    if (strcmp(p->userinfo, "none") == 0)
        return RESULT_OK;
    enum result r = fetch(f, a, p, m, t, &got);
    if (r == RESULT_OK && strcmp(p->userinfo, "json") == 0) {
        r = json_parse(f, a, got.body, got.body_len, USERINFO_MAX, &claims);
        if (r != RESULT_OK)
            r = FAULT(f, RESULT_UNAVAILABLE, "userinfo is no JSON");
    } else if (r == RESULT_OK) {
        r = read_signed(f, a, p, &got, &claims);
    }
    *reason_r = r == RESULT_UNAVAILABLE || r == RESULT_TIMEOUT ? provider_reason(r) : "upstream_untrusted";
    TRY(r);
    if (GUARD(userinfo_sub, !text_equal(json_text(claims, "sub"), i->sub)))
        return FAULT(f, RESULT_DENIED, "userinfo is about another sub than the id_token");
    return claims_merge(f, a, provider_text(p, "claims_locales"), i->claims, claims);
}
