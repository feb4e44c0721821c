/* Sealing under the master key: AES-256-GCM (NIST SP 800-38D) and keyed hashes, under keys derived by HKDF (RFC 5869).
 * Called by store for secrets at rest and by upstream and web for state kept in the browser; the key file itself is
 * in master.c. Layout of what is sealed: 12 bytes nonce | ciphertext | 16 bytes tag. */
#include "master.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#define NONCE 12
#define TAG 16

static void cleanup_cipher(EVP_CIPHER_CTX **c)
{
    EVP_CIPHER_CTX_free(*c);
}

static void cleanup_kdf(EVP_KDF **k)
{
    EVP_KDF_free(*k);
}

static void cleanup_kdf_ctx(EVP_KDF_CTX **c)
{
    EVP_KDF_CTX_free(*c);
}

/* ---- derived keys --------------------------------------------------------------------------------- */

static bool hkdf(const struct master *m, const char *info, unsigned char out[MASTER_KEY])
{
    CLEANUP(kdf) EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    CLEANUP(kdf_ctx) EVP_KDF_CTX *c = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    char digest[] = "SHA256";
    unsigned char key[MASTER_KEY];
    memcpy(key, m->key, sizeof key);
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_KEY, key, sizeof key),
        OSSL_PARAM_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
        OSSL_PARAM_END,
    };
    bool ok = c != NULL && EVP_KDF_derive(c, out, MASTER_KEY, params) == 1;
    wipe(key, sizeof key);
    return ok;
}

static bool find_derived(const struct derived_keys *d, const char *use, const char *purpose, unsigned char out[MASTER_KEY])
{
    size_t n = strlen(use);
    for (size_t i = 0; i < d->count; i++) {
        const char *info = d->keys[i].info;
        if (strncmp(info, use, n) == 0 && info[n] == ':' && strcmp(info + n + 1, purpose) == 0) {
            memcpy(out, d->keys[i].key, MASTER_KEY);
            return true;
        }
    }
    return false;
}

static void keep_derived(struct derived_keys *d, const char *info, const unsigned char key[MASTER_KEY])
{
    size_t n = strlen(info) + 1;
    bool known = false; /* another thread was faster */
    for (size_t i = 0; i < d->count && !known; i++)
        known = strcmp(d->keys[i].info, info) == 0;
    if (known || d->count == COUNT_OF(d->keys) || n > sizeof d->keys[0].info)
        return;
    memcpy(d->keys[d->count].info, info, n);
    memcpy(d->keys[d->count].key, key, MASTER_KEY);
    d->count++;
}

/* `use` keeps a key of AES and a key of HMAC apart even when the purpose has the same name. HKDF costs several
 * microseconds, so the few purposes there are stay in a table. */
static bool derive(const struct master *m, const char *use, const char *purpose, unsigned char out[MASTER_KEY])
{
    char info[128];
    struct derived_keys *d = m->derived;
    pthread_mutex_lock(&d->lock);
    bool found = find_derived(d, use, purpose, out);
    pthread_mutex_unlock(&d->lock);
    if (found)
        return true;
    int n = snprintf(info, sizeof info, "%s:%s", use, purpose);
    if (n < 0 || (size_t)n >= sizeof info || !hkdf(m, info, out))
        return false;
    pthread_mutex_lock(&d->lock);
    keep_derived(d, info, out);
    pthread_mutex_unlock(&d->lock);
    return true;
}

/* ---- AES-256-GCM ---------------------------------------------------------------------------------- */

/* Looked up once: EVP_aes_256_gcm() makes OpenSSL 3 look through its providers at every use (crypto(7), "Performance"). */
static EVP_CIPHER *gcm;
static pthread_once_t gcm_once = PTHREAD_ONCE_INIT;

static void gcm_end(void)
{
    EVP_CIPHER_free(gcm);
}

static void gcm_fetch(void)
{
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (gcm != NULL)
        (void)OPENSSL_atexit(gcm_end);
}

static const EVP_CIPHER *aes_256_gcm(void)
{
    pthread_once(&gcm_once, gcm_fetch);
    return gcm; /* NULL: no memory then; nothing is sealed or opened */
}

static bool add_aad(EVP_CIPHER_CTX *c, const char *aad)
{
    int n = 0;
    size_t len = aad == NULL ? 0 : strlen(aad);
    return len == 0 || (len <= INT_MAX && EVP_CipherUpdate(c, NULL, &n, (const unsigned char *)aad, (int)len) == 1);
}

static bool encrypt(const unsigned char key[MASTER_KEY], const char *aad, struct bytes plain, unsigned char *out)
{
    int n = 0;
    const EVP_CIPHER *cipher = aes_256_gcm();
    CLEANUP(cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    return c != NULL && cipher != NULL && EVP_EncryptInit_ex(c, cipher, NULL, key, out) == 1 && add_aad(c, aad) &&
           (plain.len == 0 || EVP_EncryptUpdate(c, out + NONCE, &n, plain.data, (int)plain.len) == 1) &&
           EVP_EncryptFinal_ex(c, out + NONCE + plain.len, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, out + NONCE + plain.len) == 1;
}

/* RESULT_INVALID only where the tag does not match; anything before that is ours. */
static enum result decrypt(struct fault *f, const unsigned char key[MASTER_KEY], const char *aad, struct bytes sealed,
                           unsigned char *out)
{
    int n = 0;
    size_t len = sealed.len - NONCE - TAG;
    unsigned char tag[TAG];
    const EVP_CIPHER *cipher = aes_256_gcm();
    memcpy(tag, sealed.data + NONCE + len, TAG);
    CLEANUP(cipher) EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c == NULL || cipher == NULL || EVP_DecryptInit_ex(c, cipher, NULL, key, sealed.data) != 1 || !add_aad(c, aad) ||
        (len > 0 && EVP_DecryptUpdate(c, out, &n, sealed.data + NONCE, (int)len) != 1) ||
        EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, tag) != 1)
        return FAULT(f, RESULT_INTERNAL, "decryption could not run");
    if (EVP_DecryptFinal_ex(c, out + len, &n) != 1) {
        wipe(out, len);
        return FAULT(f, RESULT_INVALID, "sealed value was changed, or is for another purpose or key");
    }
    return RESULT_OK;
}

enum result seal(struct fault *f, struct arena *a, const struct master *m, const char *purpose, const char *aad,
                 struct bytes plain, struct bytes *sealed_r)
{
    *sealed_r = (struct bytes){NULL, 0};
    if (plain.len > INT_MAX - NONCE - TAG)
        return FAULT(f, RESULT_INVALID, "%zu bytes are too many to seal", plain.len);
    unsigned char key[MASTER_KEY], *out = arena_alloc(a, NONCE + plain.len + TAG);
    NEED(f, out);
    TRY(random_bytes(f, out, NONCE));
    bool ok = derive(m, "seal", purpose, key) && encrypt(key, aad, plain, out);
    wipe(key, sizeof key);
    if (!ok)
        return FAULT(f, RESULT_INTERNAL, "encryption could not run");
    *sealed_r = (struct bytes){out, NONCE + plain.len + TAG};
    return RESULT_OK;
}

enum result unseal(struct fault *f, struct arena *a, const struct master *m, const char *purpose, const char *aad,
                   struct bytes sealed, struct bytes *plain_r)
{
    *plain_r = (struct bytes){NULL, 0};
    if (sealed.len < NONCE + TAG || sealed.len > INT_MAX)
        return FAULT(f, RESULT_INVALID, "%zu bytes cannot be a sealed value", sealed.len);
    size_t len = sealed.len - NONCE - TAG;
    unsigned char key[MASTER_KEY], *out = arena_alloc(a, len + 1); /* text stays NUL-terminated */
    NEED(f, out);
    enum result r = derive(m, "seal", purpose, key) ? decrypt(f, key, aad, sealed, out)
                                                    : FAULT(f, RESULT_INTERNAL, "key derivation could not run");
    wipe(key, sizeof key);
    TRY(r);
    *plain_r = (struct bytes){out, len};
    return RESULT_OK;
}

char *keyed_hash(struct arena *a, const struct master *m, const char *purpose, const char *value)
{
    unsigned char key[MASTER_KEY], digest[32];
    if (value == NULL || !derive(m, "hash", purpose, key))
        return NULL;
    hmac_sha256((struct bytes){key, sizeof key}, value, strlen(value), digest);
    wipe(key, sizeof key);
    return base64url_encode(a, digest, sizeof digest);
}
