/* provider: what applications talk to, an OpenID provider. Discovery, JWKS, authorize, token, userinfo, logout for
 * registered clients: code flow only, PKCE S256, exact redirect URIs. */
#ifndef IDBRIDGE_PROVIDER_H
#define IDBRIDGE_PROVIDER_H

#include <idbridge/login.h>

extern const struct config_key provider_config_keys[]; /* [tokens] */

/* The bytes the HTTP thread answers by itself. */
struct prebuilt {
    char *discovery, *jwks;
    size_t discovery_len, jwks_len;
};
/* Loads the signing keys anew and publishes ring and prebuilt bytes in the bridge's slots. At start, hourly, after a
 * change by the command line. */
CHECKED enum result provider_refresh_keys(struct fault *f, struct bridge *b);

extern const struct route provider_routes[]; /* ended by name NULL */

/* The completion of a login: stores code, session, link use and audit row in one transaction and redirects. main sets
 * login_complete to it. */
CHECKED enum result provider_complete(struct exchange *x, struct login *l);

/* A bearer token of ours as an endpoint receives it: signature, iss, aud, exp, revoked family. `audience` NULL: any of
 * ours. RESULT_DENIED with oauth_error invalid_token. */
struct bearer {
    const char *sub, *client_id, *scope, *audience, *profile;
    const json_t *claims;
};
CHECKED enum result provider_bearer(struct fault *f, struct exchange *x, const char *audience, struct bearer *out_r);

/* The static key of a DHIS2 2.41 Route in this header. RESULT_DENIED with oauth_error invalid_token. */
#define PROVIDER_ROUTE_KEY "x-route-key"
CHECKED enum result provider_route_key(struct fault *f, struct exchange *x, struct client *out_r);

/* `idbridge client add`: checks and stores; *secret_r is shown once (NULL for keys); the matching dhis.conf lines. */
CHECKED enum result provider_client_check(struct fault *f, struct arena *a, const struct config *cfg,
                                          const struct client *c);
char *provider_dhis_conf(struct arena *a, const char *issuer, const char *provider_id, const struct client *c,
                         const char *secret);
#endif
