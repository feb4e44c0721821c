/* jose.h: what the files of token/ share and nobody else sees: the algorithm table, a JWK as read, a compact token cut
 * into its parts. Names follow RFC 7515 (JWS), 7516 (JWE), 7517 (JWK), 7518 (JWA). */
#ifndef TOKEN_JOSE_H
#define TOKEN_JOSE_H

#include <cjose/cjose.h>
#include <idbridge/token.h>
#include <openssl/evp.h>

/* ---- algorithms (algs.c) ------------------------------------------------------------------------------ */

enum jose_kty { KTY_RSA, KTY_EC, KTY_OCT };
enum { JWK_VERIFY = 1, JWK_SIGN = 2, JWK_DECRYPT = 4 }; /* what `use` and `key_ops` allow, as bits */

struct jose_alg {
    const char *name;
    enum jose_kty kty;
    unsigned purpose; /* JWK_SIGN | JWK_VERIFY, or JWK_DECRYPT */
    const char *crv;  /* ECDSA: the one curve of this algorithm */
    size_t hash_len;  /* signatures: bytes of the hash; an HMAC key has at least as many */
    size_t sig_len;   /* exact bytes of the signature; 0: as many as the RSA modulus */
};
const struct jose_alg *jose_alg_find(const char *name);
/* May a key whose JWK says `key_alg` (NULL: nothing) be used by a token whose header says `alg`? */
bool jose_alg_allowed(const char *key_alg, const char *alg);
bool jose_name_in(const char *const *list, const char *name);
/* How many bytes a coordinate has on this curve; 0: a curve we do not do. */
size_t jose_curve_bytes(const char *crv);

/* ---- one JWK (jwk.c) ---------------------------------------------------------------------------------- */

enum { JWK_MAX_BYTES = 32 * 1024 };
CHECKED enum result jwk_parse(struct fault *f, struct arena *a, const char *text, json_t **out_r); /* text to JSON */

struct jwk {
    enum jose_kty kty;
    const char *kid, *alg, *crv;                     /* NULL when absent */
    unsigned allows;                                 /* JWK_ bits */
    size_t bits;                                     /* RSA modulus */
    struct bytes n, e, x, y, k, d, p, q, dp, dq, qi; /* decoded; empty when absent */
};
/* Reads and judges one JWK; RESULT_INVALID with the reason when it must not be used. Private members are read only
 * when `with_private` is set, and then must be there. */
CHECKED enum result jwk_read(struct fault *f, struct arena *a, const json_t *j, bool with_private, struct jwk *out_r);
/* The key as cjose's; released when the arena goes. */
CHECKED enum result jwk_cjose(struct fault *f, struct arena *a, const json_t *j, const struct jwk *k, bool with_private,
                              cjose_jwk_t **out_r);
/* The key as EVP's, private when `d` was read; yours to free. */
CHECKED enum result jwk_evp(struct fault *f, const struct jwk *k, EVP_PKEY **out_r);
void cleanup_pkey(EVP_PKEY **k);
CHECKED enum result jwk_thumbprint(struct fault *f, struct arena *a, const json_t *j, const char **out_r);
void jwk_wipe_text(void *text); /* for arena_defer: a private JWK as text */
bool rsa_is_roca(const struct bytes *modulus); /* roca.c: CVE-2017-15361 */

/* ---- compact tokens (gate.c) -------------------------------------------------------------------------- */

enum { COMPACT_MAX = 5, TOKEN_MAX_BYTES = 16 * 1024, JOSE_HEADER_MAX = 8 * 1024 };

struct compact {
    size_t count;                   /* 3: JWS, 5: JWE */
    struct bytes text[COMPACT_MAX]; /* the parts as they came */
    struct bytes raw[COMPACT_MAX];  /* decoded */
    json_t *header;
    const char *alg, *kid, *typ; /* kid and typ may be NULL */
};
CHECKED enum result compact_read(struct fault *f, struct arena *a, const char *s, size_t n, size_t max,
                                 struct compact *out_r);
/* The rules every header must keep, whatever the key: RFC 8725. */
CHECKED enum result compact_header_check(struct fault *f, const struct compact *c);

/* ---- keys as they are kept ---------------------------------------------------------------------------- */

struct token_key {
    cjose_jwk_t *cjose; /* borrowed by every verification: its own count is never touched */
    const char *kid, *alg;
    enum jose_kty kty;
    const char *crv;
    size_t bytes; /* RSA modulus or HMAC secret */
    unsigned allows;
};
struct token_keys {
    struct arena *arena;
    size_t count;
    struct token_key *key;
};

struct token_private {
    struct arena *arena;
    const struct jose_alg *alg;
    const char *kid;
    cjose_jwk_t *cjose;  /* to sign with */
    EVP_PKEY *pkey;      /* to decrypt with: RSA and EC */
    struct bytes secret; /* to decrypt with: oct */
};

/* ---- decryption (unwrap.c, content.c) ----------------------------------------------------------------- */

struct jose_enc {
    const char *name;
    size_t cek_len, iv_len, tag_len;
    const char *cipher; /* OpenSSL's name */
    const char *digest; /* of the HMAC, or NULL: GCM */
};
const struct jose_enc *jose_enc_find(const char *name);
enum { CEK_MAX = 64 };

/* Fills `cek` with the content encryption key, or with random bytes when the wrapped key does not fit: the caller goes
 * on with those and fails where every wrong token fails. */
CHECKED enum result unwrap_cek(struct fault *f, const struct token_private *k, const struct compact *c,
                               const struct jose_enc *enc, unsigned char cek[CEK_MAX]);
/* RSA-OAEP with this hash for both digest and MGF1, empty label. False: it does not fit. */
bool unwrap_rsa_oaep(EVP_PKEY *pkey, const char *digest, struct bytes wrapped, unsigned char *out, size_t *len_r);
CHECKED enum result content_decrypt(struct fault *f, struct arena *a, const struct compact *c,
                                    const struct jose_enc *enc, const unsigned char *cek, struct bytes *plain_r);

#endif
