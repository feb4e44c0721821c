/* [upstream NAME]: one ID provider each. The defaults are the standard's; what eSignet needs is in deploy/ and docs. */
#include "private.h"

#define UP(key, type, fallback, help) {"upstream", true, key, type, CONFIG_OPTIONAL, fallback, NULL, 0, 0, help}
#define UP_CHOICE(key, fallback, choices, help) {"upstream", true, key, CONFIG_CHOICE, CONFIG_OPTIONAL, fallback, choices, 0, 0, help}

const struct config_key upstream_config_keys[] = {
    {"upstream", true, "issuer", CONFIG_URL, CONFIG_REQUIRED, NULL, NULL, 0, 0,
     "The provider's issuer, byte for byte as it stands in its id_tokens."},
    {"upstream", true, "client_id", CONFIG_TEXT, CONFIG_REQUIRED, NULL, NULL, 0, 0, "The bridge's client_id there."},
    UP("label", CONFIG_TEXT, NULL, "What people call it (\"National ID\"). Unset: the section's name."),
    UP("discovery", CONFIG_URL, NULL, "Metadata document, when it is not at ISSUER/.well-known/openid-configuration."),
    UP_CHOICE("auth_method", "private_key_jwt", "private_key_jwt client_secret_basic client_secret_post none",
              "How the bridge proves itself at the token endpoint."),
    UP("client_secret_file", CONFIG_PATH, NULL, "File with the client secret, for the two secret methods."),
    UP_CHOICE("assertion_alg", "RS256", "RS256 PS256 ES256", "Signature of client assertions."),
    UP("assertion_kid", CONFIG_BOOL, "off", "Send a kid in client assertions (eSignet refuses one it did not register)."),
    UP_CHOICE("assertion_audience", "token_endpoint", "token_endpoint issuer", "aud of client assertions."),
    UP("scope", CONFIG_TEXT, "openid profile email", "Scopes asked for."),
    UP("acr_values", CONFIG_TEXT, NULL, "acr_values asked for, in order of preference."),
    UP("acr_accept", CONFIG_LIST, NULL,
       "acr that are accepted. Unset: those asked for; nothing asked: any. eSignet silently offers weaker ones."),
    UP("claims", CONFIG_TEXT, NULL, "The claims parameter (OpenID Connect Core 5.5), as JSON."),
    UP("claims_locales", CONFIG_TEXT, NULL, "Languages of claims asked for; the first one found is taken."),
    UP("ui_locales", CONFIG_BOOL, "on", "Pass the person's languages on."),
    UP("prompt", CONFIG_TEXT, NULL, "prompt sent with every request."),
    UP("id_token_algs", CONFIG_LIST, "RS256", "Signature algorithms accepted for id_tokens."),
    UP_CHOICE("userinfo", "json", "none json jws jwe",
              "How userinfo comes: plain JSON, a signed JWT, or a signed JWT inside a JWE."),
    UP("userinfo_algs", CONFIG_LIST, "RS256", "Signature algorithms accepted for userinfo."),
    UP("userinfo_encs", CONFIG_LIST, "A256GCM A128GCM A256CBC-HS512 A128CBC-HS256",
       "Content encryptions accepted for userinfo as JWE (RSA-OAEP-256)."),
    UP("userinfo_issuer", CONFIG_TEXT, NULL, "iss of signed userinfo, when it is not the issuer (eSignet: ISSUER/v1/esignet)."),
    UP("logout", CONFIG_BOOL, "off",
       "Sign people out there too. Register ISSUER/logout/done of the bridge as post_logout_redirect_uri. eSignet has no logout."),
    UP("search", CONFIG_BOOL, "off",
       "People who sign in here may be found by the directory's claim_filter ([link] method = search). Only for a provider "
       "whose claims are as good as the directory's own: it can name anybody."),
    UP("link_claims", CONFIG_LIST, NULL, "Claims kept with the link, so that mapping rules and searches may use them."),
    UP("ca_file", CONFIG_PATH, NULL, "CA certificates that its TLS is checked against. Unset: the system's."),
    UP("proxy", CONFIG_TEXT, NULL, "Proxy on the way there. Unset: none; the environment is not looked at."),
    UP_CHOICE("ip_family", "any", "any ipv4 ipv6", "Address family used to reach it."),
    UP("connect_timeout", CONFIG_DURATION, "5s", "How long a connection may take."),
    UP("timeout", CONFIG_DURATION, "10s", "How long one answer may take."),
    UP("leeway", CONFIG_DURATION, "30s", "How far its clock may differ."),
    UP("metadata_life", CONFIG_DURATION, "12h", "How long metadata and keys are used before they are read again."),
    UP("jwks_floor", CONFIG_DURATION, "60s", "Keys are never fetched more often than this, whatever tokens arrive."),
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};
