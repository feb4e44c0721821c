/* How does text get into HTML without becoming markup? Everything a page shows is written by one of these three. Names
 * of people and places come in any script and direction, so somebody's words stand in <bdi>: an Arabic name inside a
 * French sentence, or a stray direction mark, turns nothing around it. */
#include "private.h"

#include <string.h>

enum { FOREIGN_MAX = 400 }; /* bytes: no name is longer, and no page may burst on one */

static const char *entity_of(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Control characters vanish; when the whole is no UTF-8 (a directory can hold Latin-1), what is not ASCII becomes "?". */
static void html_bytes(struct buf *b, const char *s, size_t n)
{
    bool utf8 = text_is_utf8(s, n);
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *instead = entity_of(s[i]);
        if (instead == NULL && ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f))
            instead = "";
        if (instead == NULL && c >= 0x80 && !utf8)
            instead = "?";
        if (instead == NULL)
            continue;
        buf_add(b, s + from, i - from);
        buf_text(b, instead);
        from = i + 1;
    }
    buf_add(b, s + from, n - from);
}

void html_text(struct buf *b, const char *s)
{
    html_bytes(b, s, strlen(s));
}

/* Cuts at a character's border: a byte 10xxxxxx belongs to the one before it. */
static void html_cut(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    if (n > FOREIGN_MAX) {
        for (n = FOREIGN_MAX; n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80;)
            n--;
        html_bytes(b, s, n);
        buf_text(b, "…");
    } else {
        html_bytes(b, s, n);
    }
}

void html_foreign(struct buf *b, const char *s)
{
    buf_text(b, "<bdi>");
    html_cut(b, s);
    buf_text(b, "</bdi>");
}

static const char *foreign_value(const struct fill *fill, struct bytes name)
{
    for (const struct param *p = fill->args; p != NULL && p->name != NULL; p++)
        if (bytes_equal_text(name, p->name) && p->value != NULL && p->value[0] != '\0')
            return p->value;
    return bytes_equal_text(name, "ministry") ? page_ministry() : NULL;
}

/* A placeholder nobody filled reads as a word of ours, word.application "the application": no holes. */
static void placeholder(struct buf *b, const struct fill *fill, struct bytes name)
{
    char key[64];
    const char *value = foreign_value(fill, name);
    if (value != NULL && fill->plain) {
        html_cut(b, value);
    } else if (value != NULL) {
        html_foreign(b, value);
    } else {
        (void)snprintf(key, sizeof key, "word.%.*s", (int)name.len, (const char *)name.data);
        html_text(b, message_text(fill->language, key));
    }
}

void html_message(struct buf *b, const struct fill *fill, const char *key)
{
    struct bytes literal, name;
    for (const char *at = message_text(fill->language, key); (at = message_next(at, &literal, &name)) != NULL;) {
        html_bytes(b, (const char *)literal.data, literal.len);
        if (name.len > 0)
            placeholder(b, fill, name);
    }
}
