/* names: what DHIS2 accepts as uid, username, name and e-mail address, and how a directory's values become that. Pure.
 * A repeat must meet its own first try, so everything here depends on the person alone, never on chance or time. */
#include "private.h"

#include <ctype.h>
#include <string.h>

enum { USERNAME_MIN = 4, USERNAME_MAX = 255, SUFFIX_LEN = 6, MAIL_MAX = 160 };

static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
#define FIRST 52 /* letters only */
#define LOWER "abcdefghijkmnpqrstuvwxyz23456789" /* nothing that looks like something else: people read usernames */

static void digest_of(struct arena *a, const char *purpose, const char *open_id, unsigned char out[32])
{
    const char *text = arena_printf(a, "idbridge %s %s", purpose, open_id);
    sha256(text == NULL ? "" : text, text == NULL ? 0 : strlen(text), out);
}

/* DHIS2's own ids are 11 of these; the client may choose (dhis2.md §5), which makes every retry find the first try. */
char *dhis2_uid_of(struct arena *a, const char *open_id)
{
    unsigned char digest[32];
    char uid[DHIS2_UID_LEN + 1];
    digest_of(a, "dhis2 uid", open_id, digest);
    for (size_t i = 0; i < DHIS2_UID_LEN; i++) {
        unsigned two = (unsigned)digest[2 * i] << 8 | digest[2 * i + 1];
        uid[i] = LETTERS[two % (i == 0 ? FIRST : sizeof LETTERS - 1)];
    }
    uid[DHIS2_UID_LEN] = '\0';
    return arena_strdup(a, uid);
}

/* ---- username -------------------------------------------------------------------------------------------------- */

/* U+00C0 to U+017F as people write them on an English keyboard; ? is nothing that stands for it. */
static const char LATIN[] = "aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuyty"
                            "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiijjjjkkklllllll"
                            "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static const struct {
    unsigned point;
    const char *text;
} two_letters[] = {{0xc6, "ae"}, {0xe6, "ae"}, {0xde, "th"}, {0xfe, "th"}, {0xdf, "ss"}, {0x152, "oe"}, {0x153, "oe"},
                   {0x132, "ij"}, {0x133, "ij"}};

/* One code point of text that is known to be UTF-8. */
static unsigned next_point(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned point = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        point = point << 6 | (p[i] & 0x3fu);
    *s += n;
    return point;
}

struct name {
    char text[USERNAME_MAX + 1];
    size_t len;
    bool lossy; /* letters were left out: another person's name may become the same */
};

static void put(struct name *n, char c)
{
    bool separator = !isalnum((unsigned char)c);
    bool after_separator = n->len == 0 || !isalnum((unsigned char)n->text[n->len - 1]);
    if (n->len == USERNAME_MAX - 1 - SUFFIX_LEN)
        n->lossy = true;
    else if (!separator || !after_separator)
        n->text[n->len++] = c;
}

static void put_point(struct name *n, unsigned p)
{
    if (p >= 0x300 && p < 0x370) /* combining marks: the letter before them stands for itself */
        return;
    for (size_t i = 0; i < COUNT_OF(two_letters); i++)
        if (two_letters[i].point == p) {
            put(n, two_letters[i].text[0]);
            put(n, two_letters[i].text[1]);
            return;
        }
    if (p < 0x80)
        put(n, isalnum((int)p) ? (char)tolower((int)p) : strchr("_@-", (int)p) != NULL && p != 0 ? (char)p : '.');
    else if (p >= 0xc0 && p < 0x180 && LATIN[p - 0xc0] != '?')
        put(n, LATIN[p - 0xc0]);
    else
        n->lossy = true;
}

static void add_suffix(struct arena *a, struct name *n, const char *open_id, unsigned attempt)
{
    unsigned char digest[32];
    digest_of(a, "dhis2 username", open_id, digest);
    if (n->len > 0)
        n->text[n->len++] = '.';
    for (size_t i = 0; i < SUFFIX_LEN; i++)
        n->text[n->len++] = LOWER[digest[(attempt * SUFFIX_LEN + i) % sizeof digest] % (sizeof LOWER - 1)];
}

/* A short, unreadable or taken name gets letters of its own; case is folded because DHIS2 would take "Ann" and "ann" as
 * two users, and Active Directory takes them as one. */
char *dhis2_username_of(struct arena *a, const char *prefix, const char *login, const char *open_id, unsigned attempt)
{
    struct name n = {.len = 0};
    const char *parts[] = {prefix, login};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i] != NULL && text_is_utf8(parts[i], strlen(parts[i])))
            for (const char *s = parts[i]; *s != '\0';)
                put_point(&n, next_point(&s));
    while (n.len > 0 && !isalnum((unsigned char)n.text[n.len - 1]))
        n.len--;
    if (attempt > 0 || n.lossy || n.len < USERNAME_MIN)
        add_suffix(a, &n, open_id, attempt);
    n.text[n.len] = '\0';
    return arena_strdup(a, n.text);
}

/* DHIS2 2.40 to 2.44: ^(?=.{4,255}$)(?![-_.@])(?!.*[-_.@]{2})[-_.@a-zA-Z0-9]+(?<![-_.@])$ */
bool dhis2_username_ok(const char *s)
{
    size_t len = strlen(s);
    bool separator_before = true;
    if (len < USERNAME_MIN || len > USERNAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool separator = strchr("-_.@", s[i]) != NULL;
        if ((separator && separator_before) || (!separator && !isalnum((unsigned char)s[i])))
            return false;
        separator_before = separator;
    }
    return !separator_before;
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

/* Stricter than DHIS2 nowhere that was seen: one @, no blanks, a dot in the domain, letters at its end. */
bool dhis2_mail_ok(const char *s)
{
    const char *at = strchr(s, '@');
    size_t len = strlen(s);
    if (at == NULL || at == s || at - s > 64 || strchr(at + 1, '@') != NULL || len > MAIL_MAX)
        return false;
    const char *dot = strrchr(at, '.');
    for (const char *c = s; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == ',')
            return false;
    return dot != NULL && dot != at + 1 && strlen(dot) > 2 && strstr(at, "..") == NULL && !isdigit((unsigned char)dot[1]);
}

char *dhis2_cut(struct arena *a, const char *s, size_t max)
{
    const char *end = s;
    for (size_t units = 0; *end != '\0';) {
        const char *next = end;
        units += next_point(&next) > 0xffff ? 2 : 1;
        if (units > max)
            break;
        end = next;
    }
    return arena_strndup(a, s, (size_t)(end - s));
}
