/* The renderer: escaping, headers, the style's hash, links and forms that may lead nowhere else. */
#include "support.h"

#include <string.h>

struct shown {
    struct reply reply;
    struct exchange x;
};

static void show(struct shown *s, void **state, const char *language, const struct page *p)
{
    reply_init(&s->reply, *state);
    s->x = (struct exchange){.arena = *state, .reply = &s->reply, .language = language};
    page_reply(&s->x, p);
}

static const char *body_of(void **state, const struct block *blocks, const struct param *args)
{
    static struct shown s;
    const struct page p = {.title = "error.title", .blocks = blocks, .args = args};
    show(&s, state, "en", &p);
    return s.reply.body;
}

#define EVIL "<script>alert(\"1\")</script>'&"
#define EVIL_SHOWN "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;"

static void escapes_everything(void **state)
{
    const struct block blocks[] = {
        {BLOCK_NOTICE, .key = "reason.acr_too_low"},
        {BLOCK_FACT, .key = "link.user", .value = EVIL},
        {BLOCK_FORM, .value = "/x?a=1&b=\""},
        {BLOCK_HIDDEN, .name = EVIL, .value = EVIL},
        {BLOCK_FIELD, .key = "link.user", .name = "user", .value = EVIL},
        {BLOCK_PASSWORD, .key = "link.password", .name = "password", .value = "never-shown"},
        {BLOCK_CHOICE, .text = EVIL, .name = "go", .value = EVIL},
        {BLOCK_BUTTON, .key = "link.button"},
        {.kind = BLOCK_FORM_END},
        {BLOCK_LINK, .text = EVIL, .value = "https://a.example/?\"><script>"},
        {BLOCK_REF, .value = EVIL},
        {BLOCK_END},
    };
    const struct param args[] = {{"application", EVIL}, {"provider", EVIL}, {NULL, NULL}};
    pages_setup(EVIL, EVIL);
    pages_mark(EVIL);
    const char *body = body_of(state, blocks, args);
    assert_null(strstr(body, "<script"));
    assert_null(strstr(body, "never-shown"));
    assert_non_null(strstr(body, "To use <bdi>" EVIL_SHOWN "</bdi>"));
    assert_non_null(strstr(body, "<dd><bdi>" EVIL_SHOWN "</bdi></dd>"));
    assert_non_null(strstr(body, "value=\"" EVIL_SHOWN "\""));
    assert_non_null(strstr(body, "action=\"/x?a=1&amp;b=&quot;\""));
    assert_non_null(strstr(body, "<footer><p><bdi>" EVIL_SHOWN "</bdi>"));
    assert_non_null(strstr(body, "· " EVIL_SHOWN "</title>"));
    pages_setup(NULL, NULL);
    pages_mark(NULL);
}

static void survives_bytes_that_are_no_text(void **state)
{
    char longer[2000];
    memset(longer, 'x', sizeof longer);
    longer[399] = '\xc3'; /* a character across the cut */
    longer[400] = '\xa9';
    longer[sizeof longer - 1] = '\0';
    const struct block blocks[] = {
        {BLOCK_FACT, .key = "link.user", .value = "Ren\xe9\x01\x7f"},
        {BLOCK_FACT, .key = "link.user", .value = longer},
        {BLOCK_END},
    };
    const char *body = body_of(state, blocks, NULL);
    assert_non_null(strstr(body, "<bdi>Ren?</bdi>"));
    assert_non_null(strstr(body, "x…</bdi>"));
    assert_true(text_is_utf8(body, strlen(body)));
}

static void sets_the_security_headers(void **state)
{
    const struct block blocks[] = {{BLOCK_TEXT, .key = "home.text"}, {BLOCK_END}};
    const struct page p = {.status = 403, .title = "home.title", .blocks = blocks};
    struct shown s;
    show(&s, state, "fr", &p);
    const char *csp = reply_header_value(&s.reply, "Content-Security-Policy");
    assert_int_equal(s.reply.status, 403);
    assert_string_equal(s.reply.content_type, "text/html; charset=utf-8");
    assert_string_equal(reply_header_value(&s.reply, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(reply_header_value(&s.reply, "X-Frame-Options"), "DENY");
    assert_string_equal(reply_header_value(&s.reply, "Referrer-Policy"), "no-referrer");
    assert_string_equal(reply_header_value(&s.reply, "Cache-Control"), "no-store");
    assert_string_equal(reply_header_value(&s.reply, "Content-Language"), "fr");
    assert_non_null(reply_header_value(&s.reply, "Cross-Origin-Opener-Policy"));
    assert_non_null(reply_header_value(&s.reply, "Permissions-Policy"));
    assert_true(text_has_prefix(csp, "default-src 'none'; style-src 'sha256-"));
    assert_non_null(strstr(csp, "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"));
    assert_null(strstr(csp, "unsafe"));
}

/* The browser hashes what stands between <style> and </style>. */
static void the_policy_names_the_style_by_its_hash(void **state)
{
    const struct block blocks[] = {{BLOCK_END}};
    const struct page p = {.title = "home.title", .blocks = blocks};
    struct shown s;
    unsigned char digest[32];
    show(&s, state, "en", &p);
    const char *from = strstr(s.reply.body, "<style>") + strlen("<style>"), *to = strstr(from, "</style>");
    sha256(from, (size_t)(to - from), digest);
    const char *source = arena_printf(*state, "'sha256-%s'", base64_encode(*state, digest, sizeof digest));
    assert_non_null(strstr(reply_header_value(&s.reply, "Content-Security-Policy"), source));
    assert_null(strstr(s.reply.body, "style="));
}

static void form_action_takes_origins_only(void **state)
{
    const struct block blocks[] = {{BLOCK_END}};
    const struct {
        const char *form_action, *want;
    } rows[] = {
        {NULL, "form-action 'self';"},
        {"https://app.example", "form-action 'self' https://app.example;"},
        {"https://app.example:8443/cb?x=1", "form-action 'self' https://app.example:8443;"},
        {"https://a.example http://b.example/x", "form-action 'self' https://a.example http://b.example;"},
        {"org.dhis2.capture:/cb", "form-action 'self' org.dhis2.capture:;"},
        {"http://[::1]:8080/cb", "form-action 'self' http:;"},
        {"https://a;script-src *", "form-action 'self';"},
        {"https://user@a.example", "form-action 'self';"},
        {"javascript:x", "form-action 'self';"},
        {"*", "form-action 'self';"},
        {"https://", "form-action 'self';"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct page p = {.title = "home.title", .blocks = blocks, .form_action = rows[i].form_action};
        struct shown s;
        show(&s, state, "en", &p);
        assert_non_null(strstr(reply_header_value(&s.reply, "Content-Security-Policy"), rows[i].want));
    }
}

static void links_lead_to_the_web_or_nowhere(void **state)
{
    static const char *const good[] = {"/restart?x=1", "/", "https://a.example/", "http://127.0.0.1:8080/x"};
    static const char *const bad[] = {"javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "//evil.example",
                                      "/\\evil.example", "\\/evil.example", " https://a", "https:evil.example",
                                      "https:///evil.example", "ht\ntp://x", "/\t/evil.example", "x", "", NULL};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const struct block blocks[] = {{BLOCK_LINK, .key = "restart.link", .value = good[i]}, {BLOCK_END}};
        assert_non_null(strstr(body_of(state, blocks, NULL), "href=\""));
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct block blocks[] = {{BLOCK_LINK, .key = "restart.link", .value = bad[i]}, {BLOCK_END}};
        assert_null(strstr(body_of(state, blocks, NULL), "href="));
    }
}

static void one_link_stands_out_unless_there_is_a_form(void **state)
{
    const struct block link = {BLOCK_LINK, .key = "restart.link", .value = "/"};
    const struct block equal = {BLOCK_LINK, .text = "HMIS", .value = "/"};
    const struct block two[] = {link, link, {BLOCK_END}}, choices[] = {equal, equal, {BLOCK_END}};
    const struct block form[] = {{BLOCK_FORM, .value = "/"}, {.kind = BLOCK_FORM_END}, link, {BLOCK_END}};
    const char *body = strstr(body_of(state, two, NULL), "<a class=\"link main\"");
    assert_non_null(body);
    assert_null(strstr(body + 1, "<a class=\"link main\""));
    assert_non_null(strstr(body, "<a class=\"link\""));
    assert_null(strstr(body_of(state, choices, NULL), "<a class=\"link main\""));
    assert_null(strstr(body_of(state, form, NULL), "<a class=\"link main\""));
}

static void a_form_that_leads_elsewhere_spoils_the_page(void **state)
{
    const struct block blocks[] = {{BLOCK_FORM, .value = "javascript:x"}, {.kind = BLOCK_FORM_END}, {BLOCK_END}};
    const struct page p = {.title = "link.title", .blocks = blocks};
    struct shown s;
    show(&s, state, "en", &p);
    assert_int_equal(s.reply.status, 500);
    assert_string_equal(s.reply.content_type, "text/plain; charset=utf-8");
}

static void binds_labels_and_helps_the_browser(void **state)
{
    const struct block blocks[] = {
        {BLOCK_FORM, .value = "/link"},
        {BLOCK_FIELD, .key = "link.user", .name = "username"},
        {BLOCK_FIELD, .key = "link.user", .name = "code"},
        {BLOCK_PASSWORD, .key = "link.password", .name = "password"},
        {BLOCK_CHOICE, .key = "sso.other", .name = "choice", .value = "other"},
        {BLOCK_BUTTON, .key = "link.button"},
        {.kind = BLOCK_FORM_END},
        {BLOCK_END},
    };
    const char *body = body_of(state, blocks, NULL);
    assert_non_null(strstr(body, "<label for=\"f1\">User name</label><input id=\"f1\""));
    assert_non_null(strstr(body, "<label for=\"f3\">Password</label><input id=\"f3\" type=\"password\""));
    assert_non_null(strstr(body, "autocomplete=\"username\" name=\"username\""));
    assert_non_null(strstr(body, "autocomplete=\"off\" name=\"code\""));
    assert_non_null(strstr(body, "autocomplete=\"current-password\" name=\"password\""));
    assert_non_null(strstr(body, "formnovalidate name=\"choice\" value=\"other\">"));
    assert_non_null(strstr(body, "<form method=\"post\""));
}

static void a_page_that_grows_too_large_is_a_sentence(void **state)
{
    struct block blocks[202] = {{BLOCK_END}};
    for (size_t i = 0; i < 200; i++)
        blocks[i] = (struct block){BLOCK_TEXT, .key = "logout.open"};
    const struct page p = {.title = "logout.title", .blocks = blocks};
    struct shown s;
    show(&s, state, "en", &p);
    assert_int_equal(s.reply.status, 500);
    assert_true(s.reply.body_len > 0 && s.reply.body_len < 300);
}

static void sentences_have_no_holes(void **state)
{
    const struct block blocks[] = {
        {BLOCK_NOTICE, .key = "reason.upstream_down"}, {BLOCK_TEXT, .key = "reason.overloaded.next"}, {BLOCK_END}};
    const struct param args[] = {{"provider", ""}, {NULL, NULL}};
    const char *body = body_of(state, blocks, args);
    assert_non_null(strstr(body, "We cannot reach the ID service at the moment."));
    assert_non_null(strstr(body, "Try again in a few seconds."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_ARENA(escapes_everything),
        TEST_IN_ARENA(survives_bytes_that_are_no_text),
        TEST_IN_ARENA(sets_the_security_headers),
        TEST_IN_ARENA(the_policy_names_the_style_by_its_hash),
        TEST_IN_ARENA(form_action_takes_origins_only),
        TEST_IN_ARENA(links_lead_to_the_web_or_nowhere),
        TEST_IN_ARENA(one_link_stands_out_unless_there_is_a_form),
        TEST_IN_ARENA(a_form_that_leads_elsewhere_spoils_the_page),
        TEST_IN_ARENA(binds_labels_and_helps_the_browser),
        TEST_IN_ARENA(a_page_that_grows_too_large_is_a_sentence),
        TEST_IN_ARENA(sentences_have_no_holes),
    };
    return cmocka_run_group_tests(tests, messages_setup, messages_teardown);
}
