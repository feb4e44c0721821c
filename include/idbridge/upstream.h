/* upstream: whom we ask who this is. The relying party towards eSignet and any OpenID provider: discovery, keys,
 * authorization request, code exchange, id_token and userinfo. Speaks OpenID Connect Core 1.0; where eSignet differs
 * (facts in docs/esignet.md) a configuration key says so. */
#ifndef IDBRIDGE_UPSTREAM_H
#define IDBRIDGE_UPSTREAM_H

#include <idbridge/web.h>

extern const struct config_key upstream_config_keys[]; /* [upstream NAME] */

/* What the ID provider proved; read-only for everybody after. */
struct identity {
    const char *upstream;     /* name of its [upstream x] */
    const char *iss, *sub;
    const char *acr;          /* what it says was done; NULL when it said nothing */
    const json_t *amr;        /* array, or NULL */
    int64_t auth_time;        /* 0: not said */
    json_t *claims;           /* id_token and verified userinfo together; id_token wins; language tags resolved for
                                 `claims_locales` ("name#eng" -> "name"), slashed dates made ISO */
};

/* One login's secrets towards the provider; made before the redirect, sealed into the state by login/. */
struct upstream_request {
    const char *nonce, *code_verifier, *state; /* nonce and verifier are 128 random bits or more, never used twice */
    const char *ui_locales;    /* or NULL */
    const char *acr_values;    /* what the application needs, over the configured ones; or NULL */
    const char *prompt;        /* "login" for a re-authentication, or NULL */
    int64_t max_age;           /* -1: not sent */
};

struct upstreams;
/* The store (NULL: only what the configuration says is looked at) gives client keys (use "upstream:NAME") and is read with the calling thread's reader. */
CHECKED enum result upstreams_new(struct fault *f, const struct config *c, struct store *s, struct upstreams **out_r);
void upstreams_free(struct upstreams *u);
size_t upstreams_names(const struct upstreams *u, const char *const **out_r);
bool upstreams_has(const struct upstreams *u, const char *name);
const char *upstream_label(const struct upstreams *u, const char *name);    /* what a person calls it */
const char *upstream_issuer(const struct upstreams *u, const char *name);
bool upstream_may_search(const struct upstreams *u, const char *name); /* its claims may find a person */
/* Claims kept with the link for mapping: `link_claims` of the configuration, taken out of an identity. */
json_t *upstream_link_claims(const struct upstreams *u, const struct identity *i);

/* RUN_UPSTREAM when metadata is not cached, else it does not block (upstream_ready tells). The URL to send the browser
 * to; redirect_uri is the bridge's callback of this provider (one each, against mix-up: RFC 9700 §4.4). */
bool upstream_ready(const struct upstreams *u, const char *name);
CHECKED enum result upstream_authorize_url(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                           const char *redirect_uri, const struct upstream_request *rq,
                                           const char **url_r);

/* The callback's parameters looked at before anything else: RFC 9207 iss (required when the metadata announces it and
 * the provider sends it on success; errors may lack it), error codes. *reason_r is a reason code of login/ (
 * "upstream_cancelled", "upstream_refused", "upstream_error", "upstream_untrusted") when not RESULT_OK. */
CHECKED enum result upstream_callback_check(struct fault *f, struct upstreams *u, const char *name,
                                            const struct params *query, const char **reason_r);
/* Code exchange, id_token validation claim by claim, userinfo with its own verification, acr enforcement. RUN_UPSTREAM.
 * *reason_r when not RESULT_OK: upstream_down, upstream_slow, upstream_error, upstream_untrusted, acr_too_low. */
CHECKED enum result upstream_identify(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                      const char *code, const char *redirect_uri, const struct upstream_request *rq,
                                      struct identity *out_r, const char **reason_r);
/* RP-Initiated Logout 1.0 there, where `logout` is on (eSignet has none). The provider knows us by client_id and asks the
 * person; it sends the browser to post_logout_redirect_uri with `state`. RUN_UPSTREAM; RESULT_NOT_FOUND: it has no
 * end_session_endpoint. */
bool upstream_logs_out(const struct upstreams *u, const char *name);
CHECKED enum result upstream_logout_url(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                        const char *post_logout_redirect_uri, const char *state, const char **url_r);

/* `idbridge upstream key NAME`: the public JWK to register, for client assertions or (encryption) for userinfo as JWE; makes
 * the key on the first call. Never touched by the rotation of our own keys: eSignet cannot exchange a client's key, a new key
 * is a second client_id in a second [upstream] section beside the first. */
CHECKED enum result upstream_key(struct fault *f, struct arena *a, struct store *s, const struct config *c,
                                 const char *name, bool encryption, const char *actor, const char **public_jwk_r);
/* Takes the client keys from the store anew (the command line may have made one). */
CHECKED enum result upstreams_reload_keys(struct fault *f, struct upstreams *u);
/* doctor: fetches metadata and keys, compares clocks; findings as directory_probe writes them. */
CHECKED enum result upstream_probe(struct fault *f, struct arena *a, struct upstreams *u, const char *name,
                                   struct buf *findings);

#endif
