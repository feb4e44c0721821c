/* algs.c: which algorithm needs which key? One row per algorithm of RFC 7518 that we do; what is not here does not
 * exist: none, RSA1_5 (Bleichenbacher), PBES2-* (its iteration count is the sender's, CVE-2023-52428), A*GCMKW, EdDSA
 * (cjose has none). Asked by gate, keys, private and decrypt. */
#include "jose.h"

#include <string.h>

static const struct jose_alg algs[] = {
    {"RS256", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 32, 0},
    {"RS384", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 48, 0},
    {"RS512", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 64, 0},
    {"PS256", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 32, 0},
    {"PS384", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 48, 0},
    {"PS512", KTY_RSA, JWK_SIGN | JWK_VERIFY, NULL, 64, 0},
    {"ES256", KTY_EC, JWK_SIGN | JWK_VERIFY, "P-256", 32, 64},
    {"ES384", KTY_EC, JWK_SIGN | JWK_VERIFY, "P-384", 48, 96},
    {"ES512", KTY_EC, JWK_SIGN | JWK_VERIFY, "P-521", 64, 132},
    {"HS256", KTY_OCT, JWK_SIGN | JWK_VERIFY, NULL, 32, 32},
    {"HS384", KTY_OCT, JWK_SIGN | JWK_VERIFY, NULL, 48, 48},
    {"HS512", KTY_OCT, JWK_SIGN | JWK_VERIFY, NULL, 64, 64},
    {"RSA-OAEP", KTY_RSA, JWK_DECRYPT, NULL, 0, 0},
    {"RSA-OAEP-256", KTY_RSA, JWK_DECRYPT, NULL, 0, 0},
    {"ECDH-ES", KTY_EC, JWK_DECRYPT, NULL, 0, 0},
    {"ECDH-ES+A128KW", KTY_EC, JWK_DECRYPT, NULL, 0, 0},
    {"ECDH-ES+A192KW", KTY_EC, JWK_DECRYPT, NULL, 0, 0},
    {"ECDH-ES+A256KW", KTY_EC, JWK_DECRYPT, NULL, 0, 0},
    {"A128KW", KTY_OCT, JWK_DECRYPT, NULL, 0, 0},
    {"A192KW", KTY_OCT, JWK_DECRYPT, NULL, 0, 0},
    {"A256KW", KTY_OCT, JWK_DECRYPT, NULL, 0, 0},
    {"dir", KTY_OCT, JWK_DECRYPT, NULL, 0, 0},
};

const struct jose_alg *jose_alg_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT_OF(algs); i++)
        if (strcmp(algs[i].name, name) == 0)
            return &algs[i];
    return NULL;
}

/* Where a key's `alg` and the header's may differ; everywhere else they are equal, letter by letter.
 * - ES521 is no registered name, but published keys carry it for P-521, where only ES512 is possible.
 * - RSASSA-PSS keys are generated "for PS256" and used with the longer hashes (RFC 7520 §4.2's key, as published by
 *   Wycheproof): never a weaker hash than the key says, never another padding.
 * - dir: RFC 7520 §5.6 names the content encryption on the key; it fixes the same use. */
static const struct {
    const char *key_alg, *alg;
} exceptions[] = {
    {"ES521", "ES512"},       {"PS256", "PS384"},       {"PS256", "PS512"},
    {"A128GCM", "dir"},       {"A192GCM", "dir"},       {"A256GCM", "dir"},
    {"A128CBC-HS256", "dir"}, {"A192CBC-HS384", "dir"}, {"A256CBC-HS512", "dir"},
};

/* RFC 7517 §4.4: "The 'alg' parameter identifies the algorithm intended for use with the key." */
bool jose_alg_allowed(const char *key_alg, const char *alg)
{
    if (key_alg == NULL || strcmp(key_alg, alg) == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(exceptions); i++)
        if (strcmp(exceptions[i].key_alg, key_alg) == 0 && strcmp(exceptions[i].alg, alg) == 0)
            return true;
    return false;
}

bool jose_name_in(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

size_t jose_curve_bytes(const char *crv)
{
    static const struct {
        const char *crv;
        size_t bytes;
    } curves[] = {{"P-256", 32}, {"P-384", 48}, {"P-521", 66}};

    for (size_t i = 0; crv != NULL && i < COUNT_OF(curves); i++)
        if (strcmp(curves[i].crv, crv) == 0)
            return curves[i].bytes;
    return 0;
}
