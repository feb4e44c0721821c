/* What the files of web/ share among themselves and nobody else sees. */
#ifndef WEB_PRIVATE_H
#define WEB_PRIVATE_H

#include <idbridge/web.h>

/* params.c: what may stand in a cookie, RFC 6265 §4.1.1, and what a cookie or header may be called, RFC 9110 §5.6.2. */
bool cookie_value_ok(const char *s, size_t n);
bool token_name_ok(const char *s, size_t n);

/* reply.c: adds even when a header of that name is there: Set-Cookie. */
void reply_header_add(struct reply *r, const char *name, const char *value);

/* messages.c: a text cut at its placeholders. Fills `literal` with the run before the next {name} and `name` with
 * what is in its braces (len 0: none follows); returns where to go on, or NULL at the end. */
const char *message_next(const char *text, struct bytes *literal_r, struct bytes *name_r);
bool bytes_equal_text(struct bytes b, const char *s);

/* messages.S: the catalogue files as they were compiled in, ended by a NULL language. */
struct catalogue_file {
    const char *language, *start, *end;
};
extern const struct catalogue_file catalogue_files[] __attribute__((visibility("hidden")));

/* page_policy.c */
extern const char page_style[];
void page_headers(struct exchange *x, const char *form_action);
bool page_url_ok(const char *url);

/* page_text.c: into HTML. Everything a page shows goes through one of these. */
void html_text(struct buf *b, const char *s);                 /* escaped, for text and quoted attributes; not cut */
void html_foreign(struct buf *b, const char *s);              /* somebody's words: escaped, cut, inside <bdi> */
struct fill {
    const char *language;
    const struct param *args; /* ended by NULL name; or NULL */
    bool plain;               /* no <bdi>: inside <title> */
};
void html_message(struct buf *b, const struct fill *fill, const char *key);

/* page.c */
const char *page_ministry(void);

#endif
