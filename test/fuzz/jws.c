/* A signed token of a stranger: token_verify in front of fixed keys. Two kinds of input:
 * - one line: the token as it came. Nobody holds the private halves of the keys in keys.h any more, so an accepted token
 *   whose signed bytes are not those of a genuine one is a forgery;
 * - two lines, header and payload: the target signs them as a partner would who means harm and holds a shared secret, so
 *   that everything behind the signature is reached. */
#include "fuzz.h"
#include "keys.h"

#include <idbridge/token.h>

static struct token_keys *public_keys, *shared_keys;
static const char *const public_algs[] = {"RS256", "PS256", "ES256", NULL}, *const shared_algs[] = {"HS256", NULL};

static bool is_genuine(const char *jws, size_t n)
{
    const char *dot = memrchr(jws, '.', n);
    size_t signed_bytes = dot == NULL ? n : (size_t)(dot - jws) + 1;

    for (size_t i = 0; i < COUNT_OF(genuine_jws); i++)
        if (strncmp(genuine_jws[i], jws, signed_bytes) == 0)
            return true;
    return false;
}

/* RFC 8725 §3.1, §3.6, §3.10 and RFC 7515 §4.1.11, asked of the header once more, by other means. */
static void check_header(const struct token_parts *p, const char *const *algs)
{
    static const char *const never[] = {"crit", "b64", "jwk", "jku", "x5u", "zip"};
    bool listed = false;

    for (size_t i = 0; algs[i] != NULL; i++)
        listed = listed || strcmp(algs[i], p->alg) == 0;
    MUST(listed && strcmp(json_text(p->header, "alg"), p->alg) == 0);
    for (size_t i = 0; i < COUNT_OF(never); i++)
        MUST(json_object_get(p->header, never[i]) == NULL);
    MUST(p->claims == NULL || json_is_object(p->claims));
}

static void check_claims(const json_t *claims)
{
    const struct token_expect e = {.iss = "https://issuer.example", .aud = "client", .require_exp = true, .now = 1800000000,
                                   .leeway_s = 30, .max_age_s = 600, .require_iat = true, .azp_rule = true};
    struct fault f = {0};
    int64_t exp, iat;

    if (token_claims_check(&f, claims, &e) != RESULT_OK)
        return;
    MUST(strcmp(json_text(claims, "iss"), e.iss) == 0 && json_holds_text(json_object_get(claims, "aud"), e.aud));
    MUST(json_integer_at(claims, "exp", &exp) && exp > e.now - e.leeway_s);
    MUST(json_integer_at(claims, "iat", &iat) && iat >= e.now - e.max_age_s - e.leeway_s && iat <= e.now + e.leeway_s);
}

static void verify_as_it_came(struct arena *a, const char *jws, size_t n)
{
    const struct token_policy policies[] = {{.algs = public_algs}, {.algs = shared_algs}};
    const struct token_keys *keys[] = {public_keys, shared_keys};

    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct token_parts parts;
        struct fault f = {0};
        enum token_fault why;
        if (!fuzz_accepted(token_verify(&f, a, jws, n, keys[i], &policies[i], &parts, &why))) {
            MUST(why != TOKEN_OK && f.detail[0] != '\0');
            continue;
        }
        MUST(why == TOKEN_OK && is_genuine(jws, n));
        check_header(&parts, policies[i].algs);
    }
}

static void verify_signed(struct arena *a, const char *header, size_t header_len, const char *payload, size_t payload_len)
{
    static const char *const typs[] = {"JWT", NULL};
    const struct token_policy policy = {.algs = shared_algs, .typs = typs};
    const char *h = base64url_encode(a, header, header_len), *p = base64url_encode(a, payload, payload_len);
    const char *input = arena_printf(a, "%s.%s", h, p);
    unsigned char mac[32];
    struct token_parts parts;
    struct fault f = {0};
    enum token_fault why;

    MUST(input != NULL);
    hmac_sha256(bytes_of(shared_secret), input, strlen(input), mac);
    const char *jws = arena_printf(a, "%s.%s", input, base64url_encode(a, mac, sizeof mac));
    if (!fuzz_accepted(token_verify(&f, a, jws, strlen(jws), shared_keys, &policy, &parts, &why))) {
        MUST(why != TOKEN_OK && why != TOKEN_SIGNATURE);
        return;
    }
    check_header(&parts, shared_algs);
    MUST(parts.typ == NULL || strcasecmp(parts.typ, "JWT") == 0 || strcasecmp(parts.typ, "application/JWT") == 0);
    MUST(parts.payload.len == payload_len && memcmp(parts.payload.data, payload, payload_len) == 0);
    if (parts.claims != NULL)
        check_claims(parts.claims);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct fault f = {0};

    (void)argc, (void)argv;
    MUST(token_keys_parse(&f, public_jwks, strlen(public_jwks), &public_keys) == RESULT_OK);
    MUST(token_keys_parse(&f, shared_jwks, strlen(shared_jwks), &shared_keys) == RESULT_OK);
    for (size_t i = 0; i < COUNT_OF(genuine_jws); i++) { /* otherwise nothing above would ever be accepted */
        struct arena *a = fuzz_arena();
        struct token_parts parts;
        enum token_fault why;
        bool shared = i == COUNT_OF(genuine_jws) - 1;
        const struct token_policy policy = {.algs = shared ? shared_algs : public_algs};
        MUST(token_verify(&f, a, genuine_jws[i], strlen(genuine_jws[i]), shared ? shared_keys : public_keys, &policy, &parts,
                          &why) == RESULT_OK);
        arena_free(a);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    const char *text = (const char *)data, *newline = memchr(text, '\n', size);

    if (newline == NULL)
        verify_as_it_came(a, text, size);
    else
        verify_signed(a, text, (size_t)(newline - text), newline + 1, size - (size_t)(newline + 1 - text));
    arena_free(a);
    return 0;
}
