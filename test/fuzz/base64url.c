/* base64url and base64: two texts must never be the same token, so what is accepted is exactly what would be written
 * (RFC 4648 §3.5, §5). */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    struct bytes out;
    const char *text = (const char *)data;

    if (fuzz_accepted(base64url_decode(&f, a, text, size, &out))) {
        const char *again = base64url_encode(a, out.data, out.len);
        MUST(again != NULL && strlen(again) == size && memcmp(again, text, size) == 0);
        MUST(out.data[out.len] == 0);
    }
    if (fuzz_accepted(base64_decode(&f, a, text, size, &out))) {
        const char *again = base64_encode(a, out.data, out.len);
        MUST(again != NULL && strlen(again) == size && memcmp(again, text, size) == 0);
    }
    arena_free(a);
    return 0;
}
