/* The configured ID providers: made at start, read-only after but for their snapshots. And the two calls a login makes:
 * the URL to send the browser to, and who came back. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

/* ---- small access --------------------------------------------------------------------------------------------------- */

const char *provider_text(const struct provider *p, const char *key)
{
    return config_text(p->config, "upstream", p->name, key);
}
long long provider_number(const struct provider *p, const char *key)
{
    return config_number(p->config, "upstream", p->name, key);
}
char *const *provider_list(const struct provider *p, const char *key)
{
    return config_list(p->config, "upstream", p->name, key);
}

void provider_request(const struct provider *p, struct http_request *rq)
{
    rq->connect_timeout_ms = (long)provider_number(p, "connect_timeout") * 1000;
    rq->timeout_ms = (long)provider_number(p, "timeout") * 1000;
    rq->ca_file = provider_text(p, "ca_file");
    rq->proxy = provider_text(p, "proxy");
    rq->ip_family = provider_text(p, "ip_family");
}

const char *provider_reason(enum result r)
{
    return r == RESULT_TIMEOUT ? "upstream_slow" : "upstream_down";
}

struct provider *provider_find(const struct upstreams *u, const char *name)
{
    for (size_t i = 0; i < u->count; i++)
        if (text_equal(u->list[i].name, name))
            return &u->list[i];
    return NULL;
}

size_t upstreams_names(const struct upstreams *u, const char *const **out_r)
{
    *out_r = u->names;
    return u->count;
}
bool upstreams_has(const struct upstreams *u, const char *name)
{
    return provider_find(u, name) != NULL;
}
const char *upstream_label(const struct upstreams *u, const char *name)
{
    const struct provider *p = provider_find(u, name);
    return p == NULL ? name : p->label;
}
bool upstream_may_search(const struct upstreams *u, const char *name)
{
    const struct provider *p = provider_find(u, name);
    return p != NULL && config_flag(p->config, "upstream", p->name, "search");
}
const char *upstream_issuer(const struct upstreams *u, const char *name)
{
    const struct provider *p = provider_find(u, name);
    return p == NULL ? NULL : p->issuer;
}
bool upstream_ready(const struct upstreams *u, const char *name)
{
    const struct provider *p = provider_find(u, name);
    struct snapshot *s = p == NULL ? NULL : snapshot_slot_borrow(p->metadata);
    if (s == NULL)
        return false;
    const struct metadata *m = snapshot_value(s);
    bool ready = m->fetched + provider_number(p, "metadata_life") >= clock_now();
    snapshot_release(s);
    return ready;
}

json_t *upstream_link_claims(const struct upstreams *u, const struct identity *i)
{
    const struct provider *p = provider_find(u, i->upstream);
    json_t *kept = json_object();
    for (char *const *c = p == NULL ? NULL : provider_list(p, "link_claims"); c != NULL && *c != NULL; c++) {
        json_t *value = json_object_get(i->claims, *c);
        if (value != NULL)
            (void)json_object_set(kept, *c, value);
    }
    return kept;
}

/* ---- start ------------------------------------------------------------------------------------------------------------ */

static enum result read_secret(struct fault *f, struct provider *p)
{
    if (!text_has_prefix(p->auth_method, "client_secret"))
        return RESULT_OK;
    return config_secret(f, p->config, "upstream", p->name, "client_secret_file", &p->secret);
}

static enum result check_claims(struct fault *f, const struct provider *p)
{
    const char *claims = provider_text(p, "claims");
    CLEANUP(arena) struct arena *a = arena_new(128u << 10);
    json_t *j;
    NEED(f, a);
    if (claims != NULL && json_parse(f, a, claims, strlen(claims), 16u << 10, &j) != RESULT_OK)
        return FAULT(f, RESULT_INVALID, "[upstream %.40s] claims is no JSON", p->name);
    return RESULT_OK;
}

/* "none" and misspelt words are refused. HS* never verifies against public keys, whatever is listed (token/keys.c): who
 * lists it is told. */
static enum result check_algs(struct fault *f, const struct provider *p, const char *key)
{
    static const char known[] = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 HS256 HS384 HS512";
    char *const *algs = provider_list(p, key);
    if (algs == NULL || *algs == NULL)
        return FAULT(f, RESULT_INVALID, "[upstream %.40s] %s is empty: no token would verify", p->name, key);
    for (; *algs != NULL; algs++) {
        if (!text_has_word(known, *algs))
            return FAULT(f, RESULT_INVALID, "[upstream %.40s] %s: %.20s is none of %s", p->name, key, *algs, known);
        if (text_has_prefix(*algs, "HS"))
            log_event(LEVEL_WARN, "config", "upstream", p->name, "key", key, "alg", *algs, "why",
                      "a provider's keys are public: HMAC with them proves nothing, leave it out", NULL);
    }
    return RESULT_OK;
}

static enum result make_provider(struct fault *f, const struct config *c, const char *name, struct provider *p)
{
    p->config = c;
    p->name = name;
    p->issuer = provider_text(p, "issuer");
    p->label = provider_text(p, "label") != NULL ? provider_text(p, "label") : name;
    p->client_id = provider_text(p, "client_id");
    p->auth_method = provider_text(p, "auth_method");
    p->userinfo = provider_text(p, "userinfo");
    p->userinfo_issuer = provider_text(p, "userinfo_issuer") != NULL ? provider_text(p, "userinfo_issuer") : p->issuer;
    struct snapshot_slot **slots[] = {&p->metadata, &p->keys, &p->signer, &p->decrypter};
    for (size_t i = 0; i < COUNT_OF(slots); i++) {
        *slots[i] = snapshot_slot_new();
        NEED(f, *slots[i]);
    }
    TRY(read_secret(f, p));
    TRY(check_algs(f, p, "id_token_algs"));
    TRY(check_algs(f, p, "userinfo_algs"));
    return check_claims(f, p);
}

enum result upstreams_new(struct fault *f, const struct config *c, struct store *s, struct upstreams **out_r)
{
    const char *const *names;
    struct upstreams *u = calloc(1, sizeof(*u));
    NEED(f, u);
    *out_r = u;
    u->config = c;
    u->store = s;
    size_t n = config_names(c, "upstream", &names);
    u->list = calloc(n + 1, sizeof(*u->list));
    u->names = calloc(n + 1, sizeof(*u->names));
    NEED(f, u->list);
    NEED(f, u->names);
    for (size_t i = 0; i < n; i++) {
        u->names[i] = names[i];
        u->count = i + 1; /* also a half-made one is freed */
        TRY(make_provider(f, c, names[i], &u->list[i]));
    }
    return s == NULL ? RESULT_OK : upstreams_reload_keys(f, u);
}

void upstreams_free(struct upstreams *u)
{
    for (size_t i = 0; u != NULL && i < u->count; i++) {
        struct provider *p = &u->list[i];
        secret_free(p->secret);
        snapshot_slot_free(p->metadata);
        snapshot_slot_free(p->keys);
        snapshot_slot_free(p->signer);
        snapshot_slot_free(p->decrypter);
    }
    if (u != NULL) {
        free(u->list);
        free(u->names);
    }
    free(u);
}

/* ---- the two calls of a login ---------------------------------------------------------------------------------------------- */

/* An application's prompt=consent never takes the place of the prompt=login that an administrator configured. */
static const char *prompt_of(const struct provider *p, const struct upstream_request *rq)
{
    const char *ours = provider_text(p, "prompt");
    return rq->prompt == NULL || (ours != NULL && text_equal(rq->prompt, "consent")) ? ours : rq->prompt;
}

enum result upstream_authorize_url(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                   const char *redirect_uri, const struct upstream_request *rq, const char **url_r)
{
    struct provider *p = provider_find(u, name);
    const struct metadata *m;
    char max_age[24] = "";
    if (p == NULL)
        return FAULT(f, RESULT_INVALID, "no such ID provider");
    TRY(metadata_get(f, a, p, &m));
    const char *challenge = sha256_base64url(a, rq->code_verifier);
    NEED(f, challenge);
    if (rq->max_age >= 0)
        (void)snprintf(max_age, sizeof(max_age), "%lld", (long long)rq->max_age);
    const struct param params[] = {
        {"response_type", "code"},
        {"client_id", p->client_id},
        {"redirect_uri", redirect_uri},
        {"scope", provider_text(p, "scope")},
        {"state", rq->state},
        {"nonce", rq->nonce},
        {"code_challenge", challenge},
        {"code_challenge_method", "S256"},
        {"acr_values", rq->acr_values != NULL ? rq->acr_values : provider_text(p, "acr_values")},
        {"claims", provider_text(p, "claims")},
        {"claims_locales", provider_text(p, "claims_locales")},
        {"ui_locales", config_flag(p->config, "upstream", name, "ui_locales") ? rq->ui_locales : NULL},
        {"prompt", prompt_of(p, rq)},
        {"max_age", max_age[0] == '\0' ? NULL : max_age},
    };
    struct param sent[COUNT_OF(params)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(params); i++)
        if (params[i].value != NULL)
            sent[n++] = params[i];
    *url_r = url_with(a, m->authorization_endpoint, sent, n);
    NEED(f, *url_r);
    return RESULT_OK;
}

/* Error codes as they arrive at the callback, RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6 and eSignet's own. */
static const struct {
    const char *error, *reason;
} ERRORS[] = {
    {"access_denied", "upstream_cancelled"},          {"consent_details_rejected", "upstream_cancelled"},
    {"consent_required", "upstream_cancelled"},       {"no_attempts_left", "upstream_refused"},
    {"individual_id_blocked", "upstream_refused"},    {"auth_failed", "upstream_refused"},
    {"authorization_failed_msg", "upstream_refused"}, {"transaction_timeout", "login_expired"},
    {"invalid_transaction", "login_expired"},
};

enum result upstream_callback_check(struct fault *f, struct upstreams *u, const char *name, const struct params *query,
                                    const char **reason_r)
{
    struct provider *p = provider_find(u, name);
    const char *iss = param_get(query, "iss"), *error = param_get(query, "error");
    if (p == NULL)
        return FAULT(f, RESULT_INVALID, "no such ID provider");
    *reason_r = "upstream_untrusted";
    if (GUARD(callback_iss, iss != NULL && !text_equal(iss, p->issuer))) /* RFC 9207 §2.4 */
        return FAULT(f, RESULT_DENIED, "the answer's iss is another provider's");
    if (error != NULL) {
        *reason_r = "upstream_error";
        for (size_t i = 0; i < COUNT_OF(ERRORS); i++)
            if (strcmp(ERRORS[i].error, error) == 0)
                *reason_r = ERRORS[i].reason;
        return FAULT(f, RESULT_DENIED, "the provider sent an error back");
    }
    struct snapshot *s = snapshot_slot_borrow(p->metadata);
    bool must = s != NULL && ((const struct metadata *)snapshot_value(s))->sends_iss;
    if (s != NULL)
        snapshot_release(s);
    if (GUARD(callback_no_iss, must && iss == NULL))
        return FAULT(f, RESULT_DENIED, "the answer lacks the iss that the provider announces");
    return RESULT_OK;
}

enum result upstream_identify(struct fault *f, struct arena *a, struct upstreams *u, const char *name, const char *code,
                              const char *redirect_uri, const struct upstream_request *rq, struct identity *out_r,
                              const char **reason_r)
{
    struct provider *p = provider_find(u, name);
    const struct metadata *m;
    struct tokens t;
    if (p == NULL)
        return FAULT(f, RESULT_INVALID, "no such ID provider");
    *out_r = (struct identity){.upstream = p->name};
    enum result r = metadata_get(f, a, p, &m);
    *reason_r = provider_reason(r);
    TRY(r);
    TRY(exchange_code(f, a, p, m, code, redirect_uri, rq->code_verifier, &t, reason_r));
    TRY(idtoken_check(f, a, p, &t, rq, out_r, reason_r));
    TRY(userinfo_fetch(f, a, p, m, &t, out_r, reason_r));
    *reason_r = NULL;
    return RESULT_OK;
}

bool upstream_logs_out(const struct upstreams *u, const char *name)
{
    const struct provider *p = provider_find(u, name);
    return p != NULL && config_flag(p->config, "upstream", p->name, "logout");
}

enum result upstream_logout_url(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                const char *post_logout_redirect_uri, const char *state, const char **url_r)
{
    struct provider *p = provider_find(u, name);
    const struct metadata *m;
    if (p == NULL)
        return FAULT(f, RESULT_INVALID, "no such ID provider");
    TRY(metadata_get(f, a, p, &m));
    if (m->end_session_endpoint == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "the provider has no end_session_endpoint: turn [upstream %.40s] logout off", name);
    const struct param params[] = {{"client_id", p->client_id}, {"post_logout_redirect_uri", post_logout_redirect_uri},
                                   {"state", state}};
    *url_r = url_with(a, m->end_session_endpoint, params, COUNT_OF(params));
    NEED(f, *url_r);
    return RESULT_OK;
}
