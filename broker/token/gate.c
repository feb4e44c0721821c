/* gate.c: is this the shape of a token we would ever accept, before any key is touched? cjose alone says yes to unknown
 * `crit`, foreign `alg` and loose base64 (RFC 8725 asks for more), so everything passes here first. Called by verify.c
 * and decrypt.c. RFC 7515 §7.1 and RFC 7516 §7.1 (compact form), RFC 8725 (best current practices). */
#include "jose.h"

#include <string.h>

enum { JWS_PARTS = 3, JWE_PARTS = 5 };

/* Cuts at the dots; every part is strict base64url, which also refuses blanks, padding and stray bits. */
static enum result split(struct fault *f, struct arena *a, const char *s, size_t n, struct compact *c)
{
    const char *at = s, *end = s + n;

    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t len = (size_t)((dot != NULL ? dot : end) - at);
        if (c->count == COMPACT_MAX)
            return FAULT(f, RESULT_INVALID, "more than five parts");
        c->text[c->count] = (struct bytes){(const unsigned char *)at, len};
        if (base64url_decode(f, a, at, len, &c->raw[c->count]) != RESULT_OK)
            return f->result == RESULT_INTERNAL
                       ? RESULT_INTERNAL
                       : FAULT(f, RESULT_INVALID, "part %zu is no strict base64url", c->count + 1);
        c->count++;
        if (dot == NULL)
            break;
        at = dot + 1;
    }
    if (c->count != JWS_PARTS && c->count != JWE_PARTS)
        return FAULT(f, RESULT_INVALID, "%zu parts: a compact JWS has three, a JWE five", c->count);
    return RESULT_OK;
}

/* A text member of the header: absent is fine, another type is not. */
static enum result header_text(struct fault *f, const json_t *header, const char *name, const char **out_r)
{
    *out_r = json_text(header, name);
    if (*out_r == NULL && json_object_get(header, name) != NULL)
        return FAULT(f, RESULT_INVALID, "header member %s is no usable text", name);
    return RESULT_OK;
}

enum result compact_read(struct fault *f, struct arena *a, const char *s, size_t n, size_t max, struct compact *out_r)
{
    *out_r = (struct compact){0};
    if (GUARD(token_size, n > max))
        return FAULT(f, RESULT_INVALID, "%zu bytes: longer than a token may be", n);
    TRY(split(f, a, s, n, out_r));
    /* RFC 7515 §4: header parameter names "MUST be unique": json_parse refuses duplicates. */
    TRY(json_parse(f, a, (const char *)out_r->raw[0].data, out_r->raw[0].len, JOSE_HEADER_MAX, &out_r->header));
    if (!json_is_object(out_r->header))
        return FAULT(f, RESULT_INVALID, "the header is no JSON object");
    TRY(header_text(f, out_r->header, "alg", &out_r->alg));
    TRY(header_text(f, out_r->header, "kid", &out_r->kid));
    TRY(header_text(f, out_r->header, "typ", &out_r->typ));
    return RESULT_OK;
}

/* Header members that end the matter. x5c and x5t are only hints about a key we hold already: they are not read. */
static const struct {
    const char *name, *why;
} forbidden[] = {
    /* RFC 7515 §4.1.11: "If any of the listed extension Header Parameters are not understood [...] the JWS is invalid."
     * We understand none, and RFC 7797's b64 would change what is signed. */
    {"crit", "critical extensions are not understood"},
    {"b64", "unencoded payloads are not understood"},
    /* RFC 8725 §3.10: a key or an address of a key that comes with the token is the sender's word for itself. */
    {"jwk", "a key in the header is never trusted"},
    {"jku", "a key address in the header is never followed"},
    {"x5u", "a certificate address in the header is never followed"},
    /* RFC 8725 §3.6; CVE-2024-28176: a small token may grow without end. */
    {"zip", "compression is not accepted"},
};

enum result compact_header_check(struct fault *f, const struct compact *c)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++)
        if (GUARD(forbidden_header, json_object_get(c->header, forbidden[i].name) != NULL))
            return FAULT(f, RESULT_INVALID, "header member %s: %s", forbidden[i].name, forbidden[i].why);
    return RESULT_OK;
}
