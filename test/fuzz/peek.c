/* A token read without a key: token_peek, which chooses the issuer before anything is proved, and the question whether it
 * is encrypted. */
#include "fuzz.h"

#include <idbridge/token.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct token_parts p;
    struct fault f = {0};
    const char *text = (const char *)data;
    bool encrypted = token_looks_encrypted(text, size);

    if (fuzz_accepted(token_peek(&f, a, text, size, &p))) {
        MUST(json_is_object(p.header));
        MUST(p.claims == NULL || (json_is_object(p.claims) && !encrypted));
        MUST(p.alg == NULL || strcmp(p.alg, json_text(p.header, "alg")) == 0);
        MUST(p.kid == NULL || strcmp(p.kid, json_text(p.header, "kid")) == 0);
    }
    arena_free(a);
    return 0;
}
