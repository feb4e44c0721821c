/* Encodings: base64url and base64 (RFC 4648 §5, §4), hex, percent (RFC 3986 §2.1) and
 * application/x-www-form-urlencoded (RFC 6749 appendix B). Called by token, web, upstream and whoever writes a URL.
 *
 * Decoding base64 is our own because it has to be strict: OpenSSL's skips blanks and accepts stray bits, and then two
 * different texts would be the same token. */
#include "internal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

/* ---- base64 --------------------------------------------------------------------------------------- */

#define ONLY_BASE64 0x40    /* + and / */
#define ONLY_BASE64URL 0x80 /* - and _ */

/* The value of an ASCII character; a character of neither alphabet has both marks. */
static const unsigned char SEXTETS[128] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7e, 0xff, 0xbe, 0xff, 0x7f,
    0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e,
    0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0xff, 0xff, 0xff, 0xff, 0xbf,
    0xff, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0xff, 0xff, 0xff, 0xff, 0xff,
};

char *base64_encode(struct arena *a, const void *data, size_t n)
{
    if (n > INT_MAX / 2)
        return NULL;
    char *text = arena_alloc(a, (n + 2) / 3 * 4 + 1);
    if (text != NULL && n > 0)
        EVP_EncodeBlock((unsigned char *)text, data, (int)n);
    return text;
}

char *base64url_encode(struct arena *a, const void *data, size_t n)
{
    char *text = base64_encode(a, data, n);
    if (text == NULL)
        return NULL;
    text[strcspn(text, "=")] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return text;
}

static unsigned sextet(unsigned char c, unsigned *marks)
{
    unsigned v = c < 128 ? SEXTETS[c] : 0xff;
    *marks |= v;
    return v & 0x3f;
}

/* Decodes n characters without padding into `out`; false when one is not of the alphabet, when the count cannot be,
 * or when bits behind the last byte are set (RFC 4648 §3.5: "implementations MAY chose to reject": we do). */
static bool decode(const char *s, size_t n, unsigned foreign, unsigned char *out)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned marks = 0, stray = 0;
    for (; n >= 4; n -= 4, p += 4) {
        unsigned v = sextet(p[0], &marks) << 18 | sextet(p[1], &marks) << 12 | sextet(p[2], &marks) << 6;
        v |= sextet(p[3], &marks);
        *out++ = (unsigned char)(v >> 16);
        *out++ = (unsigned char)(v >> 8 & 0xff);
        *out++ = (unsigned char)(v & 0xff);
    }
    if (n == 1)
        return false;
    if (n >= 2) {
        unsigned v = sextet(p[0], &marks) << 12 | sextet(p[1], &marks) << 6;
        v |= n == 3 ? sextet(p[2], &marks) : 0;
        *out++ = (unsigned char)(v >> 10);
        if (n == 3)
            *out++ = (unsigned char)(v >> 2 & 0xff);
        stray = v & (n == 3 ? 0x3 : 0x3ff);
    }
    return (marks & foreign) == 0 && stray == 0;
}

static enum result decode_text(struct fault *f, struct arena *a, const char *s, size_t n, unsigned foreign,
                               struct bytes *out_r)
{
    *out_r = (struct bytes){NULL, 0};
    size_t len = n / 4 * 3 + (n % 4 == 0 ? 0 : n % 4 - 1);
    unsigned char *data = arena_alloc(a, len + 1); /* one more: text stays NUL-terminated */
    NEED(f, data);
    if (!decode(s, n, foreign, data))
        return FAULT(f, RESULT_INVALID, "not canonical base64");
    *out_r = (struct bytes){data, len};
    return RESULT_OK;
}

enum result base64url_decode(struct fault *f, struct arena *a, const char *s, size_t n, struct bytes *out_r)
{
    return decode_text(f, a, s, n, ONLY_BASE64, out_r);
}

enum result base64_decode(struct fault *f, struct arena *a, const char *s, size_t n, struct bytes *out_r)
{
    *out_r = (struct bytes){NULL, 0};
    if (n % 4 != 0)
        return FAULT(f, RESULT_INVALID, "base64 of a length that is no multiple of 4");
    size_t padding = n > 0 && s[n - 1] == '=' ? (s[n - 2] == '=' ? 2 : 1) : 0;
    return decode_text(f, a, s, n - padding, ONLY_BASE64URL, out_r);
}

/* ---- hex ------------------------------------------------------------------------------------------ */

static const char LOWER_HEX[] = "0123456789abcdef";
static const char UPPER_HEX[] = "0123456789ABCDEF"; /* RFC 3986 §2.1: upper case in percent-encodings */

char *hex_encode(struct arena *a, const void *data, size_t n)
{
    const unsigned char *p = data;
    if (n > SIZE_MAX / 2 - 1)
        return NULL;
    char *text = arena_alloc(a, n * 2 + 1);
    for (size_t i = 0; text != NULL && i < n; i++) {
        text[2 * i] = LOWER_HEX[p[i] >> 4];
        text[2 * i + 1] = LOWER_HEX[p[i] & 15];
    }
    return text;
}

/* ---- percent and form ----------------------------------------------------------------------------- */

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
static const char UNRESERVED[] = ALPHANUMERIC "-._~"; /* RFC 3986 §2.3 */
static const char FORM_SAFE[] = ALPHANUMERIC "*-._";  /* what browsers and Java's URLEncoder leave alone */

static bool is_safe(char c, const char *safe)
{
    return c != '\0' && strchr(safe, c) != NULL;
}

/* Writes the encoding of one character, at most three, and returns how many. */
static size_t encode_one(char *out, char c, const char *safe, bool form)
{
    if (is_safe(c, safe) || (form && c == ' ')) {
        out[0] = c == ' ' ? '+' : c;
        return 1;
    }
    out[0] = '%';
    out[1] = UPPER_HEX[(unsigned char)c >> 4];
    out[2] = UPPER_HEX[(unsigned char)c & 15];
    return 3;
}

/* Most of a text stands as it is: runs of it are found and copied in one go. */
static size_t encoded_length(const char *s, const char *safe, bool form)
{
    size_t len = 0;
    char one[3];
    while (*s != '\0') {
        size_t run = strspn(s, safe);
        len += run;
        s += run;
        if (*s != '\0')
            len += encode_one(one, *s++, safe, form);
    }
    return len;
}

static char *encode_all(struct arena *a, const char *s, const char *safe, bool form)
{
    if (s == NULL || strlen(s) > SIZE_MAX / 3 - 1)
        return NULL;
    char *text = arena_alloc(a, encoded_length(s, safe, form) + 1), *at = text;
    while (text != NULL && *s != '\0') {
        size_t run = strspn(s, safe);
        memcpy(at, s, run);
        at += run;
        s += run;
        if (*s != '\0')
            at += encode_one(at, *s++, safe, form); /* never more than was counted */
    }
    return text;
}

char *percent_encode(struct arena *a, const char *s)
{
    return encode_all(a, s, UNRESERVED, false);
}

char *form_encode(struct arena *a, const char *s)
{
    return encode_all(a, s, FORM_SAFE, true);
}

static void form_add_text(struct buf *b, const char *s)
{
    char one[3];
    while (*s != '\0') {
        size_t run = strspn(s, FORM_SAFE);
        buf_add(b, s, run);
        s += run;
        if (*s != '\0')
            buf_add(b, one, encode_one(one, *s++, FORM_SAFE, true));
    }
}

void form_add(struct buf *b, const char *name, const char *value)
{
    if (name == NULL || value == NULL)
        return;
    if (b->len > 0)
        buf_text(b, "&");
    form_add_text(b, name);
    buf_text(b, "=");
    form_add_text(b, value);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum result percent_decode(struct fault *f, struct arena *a, const char *s, size_t n, bool form, char **out_r)
{
    *out_r = NULL;
    char *text = arena_alloc(a, n < SIZE_MAX ? n + 1 : n);
    NEED(f, text);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int high = n - i > 2 ? hex_value(s[i + 1]) : -1, low = n - i > 2 ? hex_value(s[i + 2]) : -1;
            if (high < 0 || low < 0)
                return FAULT(f, RESULT_INVALID, "a %% is not followed by two hex digits");
            c = (char)(high << 4 | low);
            i += 2;
        } else if (form && c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return FAULT(f, RESULT_INVALID, "holds a NUL");
        text[len++] = c;
    }
    if (!text_is_utf8(text, len))
        return FAULT(f, RESULT_INVALID, "not UTF-8 after decoding");
    *out_r = text;
    return RESULT_OK;
}
