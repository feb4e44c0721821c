/* A search filter with a person's words in it (RFC 4515): whatever is typed or claimed, the filter keeps its shape, and
 * the words can be read back out of it. The input is the login name; all of it, as claim, goes into a second filter. */
#include "../../broker/directory/internal.h"
#include "fuzz.h"

static size_t count_of(const char *s, char c)
{
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += *s == c;
    return n;
}

/* RFC 4515 §3 backwards: a backslash and two hex digits are one byte. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s != '\0'; s++) {
        unsigned byte = 0;
        if (*s == '\\') {
            MUST(sscanf(s + 1, "%2x", &byte) == 1 && byte != 0);
            s += 2;
        }
        *to++ = byte != 0 ? (char)byte : *s;
    }
    *to = '\0';
}

/* The value between the prefix and the suffix of the filter is the escaped word and nothing else. */
static void check(const char *filled, const char *prefix, const char *suffix, const char *word)
{
    size_t n = strlen(filled), at = strlen(prefix);

    MUST(text_has_prefix(filled, prefix) && n >= at + strlen(suffix));
    MUST(strcmp(filled + n - strlen(suffix), suffix) == 0);
    char *inside = strndup(filled + at, n - at - strlen(suffix));
    MUST(inside != NULL && strpbrk(inside, "()*") == NULL);
    unescape(inside);
    MUST(strcmp(inside, word) == 0);
    free(inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char by_login[] = "(&(objectClass=person)(uid={login}))", by_claim[] = "(n={claim.number})";
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    char *word = fuzz_text(data, size < 2048 ? size : 2048), *filled;

    MUST(dir_filter_check(&f, "login_filter", by_login, "{login}") == RESULT_OK);
    MUST(fuzz_accepted(dir_filter_fill(&f, a, by_login, word, NULL, &filled)));
    check(filled, "(&(objectClass=person)(uid=", "))", word);
    json_t *claims = arena_json(a, json_pack("{s:s%}", "number", word, strlen(word)));
    if (claims != NULL && dir_filter_fill(&f, a, by_claim, NULL, claims, &filled) == RESULT_OK)
        check(filled, "(n=", ")", word);
    if (dir_filter_check(&f, "claim_filter", word, "{claim.") == RESULT_OK) { /* as if the operator had written it */
        MUST(count_of(word, '(') == count_of(word, ')'));
        json_t *short_claim = arena_json(a, json_pack("{s:s}", "x", "(*)"));
        enum result r = dir_filter_fill(&f, a, word, NULL, short_claim, &filled);
        MUST(r == RESULT_OK || r == RESULT_NOT_FOUND);
    }
    free(word);
    arena_free(a);
    return 0;
}
