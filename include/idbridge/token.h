/* token: signatures and keys. The only folder that sees cjose or liboauth2's JOSE; in front of cjose stands one strict
 * gate, because cjose alone accepts what must be refused (unknown crit, short keys, foreign alg). Nothing that came
 * from outside is believed until token_verify said so, and then only the signature: claims are checked by the caller
 * with token_claims_check or its own rules. */
#ifndef IDBRIDGE_TOKEN_H
#define IDBRIDGE_TOKEN_H

#include <idbridge/store.h>

extern const struct config_key token_config_keys[]; /* [keys] */

/* Once, before threads: what cjose frees is wiped. */
void token_global_init(void);

/* ---- public keys of others ------------------------------------------------------------------------- */

/* A parsed JWKS, immutable; share it through a snapshot. Keys of unknown kty or unusable ones are left out (a numeric
 * "exp" or other unknown members are no reason). Several keys may carry one kid (eSignet's do). */
struct token_keys;
CHECKED enum result token_keys_parse(struct fault *f, const char *json, size_t n, struct token_keys **out_r);
CHECKED enum result token_keys_parse_one(struct fault *f, const char *jwk_json, size_t n, struct token_keys **out_r);
void token_keys_free(struct token_keys *k);
size_t token_keys_count(const struct token_keys *k);

/* ---- verifying --------------------------------------------------------------------------------------- */

struct token_policy {
    const char *const *algs; /* NULL-ended allow-list of this issuer, e.g. {"PS256","RS256",NULL}; never empty */
    const char *const *typs; /* NULL-ended allowed `typ` values (case-insensitive, "application/" dropped), NULL: any;
                                an absent typ is allowed unless require_typ */
    bool require_typ;
    size_t max_bytes;        /* of the compact form; 0: 16 KiB */
};
struct token_parts {
    const char *alg, *kid, *typ; /* kid and typ may be NULL */
    json_t *header, *claims;     /* claims NULL when the payload is no JSON object without duplicate members */
    struct bytes payload;
};
enum token_fault { TOKEN_OK, TOKEN_MALFORMED, TOKEN_ALG, TOKEN_HEADER, TOKEN_NO_KEY, TOKEN_SIGNATURE };
/* Compact JWS only. RESULT_DENIED with *why_r telling which wall it hit: TOKEN_NO_KEY (kid unknown) and
 * TOKEN_SIGNATURE (kid known, signature bad) are the two where refetching the JWKS may help. With a kid only keys of
 * that kid are tried; without one, all that fit the alg (at most 8). */
CHECKED enum result token_verify(struct fault *f, struct arena *a, const char *jws, size_t n,
                                 const struct token_keys *keys, const struct token_policy *p,
                                 struct token_parts *out_r, enum token_fault *why_r);
/* Reads header and claims WITHOUT checking anything: to choose an issuer, or for `token inspect`. */
CHECKED enum result token_peek(struct fault *f, struct arena *a, const char *jws, size_t n, struct token_parts *out_r);

/* What must hold for a set of claims, RFC 7519 §4.1 and OpenID Connect Core §3.1.3.7. NULL: not looked at. */
struct token_expect {
    const char *iss, *aud, *nonce, *sub;
    bool require_exp, require_iat;
    int64_t now, leeway_s, max_age_s; /* max_age_s: iat not older than that; 0: any */
    bool azp_rule;                    /* several audiences need azp = aud; azp present must equal aud */
};
CHECKED enum result token_claims_check(struct fault *f, const json_t *claims, const struct token_expect *e);

/* Compact JWE to one of our private keys: RSA-OAEP-256 (OpenSSL EVP) or what cjose does well; `enc` A128CBC-HS256,
 * A256CBC-HS512, A128GCM, A256GCM. No zip, no PBES2, no RSA1_5. The kid in the header is not used to choose. */
struct token_private; /* one private key of ours, parsed once */
CHECKED enum result token_decrypt(struct fault *f, struct arena *a, const char *jwe, size_t n,
                                  const struct token_private *const *keys, size_t key_count, const char *const *algs,
                                  const char *const *encs, struct bytes *plain_r, const char **cty_r);
bool token_looks_encrypted(const char *compact, size_t n); /* five parts */

/* ---- our own keys ------------------------------------------------------------------------------------ */

/* Makes a key pair: alg RS256, PS256, RSA-OAEP-256 (RSA 2048) or ES256 (P-256). kid is the RFC 7638 thumbprint. JSON
 * texts in the arena; the private one is a secret and wiped when that goes. `use` is the JWK's: sig, enc, or NULL. */
CHECKED enum result token_generate(struct fault *f, struct arena *a, const char *alg, const char *use,
                                   const char **kid_r, const char **private_jwk_r, const char **public_jwk_r);
/* A private key serves one alg: the one asked for, or (NULL) the one its JWK names; it signs or it decrypts, never
 * both. Its kid is the JWK's, or else the thumbprint. */
CHECKED enum result token_private_parse(struct fault *f, const char *jwk_json, const char *alg,
                                       struct token_private **out_r);
void token_private_free(struct token_private *k);
const char *token_private_kid(const struct token_private *k);
const char *token_private_alg(const struct token_private *k);
/* The public JWK (with kid, alg, use) of a private one of any alg we do; alg NULL: as the key says. */
CHECKED enum result token_public_jwk(struct fault *f, struct arena *a, const char *private_jwk, const char *alg,
                                     const char **kid_r, const char **public_jwk_r);
/* RFC 7638. */
CHECKED enum result token_thumbprint(struct fault *f, struct arena *a, const char *jwk_json, const char **out_r);

/* The header holds alg, kid (unless no_kid) and typ (when not NULL). */
CHECKED enum result token_sign(struct fault *f, struct arena *a, const struct token_private *k, const char *typ,
                               bool no_kid, const json_t *claims, const char **jws_r);

/* The keys we sign with, loaded from the store; an immutable snapshot.
 * next (in the JWKS, not signing) -> active -> retiring (in the JWKS, not signing) -> retired (gone). A new key signs
 * only after `[keys] publish` (600 s) in every JWKS; a retiring one stays listed until everything it signed expired. */
struct token_ring;
CHECKED enum result token_ring_load(struct fault *f, struct store_view *v, int64_t now, struct token_ring **out_r);
void token_ring_free(struct token_ring *r);
/* RS256 or ES256; borrowed; NULL: none. */
const struct token_private *token_ring_signer(const struct token_ring *r, const char *alg);
/* JSON text: kty, n, e or crv, x, y; kid, alg, use; x5c and x5t#S256 when stored. */
const char *token_ring_jwks(const struct token_ring *r);
const struct token_keys *token_ring_public(const struct token_ring *r);       /* to verify our own */
int64_t token_ring_next_change(const struct token_ring *r);                   /* when to load anew; INT64_MAX: never */
/* One step of the life of keys: makes the first ones, starts a `next` when the active one grows old, promotes, retires.
 * Run in a transaction at start, hourly and by `key rotate`; `emergency` promotes at once. *changed_r: load anew. */
CHECKED enum result token_ring_tend(struct fault *f, struct store_view *v, int64_t now, int64_t publish_s,
                                    int64_t rotate_s, int64_t retire_s, bool rotate_now, bool emergency, bool *changed_r);

/* An administrator's hand, in a transaction. Import: a private JWK made elsewhere (RS256 or ES256) becomes the `next`
 * of its alg. Retire: out of the JWKS now; RESULT_CONFLICT for a key that signs, RESULT_NOT_FOUND for an unknown kid. */
CHECKED enum result token_ring_import(struct fault *f, struct store_view *v, struct arena *a, const char *private_jwk,
                                      const char *alg, int64_t now, int64_t publish_s, const char **kid_r);
CHECKED enum result token_ring_retire(struct fault *f, struct store_view *v, struct arena *a, const char *kid,
                                      int64_t now);

/* ---- client assertions (RFC 7523), both directions ---------------------------------------------------- */

/* iss = sub = client_id, aud, 128-bit jti, exp +60 s. eSignet wants a jti never used before and no special typ. */
CHECKED enum result token_assertion(struct fault *f, struct arena *a, const struct token_private *k, bool no_kid,
                                    const char *client_id, const char *audience, int64_t now, const char **jws_r);

/* A value sealed for one browser: compact JWE "dir"/A256GCM through liboauth2, bound to `purpose`, with an expiry
 * inside. Used for the upstream state and everything a form carries between two pages. */
CHECKED enum result token_seal_state(struct fault *f, struct arena *a, const struct master *m, const char *purpose,
                                     const json_t *state, int64_t expires, const char **out_r);
CHECKED enum result token_open_state(struct fault *f, struct arena *a, const struct master *m, const char *purpose,
                                     const char *text, int64_t now, json_t **out_r); /* RESULT_TIMEOUT: expired */

#endif
