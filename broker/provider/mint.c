/* Tokens out of a grant. Profile dhis2: exactly what DHIS2 accepts (RS256, typ JWT, `email` = the user's openId, aud = its
 * client_id, five minutes at most). Profiles rfc9068 and route: at+jwt with audience and scope (RFC 9068). */
#include "private.h"

#include <openssl/evp.h>
#include <string.h>

static json_t *common(const struct exchange *x, const struct client *c, int64_t now, int64_t life)
{
    return json_pack("{s:s, s:s, s:I, s:I}", "iss", x->bridge->issuer, "aud",
                     c->audience != NULL ? c->audience : c->client_id, "iat", (json_int_t)now, "exp", (json_int_t)(now + life));
}

static enum result set(struct fault *f, json_t *j, const char *key, const char *value)
{
    if (value != NULL && json_object_set_new(j, key, json_string(value)) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

static enum result copy(struct fault *f, json_t *j, const char *key, const json_t *from, const char *from_key)
{
    json_t *value = json_object_get(from, from_key);
    if (value != NULL && json_object_set(j, key, value) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

/* What the scopes allow to be told, OpenID Connect Core §5.4. For dhis2 `email` is the openId value and nothing else is. */
static enum result tell(struct fault *f, json_t *j, const struct client *c, const struct grant *g, const json_t *data)
{
    if (text_equal(c->profile, "dhis2"))
        return set(f, j, "email", g->person_id);
    const char *scope = g->scope == NULL ? "" : g->scope;
    TRY(copy(f, j, "amr", data, "amr")); /* RFC 9068 §2.2.1: a resource may want to know how */
    if (text_has_word(scope, "email"))
        TRY(copy(f, j, "email", data, "mail"));
    if (!text_has_word(scope, "profile"))
        return RESULT_OK;
    TRY(copy(f, j, "name", data, "name"));
    TRY(copy(f, j, "given_name", data, "given_name"));
    TRY(copy(f, j, "family_name", data, "family_name"));
    return copy(f, j, "preferred_username", data, "username");
}

static enum result access_token(struct exchange *x, const struct client *c, const struct grant *g, const json_t *data,
                                int64_t now, int64_t life, const struct token_ring *ring, const char **out_r)
{
    struct fault *f = &x->fault;
    bool dhis2 = text_equal(c->profile, "dhis2");
    const char *alg = dhis2 ? "RS256" : config_text(x->bridge->config, "tokens", NULL, "rfc9068_alg");
    const struct token_private *key = token_ring_signer(ring, alg);
    if (key == NULL)
        return FAULT(f, RESULT_INTERNAL, "no %s key signs", alg);
    CLEANUP(json) json_t *j = common(x, c, now, life);
    const char *jti = random_id(x->arena, 16);
    NEED(f, j);
    NEED(f, jti);
    TRY(set(f, j, "sub", g->person_id != NULL ? g->person_id : c->client_id)); /* RFC 9068 §2.2 */
    TRY(set(f, j, "client_id", c->client_id));
    TRY(set(f, j, "jti", jti));
    TRY(set(f, j, "scope", g->scope));
    TRY(set(f, j, "fid", g->family)); /* so that revoking a family ends its access tokens at our own endpoints */
    if (json_object_set_new(j, "nbf", json_integer(now)) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    if (g->person_id != NULL)
        TRY(tell(f, j, c, g, data));
    return token_sign(f, x->arena, key, dhis2 ? "JWT" : "at+jwt", false, j, out_r);
}

/* at_hash: left half of SHA-256 of the access token (OpenID Connect Core §3.1.3.6). */
static char *at_hash(struct arena *a, const char *token)
{
    unsigned char digest[32];
    sha256(token, strlen(token), digest);
    return base64url_encode(a, digest, sizeof(digest) / 2);
}

static enum result id_token(struct exchange *x, const struct client *c, const struct grant *g, const json_t *data,
                            int64_t now, int64_t life, const struct token_ring *ring, struct minted *m)
{
    struct fault *f = &x->fault;
    const struct token_private *key = token_ring_signer(ring, "RS256"); /* DHIS2 takes nothing else */
    if (key == NULL)
        return FAULT(f, RESULT_INTERNAL, "no RS256 key signs");
    CLEANUP(json) json_t *j = json_pack("{s:s, s:s, s:s, s:I, s:I}", "iss", x->bridge->issuer, "sub", g->person_id, "aud",
                                        c->client_id, "iat", (json_int_t)now, "exp", (json_int_t)(now + life));
    NEED(f, j);
    TRY(set(f, j, "nonce", g->nonce));
    TRY(set(f, j, "sid", g->family));
    TRY(set(f, j, "at_hash", at_hash(x->arena, m->access_token)));
    TRY(copy(f, j, "acr", data, "acr"));
    TRY(copy(f, j, "amr", data, "amr"));
    TRY(copy(f, j, "auth_time", data, "auth_time"));
    TRY(copy(f, j, "idp", data, "upstream")); /* as id_token_hint it says where else to sign out */
    TRY(tell(f, j, c, g, data));
    return token_sign(f, x->arena, key, "JWT", false, j, &m->id_token);
}

enum result mint(struct exchange *x, const struct client *c, const struct grant *g, bool with_id_token, struct minted *m)
{
    struct fault *f = &x->fault;
    const struct token_ring *ring = snapshot_slot_value(x->bridge->ring, x->arena);
    if (ring == NULL)
        return FAULT(f, RESULT_INTERNAL, "no signing keys");
    json_t *data = NULL;
    if (g->data != NULL)
        TRY(json_parse(f, x->arena, g->data, strlen(g->data), 64u << 10, &data));
    int64_t now = clock_now(), life = config_number(x->bridge->config, "tokens", NULL, "access");
    *m = (struct minted){.expires_in = life};
    TRY(access_token(x, c, g, data, now, life, ring, &m->access_token));
    metric_add("idbridge_tokens_total", g->person_id == NULL ? "grant=\"client_credentials\"" : "grant=\"person\"", 1);
    return with_id_token ? id_token(x, c, g, data, now, life, ring, m) : RESULT_OK;
}
