/* What `idbridge client add` checks and prints: a registration that cannot work is refused before it is stored, and the
 * matching dhis.conf lines are what DHIS2's own parser takes (an unknown key there drops the whole provider). */
#include "private.h"

#include <string.h>

/* The sub of a client's own token is its client_id, and a person's is the person id: the two must never be equal (RFC 9700
 * §4.15). Person ids are 16 random bytes in base64url. */
#define PERSON_ID_LENGTH 22
#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static bool one_of(const char *value, const char *words)
{
    return value != NULL && text_has_word(words, value);
}

static enum result check_uri(struct fault *f, struct arena *a, const char *uri)
{
    struct url_parts u;
    if (url_parse(f, a, uri, &u) != RESULT_OK)
        return FAULT(f, RESULT_INVALID, "redirect URI is no absolute http(s) URL: %.80s", uri);
    if (strcmp(u.scheme, "https") != 0 && !url_is_loopback(&u))
        return FAULT(f, RESULT_INVALID, "redirect URI must be https (http only on loopback): %.80s", uri);
    if (strchr(uri, '#') != NULL || strchr(uri, '*') != NULL)
        return FAULT(f, RESULT_INVALID, "redirect URI with a fragment or wildcard: %.80s", uri);
    return RESULT_OK;
}

static enum result check_uris(struct fault *f, struct arena *a, const char *json_array)
{
    json_t *list;
    size_t i;
    json_t *uri;
    if (json_array == NULL)
        return RESULT_OK;
    TRY(json_parse(f, a, json_array, strlen(json_array), 64u << 10, &list));
    json_array_foreach(list, i, uri) TRY(check_uri(f, a, json_string_value(uri)));
    return RESULT_OK;
}

static bool section_exists(const struct config *cfg, const char *section, const char *name)
{
    const char *const *names;
    size_t n = config_names(cfg, section, &names);
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

enum result provider_client_check(struct fault *f, struct arena *a, const struct config *cfg, const struct client *c)
{
    if (c->client_id == NULL || c->client_id[0] == '\0' || strlen(c->client_id) > 128 || strpbrk(c->client_id, " \t\r\n\"") != NULL)
        return FAULT(f, RESULT_INVALID, "client_id must be 1 to 128 characters without blanks");
    if (strlen(c->client_id) == PERSON_ID_LENGTH && strspn(c->client_id, BASE64URL) == PERSON_ID_LENGTH)
        return FAULT(f, RESULT_INVALID, "client_id looks like a person id: take one of another length than %d", PERSON_ID_LENGTH);
    if (!one_of(c->profile, "dhis2 rfc9068 route"))
        return FAULT(f, RESULT_INVALID, "profile must be dhis2, rfc9068 or route");
    if (!one_of(c->auth_method, "client_secret_basic client_secret_post private_key_jwt none route_key"))
        return FAULT(f, RESULT_INVALID, "unknown client authentication method");
    if (text_equal(c->auth_method, "route_key") && !text_equal(c->profile, "route"))
        return FAULT(f, RESULT_INVALID, "route_key is for --profile route");
    if (!one_of(c->sso, "never ask silent"))
        return FAULT(f, RESULT_INVALID, "sso must be never, ask or silent");
    if (c->dhis2 != NULL && !section_exists(cfg, "dhis2", c->dhis2))
        return FAULT(f, RESULT_INVALID, "there is no [dhis2 %.60s] in the configuration", c->dhis2);
    if (c->dhis2 == NULL && !one_of(c->profile, "rfc9068"))
        return FAULT(f, RESULT_INVALID, "profile %s needs --dhis2 NAME: the instance it writes to", c->profile);
    char **grants = text_split(a, c->grant_types, " ", NULL);
    for (; grants != NULL && *grants != NULL; grants++)
        if (!one_of(*grants, "authorization_code refresh_token client_credentials"))
            return FAULT(f, RESULT_INVALID, "unknown grant type: %.40s", *grants);
    if (c->upstream != NULL && !section_exists(cfg, "upstream", c->upstream))
        return FAULT(f, RESULT_INVALID, "there is no [upstream %.60s] in the configuration", c->upstream);
    if (text_equal(c->profile, "dhis2") && c->audience != NULL)
        return FAULT(f, RESULT_INVALID, "DHIS2 takes tokens for its own client_id only: leave --audience out");
    bool code = text_has_word(c->grant_types, "authorization_code");
    if (code && (c->redirect_uris == NULL || strcmp(c->redirect_uris, "[]") == 0))
        return FAULT(f, RESULT_INVALID, "at least one --redirect-uri is needed");
    if (code && text_equal(c->auth_method, "none") && !c->require_pkce)
        return FAULT(f, RESULT_INVALID, "a public client must use PKCE");
    if (text_equal(c->auth_method, "private_key_jwt") && c->jwks == NULL && c->jwks_uri == NULL)
        return FAULT(f, RESULT_INVALID, "private_key_jwt needs --jwks FILE or --jwks-uri URL");
    if (text_equal(c->auth_method, "none") && (text_has_word(c->grant_types, "client_credentials") || text_equal(c->profile, "route")))
        return FAULT(f, RESULT_INVALID, "a client that proves nothing can be no Route and have no client_credentials");
    TRY(check_uris(f, a, c->redirect_uris));
    return check_uris(f, a, c->post_logout_redirect_uris);
}

const char *client_first_uri(struct arena *a, const char *json_array)
{
    struct fault ignored = {0};
    json_t *list;
    if (json_array == NULL || json_parse(&ignored, a, json_array, strlen(json_array), 64u << 10, &list) != RESULT_OK)
        return NULL;
    return json_string_value(json_array_get(list, 0));
}

/* redirect_url is given as registered, because DHIS2 otherwise makes it of the Host header it sees behind its proxy. */
char *provider_dhis_conf(struct arena *a, const char *issuer, const char *provider_id, const struct client *c,
                         const char *secret)
{
    const char *redirect = client_first_uri(a, c->redirect_uris), *after_logout = client_first_uri(a, c->post_logout_redirect_uris);
    const struct {
        const char *key, *value, *path;
    } rows[] = {
        {"client_id", c->client_id, ""},
        {"client_secret", secret == NULL ? "unused" : secret, ""},
        {"client_authentication_method", c->auth_method, ""},
        {"redirect_url", redirect, ""},
        {"issuer_uri", issuer, ""},
        {"authorization_uri", issuer, "/authorize"},
        {"token_uri", issuer, "/token"},
        {"user_info_uri", issuer, "/userinfo"},
        {"jwk_uri", issuer, "/jwks"},
        {"end_session_endpoint", issuer, "/logout"},
        {"enable_logout", "on", ""},
        {"enable_pkce", "on", ""},
        {"mapping_claim", "email", ""},
        {"scopes", "openid email", ""},
        {"display_alias", "Log in with national ID", ""},
    };
    CLEANUP(buf) struct buf b;
    buf_init(&b, 64u << 10);
    buf_text(&b, "oidc.oauth2.login.enabled = on\noidc.jwt.token.authentication.enabled = on\n");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].value != NULL)
            buf_printf(&b, "oidc.provider.%s.%s = %s%s\n", provider_id, rows[i].key, rows[i].value, rows[i].path);
    if (text_equal(c->auth_method, "private_key_jwt")) /* DHIS2 keeps the key; these are for its administrator to fill in */
        buf_printf(&b, "oidc.provider.%s.keystore_path = /opt/dhis2/bridge.p12\noidc.provider.%s.keystore_password = CHANGE-ME\n"
                       "oidc.provider.%s.key_alias = bridge\noidc.provider.%s.key_password = CHANGE-ME\n"
                       "oidc.provider.%s.jwk_set_url = %s\n",
                   provider_id, provider_id, provider_id, provider_id, provider_id, c->jwks_uri == NULL ? "CHANGE-ME" : c->jwks_uri);
    if (after_logout != NULL)
        buf_printf(&b, "oidc.logout.redirect_url = %s\n", after_logout);
    buf_text(&b, "# DHIS2 2.41 also needs, or it takes every bearer token for one of its own:\n"
                 "# oauth2.authorization.server.enabled = off\n");
    return b.failed ? NULL : arena_strdup(a, b.data);
}
