/* Strict JSON: an object or an array, UTF-8, no member twice, nothing behind it; written and read again it is the same. */
#include "fuzz.h"

enum { JSON_MAX = 64 << 10 };

/* A member in the order it stands, then everything again by name: json_text and json_integer_at on strange values. */
static void look_at_members(const json_t *j)
{
    const char *key;
    json_t *value;
    int64_t n;

    json_object_foreach((json_t *)(uintptr_t)j, key, value) {
        const char *text = json_text(j, key);
        MUST(text == NULL || strlen(text) == json_string_length(value));
        if (json_integer_at(j, key, &n))
            MUST(json_is_number(value));
        (void)json_holds_text(value, "x");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    json_t *j, *again;

    if (fuzz_accepted(json_parse(&f, a, (const char *)data, size, JSON_MAX, &j))) {
        MUST(size <= JSON_MAX && (json_is_object(j) || json_is_array(j)));
        look_at_members(j);
        const char *compact = json_compact(a, j);
        MUST(compact != NULL);
        MUST(fuzz_accepted(json_parse(&f, a, compact, strlen(compact), SIZE_MAX, &again)));
        MUST(json_equal(j, again));
    }
    arena_free(a);
    return 0;
}
