/* test_decrypt.c: encrypted tokens made by another library (cjose) or by hand are opened, and those that other
 * libraries fell for are not; every failure of a wrapped key looks like every other. */
#include "support.h"

#include <cjose/cjose.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const char *const algs[] = {"RSA-OAEP", "RSA-OAEP-256",       "A128KW", "A256KW", "dir", "ECDH-ES",
                                   "RSA1_5",   "PBES2-HS256+A128KW", NULL};
static const char *const encs[] = {"A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512", NULL};

static const char secret_jwk[] =
    "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}";        /* 32 bytes */
static const char short_jwk[] = "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODw\"}"; /* 16 bytes */

static struct token_private *private_of(const char *jwk, const char *alg)
{
    struct token_private *k = NULL;

    assert_ok(token_private_parse(&fault, jwk, alg, &k));
    return k;
}

/* Opens with one key; the plaintext as text. */
static enum result open_with(const struct token_private *k, const char *jwe, const char **plain_r)
{
    const struct token_private *const list[] = {k};
    struct bytes plain = {0};
    enum result r = token_decrypt(&fault, arena, jwe, strlen(jwe), list, 1, algs, encs, &plain, NULL);

    *plain_r = r == RESULT_OK ? arena_strndup(arena, (const char *)plain.data, plain.len) : NULL;
    return r;
}

static void assert_opens(const struct token_private *k, const char *jwe, const char *expected)
{
    const char *plain = NULL;

    assert_ok(open_with(k, jwe, &plain));
    assert_string_equal(expected, plain);
}

static void assert_shut(const struct token_private *k, const char *jwe)
{
    const char *plain = NULL;

    assert_int_not_equal(RESULT_OK, open_with(k, jwe, &plain));
    assert_int_not_equal(RESULT_INTERNAL, fault.result);
}

/* A token made by cjose for this JWK. */
static const char *sealed_by_cjose(const char *jwk_json, const char *alg, const char *enc, const char *text)
{
    cjose_err err = {0};
    cjose_jwk_t *jwk = cjose_jwk_import(jwk_json, strlen(jwk_json), &err);
    cjose_header_t *h = cjose_header_new(&err);

    assert_non_null(jwk);
    assert_true(cjose_header_set(h, "alg", alg, &err) && cjose_header_set(h, "enc", enc, &err));
    cjose_jwe_t *jwe = cjose_jwe_encrypt(jwk, h, (const uint8_t *)text, strlen(text), &err);
    assert_non_null(jwe);
    char *compact = cjose_jwe_export(jwe, &err), *kept = arena_strdup(arena, compact);
    free(compact);
    cjose_jwe_release(jwe);
    cjose_header_release(h);
    cjose_jwk_release(jwk);
    return kept;
}

static const unsigned char zero_iv[16];

static const char *b64(const void *data, size_t n)
{
    char *s = base64url_encode(arena, data, n);

    assert_non_null(s);
    return s;
}

/* header . wrapped . iv . ciphertext . tag with A256GCM under `cek`. */
static const char *gcm_token(const char *header, const char *wrapped, const unsigned char *cek, const char *text,
                             size_t tag_len)
{
    const char *aad = part(header);
    unsigned char out[256], tag[16];
    int n = 0, rest = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_int_equal(1, EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, cek, zero_iv));
    assert_int_equal(1, EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *)aad, (int)strlen(aad)));
    assert_int_equal(1, EVP_EncryptUpdate(ctx, out, &n, (const unsigned char *)text, (int)strlen(text)));
    assert_int_equal(1, EVP_EncryptFinal_ex(ctx, out + n, &rest));
    assert_int_equal(1, EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag));
    EVP_CIPHER_CTX_free(ctx);
    return arena_printf(arena, "%s.%s.%s.%s.%s", aad, wrapped, b64(zero_iv, 12), b64(out, (size_t)n),
                        b64(tag, tag_len));
}

static const unsigned char known_key[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static void opens_what_cjose_makes(void **state)
{
    (void)state;
    static const struct {
        const char *alg, *enc;
    } rows[] = {{"dir", "A256GCM"},       {"A256KW", "A256GCM"},       {"A256KW", "A128CBC-HS256"},
                {"dir", "A128CBC-HS256"}, {"A256KW", "A256CBC-HS512"}, {"A256KW", "A128GCM"}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct token_private *k = private_of(secret_jwk, rows[i].alg);
        assert_opens(k, sealed_by_cjose(secret_jwk, rows[i].alg, rows[i].enc, "hello"), "hello");
        token_private_free(k);
    }
}

static void opens_rsa_and_ec_tokens_of_cjose(void **state)
{
    (void)state;
    struct pair rsa = make_pair("RS256"), ec = make_pair("ES256");
    json_t *bare_rsa = arena_json(arena, json_loads(rsa.private_jwk, 0, NULL));
    json_t *bare_ec = arena_json(arena, json_loads(ec.private_jwk, 0, NULL));

    json_object_del(bare_rsa, "alg");
    json_object_del(bare_rsa, "use");
    json_object_del(bare_ec, "alg");
    json_object_del(bare_ec, "use");
    struct token_private *oaep = private_of(json_compact(arena, bare_rsa), "RSA-OAEP");
    struct token_private *ecdh = private_of(json_compact(arena, bare_ec), "ECDH-ES");
    assert_opens(oaep, sealed_by_cjose(rsa.public_jwk, "RSA-OAEP", "A128CBC-HS256", "hello"), "hello");
    assert_opens(ecdh, sealed_by_cjose(ec.public_jwk, "ECDH-ES", "A256GCM", "hello"), "hello");
    assert_shut(ecdh, sealed_by_cjose(rsa.public_jwk, "RSA-OAEP", "A256GCM", "hello"));
    token_private_free(oaep);
    token_private_free(ecdh);
    free_pair(&rsa);
    free_pair(&ec);
}

/* CVE-2023-37464: cjose took a tag as short as the sender made it. */
static void short_gcm_tag_is_refused(void **state)
{
    (void)state;
    struct token_private *k = private_of(secret_jwk, "dir");
    const char *header = "{\"alg\":\"dir\",\"enc\":\"A256GCM\"}";

    assert_opens(k, gcm_token(header, "", known_key, "hello", 16), "hello");
    for (size_t n = 0; n < 16; n++)
        assert_shut(k, gcm_token(header, "", known_key, "hello", n));
    token_private_free(k);
}

/* CVE-2026-53939: an unwrapping that failed left a CEK of zeros, which an attacker can use as well. */
static void zero_cek_opens_nothing(void **state)
{
    (void)state;
    static const unsigned char zeros[64];
    struct pair rsa = make_pair("RS256");
    json_t *bare = arena_json(arena, json_loads(rsa.private_jwk, 0, NULL));
    unsigned char wrapped[256] = {0};

    json_object_del(bare, "alg");
    json_object_del(bare, "use");
    struct token_private *k = private_of(json_compact(arena, bare), "RSA-OAEP-256"),
                         *kw = private_of(secret_jwk, "A256KW");
    assert_shut(k, gcm_token("{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}", b64(wrapped, 256), zeros, "forged", 16));
    assert_shut(k, gcm_token("{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}", "", zeros, "forged", 16));
    assert_shut(kw, gcm_token("{\"alg\":\"A256KW\",\"enc\":\"A256GCM\"}", b64(wrapped, 40), zeros, "forged", 16));
    token_private_free(k);
    token_private_free(kw);
    free_pair(&rsa);
}

/* CVE-2026-53938: cjose wrote past its buffer when the wrapped key was odd. Every length goes through ASan here. */
static void odd_wrapped_keys_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"A128KW", "A256KW"};
    unsigned char wrapped[300] = {1, 2, 3};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct token_private *k = private_of(i == 0 ? short_jwk : secret_jwk, names[i]);
        for (size_t n = 0; n <= sizeof wrapped; n++)
            assert_shut(k, gcm_token(arena_printf(arena, "{\"alg\":\"%s\",\"enc\":\"A256GCM\"}", names[i]),
                                     b64(wrapped, n), known_key, "x", 16));
        token_private_free(k);
    }
    struct token_private *dir = private_of(secret_jwk, "dir");
    assert_shut(dir, gcm_token("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}", "AAAA", known_key, "x", 16));
    token_private_free(dir);
}

/* CVE-2023-52428, CVE-2022-36083, CVE-2024-28176: refused by name before any work, even when the caller lists them. */
static void pbes2_rsa15_and_zip_are_refused(void **state)
{
    (void)state;
    struct token_private *dir = private_of(secret_jwk, "dir"), *none = NULL;
    const char *bomb = "{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A256GCM\",\"p2c\":2147483647,\"p2s\":\"AAAA\"}";
    int64_t before = clock_monotonic_us();

    assert_shut(dir, gcm_token(bomb, "AAAA", known_key, "x", 16));
    assert_true(clock_monotonic_us() - before < 1000000);
    assert_shut(dir, gcm_token("{\"alg\":\"RSA1_5\",\"enc\":\"A256GCM\"}", "AAAA", known_key, "x", 16));
    assert_shut(dir, gcm_token("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}", "", known_key, "x", 16));
    assert_shut(dir,
                gcm_token("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"crit\":[\"x\"],\"x\":1}", "", known_key, "x", 16));
    assert_shut(dir, gcm_token("{\"alg\":\"dir\",\"alg\":\"dir\",\"enc\":\"A256GCM\"}", "", known_key, "x", 16));
    assert_opens(dir, gcm_token("{\"alg\":\"dir\",\"enc\":\"A256GCM\",\"kid\":\"any\"}", "", known_key, "x", 16), "x");
    assert_result(RESULT_INVALID, token_private_parse(&fault, secret_jwk, "PBES2-HS256+A128KW", &none));
    token_private_free(dir);
}

/* CVE-2017-16007: an ephemeral key off the curve, of another curve, or none, tells nothing about ours. */
static void invalid_curve_is_refused(void **state)
{
    (void)state;
    struct pair ec = make_pair("ES256");
    json_t *bare = arena_json(arena, json_loads(ec.private_jwk, 0, NULL));
    static const char *const epks[] = {
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"gTli65eTQ7z-Bh147ff8K3m7k2UiDiG2LpYkWAaFJCc\","
        "\"y\":\"cLAnjka4bzjD7DJVPwa9EPrRzMG7rONgsiUD-kf30Fs\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"oct\",\"k\":\"AAECAwQFBgcICQoLDA0ODw\"}",
        "null",
        "7",
    };

    json_object_del(bare, "alg");
    json_object_del(bare, "use");
    struct token_private *k = private_of(json_compact(arena, bare), "ECDH-ES");
    for (size_t i = 0; i < COUNT_OF(epks); i++)
        assert_shut(k, gcm_token(arena_printf(arena, "{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\",\"epk\":%s}", epks[i]),
                                 "", known_key, "x", 16));
    token_private_free(k);
    free_pair(&ec);
}

/* A ciphertext of this EVP key with the padding named, wrapping `cek`. */
static const char *wrap_rsa(EVP_PKEY *pkey, int padding, const unsigned char *cek, size_t n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    unsigned char out[256];
    size_t len = sizeof out;

    assert_int_equal(1, EVP_PKEY_encrypt_init(ctx));
    assert_int_equal(1, EVP_PKEY_CTX_set_rsa_padding(ctx, padding));
    if (padding == RSA_PKCS1_OAEP_PADDING)
        assert_int_equal(1, EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, "SHA256", NULL));
    assert_int_equal(1, EVP_PKEY_encrypt(ctx, out, &len, cek, n));
    EVP_PKEY_CTX_free(ctx);
    return b64(out, len);
}

#include "../../../broker/token/jose.h"

/* Manger and Bleichenbacher ask whether the padding was right: all wrong keys say one and the same thing. */
static void wrong_wrapped_keys_are_not_told_apart(void **state)
{
    (void)state;
    const char *kid, *priv, *pub, *plain, *header = "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}";
    struct jwk j;
    EVP_PKEY *pkey = NULL;
    unsigned char junk[256];

    assert_ok(token_generate(&fault, arena, "RSA-OAEP-256", NULL, &kid, &priv, &pub));
    struct token_private *k = private_of(priv, NULL);
    assert_ok(jwk_read(&fault, arena, arena_json(arena, json_loads(pub, 0, NULL)), false, &j));
    assert_ok(jwk_evp(&fault, &j, &pkey));
    memset(junk, 0x5a, sizeof junk);
    assert_opens(k, gcm_token(header, wrap_rsa(pkey, RSA_PKCS1_OAEP_PADDING, known_key, 32), known_key, "hello", 16),
                 "hello");

    const char *const wrong[] = {
        wrap_rsa(pkey, RSA_PKCS1_OAEP_PADDING, known_key, 31), /* right padding, wrong length */
        wrap_rsa(pkey, RSA_PKCS1_OAEP_PADDING, known_key, 0),  /* right padding, empty */
        wrap_rsa(pkey, RSA_PKCS1_OAEP_PADDING, known_key + 1, 16),
        wrap_rsa(pkey, RSA_PKCS1_PADDING, known_key, 32), /* another padding */
        b64(junk, sizeof junk),                           /* no padding at all */
        b64(junk, 255),
        b64(junk, 1),
        "", /* no ciphertext of this key */
    };
    char first[160] = "";
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        fault = (struct fault){0};
        assert_result(RESULT_DENIED, open_with(k, gcm_token(header, wrong[i], known_key, "hello", 16), &plain));
        if (i == 0)
            memcpy(first, fault.detail, sizeof first);
        assert_string_equal(first, fault.detail);
    }
    EVP_PKEY_free(pkey);
    token_private_free(k);
}

static void the_caller_and_the_key_choose_the_alg(void **state)
{
    (void)state;
    struct token_private *dir = private_of(secret_jwk, "dir"), *kw = private_of(secret_jwk, "A256KW");
    const struct token_private *const both[] = {kw, dir};
    const char *jwe = sealed_by_cjose(secret_jwk, "dir", "A256GCM", "hello");
    const char *const only_kw[] = {"A256KW", NULL}, *const only_cbc[] = {"A128CBC-HS256", NULL};
    struct bytes plain;

    assert_ok(token_decrypt(&fault, arena, jwe, strlen(jwe), both, 2, algs, encs, &plain, NULL));
    assert_result(RESULT_DENIED, token_decrypt(&fault, arena, jwe, strlen(jwe), both, 1, algs, encs, &plain, NULL));
    assert_result(RESULT_DENIED, token_decrypt(&fault, arena, jwe, strlen(jwe), both, 2, only_kw, encs, &plain, NULL));
    assert_result(RESULT_DENIED, token_decrypt(&fault, arena, jwe, strlen(jwe), both, 2, algs, only_cbc, &plain, NULL));
    assert_result(RESULT_DENIED, token_decrypt(&fault, arena, jwe, strlen(jwe), NULL, 0, algs, encs, &plain, NULL));
    token_private_free(dir);
    token_private_free(kw);
}

static void every_flipped_character_counts(void **state)
{
    (void)state;
    struct token_private *k = private_of(secret_jwk, "A256KW");
    const char *good = sealed_by_cjose(secret_jwk, "A256KW", "A128CBC-HS256", "hello");

    for (size_t i = 0; good[i] != '\0'; i++) {
        char *bad = arena_strdup(arena, good);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        assert_shut(k, bad);
    }
    assert_opens(k, good, "hello");
    token_private_free(k);
}

static void looks_encrypted(void **state)
{
    (void)state;
    assert_true(token_looks_encrypted("a.b.c.d.e", 9));
    assert_false(token_looks_encrypted("a.b.c", 5));
    assert_false(token_looks_encrypted("", 0));
    assert_false(token_looks_encrypted("a.b.c.d.e.f", 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(opens_what_cjose_makes),
        TEST(opens_rsa_and_ec_tokens_of_cjose),
        TEST(short_gcm_tag_is_refused),
        TEST(zero_cek_opens_nothing),
        TEST(odd_wrapped_keys_are_refused),
        TEST(pbes2_rsa15_and_zip_are_refused),
        TEST(invalid_curve_is_refused),
        TEST(wrong_wrapped_keys_are_not_told_apart),
        TEST(the_caller_and_the_key_choose_the_alg),
        TEST(every_flipped_character_counts),
        TEST(looks_encrypted),
    };
    return cmocka_run_group_tests_name("token: decrypt", tests, NULL, NULL);
}
