/* verify.c: did the holder of one of these keys sign exactly these bytes, in a way this policy allows? Called for every
 * token, assertion and signed answer that comes from outside. RFC 7515 §5.2, RFC 8725 §3. The gate goes first, then the
 * key must fit, then cjose computes; the payload is parsed last. */
#include "jose.h"

#include <openssl/err.h>
#include <string.h>
#include <strings.h>

enum { KEYS_TRIED_MAX = 8, PEEK_MAX_BYTES = 64 * 1024 };

#define REFUSE(f, why_r, why, ...) (*(why_r) = (why), FAULT((f), RESULT_DENIED, __VA_ARGS__))

/* What the parser found wrong, said as a refusal; out of memory stays what it is. */
static enum result refuse_as(struct fault *f, enum token_fault *why_r, enum token_fault why, enum result r)
{
    if (r == RESULT_OK || r == RESULT_INTERNAL)
        return r;
    *why_r = why;
    f->result = RESULT_DENIED;
    return RESULT_DENIED;
}

/* RFC 7515 §4.1.9: "application/" may be left out, and media types ignore case. */
static bool typ_in(const char *const *typs, const char *typ)
{
    static const char prefix[] = "application/";

    if (strncasecmp(typ, prefix, sizeof prefix - 1) == 0)
        typ += sizeof prefix - 1;
    for (; *typs != NULL; typs++)
        if (strcasecmp(*typs, typ) == 0)
            return true;
    return false;
}

/* RFC 8725 §3.11: explicit typing keeps one kind of token from passing for another. */
static enum result check_typ(struct fault *f, const struct compact *c, const struct token_policy *p,
                             enum token_fault *why_r)
{
    if (c->typ == NULL && p->require_typ)
        return REFUSE(f, why_r, TOKEN_HEADER, "the header has no typ");
    if (GUARD(token_typ, c->typ != NULL && p->typs != NULL && !typ_in(p->typs, c->typ)))
        return REFUSE(f, why_r, TOKEN_HEADER, "typ %.32s is not expected here", c->typ);
    return RESULT_OK;
}

/* RFC 8725 §3.1: "Libraries MUST enable the caller to specify a supported set of algorithms and MUST NOT use any other
 * algorithms when performing cryptographic operations." */
static enum result check_alg(struct fault *f, const struct compact *c, const struct token_policy *p,
                             const struct jose_alg **alg_r, enum token_fault *why_r)
{
    const struct jose_alg *alg = jose_alg_find(c->alg);

    if (c->alg == NULL)
        return REFUSE(f, why_r, TOKEN_ALG, "the header has no alg");
    if (alg == NULL || (alg->purpose & JWK_VERIFY) == 0)
        return REFUSE(f, why_r, TOKEN_ALG, "alg %.24s is no signature we verify", c->alg);
    if (GUARD(alg_list, !jose_name_in(p->algs, c->alg)))
        return REFUSE(f, why_r, TOKEN_ALG, "alg %s is not in the allow-list", alg->name);
    *alg_r = alg;
    return RESULT_OK;
}

/* Everything that needs no key. */
static enum result admit(struct fault *f, struct arena *a, const char *jws, size_t n, const struct token_policy *p,
                         struct compact *c, const struct jose_alg **alg_r, enum token_fault *why_r)
{
    size_t max = p->max_bytes != 0 ? p->max_bytes : TOKEN_MAX_BYTES;

    if (p->algs == NULL || p->algs[0] == NULL)
        return FAULT(f, RESULT_INTERNAL, "a policy without algorithms");
    TRY(refuse_as(f, why_r, TOKEN_MALFORMED, compact_read(f, a, jws, n, max, c)));
    if (c->count != 3)
        return REFUSE(f, why_r, TOKEN_MALFORMED, "no compact JWS: it has five parts");
    TRY(check_alg(f, c, p, alg_r, why_r));
    TRY(refuse_as(f, why_r, TOKEN_HEADER, compact_header_check(f, c)));
    TRY(check_typ(f, c, p, why_r));
    if ((*alg_r)->sig_len != 0 && c->raw[2].len != (*alg_r)->sig_len)
        return REFUSE(f, why_r, TOKEN_SIGNATURE, "a signature of %zu bytes: %s has %zu", c->raw[2].len, (*alg_r)->name,
                      (*alg_r)->sig_len);
    return RESULT_OK;
}

/* Key and algorithm belong together: RFC 7518 §3 (kty, curve, size), RFC 7517 §4.2-4.4 (use, key_ops, alg). */
static const char *misfit(const struct token_key *k, const struct jose_alg *alg, size_t sig_len)
{
    if (k->kty != alg->kty)
        return "its kty is for other algorithms";
    if (!jose_alg_allowed(k->alg, alg->name))
        return "it is published for another alg";
    if ((k->allows & JWK_VERIFY) == 0)
        return "its use or key_ops do not allow to verify";
    if (alg->kty == KTY_EC && strcmp(k->crv, alg->crv) != 0)
        return "its curve is for another alg";
    if (alg->kty == KTY_OCT && k->bytes < alg->hash_len)
        return "the secret is shorter than the hash (RFC 7518 §3.2)";
    if (alg->kty == KTY_RSA && sig_len != k->bytes)
        return "the signature does not have the size of its modulus";
    return NULL;
}

static bool signed_by(cjose_jws_t *jws, const struct token_key *k)
{
    cjose_err err = {0};
    bool ok = cjose_jws_verify(jws, k->cjose, &err);

    if (!ok)
        ERR_clear_error(); /* what stays in this thread's queue would be taken for a TLS error later */
    return ok;
}

static enum result try_keys(struct fault *f, const struct compact *c, const struct jose_alg *alg,
                            const struct token_keys *keys, cjose_jws_t *jws, enum token_fault *why_r)
{
    const char *why = NULL;
    unsigned of_kid = 0, tried = 0;

    for (size_t i = 0; i < token_keys_count(keys) && tried < KEYS_TRIED_MAX; i++) {
        const struct token_key *k = &keys->key[i];
        if (c->kid != NULL && !text_equal(c->kid, k->kid))
            continue;
        of_kid++;
        const char *no = misfit(k, alg, c->raw[2].len);
        if (GUARD(key_fits, no != NULL)) {
            why = no;
            continue;
        }
        tried++;
        if (!GUARD(signature, !signed_by(jws, k)))
            return RESULT_OK;
    }
    if (tried > 0)
        return REFUSE(f, why_r, TOKEN_SIGNATURE, "the signature fits none of the %u keys tried", tried);
    if (c->kid != NULL && of_kid > 0)
        return REFUSE(f, why_r, TOKEN_ALG, "the key of this kid does not fit %s: %s", alg->name, why);
    return REFUSE(f, why_r, TOKEN_NO_KEY, "no key for %s%s", alg->name, c->kid != NULL ? " with this kid" : "");
}

static enum result check_signature(struct fault *f, const char *jws, size_t n, const struct compact *c,
                                   const struct jose_alg *alg, const struct token_keys *keys, enum token_fault *why_r)
{
    cjose_err err = {0};
    cjose_jws_t *parsed = cjose_jws_import(jws, n, &err);

    if (parsed == NULL)
        return REFUSE(f, why_r, TOKEN_MALFORMED, "no compact JWS: %s", err.message != NULL ? err.message : "?");
    enum result r = try_keys(f, c, alg, keys, parsed, why_r);
    cjose_jws_release(parsed);
    return r;
}

/* A payload that is no strict JSON object is no fault of the signature: `claims` stays NULL. */
static enum result parts_of(struct fault *f, struct arena *a, const struct compact *c, size_t max,
                            struct token_parts *out_r)
{
    *out_r = (struct token_parts){.alg = c->alg, .kid = c->kid, .typ = c->typ, .header = c->header};
    if (c->count != 3)
        return RESULT_OK;
    out_r->payload = c->raw[1];
    enum result r = json_parse(f, a, (const char *)c->raw[1].data, c->raw[1].len, max, &out_r->claims);
    if (r == RESULT_INTERNAL)
        return r;
    if (r != RESULT_OK || !json_is_object(out_r->claims))
        out_r->claims = NULL;
    return RESULT_OK;
}

enum result token_peek(struct fault *f, struct arena *a, const char *jws, size_t n, struct token_parts *out_r)
{
    struct compact c;

    TRY(compact_read(f, a, jws, n, PEEK_MAX_BYTES, &c));
    return parts_of(f, a, &c, PEEK_MAX_BYTES, out_r);
}

enum result token_verify(struct fault *f, struct arena *a, const char *jws, size_t n, const struct token_keys *keys,
                         const struct token_policy *p, struct token_parts *out_r, enum token_fault *why_r)
{
    const struct jose_alg *alg = NULL;
    struct compact c;

    *why_r = TOKEN_OK;
    *out_r = (struct token_parts){0};
    TRY(admit(f, a, jws, n, p, &c, &alg, why_r));
    TRY(check_signature(f, jws, n, &c, alg, keys, why_r));
    return parts_of(f, a, &c, n, out_r);
}
