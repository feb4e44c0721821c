/* sign.c: claims become a signed token. Called for every token, receipt and client assertion we make. RFC 7515 §5.1,
 * RFC 7519 §7.1; the work is the one private-key operation, the rest is kept small (docs/architecture.md, budgets). */
#include "jose.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

void token_global_init(void)
{
    cjose_set_alloc_funcs(malloc, wipe_realloc, wipe_free);
}

static enum result fault_of(struct fault *f, const cjose_err *err)
{
    ERR_clear_error();
    return FAULT(f, RESULT_INTERNAL, "cjose cannot sign: %s", err->message != NULL ? err->message : "?");
}

static bool write_header(cjose_header_t *h, const struct token_private *k, const char *typ, bool no_kid, cjose_err *err)
{
    return cjose_header_set(h, CJOSE_HDR_ALG, k->alg->name, err) &&
           (no_kid || cjose_header_set(h, CJOSE_HDR_KID, k->kid, err)) &&
           (typ == NULL || cjose_header_set(h, "typ", typ, err));
}

static enum result sign_bytes(struct fault *f, const struct token_private *k, cjose_header_t *h, struct bytes payload,
                              struct arena *a, const char **jws_r)
{
    cjose_err err = {0};
    const char *compact = NULL;
    cjose_jws_t *jws = cjose_jws_sign(k->cjose, h, payload.data, payload.len, &err);

    if (jws == NULL)
        return fault_of(f, &err);
    if (cjose_jws_export(jws, &compact, &err)) /* `compact` stays the jws's */
        *jws_r = arena_strdup(a, compact);
    cjose_jws_release(jws);
    if (compact == NULL)
        return fault_of(f, &err);
    NEED(f, *jws_r);
    return RESULT_OK;
}

enum result token_sign(struct fault *f, struct arena *a, const struct token_private *k, const char *typ, bool no_kid,
                       const json_t *claims, const char **jws_r)
{
    cjose_err err = {0};
    enum result r = RESULT_OK;

    *jws_r = NULL;
    if (k->cjose == NULL)
        return FAULT(f, RESULT_INTERNAL, "a key for %s does not sign", k->alg->name);
    char *payload = json_compact(a, claims);
    NEED(f, payload);
    cjose_header_t *h = cjose_header_new(&err);
    if (h == NULL || !write_header(h, k, typ, no_kid, &err))
        r = fault_of(f, &err);
    else
        r = sign_bytes(f, k, h, bytes_of(payload), a, jws_r);
    cjose_header_release(h);
    return r;
}
