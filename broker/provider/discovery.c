/* The public documents: OpenID Connect Discovery 1.0 metadata and the JWKS, built once and published as ready bytes that
 * the HTTP thread sends by itself. DHIS2 compares `issuer` byte for byte with the iss of a token. And the route table. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

static void prebuilt_free(void *p)
{
    struct prebuilt *b = p;
    free(b->discovery);
    free(b->jwks);
    free(b);
}
static void ring_free(void *p)
{
    token_ring_free(p);
}

static json_t *metadata(struct arena *a, const char *issuer)
{
    const char *at[] = {"authorization_endpoint", "/authorize", "token_endpoint", "/token", "userinfo_endpoint", "/userinfo",
                        "jwks_uri", "/jwks", "end_session_endpoint", "/logout"};
    json_t *j = arena_json(
        a, json_pack("{s:s, s:[s], s:[s], s:[s,s,s], s:[s], s:[s], s:[s,s,s], s:[s,s,s,s], s:[s,s,s], s:[s], s:b, s:b, s:b,"
                     " s:[s,s,s,s,s,s,s,s,s,s,s,s,s,s,s]}",
                     "issuer", issuer, "response_types_supported", "code", "response_modes_supported", "query",
                     "grant_types_supported", "authorization_code", "refresh_token", "client_credentials",
                     "subject_types_supported", "public", "id_token_signing_alg_values_supported", "RS256",
                     "scopes_supported", "openid", "profile", "email", "token_endpoint_auth_methods_supported",
                     "client_secret_basic", "client_secret_post", "private_key_jwt", "none",
                     "token_endpoint_auth_signing_alg_values_supported", "RS256", "PS256", "ES256",
                     "code_challenge_methods_supported", "S256", "authorization_response_iss_parameter_supported", 1,
                     "request_parameter_supported", 0, "request_uri_parameter_supported", 0, "claims_supported", "iss", "sub",
                     "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "email", "name", "given_name", "family_name",
                     "preferred_username", "sid", "idp"));
    for (size_t i = 0; j != NULL && i < COUNT_OF(at); i += 2) {
        char *url = arena_printf(a, "%s%s", issuer, at[i + 1]);
        if (url == NULL || json_object_set_new(j, at[i], json_string(url)) != 0)
            return NULL;
    }
    const char *const *languages;
    size_t n = messages_languages(&languages);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_string(languages[i]));
    return j == NULL || json_object_set_new(j, "ui_locales_supported", list) != 0 ? NULL : j;
}

static enum result publish(struct fault *f, struct bridge *b, struct arena *a, const struct token_ring *ring)
{
    struct prebuilt *p = calloc(1, sizeof(*p));
    NEED(f, p);
    const json_t *j = metadata(a, b->issuer);
    const char *discovery = j == NULL ? NULL : json_compact(a, j);
    p->discovery = discovery == NULL ? NULL : strdup(discovery);
    p->jwks = strdup(token_ring_jwks(ring));
    if (p->discovery == NULL || p->jwks == NULL) {
        prebuilt_free(p);
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    p->discovery_len = strlen(p->discovery);
    p->jwks_len = strlen(p->jwks);
    struct snapshot *s = snapshot_new(p, prebuilt_free);
    NEED(f, s);
    snapshot_slot_set(b->discovery, s);
    return RESULT_OK;
}

enum result provider_refresh_keys(struct fault *f, struct bridge *b)
{
    CLEANUP(arena) struct arena *a = arena_new(1u << 20);
    struct store_view *v = store_reader(f, b->store);
    struct token_ring *ring;
    NEED(f, a);
    if (v == NULL)
        return f->result;
    TRY(token_ring_load(f, v, clock_now(), &ring));
    enum result r = publish(f, b, a, ring);
    if (r != RESULT_OK) {
        token_ring_free(ring);
        return r;
    }
    struct snapshot *s = snapshot_new(ring, ring_free);
    NEED(f, s);
    snapshot_slot_set(b->ring, s);
    return RESULT_OK;
}

#define BODY (64u << 10)
const struct route provider_routes[] = {
    {"GET", "/authorize", "authorize", authorize_steps, login_failed, 0},
    {"POST", "/authorize", "authorize", authorize_steps, login_failed, BODY},
    {"POST", "/continue", "continue", continue_steps, login_failed, BODY},
    {"POST", "/token", "token", token_steps, provider_failed, BODY},
    {"GET", "/userinfo", "userinfo", userinfo_steps, provider_failed, 0},
    {"POST", "/userinfo", "userinfo", userinfo_steps, provider_failed, BODY},
    {"GET", "/logout", "logout", logout_steps, logout_failed, 0},
    {"POST", "/logout", "logout", logout_steps, logout_failed, BODY},
    {"POST", "/logout/confirm", "logout", logout_steps, logout_failed, BODY},
    {"GET", "/logout/done", "logout", logout_done_steps, logout_failed, 0},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
