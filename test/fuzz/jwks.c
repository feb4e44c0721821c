/* A key set fetched from an ID provider or given by a client: whatever it holds, only keys that may be used are kept
 * (RFC 7518 §3.2, §3.3: sizes; RFC 7517 §4: use and key_ops). The same text is also read as one key. */
#include "../../broker/token/jose.h"
#include "fuzz.h"

static void check(const struct token_key *k)
{
    MUST(k->cjose != NULL && k->kty <= KTY_OCT);
    MUST(k->kty != KTY_RSA || (k->bytes >= 256 && k->bytes <= 1024));
    MUST(k->kty != KTY_EC || jose_curve_bytes(k->crv) > 0);
    MUST(k->kty != KTY_OCT || k->bytes > 0);
    MUST(k->allows <= (JWK_VERIFY | JWK_SIGN | JWK_DECRYPT));
}

static void take(struct token_keys *keys)
{
    bool secret = false, open = false;

    MUST(token_keys_count(keys) <= 64);
    for (size_t i = 0; i < keys->count; i++) {
        check(&keys->key[i]);
        secret = secret || keys->key[i].kty == KTY_OCT;
        open = open || keys->key[i].kty != KTY_OCT;
    }
    MUST(!secret || !open); /* a secret that was published beside public keys is none */
    token_keys_free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct token_keys *keys = NULL;
    struct fault f = {0};
    const char *text = (const char *)data, *thumbprint;

    if (fuzz_accepted(token_keys_parse(&f, text, size, &keys)))
        take(keys);
    else
        MUST(keys == NULL);
    char *one = fuzz_text(data, size);
    if (fuzz_accepted(token_keys_parse_one(&f, one, strlen(one), &keys))) {
        MUST(token_keys_count(keys) == 1);
        take(keys);
        MUST(fuzz_accepted(token_thumbprint(&f, a, one, &thumbprint)) && strlen(thumbprint) == 43);
    }
    free(one);
    arena_free(a);
    return 0;
}
