/* In which language does this person read? Called once per request with the application's ui_locales (OpenID Connect
 * Core §3.1.2.1: BCP 47 tags in order of preference) and the browser's Accept-Language (RFC 9110 §12.5.4). Matching is
 * the lookup of RFC 4647 §3.4 on the primary language: fr-CH finds fr. Three-letter tags are understood too, for eSignet
 * writes eng, fra, ara where BCP 47 would write en, fr, ar. */
#include "private.h"

#include <string.h>
#include <strings.h>

enum { RANGES_MAX = 32, RANGE_LEN_MAX = 8 };

/* ISO 639-2 (terminology and bibliographic codes) to ISO 639-1. */
static const char *const three_letters[][2] = {
    {"eng", "en"}, {"fra", "fr"}, {"fre", "fr"}, {"ara", "ar"}, {"por", "pt"},
    {"spa", "es"}, {"sin", "si"}, {"tam", "ta"}, {"hin", "hi"},
};

/* The offered language that a tag of n bytes means, or NULL. */
static const char *language_match(const char *tag, size_t n)
{
    char primary[RANGE_LEN_MAX + 1] = "";
    size_t len = 0;
    while (len < n && tag[len] != '-' && tag[len] != '_')
        len++;
    if (len == 0 || len > RANGE_LEN_MAX)
        return NULL;
    memcpy(primary, tag, len);
    const char *wanted = primary;
    for (size_t i = 0; i < COUNT_OF(three_letters); i++)
        if (strcasecmp(primary, three_letters[i][0]) == 0)
            wanted = three_letters[i][1];
    const char *const *names;
    size_t count = messages_languages(&names);
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], wanted) == 0)
            return names[i];
    return NULL;
}

static const char *choose_by_locales(const char *locales)
{
    for (const char *at = locales; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, " \t");
        const char *found = language_match(at, n);
        if (found != NULL)
            return found;
        at += n;
        at += strspn(at, " \t");
    }
    return NULL;
}

/* weight = OWS ";" OWS "q=" qvalue, at most three decimals; in thousandths. What is broken weighs nothing. */
static int weight_of(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t' || *s == ';'))
        s++;
    if (s == end)
        return 1000;
    if (end - s < 3 || (s[0] != 'q' && s[0] != 'Q') || s[1] != '=' || (s[2] != '0' && s[2] != '1'))
        return 0;
    int weight = (s[2] - '0') * 1000, unit = 100;
    s += 3;
    if (s < end && *s == '.')
        for (s++; s < end && *s >= '0' && *s <= '9' && unit > 0; s++, unit /= 10)
            weight += (*s - '0') * unit;
    return weight > 1000 ? 0 : weight;
}

struct wish {
    const char *language; /* the best named one so far */
    int weight;
    int any;              /* weight of "*", -1: not there */
    const char *named[RANGES_MAX]; /* offered languages that have a weight of their own */
    size_t named_count;
};

static void wish_add(struct wish *w, const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t'))
        s++;
    size_t n = strcspn(s, ",; \t");
    if (n > (size_t)(end - s))
        n = (size_t)(end - s);
    int weight = weight_of(s + n, end);
    if (n == 1 && *s == '*') {
        w->any = weight;
        return;
    }
    const char *language = language_match(s, n);
    if (language == NULL)
        return;
    w->named[w->named_count++] = language;
    if (weight > w->weight) { /* of equals the first, as browsers list them */
        w->language = language;
        w->weight = weight;
    }
}

/* "*" stands for every language that was not named: "en;q=0, *" is anything but English. */
static const char *wish_any(const struct wish *w)
{
    const char *const *names;
    size_t count = messages_languages(&names);
    for (size_t i = 0; i < count; i++) {
        bool named = false;
        for (size_t k = 0; k < w->named_count; k++)
            named = named || w->named[k] == names[i];
        if (!named)
            return names[i];
    }
    return NULL;
}

static const char *choose_by_header(const char *accept_language)
{
    struct wish w = {.any = -1};
    const char *at = accept_language;
    for (size_t i = 0; at != NULL && i < RANGES_MAX; i++) {
        const char *stop = strchr(at, ',');
        wish_add(&w, at, stop == NULL ? at + strlen(at) : stop);
        at = stop == NULL ? NULL : stop + 1;
    }
    const char *any = w.any > w.weight ? wish_any(&w) : NULL;
    return any != NULL ? any : w.language;
}

const char *language_choose(const char *ui_locales, const char *accept_language)
{
    const char *found = choose_by_locales(ui_locales);
    if (found == NULL)
        found = choose_by_header(accept_language);
    return found == NULL ? "en" : found;
}
