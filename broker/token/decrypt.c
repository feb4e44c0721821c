/* decrypt.c: what does this encrypted token say, if it was made for one of our keys? Called by upstream/ for encrypted
 * id_tokens and userinfo and by `token decrypt`. RFC 7516 §5.2. The gate goes first; the two halves are in unwrap.c and
 * content.c. What comes out is a plaintext, mostly a JWS: nothing is proved about who wrote it. */
#include "jose.h"

#include <string.h>

enum { JWE_MAX_BYTES = 256 * 1024 };

struct jwe {
    struct compact c;
    const struct jose_alg *alg;
    const struct jose_enc *enc;
};

static enum result admit(struct fault *f, struct arena *a, const char *jwe, size_t n, const char *const *algs,
                         const char *const *encs, struct jwe *out_r)
{
    TRY(compact_read(f, a, jwe, n, JWE_MAX_BYTES, &out_r->c));
    if (out_r->c.count != 5)
        return FAULT(f, RESULT_INVALID, "no compact JWE: it has three parts");
    TRY(compact_header_check(f, &out_r->c));
    out_r->alg = jose_alg_find(out_r->c.alg);
    if (out_r->alg == NULL || out_r->alg->purpose != JWK_DECRYPT || GUARD(jwe_alg, !jose_name_in(algs, out_r->c.alg)))
        return FAULT(f, RESULT_DENIED, "alg %.24s is not in the allow-list",
                     out_r->c.alg != NULL ? out_r->c.alg : "(none)");
    const char *enc = json_text(out_r->c.header, "enc");
    out_r->enc = jose_enc_find(enc);
    if (out_r->enc == NULL || GUARD(jwe_enc, !jose_name_in(encs, enc)))
        return FAULT(f, RESULT_DENIED, "enc %.24s is not in the allow-list", enc != NULL ? enc : "(none)");
    return RESULT_OK;
}

/* A key serves the one algorithm it was made for: an OAEP key that also took PKCS #1 v1.5 would be an oracle. */
static bool serves(const struct token_private *k, const struct jwe *j)
{
    return k->alg == j->alg;
}

static enum result decrypt_with(struct fault *f, struct arena *a, const struct jwe *j, const struct token_private *k,
                                struct bytes *plain_r)
{
    unsigned char cek[CEK_MAX];
    enum result r = unwrap_cek(f, k, &j->c, j->enc, cek);

    if (r == RESULT_OK)
        r = content_decrypt(f, a, &j->c, j->enc, cek, plain_r);
    wipe(cek, sizeof cek);
    return r;
}

enum result token_decrypt(struct fault *f, struct arena *a, const char *jwe, size_t n,
                          const struct token_private *const *keys, size_t key_count, const char *const *algs,
                          const char *const *encs, struct bytes *plain_r, const char **cty_r)
{
    struct jwe j = {0};
    enum result r = FAULT(f, RESULT_DENIED, "no key of ours is for this alg");

    TRY(admit(f, a, jwe, n, algs, encs, &j));
    for (size_t i = 0; i < key_count; i++) {
        if (!serves(keys[i], &j))
            continue;
        r = decrypt_with(f, a, &j, keys[i], plain_r);
        if (r != RESULT_DENIED)
            break;
    }
    if (r == RESULT_OK && cty_r != NULL)
        *cty_r = json_text(j.c.header, "cty");
    return r;
}

bool token_looks_encrypted(const char *compact, size_t n)
{
    size_t dots = 0;

    for (size_t i = 0; i < n; i++)
        dots += compact[i] == '.';
    return dots == 4;
}
