/* claims.c: do the claims of a verified token say what must hold here? One small check per claim, each beside its
 * sentence of RFC 7519 §4.1 or OpenID Connect Core §3.1.3.7. Called by upstream/, provider/ and the command line after
 * token_verify; a claim that is not a member of `expect` is not looked at. */
#include <idbridge/token.h>

#include <string.h>

/* A NumericDate: RESULT_NOT_FOUND when absent, RESULT_DENIED when it is something else. */
static enum result read_time(struct fault *f, const json_t *claims, const char *name, int64_t *out_r)
{
    if (json_object_get(claims, name) == NULL)
        return RESULT_NOT_FOUND;
    if (!json_integer_at(claims, name, out_r) || *out_r < 0 || *out_r > INT64_MAX / 4)
        return FAULT(f, RESULT_DENIED, "claim %s is no usable time", name);
    return RESULT_OK;
}

/* "The current date/time MUST be before the expiration date/time listed in the 'exp' claim." */
static enum result check_exp(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    int64_t exp = 0;
    enum result r = read_time(f, claims, "exp", &exp);

    if (r == RESULT_NOT_FOUND)
        return e->require_exp ? FAULT(f, RESULT_DENIED, "claim exp is missing") : RESULT_OK;
    TRY(r);
    if (e->now >= exp + e->leeway_s)
        return FAULT(f, RESULT_DENIED, "expired %lld s ago", (long long)(e->now - exp));
    return RESULT_OK;
}

/* "The current date/time MUST be after or equal to the not-before date/time listed in the 'nbf' claim." */
static enum result check_nbf(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    int64_t nbf = 0;
    enum result r = read_time(f, claims, "nbf", &nbf);

    if (r == RESULT_NOT_FOUND)
        return RESULT_OK;
    TRY(r);
    if (e->now < nbf - e->leeway_s)
        return FAULT(f, RESULT_DENIED, "valid only in %lld s", (long long)(nbf - e->now));
    return RESULT_OK;
}

/* Core §3.1.3.7 10: "The iat Claim can be used to reject tokens issued too far away from the current time". */
static enum result check_iat(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    int64_t iat = 0;
    enum result r = read_time(f, claims, "iat", &iat);

    if (r == RESULT_NOT_FOUND)
        return e->require_iat || e->max_age_s > 0 ? FAULT(f, RESULT_DENIED, "claim iat is missing") : RESULT_OK;
    TRY(r);
    if (iat > e->now + e->leeway_s)
        return FAULT(f, RESULT_DENIED, "issued %lld s in the future: compare the clocks", (long long)(iat - e->now));
    if (e->max_age_s > 0 && e->now - iat > e->max_age_s + e->leeway_s)
        return FAULT(f, RESULT_DENIED, "issued %lld s ago: too old", (long long)(e->now - iat));
    return RESULT_OK;
}

/* iss, nonce and sub are compared letter by letter. */
static enum result check_text(struct fault *f, const json_t *claims, const char *name, const char *expected)
{
    const char *got = json_text(claims, name);

    if (expected == NULL)
        return RESULT_OK;
    if (got == NULL)
        return FAULT(f, RESULT_DENIED, "claim %s is missing or no text", name);
    if (!text_equal(got, expected))
        return FAULT(f, RESULT_DENIED, "claim %s is not the expected one", name);
    return RESULT_OK;
}

/* "If the principal processing the claim does not identify itself with a value in the 'aud' claim when this claim is
 * present, then the JWT MUST be rejected." An absent one is rejected too. */
static enum result check_aud(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    const json_t *aud = json_object_get(claims, "aud");

    if (e->aud == NULL)
        return RESULT_OK;
    if (aud == NULL)
        return FAULT(f, RESULT_DENIED, "claim aud is missing");
    if (!json_holds_text(aud, e->aud))
        return FAULT(f, RESULT_DENIED, "claim aud does not name us");
    return RESULT_OK;
}

/* Core (2014) §3.1.3.7 4: "If the ID Token contains multiple audiences, the Client SHOULD verify that an azp Claim is
 * present." 5: "If an azp Claim is present, the Client SHOULD verify that its client_id is the Claim Value." */
static enum result check_azp(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    const json_t *azp = json_object_get(claims, "azp");
    bool several = json_array_size(json_object_get(claims, "aud")) > 1;

    if (!e->azp_rule || e->aud == NULL || (azp == NULL && !several))
        return RESULT_OK;
    if (azp == NULL)
        return FAULT(f, RESULT_DENIED, "several audiences and no azp");
    if (!text_equal(json_text(claims, "azp"), e->aud))
        return FAULT(f, RESULT_DENIED, "claim azp does not name us");
    return RESULT_OK;
}

enum result token_claims_check(struct fault *f, const json_t *claims, const struct token_expect *e)
{
    if (!json_is_object(claims))
        return FAULT(f, RESULT_DENIED, "the payload is no JSON object without duplicate members");
    TRY(GUARD(claim_iss, check_text(f, claims, "iss", e->iss)));
    TRY(GUARD(claim_aud, check_aud(f, claims, e)));
    TRY(GUARD(claim_azp, check_azp(f, claims, e)));
    TRY(GUARD(claim_exp, check_exp(f, claims, e)));
    TRY(GUARD(claim_nbf, check_nbf(f, claims, e)));
    TRY(GUARD(claim_iat, check_iat(f, claims, e)));
    TRY(GUARD(claim_nonce, check_text(f, claims, "nonce", e->nonce)));
    TRY(GUARD(claim_sub, check_text(f, claims, "sub", e->sub)));
    return RESULT_OK;
}
