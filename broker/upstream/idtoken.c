/* Judges an id_token, OpenID Connect Core §3.1.3.7, one validator per rule. The signature is token/'s; nothing a library
 * says about claims is believed. */
#include "private.h"

#include <string.h>

struct judged {
    const struct provider *provider;
    const struct tokens *tokens;
    const struct upstream_request *rq;
    const struct token_parts *parts;
    struct arena *arena;
    struct identity *identity;
};

/* "sub … MUST NOT exceed 255 ASCII characters" (§2) */
static const char *rule_sub(const struct judged *j)
{
    const char *sub = j->identity->sub;
    if (GUARD(id_token_sub, sub == NULL || sub[0] == '\0' || strlen(sub) > 255))
        return "sub is missing, empty or too long";
    for (const char *p = sub; *p != '\0'; p++)
        if ((unsigned char)*p < 0x21 || (unsigned char)*p > 0x7e)
            return "sub holds characters that are not printable ASCII";
    return NULL;
}

/* §3.1.3.6: left half of the hash of the access token; optional in the code flow, checked when it is there. */
static const char *rule_at_hash(const struct judged *j)
{
    const json_t *said = json_object_get(j->parts->claims, "at_hash");
    unsigned char digest[32];
    if (said == NULL)
        return NULL;
    if (!text_has_prefix(j->parts->alg, "RS256") && !text_has_prefix(j->parts->alg, "PS256") &&
        !text_has_prefix(j->parts->alg, "ES256"))
        return NULL; /* another hash length; the token came straight from the token endpoint */
    sha256(j->tokens->access_token, strlen(j->tokens->access_token), digest);
    char *hash = base64url_encode(j->arena, digest, 16);
    return GUARD(at_hash, !text_equal_secret(json_string_value(said), hash)) ? "at_hash does not fit the access token" : NULL;
}

/* "If the auth_time Claim was requested … check the auth_time Claim value" (§3.1.3.7 item 13) */
static const char *rule_auth_time(const struct judged *j)
{
    if (j->rq->max_age < 0)
        return NULL;
    if (j->identity->auth_time == 0)
        return "auth_time is missing though max_age was sent";
    int64_t leeway = provider_number(j->provider, "leeway");
    return GUARD(auth_time, j->identity->auth_time + j->rq->max_age + leeway < clock_now()) ? "the authentication is too old"
                                                                                             : NULL;
}

static const char *(*const RULES[])(const struct judged *) = {rule_sub, rule_at_hash, rule_auth_time};

/* acr_values is a wish and eSignet widens it silently: what came back decides. */
static enum result check_acr(struct fault *f, const struct judged *j)
{
    const char *acr = j->identity->acr, *asked = provider_text(j->provider, "acr_values");
    char *const *accept = provider_list(j->provider, "acr_accept");
    bool accepts = accept != NULL && *accept != NULL;
    bool ok = accepts ? text_listed(accept, acr) : asked == NULL || (acr != NULL && text_has_word(asked, acr));
    if (ok && j->rq->acr_values != NULL)
        ok = acr != NULL && text_has_word(j->rq->acr_values, acr);
    return GUARD(acr, !ok) ? FAULT(f, RESULT_DENIED, "the returned acr is not among those accepted") : RESULT_OK;
}

enum result idtoken_check(struct fault *f, struct arena *a, struct provider *p, const struct tokens *t,
                          const struct upstream_request *rq, struct identity *i, const char **reason_r)
{
    struct token_parts parts;
    enum result r = metadata_verify(f, a, p, t->id_token, provider_list(p, "id_token_algs"), &parts);
    *reason_r = r == RESULT_UNAVAILABLE || r == RESULT_TIMEOUT ? provider_reason(r) : "upstream_untrusted";
    TRY(r);
    if (parts.claims == NULL)
        return FAULT(f, RESULT_DENIED, "the id_token holds no claims");
    const struct token_expect e = {.iss = p->issuer, .aud = p->client_id, .nonce = rq->nonce, .require_exp = true,
                                   .require_iat = true, .azp_rule = true, .now = clock_now(),
                                   .leeway_s = provider_number(p, "leeway")};
    TRY(token_claims_check(f, parts.claims, &e));
    i->iss = p->issuer;
    i->sub = json_text(parts.claims, "sub");
    i->acr = json_text(parts.claims, "acr");
    i->amr = json_object_get(parts.claims, "amr");
    (void)json_integer_at(parts.claims, "auth_time", &i->auth_time);
    const struct judged j = {p, t, rq, &parts, a, i};
    for (size_t n = 0; n < COUNT_OF(RULES); n++) {
        const char *why = RULES[n](&j);
        if (why != NULL)
            return FAULT(f, RESULT_DENIED, "%s", why);
    }
    *reason_r = "acr_too_low";
    TRY(check_acr(f, &j));
    i->claims = arena_json(a, json_object());
    NEED(f, i->claims);
    return claims_merge(f, a, provider_text(p, "claims_locales"), i->claims, parts.claims);
}
