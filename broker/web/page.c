/* What does the person see? One renderer for every page: handlers give a list of blocks, this writes the HTML. Nothing
 * a handler passes is markup; page_text.c escapes it all. Works without JavaScript, on a small screen, by keyboard and
 * with a screen reader (one h1, labels bound to inputs, role=alert, landmarks). */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 20 * 1024 };

/* Set once at start, read-only after. */
static char *shown_ministry, *shown_contact, *shown_mark;

static void shown_set(char **shown, const char *text)
{
    free(*shown);
    *shown = text == NULL || *text == '\0' ? NULL : strdup(text);
}

void pages_setup(const char *ministry, const char *contact)
{
    shown_set(&shown_ministry, ministry);
    shown_set(&shown_contact, contact);
}

void pages_mark(const char *text)
{
    shown_set(&shown_mark, text);
}

const char *page_ministry(void)
{
    return shown_ministry;
}

/* ---- blocks ----------------------------------------------------------------------------------------------- */

struct render {
    struct buf *out;
    struct fill fill;
    unsigned fields; /* numbers the ids that bind labels to inputs */
    bool facts;      /* inside <dl> */
    bool led;        /* the page has its main action: a form, or the first link in our own words */
    bool refused;    /* a form led nowhere: the page must not be shown without it */
};

static void raw(struct render *r, const char *html)
{
    buf_text(r->out, html);
}

static void attribute(struct render *r, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(r->out, " %s=\"", name);
    html_text(r->out, value);
    raw(r, "\"");
}

static void words(struct render *r, const struct block *b)
{
    if (b->text != NULL)
        html_foreign(r->out, b->text);
    else if (b->key != NULL)
        html_message(r->out, &r->fill, b->key);
}

static void block_text(struct render *r, const struct block *b)
{
    raw(r, "<p>");
    words(r, b);
    raw(r, "</p>\n");
}

static void block_notice(struct render *r, const struct block *b)
{
    raw(r, "<p class=\"notice\" role=\"alert\">");
    words(r, b);
    raw(r, "</p>\n");
}

static void block_fact(struct render *r, const struct block *b)
{
    raw(r, "<div><dt>");
    html_message(r->out, &r->fill, b->key);
    raw(r, "</dt><dd>");
    html_foreign(r->out, b->value == NULL ? "" : b->value);
    raw(r, "</dd></div>\n");
}

static void block_link(struct render *r, const struct block *b)
{
    if (!page_url_ok(b->value)) { /* javascript:, data: or another host in disguise */
        log_event(LEVEL_ERROR, "web.page.link_refused", "key", b->key, NULL);
        return;
    }
    bool main_action = b->text == NULL && !r->led; /* ready text is one of several equal choices */
    r->led = r->led || main_action;
    raw(r, main_action ? "<a class=\"link main\"" : "<a class=\"link\"");
    attribute(r, "href", b->value);
    raw(r, "><span>");
    words(r, b);
    raw(r, "</span></a>\n");
}

static void block_form(struct render *r, const struct block *b)
{
    if (!page_url_ok(b->value)) {
        log_event(LEVEL_ERROR, "web.page.form_refused", NULL);
        r->refused = true;
        return;
    }
    r->led = true;
    raw(r, "<form method=\"post\" accept-charset=\"utf-8\"");
    attribute(r, "action", b->value);
    raw(r, ">\n");
}

static void block_hidden(struct render *r, const struct block *b)
{
    raw(r, "<input type=\"hidden\"");
    attribute(r, "name", b->name);
    attribute(r, "value", b->value);
    raw(r, ">\n");
}

static void labelled_input(struct render *r, const struct block *b, const char *fixed, const char *autocomplete)
{
    unsigned id = ++r->fields;
    buf_printf(r->out, "<label for=\"f%u\">", id);
    words(r, b);
    buf_printf(r->out, "</label><input id=\"f%u\" %s required", id, fixed);
    attribute(r, "autocomplete", autocomplete);
    attribute(r, "name", b->name);
}

/* Only what is a user name is offered to the browser's list of them; on a shared tablet nothing else is kept. */
static const char *field_autocomplete(const char *name)
{
    static const char *const user_names[] = {"username", "user", "login"};
    for (size_t i = 0; i < COUNT_OF(user_names); i++)
        if (text_equal(name, user_names[i]))
            return "username";
    return "off";
}

static void block_field(struct render *r, const struct block *b)
{
    labelled_input(r, b, "type=\"text\" dir=\"auto\" autocapitalize=\"none\" autocorrect=\"off\" spellcheck=\"false\"",
                   field_autocomplete(b->name));
    attribute(r, "value", b->value);
    raw(r, ">\n");
}

static void block_password(struct render *r, const struct block *b)
{
    labelled_input(r, b, "type=\"password\" dir=\"ltr\"", "current-password"); /* a preset is never written */
    raw(r, ">\n");
}

static void submit(struct render *r, const struct block *b, const char *start)
{
    raw(r, start);
    attribute(r, "name", b->name);
    attribute(r, "value", b->value);
    raw(r, "><span>");
    words(r, b);
    raw(r, "</span></button>\n");
}

/* formnovalidate: "another ID" must work while the password is still empty. */
static void block_choice(struct render *r, const struct block *b)
{
    submit(r, b, "<button type=\"submit\" formnovalidate");
}

static void block_button(struct render *r, const struct block *b)
{
    submit(r, b, "<button class=\"main\" type=\"submit\"");
}

static void block_form_end(struct render *r, const struct block *b)
{
    (void)b;
    raw(r, "</form>\n");
}

static void block_ref(struct render *r, const struct block *b)
{
    const struct param args[] = {{"ref", b->value == NULL ? "" : b->value}, {NULL, NULL}};
    const struct fill fill = {r->fill.language, args, false};
    raw(r, "<p class=\"ref\">");
    html_message(r->out, &fill, "ref.sentence");
    raw(r, "</p>\n");
}

static void (*const block_writers[])(struct render *, const struct block *) = {
    [BLOCK_TEXT] = block_text,         [BLOCK_NOTICE] = block_notice, [BLOCK_FACT] = block_fact,
    [BLOCK_LINK] = block_link,         [BLOCK_FORM] = block_form,     [BLOCK_HIDDEN] = block_hidden,
    [BLOCK_FIELD] = block_field,       [BLOCK_PASSWORD] = block_password,
    [BLOCK_CHOICE] = block_choice,     [BLOCK_BUTTON] = block_button, [BLOCK_FORM_END] = block_form_end,
    [BLOCK_REF] = block_ref,
};

/* Facts that follow each other are one list. */
static void facts_open(struct render *r, bool wanted)
{
    if (wanted != r->facts)
        raw(r, wanted ? "<dl>\n" : "</dl>\n");
    r->facts = wanted;
}

static void blocks_write(struct render *r, const struct block *blocks)
{
    for (const struct block *b = blocks; b != NULL && b->kind != BLOCK_END; b++) {
        facts_open(r, b->kind == BLOCK_FACT);
        block_writers[b->kind](r, b);
    }
    facts_open(r, false);
}

/* ---- the page around them --------------------------------------------------------------------------------- */

static void head_write(struct render *r, const struct page *p)
{
    struct fill plain = r->fill;
    plain.plain = true;
    buf_printf(r->out, "<!doctype html>\n<html lang=\"%s\" dir=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
                       "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                       "<meta name=\"robots\" content=\"noindex\">\n<title>",
               r->fill.language, message_rtl(r->fill.language) ? "rtl" : "ltr");
    html_message(r->out, &plain, p->title);
    if (shown_ministry != NULL) {
        raw(r, " · ");
        html_text(r->out, shown_ministry);
    }
    raw(r, "</title>\n<style>");
    raw(r, page_style);
    raw(r, "</style>\n</head>\n");
}

/* The mark is the ministry's letters, or a shield with a tick. It says nothing that the name beside it does not. */
static void banner_write(struct render *r)
{
    raw(r, "<header>");
    if (shown_mark != NULL) {
        raw(r, "<span class=\"mark\" aria-hidden=\"true\">");
        html_text(r->out, shown_mark);
        raw(r, "</span>");
    } else {
        raw(r, "<svg class=\"mark\" viewBox=\"0 0 40 40\" fill=\"currentColor\" aria-hidden=\"true\">"
               "<path fill-rule=\"evenodd\" d=\"M20 2l15 5v11c0 10-6.500 16.500-15 20C11.500 34.500 5 28 5 18V7zm-2.500 "
               "24.500l11-11-2.800-2.800-8.200 8.200-3.700-3.700-2.800 2.800z\"/></svg>");
    }
    raw(r, "<span>");
    if (shown_ministry != NULL)
        html_foreign(r->out, shown_ministry);
    else
        html_message(r->out, &r->fill, "page.brand");
    raw(r, "</span></header>\n");
}

static void body_write(struct render *r, const struct page *p)
{
    raw(r, "<body>\n<div class=\"frame\">\n");
    banner_write(r);
    raw(r, "<main>\n<h1>");
    html_message(r->out, &r->fill, p->title);
    raw(r, "</h1>\n");
    blocks_write(r, p->blocks);
    raw(r, "</main>\n");
    if (shown_contact != NULL) {
        raw(r, "<footer><p>");
        html_foreign(r->out, shown_contact);
        raw(r, "</p></footer>\n");
    }
    raw(r, "</div>\n</body>\n</html>\n");
}

/* The last resort, when a page grew too large or memory is out: a sentence is better than nothing. */
static void page_plain(struct reply *r, const char *language)
{
    log_event(LEVEL_ERROR, "web.page.failed", NULL);
    r->status = 500;
    r->content_type = "text/plain; charset=utf-8";
    r->body = message_text(language, "reason.internal");
    r->body_len = strlen(r->body);
}

void page_reply(struct exchange *x, const struct page *p)
{
    CLEANUP(buf) struct buf out;
    buf_init(&out, PAGE_BYTES_MAX);
    const char *language = x->language == NULL ? "en" : x->language;
    struct render r = {.out = &out, .fill = {language, p->args, false}};
    head_write(&r, p);
    body_write(&r, p);
    page_headers(x, p->form_action);
    reply_header(x->reply, "Content-Language", language);
    const char *body = out.failed || r.refused ? NULL : arena_strndup(x->reply->arena, out.data, out.len);
    if (body == NULL) {
        page_plain(x->reply, language);
        return;
    }
    x->reply->status = p->status == 0 ? 200 : p->status;
    x->reply->content_type = "text/html; charset=utf-8";
    x->reply->body = body;
    x->reply->body_len = out.len;
}
