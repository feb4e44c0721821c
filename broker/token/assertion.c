/* assertion.c: how do we prove to an ID provider's token endpoint that we are the client? RFC 7523 §2.2 and §3, OpenID
 * Connect Core §9 (private_key_jwt). Called by upstream/. The other direction, assertions of our own clients, is
 * token_verify, token_claims_check and store_once on the jti. */
#include <idbridge/token.h>

enum { JTI_BYTES = 16, LIFE_S = 60 };

enum result token_assertion(struct fault *f, struct arena *a, const struct token_private *k, bool no_kid,
                            const char *client_id, const char *audience, int64_t now, const char **jws_r)
{
    const char *jti = random_id(a, JTI_BYTES);

    NEED(f, jti);
    json_t *claims = arena_json(a, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", client_id, "sub", client_id,
                                             "aud", audience, "jti", jti, "iat", (json_int_t)now, "exp",
                                             (json_int_t)(now + LIFE_S)));
    NEED(f, claims);
    return token_sign(f, a, k, "JWT", no_kid, claims, jws_r);
}
