/* A provider's metadata and keys (OpenID Connect Discovery 1.0 §4), cached as snapshots. Keys are fetched again when a kid
 * is unknown or a known kid does not verify (every eSignet set up on one day has the same kids), but never more often than
 * jwks_floor: tokens from outside must not make us hammer the provider. */
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define METADATA_MAX (128u << 10)
#define KEYS_MAX (256u << 10)
#define WAIT_FOR_OTHERS_MS 3000
#define RENEW_FLOOR_S 60

static void metadata_free(void *p)
{
    struct metadata *m = p;
    arena_free(m->arena);
    free(m);
}
static void keys_free(void *p)
{
    token_keys_free(p);
}

/* https, or http where the configured issuer itself is http on loopback. */
static enum result take_endpoint(struct fault *f, struct metadata *m, const json_t *j, const char *key, bool needed,
                                 const struct provider *p, const char **out_r)
{
    const char *url = json_text(j, key);
    struct url_parts u;
    if (url == NULL)
        return needed ? FAULT(f, RESULT_UNAVAILABLE, "the metadata has no %s", key) : RESULT_OK;
    if (url_parse(f, m->arena, url, &u) != RESULT_OK)
        return FAULT(f, RESULT_UNAVAILABLE, "the metadata's %s is no URL", key);
    bool loopback = text_has_prefix(p->issuer, "http:") && url_is_loopback(&u);
    if (GUARD(endpoint_https, strcmp(u.scheme, "https") != 0 && !loopback))
        return FAULT(f, RESULT_UNAVAILABLE, "the metadata's %s is not https", key);
    *out_r = arena_strdup(m->arena, url);
    NEED(f, *out_r);
    return RESULT_OK;
}

static enum result read_metadata(struct fault *f, struct metadata *m, const struct provider *p, const json_t *j)
{
    /* Discovery §4.3: the issuer MUST be identical to the one the document was asked for */
    if (GUARD(metadata_issuer, !text_equal(json_text(j, "issuer"), p->issuer)))
        return FAULT(f, RESULT_UNAVAILABLE, "the metadata names another issuer than the configuration");
    TRY(take_endpoint(f, m, j, "authorization_endpoint", true, p, &m->authorization_endpoint));
    TRY(take_endpoint(f, m, j, "token_endpoint", true, p, &m->token_endpoint));
    TRY(take_endpoint(f, m, j, "jwks_uri", true, p, &m->jwks_uri));
    TRY(take_endpoint(f, m, j, "userinfo_endpoint", strcmp(p->userinfo, "none") != 0, p, &m->userinfo_endpoint));
    TRY(take_endpoint(f, m, j, "end_session_endpoint", false, p, &m->end_session_endpoint));
    m->sends_iss = json_is_true(json_object_get(j, "authorization_response_iss_parameter_supported"));
    return RESULT_OK;
}

static enum result get_json(struct fault *f, struct arena *a, const struct provider *p, const char *url, size_t max,
                            struct http_response *out_r)
{
    const struct http_header headers[] = {{"Accept", "application/json"}, {NULL, NULL}};
    struct http_request rq = {.method = "GET", .url = url, .headers = headers, .max_body = max};
    provider_request(p, &rq);
    TRY(http_fetch(f, a, &rq, out_r));
    return out_r->status == 200 ? RESULT_OK : FAULT(f, RESULT_UNAVAILABLE, "answered %ld", out_r->status);
}

static enum result fetch_metadata(struct fault *f, struct arena *a, struct provider *p)
{
    const char *url = provider_text(p, "discovery");
    struct http_response got;
    json_t *j;
    if (url == NULL)
        url = arena_printf(a, "%s/.well-known/openid-configuration", p->issuer);
    NEED(f, url);
    TRY(get_json(f, a, p, url, METADATA_MAX, &got));
    if (json_parse(f, a, got.body, got.body_len, METADATA_MAX, &j) != RESULT_OK)
        return FAULT(f, RESULT_UNAVAILABLE, "the metadata is no JSON");
    struct metadata *m = calloc(1, sizeof(*m));
    NEED(f, m);
    m->arena = arena_new(256u << 10);
    m->fetched = clock_now();
    if (m->arena == NULL) {
        free(m);
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    enum result r = read_metadata(f, m, p, j);
    if (r != RESULT_OK) {
        metadata_free(m);
        return r;
    }
    m->date = got.date == NULL ? NULL : arena_strdup(m->arena, got.date);
    struct snapshot *s = snapshot_new(m, metadata_free);
    NEED(f, s);
    snapshot_slot_set(p->metadata, s);
    return RESULT_OK;
}

/* What is old still serves: one login in a while tries to renew it, and a provider that hangs does not cost every one. */
static bool may_renew(struct provider *p)
{
    long long last = atomic_load(&p->metadata_tried), now = clock_now();
    return last + RENEW_FLOOR_S <= now && atomic_compare_exchange_strong(&p->metadata_tried, &last, now);
}

enum result metadata_get(struct fault *f, struct arena *a, struct provider *p, const struct metadata **out_r)
{
    const struct metadata *m = snapshot_slot_value(p->metadata, a);
    if (m == NULL || (m->fetched + provider_number(p, "metadata_life") < clock_now() && may_renew(p))) {
        enum result r = fetch_metadata(f, a, p);
        if (r != RESULT_OK && m == NULL)
            return r;
        if (r != RESULT_OK)
            log_fault(LEVEL_WARN, "upstream-metadata", f);
        else
            m = snapshot_slot_value(p->metadata, a);
    }
    *out_r = m;
    return m == NULL ? FAULT(f, RESULT_INTERNAL, "metadata vanished") : RESULT_OK;
}

/* ---- keys ------------------------------------------------------------------------------------------------------------ */

static enum result fetch_keys(struct fault *f, struct arena *a, struct provider *p)
{
    const struct metadata *m;
    struct http_response got;
    struct token_keys *keys;
    TRY(metadata_get(f, a, p, &m));
    TRY(get_json(f, a, p, m->jwks_uri, KEYS_MAX, &got));
    if (token_keys_parse(f, got.body, got.body_len, &keys) != RESULT_OK)
        return FAULT(f, RESULT_UNAVAILABLE, "the key set cannot be read");
    struct snapshot *s = snapshot_new(keys, keys_free);
    NEED(f, s);
    snapshot_slot_set(p->keys, s);
    atomic_store(&p->keys_fetched, clock_now());
    metric_add("idbridge_jwks_fetched_total", NULL, 1);
    return RESULT_OK;
}

/* Fetches unless that was done within the floor. While another thread fetches, waits for it: a rotation under load must not
 * cost the logins that came second. false: nothing new is to be had. */
static bool refresh_keys(struct fault *f, struct arena *a, struct provider *p, long long floor_s)
{
    long long last = atomic_load(&p->keys_tried), now = clock_now();
    bool free_now = false;
    if (!GUARD(jwks_floor, last + floor_s > now) && atomic_compare_exchange_strong(&p->keys_busy, &free_now, true)) {
        atomic_store(&p->keys_tried, now);
        enum result r = fetch_keys(f, a, p);
        atomic_store(&p->keys_busy, false);
        return r == RESULT_OK;
    }
    for (int ms = 0; atomic_load(&p->keys_busy) && ms < WAIT_FOR_OTHERS_MS; ms += 20)
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    return false;
}

enum result metadata_verify(struct fault *f, struct arena *a, struct provider *p, const char *jws, char *const *algs,
                            struct token_parts *out_r)
{
    static const char *const typs[] = {"JWT", NULL};
    const struct token_policy policy = {.algs = (const char *const *)algs, .typs = typs, .max_bytes = 512u << 10};
    enum token_fault why = TOKEN_NO_KEY;
    enum result r = RESULT_OK;
    const struct token_keys *keys = snapshot_slot_value(p->keys, a);
    if (keys == NULL) {
        if (!refresh_keys(f, a, p, 0) && snapshot_slot_value(p->keys, a) == NULL)
            return f->result == RESULT_OK ? FAULT(f, RESULT_UNAVAILABLE, "the provider's keys are not known") : f->result;
        keys = snapshot_slot_value(p->keys, a);
    } else if (atomic_load(&p->keys_fetched) + provider_number(p, "metadata_life") < clock_now()) {
        struct fault ignored = {0}; /* a key that was withdrawn stops counting; the old set serves while the fetch fails */
        if (refresh_keys(&ignored, a, p, provider_number(p, "jwks_floor")))
            keys = snapshot_slot_value(p->keys, a);
    }
    r = token_verify(f, a, jws, strlen(jws), keys, &policy, out_r, &why);
    if (r == RESULT_OK || (why != TOKEN_NO_KEY && why != TOKEN_SIGNATURE))
        return r;
    struct fault ignored = {0};
    (void)refresh_keys(&ignored, a, p, provider_number(p, "jwks_floor"));
    const struct token_keys *fresh = snapshot_slot_value(p->keys, a);
    return fresh == keys ? r : token_verify(f, a, jws, strlen(jws), fresh, &policy, out_r, &why);
}
