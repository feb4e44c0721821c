/* Percent-decoding, as in a URL and as in a form: UTF-8 without NUL comes out, and encoding it again says the same. */
#include "fuzz.h"

static void check(struct arena *a, const char *text, size_t size, bool form)
{
    struct fault f = {0};
    char *plain, *again;

    if (!fuzz_accepted(percent_decode(&f, a, text, size, form, &plain)))
        return;
    size_t n = strlen(plain);
    MUST(n <= size && text_is_utf8(plain, n));
    const char *encoded = form ? form_encode(a, plain) : percent_encode(a, plain);
    MUST(encoded != NULL);
    for (const char *c = encoded; *c != '\0'; c++)
        MUST(*c > ' ' && *c < 0x7f && strchr("&=#?/\\\"'<>;,", *c) == NULL);
    MUST(fuzz_accepted(percent_decode(&f, a, encoded, strlen(encoded), form, &again)));
    MUST(strcmp(plain, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();

    check(a, (const char *)data, size, false);
    check(a, (const char *)data, size, true);
    arena_free(a);
    return 0;
}
