/* unwrap.c: the first half of a JWE: which content encryption key did the sender wrap for our key? RFC 7518 §4, on
 * OpenSSL's EVP; cjose lacks RSA-OAEP-256, which eSignet uses, and its AES key unwrap wrote past its buffer
 * (CVE-2026-53938). Called by decrypt.c.
 *
 * No oracle (Bleichenbacher, Manger): RFC 7516 §11.5: "the recipient MUST NOT distinguish between format, padding, and
 * length errors of encrypted keys. [...] substitute a randomly generated CEK and proceed to the next step". So every
 * row of the table only says "fits" or "does not", and what does not fit is replaced by random bytes. */
#include "jose.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <string.h>

struct unwrap {
    const struct token_private *key;
    const struct compact *c;
    const struct jose_enc *enc;
    struct arena *arena; /* for this unwrapping only */
};

static void free_pkey_ctx(EVP_PKEY_CTX **ctx)
{
    EVP_PKEY_CTX_free(*ctx);
}

/* ---- RSA-OAEP (§4.3) ---------------------------------------------------------------------------------- */

bool unwrap_rsa_oaep(EVP_PKEY *pkey, const char *digest, struct bytes wrapped, unsigned char *out, size_t *len_r)
{
    __attribute__((cleanup(free_pkey_ctx))) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

    /* RFC 8017 §7.1.2: a ciphertext that has not the size of the modulus is not even tried. */
    if (ctx == NULL || wrapped.len != (size_t)EVP_PKEY_get_size(pkey) || EVP_PKEY_decrypt_init(ctx) != 1)
        return false;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, digest, NULL) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, digest, NULL) != 1)
        return false;
    *len_r = (size_t)EVP_PKEY_get_size(pkey);
    return EVP_PKEY_decrypt(ctx, out, len_r, wrapped.data, wrapped.len) == 1;
}

static bool rsa_oaep(const struct unwrap *u, const char *digest, size_t unused, unsigned char *cek)
{
    (void)unused;
    size_t room = (size_t)EVP_PKEY_get_size(u->key->pkey), len = room;
    unsigned char *out = arena_alloc(u->arena, room);
    bool fits = out != NULL && unwrap_rsa_oaep(u->key->pkey, digest, u->c->raw[1], out, &len) && len == u->enc->cek_len;

    if (fits)
        memcpy(cek, out, len);
    if (out != NULL)
        wipe(out, room);
    return fits;
}

/* ---- AES key wrap (§4.4, RFC 3394) -------------------------------------------------------------------- */

static bool aes_unwrap(struct bytes kek, size_t kek_len, struct bytes wrapped, size_t cek_len, unsigned char *cek)
{
    const char *name = kek_len == 16 ? "AES-128-WRAP" : kek_len == 24 ? "AES-192-WRAP" : "AES-256-WRAP";
    EVP_CIPHER *cipher = NULL;
    EVP_CIPHER_CTX *ctx = NULL;
    unsigned char out[CEK_MAX + 8];
    int n = 0;

    /* The wrapped key is exactly eight bytes longer: anything else never reaches the cipher. */
    if (kek.len != kek_len || cek_len > CEK_MAX || wrapped.len != cek_len + 8)
        return false;
    cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL)
        EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool fits = cipher != NULL && ctx != NULL && EVP_DecryptInit_ex2(ctx, cipher, kek.data, NULL, NULL) == 1 &&
                EVP_DecryptUpdate(ctx, out, &n, wrapped.data, (int)wrapped.len) == 1 && (size_t)n == cek_len;
    if (fits)
        memcpy(cek, out, cek_len);
    wipe(out, sizeof out);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return fits;
}

static bool aes_kw(const struct unwrap *u, const char *unused, size_t kek_len, unsigned char *cek)
{
    (void)unused;
    return aes_unwrap(u->key->secret, kek_len, u->c->raw[1], u->enc->cek_len, cek);
}

/* ---- direct (§4.5): the key is the CEK and nothing is wrapped ------------------------------------------- */

static bool direct(const struct unwrap *u, const char *unused, size_t unused_too, unsigned char *cek)
{
    (void)unused;
    (void)unused_too;
    if (u->c->raw[1].len != 0 || u->key->secret.len != u->enc->cek_len)
        return false;
    memcpy(cek, u->key->secret.data, u->enc->cek_len);
    return true;
}

/* ---- ECDH-ES (§4.6) ----------------------------------------------------------------------------------- */

/* The sender's ephemeral key, or NULL when it is none: EVP refuses a point off the curve (CVE-2017-16007). */
static EVP_PKEY *ephemeral_key(const struct unwrap *u)
{
    struct fault f = {0};
    struct jwk epk;
    EVP_PKEY *pkey = NULL;

    if (jwk_read(&f, u->arena, json_object_get(u->c->header, "epk"), false, &epk) != RESULT_OK || epk.kty != KTY_EC)
        return NULL;
    return jwk_evp(&f, &epk, &pkey) == RESULT_OK ? pkey : NULL;
}

static bool agree(const struct unwrap *u, unsigned char *z, size_t *len)
{
    CLEANUP(pkey) EVP_PKEY *peer = ephemeral_key(u);
    __attribute__((cleanup(free_pkey_ctx))) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, u->key->pkey, NULL);

    /* Setting the peer checks that both keys lie on one curve, and with 1 as last argument the point again. */
    return peer != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
           EVP_PKEY_derive_set_peer_ex(ctx, peer, 1) == 1 && EVP_PKEY_derive(ctx, z, len) == 1;
}

static void add_sized(struct buf *b, struct bytes v)
{
    unsigned char size[4] = {(unsigned char)(v.len >> 24), (unsigned char)(v.len >> 16), (unsigned char)(v.len >> 8),
                             (unsigned char)v.len};
    buf_add(b, size, sizeof size);
    buf_add(b, v.data, v.len);
}

/* apu and apv: base64url texts, or absent. */
static bool add_party(struct buf *b, const struct unwrap *u, const char *name)
{
    const char *text = json_text(u->c->header, name);
    struct fault f = {0};
    struct bytes raw = {(const unsigned char *)"", 0};

    if (text == NULL && json_object_get(u->c->header, name) != NULL)
        return false;
    if (text != NULL && base64url_decode(&f, u->arena, text, strlen(text), &raw) != RESULT_OK)
        return false;
    add_sized(b, raw);
    return true;
}

/* §4.6.2: Concat KDF with SHA-256: AlgorithmID | PartyUInfo | PartyVInfo | SuppPubInfo (bits wanted). */
static bool concat_kdf(const struct unwrap *u, const char *algorithm, struct bytes z, unsigned char *out, size_t len)
{
    CLEANUP(buf) struct buf info;
    const uint32_t bits = (uint32_t)len * 8;
    const unsigned char supp[4] = {0, 0, (unsigned char)(bits >> 8), (unsigned char)bits};

    buf_init(&info, JOSE_HEADER_MAX);
    add_sized(&info, bytes_of(algorithm));
    if (!add_party(&info, u, "apu") || !add_party(&info, u, "apv"))
        return false;
    buf_add(&info, supp, sizeof supp);
    if (info.failed)
        return false;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)z.data, z.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data, info.len),
        OSSL_PARAM_construct_end(),
    };
    bool ok = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

/* kek_len 0: the derived key is the CEK itself. */
static bool ecdh_es(const struct unwrap *u, const char *unused, size_t kek_len, unsigned char *cek)
{
    unsigned char z[66], kek[CEK_MAX];
    size_t z_len = sizeof z, want = kek_len != 0 ? kek_len : u->enc->cek_len;
    const char *algorithm = kek_len != 0 ? u->c->alg : u->enc->name;
    bool fits = agree(u, z, &z_len) && concat_kdf(u, algorithm, (struct bytes){z, z_len}, kek, want);

    (void)unused;
    if (fits && kek_len != 0)
        fits = aes_unwrap((struct bytes){kek, want}, kek_len, u->c->raw[1], u->enc->cek_len, cek);
    else if (fits && (fits = u->c->raw[1].len == 0))
        memcpy(cek, kek, want);
    wipe(z, sizeof z);
    wipe(kek, sizeof kek);
    return fits;
}

/* ---- the table ---------------------------------------------------------------------------------------- */

static const struct {
    const char *alg;
    bool (*run)(const struct unwrap *u, const char *digest, size_t kek_len, unsigned char *cek);
    const char *digest;
    size_t kek_len;
} ways[] = {
    {"RSA-OAEP", rsa_oaep, "SHA1", 0},     {"RSA-OAEP-256", rsa_oaep, "SHA256", 0},
    {"A128KW", aes_kw, NULL, 16},          {"A192KW", aes_kw, NULL, 24},
    {"A256KW", aes_kw, NULL, 32},          {"dir", direct, NULL, 0},
    {"ECDH-ES", ecdh_es, NULL, 0},         {"ECDH-ES+A128KW", ecdh_es, NULL, 16},
    {"ECDH-ES+A192KW", ecdh_es, NULL, 24}, {"ECDH-ES+A256KW", ecdh_es, NULL, 32},
};

enum result unwrap_cek(struct fault *f, const struct token_private *k, const struct compact *c,
                       const struct jose_enc *enc, unsigned char cek[CEK_MAX])
{
    CLEANUP(arena) struct arena *a = arena_new(256 * 1024);
    const struct unwrap u = {k, c, enc, a};
    unsigned char found[CEK_MAX] = {0};
    bool fits = false;

    NEED(f, a);
    TRY(random_bytes(f, cek, CEK_MAX));
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        if (strcmp(ways[i].alg, c->alg) == 0)
            fits = ways[i].run(&u, ways[i].digest, ways[i].kek_len, found);
    /* Chosen without a branch, so that time does not tell either. */
    unsigned char mask = (unsigned char)-(int)fits;
    for (size_t i = 0; i < CEK_MAX; i++)
        cek[i] = (unsigned char)((cek[i] & (unsigned char)~mask) | (found[i] & mask));
    wipe(found, sizeof found);
    ERR_clear_error();
    return RESULT_OK;
}
