/* content.c: the second half of a JWE: with the content encryption key in hand, is the ciphertext whole and what does
 * it say? RFC 7518 §5.2 (AES-CBC with HMAC) and §5.3 (AES-GCM), on OpenSSL's EVP. Lengths of IV and tag are exact:
 * cjose took a shorter GCM tag (CVE-2023-37464). Called by decrypt.c; every failure says the same. */
#include "jose.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <string.h>

static const struct jose_enc encs[] = {
    {"A128GCM", 16, 12, 16, "AES-128-GCM", NULL}, /* cek, iv and tag in bytes */
    {"A192GCM", 24, 12, 16, "AES-192-GCM", NULL},
    {"A256GCM", 32, 12, 16, "AES-256-GCM", NULL},
    {"A128CBC-HS256", 32, 16, 16, "AES-128-CBC", "SHA256"},
    {"A192CBC-HS384", 48, 16, 24, "AES-192-CBC", "SHA384"},
    {"A256CBC-HS512", 64, 16, 32, "AES-256-CBC", "SHA512"},
};

const struct jose_enc *jose_enc_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT_OF(encs); i++)
        if (strcmp(encs[i].name, name) == 0)
            return &encs[i];
    return NULL;
}

static void free_ctx(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

static void free_cipher(EVP_CIPHER **cipher)
{
    EVP_CIPHER_free(*cipher);
}

/* The bare cipher. With GCM `tag` is set and checked by the last step; CBC takes off its padding. */
static bool run_cipher(const struct jose_enc *enc, const unsigned char *key, const struct compact *c,
                       unsigned char *plain, size_t *len_r)
{
    __attribute__((cleanup(free_ctx))) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    __attribute__((cleanup(free_cipher))) EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, enc->cipher, NULL);
    const struct bytes aad = c->text[0], in = c->raw[3], tag = c->raw[4];
    int n = 0, rest = 0;

    if (ctx == NULL || cipher == NULL || EVP_DecryptInit_ex2(ctx, cipher, key, c->raw[2].data, NULL) != 1)
        return false;
    if (enc->digest == NULL &&
        (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)tag.len, (void *)(uintptr_t)tag.data) != 1 ||
         EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1))
        return false;
    n = 0;
    if (in.len > 0 && EVP_DecryptUpdate(ctx, plain, &n, in.data, (int)in.len) != 1)
        return false;
    if (EVP_DecryptFinal_ex(ctx, plain + n, &rest) != 1)
        return false;
    *len_r = (size_t)n + (size_t)rest;
    return true;
}

/* RFC 7518 §5.2.2.1: the tag is the first half of HMAC(MAC_KEY, AAD || IV || ciphertext || AL), AL the bits of AAD in
 * 64 bits big-endian. It is checked before anything is decrypted, in constant time. */
static enum result cbc_tag_fits(struct fault *f, struct arena *a, const struct jose_enc *enc,
                                const unsigned char *mac_key, const struct compact *c, bool *fits_r)
{
    const struct bytes parts[] = {c->text[0], c->raw[2], c->raw[3]};
    size_t total = parts[0].len + parts[1].len + parts[2].len + 8, at = 0;
    unsigned char *input = arena_alloc(a, total), mac[EVP_MAX_MD_SIZE];
    uint64_t bits = (uint64_t)parts[0].len * 8;
    unsigned mac_len = 0;

    NEED(f, input);
    for (size_t i = 0; i < COUNT_OF(parts); at += parts[i++].len)
        memcpy(input + at, parts[i].data, parts[i].len);
    for (size_t i = 0; i < 8; i++)
        input[at + i] = (unsigned char)(bits >> (56 - 8 * i));
    const EVP_MD *md = EVP_get_digestbyname(enc->digest);
    if (md == NULL || HMAC(md, mac_key, (int)(enc->cek_len / 2), input, total, mac, &mac_len) == NULL)
        return FAULT(f, RESULT_INTERNAL, "HMAC cannot be computed");
    *fits_r = mac_len >= enc->tag_len && CRYPTO_memcmp(mac, c->raw[4].data, enc->tag_len) == 0;
    return RESULT_OK;
}

enum result content_decrypt(struct fault *f, struct arena *a, const struct compact *c, const struct jose_enc *enc,
                            const unsigned char *cek, struct bytes *plain_r)
{
    const unsigned char *key = enc->digest != NULL ? cek + enc->cek_len / 2 : cek;
    unsigned char *plain = arena_alloc(a, c->raw[3].len + EVP_MAX_BLOCK_LENGTH);
    bool fits = true;
    size_t len = 0;

    NEED(f, plain);
    if (GUARD(gcm_tag, c->raw[2].len != enc->iv_len || c->raw[4].len != enc->tag_len))
        return FAULT(f, RESULT_DENIED, "IV or authentication tag do not have the size of %s", enc->name);
    if (enc->digest != NULL)
        TRY(cbc_tag_fits(f, a, enc, cek, c, &fits));
    if (!fits || !run_cipher(enc, key, c, plain, &len)) {
        wipe(plain, c->raw[3].len); /* GCM writes before it has checked */
        ERR_clear_error();
        return FAULT(f, RESULT_DENIED, "does not decrypt with this key");
    }
    *plain_r = (struct bytes){plain, len};
    return RESULT_OK;
}
