/* What an ID provider says about a person: claims of the id_token on the first line, of userinfo on the second, brought
 * together by claims_merge. What the id_token said stays, technical claims never come from userinfo. */
#include "../../broker/upstream/private.h"
#include "fuzz.h"

static const json_t *object_of(struct arena *a, const char *text)
{
    struct fault f = {0};
    json_t *j = NULL;

    if (text == NULL || !fuzz_accepted(json_parse(&f, a, text, strlen(text), 1u << 20, &j)) || !json_is_object(j))
        return NULL;
    return j;
}

static void check(const json_t *before, const json_t *after)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)before, key, value)
        MUST(json_equal(json_object_get(after, key), value));
    json_object_foreach((json_t *)(uintptr_t)after, key, value) {
        if (json_object_get(before, key) != NULL)
            continue;
        MUST(strchr(key, '#') == NULL);
        MUST(!text_has_word("iss aud exp iat nbf nonce azp jti verified_claims", key));
        MUST(!json_is_string(value) || json_string_length(value) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    char *text = fuzz_text(data, size), *second = fuzz_cut(text);
    const json_t *from = object_of(a, second), *id_token = object_of(a, text);

    if (from != NULL && id_token != NULL) {
        json_t *to = arena_json(a, json_deep_copy(id_token));
        MUST(to != NULL && fuzz_accepted(claims_merge(&f, a, "fra en", to, from)));
        check(id_token, to);
        json_t *twice = arena_json(a, json_deep_copy(to));
        MUST(twice != NULL && fuzz_accepted(claims_merge(&f, a, "fra en", twice, from)));
        MUST(json_equal(to, twice));
    }
    free(text);
    arena_free(a);
    return 0;
}
