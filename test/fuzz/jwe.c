/* An encrypted token of a stranger: token_decrypt with one key of ours per kind. Whoever does not know the content key
 * cannot change a byte, so what opens says what the genuine ones say. */
#include "fuzz.h"
#include "keys.h"

#include <idbridge/token.h>

static struct token_private *keys[COUNT_OF(private_jwks)];
static const char *const algs[] = {"RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW", "A128KW", "dir", NULL};
static const char *const encs[] = {"A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM", NULL};

static bool opens(struct arena *a, const char *jwe, size_t n)
{
    const struct token_private *list[COUNT_OF(keys)];
    const char *cty = NULL;
    struct bytes plain;
    struct fault f = {0};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        list[i] = keys[i];
    if (!fuzz_accepted(token_decrypt(&f, a, jwe, n, list, COUNT_OF(list), algs, encs, &plain, &cty)))
        return false;
    MUST(token_looks_encrypted(jwe, n));
    MUST(plain.len == strlen(jwe_plaintext) && memcmp(plain.data, jwe_plaintext, plain.len) == 0);
    return true;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};

    (void)argc, (void)argv;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        MUST(token_private_parse(&f, private_jwks[i], NULL, &keys[i]) == RESULT_OK);
    for (size_t i = 0; i < COUNT_OF(genuine_jwe); i++)
        MUST(opens(a, genuine_jwe[i], strlen(genuine_jwe[i])));
    arena_free(a);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();

    (void)opens(a, (const char *)data, size);
    arena_free(a);
    return 0;
}
