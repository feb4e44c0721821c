/* Private to upstream/: metadata.c knows the provider's addresses and keys, exchange.c redeems the code, idtoken.c and
 * userinfo.c judge what came, claims.c brings it into one form. */
#ifndef UPSTREAM_PRIVATE_H
#define UPSTREAM_PRIVATE_H

#include <idbridge/upstream.h>
#include <stdatomic.h>

struct metadata {
    struct arena *arena;
    const char *authorization_endpoint, *token_endpoint, *userinfo_endpoint, *jwks_uri, *end_session_endpoint;
    bool sends_iss; /* authorization_response_iss_parameter_supported */
    int64_t fetched;
    const char *date; /* its clock, for doctor */
};

struct provider {
    const char *name, *label, *issuer, *client_id, *auth_method, *userinfo_issuer, *userinfo;
    char *secret; /* or NULL */
    const struct config *config;
    struct snapshot_slot *metadata; /* struct metadata */
    struct snapshot_slot *keys;     /* struct token_keys */
    struct snapshot_slot *signer, *decrypter; /* struct token_private */
    atomic_llong keys_tried;        /* second of the last fetch of keys, successful or not */
    atomic_bool keys_busy;
    atomic_llong keys_fetched;      /* second of the set in use */
    atomic_llong metadata_tried;    /* second of the last try to renew what is old */
};
struct upstreams {
    const struct config *config;
    struct store *store;
    struct provider *list;
    const char **names;
    size_t count;
};

struct provider *provider_find(const struct upstreams *u, const char *name);
const char *provider_text(const struct provider *p, const char *key);
long long provider_number(const struct provider *p, const char *key);
char *const *provider_list(const struct provider *p, const char *key);
/* Fills in CA file, proxy, family and time limits. */
void provider_request(const struct provider *p, struct http_request *rq);
/* The reason code of a failed call: upstream_slow or upstream_down. */
const char *provider_reason(enum result r);

/* metadata.c: borrowed for the arena's life; fetched when unknown or old (an old one still serves when the fetch fails). */
CHECKED enum result metadata_get(struct fault *f, struct arena *a, struct provider *p, const struct metadata **out_r);
/* Verifies against the provider's keys; an unknown kid or a bad signature (kids collide at eSignet) fetches them anew, at
 * most once in jwks_floor. */
CHECKED enum result metadata_verify(struct fault *f, struct arena *a, struct provider *p, const char *jws,
                                    char *const *algs, struct token_parts *out_r);

/* exchange.c */
struct tokens {
    const char *id_token, *access_token;
};
CHECKED enum result exchange_code(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m,
                                  const char *code, const char *redirect_uri, const char *verifier, struct tokens *out_r,
                                  const char **reason_r);
/* idtoken.c; fills iss, sub, acr, amr, auth_time, claims of the identity. */
CHECKED enum result idtoken_check(struct fault *f, struct arena *a, struct provider *p, const struct tokens *t,
                                  const struct upstream_request *rq, struct identity *out_r, const char **reason_r);
/* userinfo.c; adds to identity->claims. */
CHECKED enum result userinfo_fetch(struct fault *f, struct arena *a, struct provider *p, const struct metadata *m,
                                   const struct tokens *t, struct identity *i, const char **reason_r);
/* claims.c: adds what `from` says and `to` lacks, in one form: language tags resolved, ISO dates, no empty texts. */
CHECKED enum result claims_merge(struct fault *f, struct arena *a, const char *locales, json_t *to, const json_t *from);

#endif
