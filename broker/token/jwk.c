/* jwk.c: may this JWK be used, and for what? Called by keys.c for the keys of others and by private.c for our own.
 * RFC 7517 §4 (use, key_ops, alg, kid), RFC 7518 §6 (members per kty), RFC 7638 (thumbprint). cjose gets a copy that
 * holds only the members named here, so nothing else in the JSON can reach it. */
#include "jose.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, OCT_MAX = 1024, KID_MAX = 256 };

/* One row per key number: where it lies in JSON and in struct jwk, which kty has it, whether it is private. The order
 * within a kty is alphabetic, so the public rows are the RFC 7638 thumbprint input (with kty put in its place). */
static const struct member {
    enum jose_kty kty;
    bool private_part;
    const char *name;
    size_t at;
} members[] = {
    {KTY_RSA, false, "e", offsetof(struct jwk, e)},  {KTY_RSA, false, "n", offsetof(struct jwk, n)},
    {KTY_RSA, true, "d", offsetof(struct jwk, d)},   {KTY_RSA, true, "p", offsetof(struct jwk, p)},
    {KTY_RSA, true, "q", offsetof(struct jwk, q)},   {KTY_RSA, true, "dp", offsetof(struct jwk, dp)},
    {KTY_RSA, true, "dq", offsetof(struct jwk, dq)}, {KTY_RSA, true, "qi", offsetof(struct jwk, qi)},
    {KTY_EC, false, "x", offsetof(struct jwk, x)},   {KTY_EC, false, "y", offsetof(struct jwk, y)},
    {KTY_EC, true, "d", offsetof(struct jwk, d)},    {KTY_OCT, false, "k", offsetof(struct jwk, k)},
};
static const char *const kty_names[] = {[KTY_RSA] = "RSA", [KTY_EC] = "EC", [KTY_OCT] = "oct"};

static enum result read_kty(struct fault *f, const json_t *j, struct jwk *k)
{
    const char *kty = json_text(j, "kty");

    if (kty == NULL)
        return FAULT(f, RESULT_INVALID, "the JWK has no kty");
    for (size_t i = 0; i < COUNT_OF(kty_names); i++)
        if (strcmp(kty, kty_names[i]) == 0) {
            k->kty = (enum jose_kty)i;
            return RESULT_OK;
        }
    return FAULT(f, RESULT_INVALID, "kty %.12s is not one we do", kty);
}

/* RFC 7517 §4.2: "sig" or "enc". §4.3: both members may be there, then both must allow it. */
static unsigned use_allows(const json_t *j)
{
    const json_t *use = json_object_get(j, "use");
    const char *text = json_text(j, "use");

    if (use == NULL)
        return JWK_SIGN | JWK_VERIFY | JWK_DECRYPT;
    if (text == NULL)
        return 0;
    return strcmp(text, "sig") == 0 ? JWK_SIGN | JWK_VERIFY : strcmp(text, "enc") == 0 ? JWK_DECRYPT : 0;
}

static unsigned key_ops_allow(const json_t *j)
{
    static const struct {
        const char *op;
        unsigned bit;
    } ops[] = {{"verify", JWK_VERIFY},     {"sign", JWK_SIGN},         {"decrypt", JWK_DECRYPT},
               {"unwrapKey", JWK_DECRYPT}, {"deriveKey", JWK_DECRYPT}, {"deriveBits", JWK_DECRYPT}};
    const json_t *list = json_object_get(j, "key_ops");
    unsigned allowed = 0;

    if (list == NULL)
        return JWK_SIGN | JWK_VERIFY | JWK_DECRYPT;
    for (size_t i = 0; json_is_array(list) && i < COUNT_OF(ops); i++)
        if (json_holds_text(list, ops[i].op))
            allowed |= ops[i].bit;
    return allowed;
}

static enum result read_labels(struct fault *f, struct arena *a, const json_t *j, struct jwk *k)
{
    const char *const names[] = {"kid", "alg", "crv"};
    const char **const to[] = {&k->kid, &k->alg, &k->crv};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = json_text(j, names[i]);
        if (json_object_get(j, names[i]) == NULL)
            continue;
        if (text == NULL || strlen(text) > KID_MAX)
            return FAULT(f, RESULT_INVALID, "the JWK's %s is no usable text", names[i]);
        *to[i] = arena_strdup(a, text);
        NEED(f, *to[i]);
    }
    k->allows = use_allows(j) & key_ops_allow(j);
    return RESULT_OK;
}

static enum result read_member(struct fault *f, struct arena *a, const json_t *j, const struct member *m, struct jwk *k)
{
    struct bytes *to = (struct bytes *)((char *)k + m->at);
    const char *text = json_text(j, m->name);

    if (text == NULL)
        return FAULT(f, RESULT_INVALID, "the JWK has no %s", m->name);
    return base64url_decode(f, a, text, strlen(text), to);
}

static bool is_member_of(const struct member *m, enum jose_kty kty, bool with_private)
{
    return m->kty == kty && (with_private || !m->private_part);
}

/* NIST SP 800-131A: RSA of at least 2048 bits; above 8192 only the time to verify grows. The exponent is odd and above
 * 1: with 1 every message is its own signature. */
static enum result check_rsa(struct fault *f, struct jwk *k)
{
    BIGNUM *n = NULL;

    if (k->n.len > (RSA_BITS_MAX / 8) + 1 || k->e.len == 0 || k->e.len > 8)
        return FAULT(f, RESULT_INVALID, "RSA modulus or exponent has an unusable size");
    n = BN_bin2bn(k->n.data, (int)k->n.len, NULL);
    NEED(f, n);
    k->bits = (size_t)BN_num_bits(n);
    bool odd = BN_is_odd(n) != 0;
    BN_free(n);
    if (k->bits < RSA_BITS_MIN || k->bits > RSA_BITS_MAX || !odd)
        return FAULT(f, RESULT_INVALID, "RSA modulus of %zu bits: 2048 to 8192 are used", k->bits);
    uint64_t e = 0;
    for (size_t i = 0; i < k->e.len; i++)
        e = e << 8 | k->e.data[i];
    if (e < 3 || e % 2 == 0)
        return FAULT(f, RESULT_INVALID, "RSA exponent must be odd and at least 3");
    if (rsa_is_roca(&k->n))
        return FAULT(f, RESULT_INVALID, "RSA modulus of a broken generator (CVE-2017-15361)");
    return RESULT_OK;
}

/* RFC 7518 §6.2.1.2: a coordinate has exactly the curve's size. That the point lies on the curve (CVE-2017-16007) is
 * checked when the number becomes a key: by cjose, or by EVP_PKEY_public_check. */
static enum result check_ec(struct fault *f, const struct jwk *k)
{
    size_t need = jose_curve_bytes(k->crv);

    if (need == 0)
        return FAULT(f, RESULT_INVALID, "EC curve is not one we do");
    if (k->x.len != need || k->y.len != need || (k->d.len != 0 && k->d.len != need))
        return FAULT(f, RESULT_INVALID, "EC coordinates do not have the size of %s", k->crv);
    return RESULT_OK;
}

static enum result check_numbers(struct fault *f, struct jwk *k)
{
    if (k->kty == KTY_RSA)
        return check_rsa(f, k);
    if (k->kty == KTY_EC)
        return check_ec(f, k);
    /* RFC 7518 §3.2 and §4.4: the least an HMAC or AES-KW key may have is 128 bits; the algorithm asks for more. */
    if (k->k.len < 16 || k->k.len > OCT_MAX)
        return FAULT(f, RESULT_INVALID, "secret key of %zu bytes: 16 to 1024 are used", k->k.len);
    return RESULT_OK;
}

enum result jwk_parse(struct fault *f, struct arena *a, const char *text, json_t **out_r)
{
    NEED(f, text);
    return json_parse(f, a, text, strlen(text), JWK_MAX_BYTES, out_r);
}

enum result jwk_read(struct fault *f, struct arena *a, const json_t *j, bool with_private, struct jwk *out_r)
{
    *out_r = (struct jwk){0};
    if (!json_is_object(j))
        return FAULT(f, RESULT_INVALID, "a JWK must be a JSON object");
    TRY(read_kty(f, j, out_r));
    TRY(read_labels(f, a, j, out_r));
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (is_member_of(&members[i], out_r->kty, with_private))
            TRY(read_member(f, a, j, &members[i], out_r));
    return check_numbers(f, out_r);
}

static void release_cjose(void *p)
{
    cjose_jwk_release(p);
}

/* What cjose may see of a key, as JSON text in `to`. */
static void write_bare(struct buf *to, const json_t *j, const struct jwk *k, bool with_private)
{
    buf_printf(to, "{\"kty\":\"%s\"", kty_names[k->kty]);
    if (k->kty == KTY_EC)
        buf_printf(to, ",\"crv\":\"%s\"", k->crv);
    for (size_t i = 0; i < COUNT_OF(members); i++)
        if (is_member_of(&members[i], k->kty, with_private))
            buf_printf(to, ",\"%s\":\"%s\"", members[i].name, json_text(j, members[i].name));
    buf_text(to, "}");
}

enum result jwk_cjose(struct fault *f, struct arena *a, const json_t *j, const struct jwk *k, bool with_private,
                      cjose_jwk_t **out_r)
{
    CLEANUP(buf) struct buf bare;
    cjose_err err = {0}; /* some paths of cjose return NULL without filling it */

    buf_init(&bare, JWK_MAX_BYTES);
    write_bare(&bare, j, k, with_private);
    if (bare.failed)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    *out_r = cjose_jwk_import(bare.data, bare.len, &err);
    wipe(bare.data, bare.len);
    if (*out_r == NULL) {
        ERR_clear_error();
        return FAULT(f, RESULT_INVALID, "the key's numbers are no key: %s", err.message != NULL ? err.message : "?");
    }
    if (!arena_defer(a, release_cjose, *out_r))
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    return RESULT_OK;
}

/* RFC 7638 §3: the required members only, in lexicographic order, no blanks. */
enum result jwk_thumbprint(struct fault *f, struct arena *a, const json_t *j, const char **out_r)
{
    struct jwk k;
    char *input = NULL;

    TRY(jwk_read(f, a, j, false, &k));
    if (k.kty == KTY_RSA)
        input = arena_printf(a, "{\"e\":\"%s\",\"kty\":\"RSA\",\"n\":\"%s\"}", json_text(j, "e"), json_text(j, "n"));
    else if (k.kty == KTY_EC)
        input = arena_printf(a, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", k.crv, json_text(j, "x"),
                             json_text(j, "y"));
    else
        input = arena_printf(a, "{\"k\":\"%s\",\"kty\":\"oct\"}", json_text(j, "k"));
    NEED(f, input);
    *out_r = sha256_base64url(a, input);
    NEED(f, *out_r);
    return RESULT_OK;
}

enum result token_thumbprint(struct fault *f, struct arena *a, const char *jwk_json, const char **out_r)
{
    json_t *j = NULL;

    TRY(jwk_parse(f, a, jwk_json, &j));
    return jwk_thumbprint(f, a, j, out_r);
}
