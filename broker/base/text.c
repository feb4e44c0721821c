/* Small questions about text: equal, prefix, word of a list, UTF-8, parts. Called by everybody. */
#include "internal.h"

#include <openssl/crypto.h>
#include <string.h>

bool text_equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Time depends on the lengths only, never on where the first difference is. */
bool text_equal_secret(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return false;
    size_t n = strlen(a);
    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

bool text_has_prefix(const char *s, const char *prefix)
{
    return s != NULL && prefix != NULL && strncmp(s, prefix, strlen(prefix)) == 0;
}

/* RFC 6749 §3.3: "a list of space-delimited, case-sensitive strings". */
bool text_has_word(const char *space_separated, const char *word)
{
    size_t n = word == NULL ? 0 : strlen(word);
    if (space_separated == NULL || n == 0)
        return false;
    for (const char *s = space_separated; *s != '\0';) {
        size_t len = strcspn(s, " ");
        if (len == n && memcmp(s, word, n) == 0)
            return true;
        s += len;
        s += strspn(s, " ");
    }
    return false;
}

bool text_listed(char *const *list, const char *word)
{
    for (; list != NULL && *list != NULL; list++)
        if (word != NULL && strcmp(*list, word) == 0)
            return true;
    return false;
}

/* The lowest second byte that RFC 3629 §4 allows after a first byte, which rules out overlong forms; 0xed and 0xf4
 * also have a highest one (surrogates, above U+10FFFF). */
static bool second_byte_ok(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return (second & 0xc0) == 0x80;
    }
}

size_t utf8_sequence(const unsigned char *s, size_t n)
{
    if (n == 0)
        return 0;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (len > n)
        return 0;
    if (len > 1 && !second_byte_ok(s[0], s[1]))
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool text_is_utf8(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    while (n > 0) {
        uint64_t eight;
        while (n >= sizeof eight) { /* nearly everything is ASCII: eight bytes at a time */
            memcpy(&eight, p, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) != 0)
                break;
            p += sizeof eight;
            n -= sizeof eight;
        }
        if (n == 0)
            break;
        size_t len = utf8_sequence(p, n);
        if (len == 0)
            return false;
        p += len;
        n -= len;
    }
    return true;
}

static size_t count_parts(const char *s, const char *separators)
{
    size_t count = 0;
    for (s += strspn(s, separators); *s != '\0'; s += strspn(s, separators)) {
        count++;
        s += strcspn(s, separators);
    }
    return count;
}

char **text_split(struct arena *a, const char *s, const char *separators, size_t *count_r)
{
    size_t count = s == NULL ? 0 : count_parts(s, separators);
    if (count_r != NULL)
        *count_r = 0;
    char **parts = arena_alloc(a, (count + 1) * sizeof *parts);
    for (size_t i = 0; parts != NULL && i < count; i++) {
        s += strspn(s, separators);
        size_t len = strcspn(s, separators);
        parts[i] = arena_strndup(a, s, len);
        if (parts[i] == NULL)
            return NULL;
        s += len;
    }
    if (parts != NULL && count_r != NULL)
        *count_r = count;
    return parts;
}
