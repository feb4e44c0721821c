/* What `idbridge client add` checks and prints: a registration that cannot work is refused before it is stored, and the
 * matching dhis.conf lines are what DHIS2's own parser takes (an unknown key there drops the whole provider). */
#include "private.h"

#include <string.h>

static bool one_of(const char *value, const char *words)
{
    return value != NULL && text_has_word(words, value);
}

static enum result check_uri(struct fault *f, struct arena *a, const char *uri)
{
    struct url_parts u;
    if (url_parse(f, a, uri, &u) != RESULT_OK)
        return FAULT(f, RESULT_INVALID, "redirect URI is no absolute http(s) URL: %.80s", uri);
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

enum result provider_client_check(struct fault *f, struct arena *a, const struct config *cfg, const struct client *c)
{
    const char *const *names;
    size_t n = config_names(cfg, "dhis2", &names), i = 0;
    if (c->client_id == NULL || c->client_id[0] == '\0' || strlen(c->client_id) > 128 || strpbrk(c->client_id, " \t\r\n\"") != NULL)
        return FAULT(f, RESULT_INVALID, "client_id must be 1 to 128 characters without blanks");
    if (!one_of(c->profile, "dhis2 rfc9068 route"))
        return FAULT(f, RESULT_INVALID, "profile must be dhis2, rfc9068 or route");
    if (!one_of(c->auth_method, "client_secret_basic client_secret_post private_key_jwt none"))
        return FAULT(f, RESULT_INVALID, "unknown client authentication method");
    if (!one_of(c->sso, "never ask silent"))
        return FAULT(f, RESULT_INVALID, "sso must be never, ask or silent");
    while (c->dhis2 != NULL && i < n && strcmp(names[i], c->dhis2) != 0)
        i++;
    if (c->dhis2 != NULL && i == n)
        return FAULT(f, RESULT_INVALID, "there is no [dhis2 %.60s] in the configuration", c->dhis2);
    if (c->dhis2 == NULL && !one_of(c->profile, "rfc9068"))
        return FAULT(f, RESULT_INVALID, "profile %s needs --dhis2 NAME: the instance it writes to", c->profile);
    bool code = text_has_word(c->grant_types, "authorization_code");
    if (code && (c->redirect_uris == NULL || strcmp(c->redirect_uris, "[]") == 0))
        return FAULT(f, RESULT_INVALID, "at least one --redirect-uri is needed");
    if (code && text_equal(c->auth_method, "none") && !c->require_pkce)
        return FAULT(f, RESULT_INVALID, "a public client must use PKCE");
    if (text_equal(c->auth_method, "private_key_jwt") && c->jwks == NULL && c->jwks_uri == NULL)
        return FAULT(f, RESULT_INVALID, "private_key_jwt needs --jwks FILE or --jwks-uri URL");
    TRY(check_uris(f, a, c->redirect_uris));
    return check_uris(f, a, c->post_logout_redirect_uris);
}

char *provider_dhis_conf(struct arena *a, const char *issuer, const char *provider_id, const struct client *c,
                         const char *secret)
{
    const char *p = provider_id;
    return arena_printf(
        a,
        "oidc.oauth2.login.enabled = on\n"
        "oidc.jwt.token.authentication.enabled = on\n"
        "oidc.provider.%s.client_id = %s\n"
        "oidc.provider.%s.client_secret = %s\n"
        "oidc.provider.%s.client_authentication_method = %s\n"
        "oidc.provider.%s.issuer_uri = %s\n"
        "oidc.provider.%s.authorization_uri = %s/authorize\n"
        "oidc.provider.%s.token_uri = %s/token\n"
        "oidc.provider.%s.user_info_uri = %s/userinfo\n"
        "oidc.provider.%s.jwk_uri = %s/jwks\n"
        "oidc.provider.%s.end_session_endpoint = %s/logout\n"
        "oidc.provider.%s.enable_logout = on\n"
        "oidc.provider.%s.enable_pkce = on\n"
        "oidc.provider.%s.mapping_claim = email\n"
        "oidc.provider.%s.scopes = openid email\n"
        "oidc.provider.%s.display_alias = Log in with national ID\n",
        p, c->client_id, p, secret == NULL ? "unused" : secret, p, c->auth_method, p, issuer, p, issuer, p, issuer, p, issuer,
        p, issuer, p, issuer, p, p, p, p, p);
}
