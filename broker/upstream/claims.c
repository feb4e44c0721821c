/* Brings claims into one form: "name#eng" becomes "name" in the first configured language that is there (ISO 639-2 tags as
 * eSignet sends them, or BCP 47), "1988/04/12" becomes 1988-04-12, empty texts are left out, verified_claims are taken where
 * the plain claim is missing. */
#include "private.h"

#include <string.h>

#define TECHNICAL "iss aud exp iat nbf nonce at_hash c_hash azp jti verified_claims"

static bool tag_fits(const char *tag, const char *locale)
{
    size_t n = strcspn(locale, "-_");
    return strlen(tag) >= 2 && (strncasecmp(tag, locale, n) == 0 || (n == 2 && strncasecmp(tag, locale, 2) == 0));
}

/* How good a language tag is: 0 the best, then by order of preference; untagged is best of all when it is not empty. */
static size_t rank(struct arena *a, const char *key, const char *locales)
{
    const char *hash = strchr(key, '#');
    size_t n = 0;
    char **list = locales == NULL ? NULL : text_split(a, locales, " ", &n);
    if (hash == NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (tag_fits(hash + 1, list[i]))
            return i + 1;
    return n + 1;
}

static json_t *normal(struct arena *a, const char *key, const json_t *value)
{
    const char *s = json_string_value(value);
    if (s != NULL && strcmp(key, "birthdate") == 0 && strlen(s) == 10 && s[4] == '/' && s[7] == '/')
        return json_pack("s", arena_printf(a, "%.4s-%.2s-%.2s", s, s + 5, s + 8));
    return json_incref((json_t *)(uintptr_t)value);
}

static enum result take(struct fault *f, struct arena *a, const char *locales, json_t *to, const json_t *from)
{
    json_t *ranks = arena_json(a, json_object()); /* how good the taken spelling was */
    const char *key;
    json_t *value;
    NEED(f, ranks);
    json_object_foreach((json_t *)(uintptr_t)from, key, value) {
        char *plain = arena_strndup(a, key, strcspn(key, "#"));
        NEED(f, plain);
        const json_t *before = json_object_get(ranks, plain);
        size_t r = rank(a, key, locales);
        if (text_has_word(TECHNICAL, plain) || (json_is_string(value) && json_string_length(value) == 0))
            continue;
        if (before == NULL ? json_object_get(to, plain) != NULL : (size_t)json_integer_value(before) <= r)
            continue; /* said by the id_token, or in a better language */
        if (json_object_set_new(to, plain, normal(a, plain, value)) != 0 ||
            json_object_set_new(ranks, plain, json_integer((json_int_t)r)) != 0)
            return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    return RESULT_OK;
}

enum result claims_merge(struct fault *f, struct arena *a, const char *locales, json_t *to, const json_t *from)
{
    size_t i;
    json_t *one;
    TRY(take(f, a, locales, to, from));
    const json_t *verified = json_object_get(from, "verified_claims");
    if (json_is_object(verified))
        return take(f, a, locales, to, json_object_get(verified, "claims"));
    json_array_foreach(verified, i, one) TRY(take(f, a, locales, to, json_object_get(one, "claims")));
    return RESULT_OK;
}
