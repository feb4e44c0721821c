/* Private to provider/: authorize.c and sso.c take requests, complete.c ends a login, client.c knows who calls, token.c
 * and mint.c answer with tokens. */
#ifndef PROVIDER_PRIVATE_H
#define PROVIDER_PRIVATE_H

#include <idbridge/provider.h>

/* authorize.c: sends an error to the application at its registered redirect_uri (RFC 6749 §4.1.2.1, RFC 9207). */
void authorize_error(struct exchange *x, const struct login *l, const char *error, const char *description);
extern const struct step authorize_steps[], continue_steps[], token_steps[], userinfo_steps[], logout_steps[],
    logout_done_steps[];

void logout_failed(struct exchange *x);

/* sso.c: may this browser's session answer? Fills l from it and says so; or shows "Continue as". */
enum sso { SSO_NO, SSO_YES, SSO_SHOWN, SSO_ASK_REFUSED };
CHECKED enum result sso_try(struct exchange *x, struct login *l, const struct client *c, bool interactive, enum sso *out_r);

/* client.c: who calls the token endpoint. One method only per request. */
struct caller {
    struct client client;
    const char *assertion;     /* private_key_jwt: verified when `proved` */
    const char *jti;           /* to be stored once */
    int64_t jti_expires;
    bool basic;                /* 401 answers in the scheme that was used */
    bool proved;
};
CHECKED enum result caller_read(struct exchange *x, struct caller *c);
CHECKED enum result caller_fetch_keys(struct exchange *x, struct caller *c); /* jwks_uri, RUN_CLIENT */
/* client_keys.c: the copy of a client's key set (NULL: none), and whether it may be fetched anew already. */
const char *client_keys_cached(struct exchange *x, const char *client_id, bool *fresh_r);
CHECKED enum result client_keys_fetch(struct exchange *x, const struct client *c, const char **jwks_r); /* RUN_CLIENT */
bool client_allows_uri(struct arena *a, const char *json_array, const char *uri); /* exact string */
const char *client_first_uri(struct arena *a, const char *json_array);            /* NULL: none is registered */

/* mint.c: tokens out of a grant. */
struct minted {
    const char *access_token, *id_token; /* id_token NULL for client credentials */
    int64_t expires_in;
};
CHECKED enum result mint(struct exchange *x, const struct client *c, const struct grant *g, bool with_id_token,
                         struct minted *out_r);

/* Replies with an OAuth error JSON made of x->fault: route.failed of the endpoints applications call. */
void provider_failed(struct exchange *x);

#endif
