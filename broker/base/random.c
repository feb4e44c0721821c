/* Randomness and digests. Called for ids, nonces, PKCE (RFC 7636 §4.2), key thumbprints and keyed hashes. */
#define OPENSSL_SUPPRESS_DEPRECATED /* see sha256 */
#include "internal.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

#define SHA256_BLOCK 64

/* explicit_bzero(3) is memset() that no compiler leaves out. OPENSSL_cleanse goes by words: 16 KiB, which libcurl frees
 * after every call, take it five times as long. */
void wipe(void *p, size_t n)
{
    if (p != NULL && n > 0)
        explicit_bzero(p, n);
}

enum result random_bytes(struct fault *f, void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        int part = n > 65536 ? 65536 : (int)n;
        if (RAND_bytes(at, part) != 1)
            return FAULT(f, RESULT_INTERNAL, "no entropy");
        at += part;
        n -= (size_t)part;
    }
    return RESULT_OK;
}

char *random_id(struct arena *a, size_t bytes)
{
    unsigned char data[64];
    if (bytes > sizeof data || random_bytes(NULL, data, bytes) != RESULT_OK)
        return NULL;
    char *id = base64url_encode(a, data, bytes);
    wipe(data, sizeof data);
    return id;
}

char *random_code(struct arena *a)
{
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char data[8];
    char *code = arena_alloc(a, 10);
    if (code == NULL || random_bytes(NULL, data, sizeof data) != RESULT_OK)
        return NULL;
    for (size_t i = 0; i < sizeof data; i++)
        code[i < 4 ? i : i + 1] = letters[data[i] % 32];
    code[4] = '-';
    return code;
}

/* OpenSSL calls this interface deprecated, yet it is the one that allocates nothing and so cannot fail: a digest
 * function that may fail would need a check at each call, and a forgotten check is a wrong digest. */
void sha256(const void *data, size_t n, unsigned char out[32])
{
    SHA256_CTX c;
    (void)SHA256_Init(&c);
    if (n > 0)
        (void)SHA256_Update(&c, data, n);
    (void)SHA256_Final(out, &c);
    wipe(&c, sizeof c);
}

char *sha256_base64url(struct arena *a, const char *s)
{
    unsigned char digest[32];
    if (s == NULL)
        return NULL;
    sha256(s, strlen(s), digest);
    return base64url_encode(a, digest, sizeof digest);
}

/* RFC 2104 over the above, for the same reason. */
void hmac_sha256(struct bytes key, const void *data, size_t n, unsigned char out[32])
{
    unsigned char block[SHA256_BLOCK] = {0};
    SHA256_CTX c;
    if (key.len > sizeof block)
        sha256(key.data, key.len, block);
    else if (key.len > 0)
        memcpy(block, key.data, key.len);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, block, sizeof block);
    if (n > 0)
        (void)SHA256_Update(&c, data, n);
    (void)SHA256_Final(out, &c);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, block, sizeof block);
    (void)SHA256_Update(&c, out, 32);
    (void)SHA256_Final(out, &c);
    wipe(block, sizeof block);
    wipe(&c, sizeof c);
}
