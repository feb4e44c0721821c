/* Every kind of page in every language: under 20 KiB, whole, and in the right direction. With IDBRIDGE_GALLERY set to a
 * folder the pages are written there as KIND.LANGUAGE.html, for screenshots. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define LONG_NAME "Kanagaratnam-Wickramasinghe Mudiyanselage Thilakarathna Bandara Jayawardena-Abeygunasekara"

static const struct block login_expired[] = {{BLOCK_NOTICE, .key = "reason.login_expired"},
                                             {BLOCK_TEXT, .key = "reason.login_expired.next"},
                                             {BLOCK_LINK, .key = "restart.link", .value = "/restart"},
                                             {BLOCK_REF, .value = "K7QM-3XHT"},
                                             {BLOCK_END}};
static const struct block refused[] = {{BLOCK_NOTICE, .key = "reason.upstream_refused"},
                                       {BLOCK_TEXT, .key = "reason.upstream_refused.next"},
                                       {BLOCK_LINK, .key = "restart.link", .value = "/restart"},
                                       {BLOCK_LINK, .key = "back.link", .value = "https://hmis.example/"},
                                       {BLOCK_REF, .value = "K7QM-3XHT"},
                                       {BLOCK_END}};
static const struct block several[] = {{BLOCK_NOTICE, .key = "reason.login_choose"},
                                       {BLOCK_TEXT, .key = "reason.login_choose.next"},
                                       {BLOCK_LINK, .text = "HMIS", .value = "/restart?1"},
                                       {BLOCK_LINK, .text = "وزارة الصحة", .value = "/restart?2"},
                                       {BLOCK_REF, .value = "K7QM-3XHT"},
                                       {BLOCK_END}};
static const struct block linking[] = {{BLOCK_NOTICE, .key = "link.wrong"},
                                       {BLOCK_TEXT, .key = "link.intro"},
                                       {BLOCK_FACT, .key = "link.person", .value = "Amina Diallo"},
                                       {BLOCK_FORM, .value = "/link"},
                                       {BLOCK_HIDDEN, .name = "state", .value = "c2VhbGVk"},
                                       {BLOCK_FIELD, .key = "link.user", .name = "username", .value = "a.diallo"},
                                       {BLOCK_PASSWORD, .key = "link.password", .name = "password"},
                                       {BLOCK_BUTTON, .key = "link.button"},
                                       {.kind = BLOCK_FORM_END},
                                       {BLOCK_TEXT, .key = "link.told"},
                                       {BLOCK_END}};
static const struct block password[] = {{BLOCK_NOTICE, .key = "password.wrong"},
                                        {BLOCK_TEXT, .key = "password.intro"},
                                        {BLOCK_FORM, .value = "/password"},
                                        {BLOCK_HIDDEN, .name = "state", .value = "c2VhbGVk"},
                                        {BLOCK_FIELD, .key = "link.user", .name = "username", .value = "a.diallo"},
                                        {BLOCK_PASSWORD, .key = "link.password", .name = "password"},
                                        {BLOCK_BUTTON, .key = "password.button"},
                                        {.kind = BLOCK_FORM_END},
                                        {BLOCK_END}};
static const struct block asking[] = {{BLOCK_FORM, .value = "/continue"},
                                      {BLOCK_HIDDEN, .name = "state", .value = "c2VhbGVk"},
                                      {BLOCK_BUTTON, .key = "sso.continue", .name = "choice", .value = "continue"},
                                      {BLOCK_CHOICE, .key = "sso.other", .name = "choice", .value = "other"},
                                      {.kind = BLOCK_FORM_END},
                                      {BLOCK_END}};
static const struct block choosing[] = {{BLOCK_TEXT, .key = "choose.intro"},
                                        {BLOCK_FORM, .value = "/choose"},
                                        {BLOCK_CHOICE, .text = "National ID", .name = "upstream", .value = "a"},
                                        {BLOCK_CHOICE, .text = "الهوية الوطنية", .name = "upstream", .value = "b"},
                                        {.kind = BLOCK_FORM_END},
                                        {BLOCK_END}};
static const struct block leaving[] = {{BLOCK_TEXT, .key = "logout.ask"},
                                       {BLOCK_FORM, .value = "/logout"},
                                       {BLOCK_BUTTON, .key = "logout.button"},
                                       {.kind = BLOCK_FORM_END},
                                       {BLOCK_END}};
static const struct block left[] = {{BLOCK_TEXT, .key = "logout.done"},
                                    {BLOCK_NOTICE, .key = "logout.open"},
                                    {BLOCK_LINK, .key = "logout.back", .value = "https://hmis.example/"},
                                    {BLOCK_END}};
static const struct block home[] = {{BLOCK_TEXT, .key = "home.text"}, {BLOCK_END}};

static const struct {
    const char *kind, *title;
    const struct block *blocks;
} gallery[] = {
    {"expired", "error.title", login_expired}, {"refused", "error.title", refused}, {"several", "error.title", several},
    {"link", "link.title", linking},           {"sso", "sso.title", asking},        {"choose", "choose.title", choosing},
    {"logout", "logout.title", leaving},       {"left", "logout.title", left},      {"home", "home.title", home},
    {"password", "password.title", password},
};

static const struct param args[] = {{"application", "HMIS"},
                                    {"applications", "HMIS, Immunisation register"},
                                    {"provider", "National ID"},
                                    {"person", LONG_NAME},
                                    {"seconds", "20"},
                                    {"minutes", "15"},
                                    {NULL, NULL}};

static void keep(const char *kind, const char *language, const struct reply *r)
{
    const char *folder = getenv("IDBRIDGE_GALLERY");
    char path[512];
    if (folder == NULL)
        return;
    (void)snprintf(path, sizeof path, "%s/%s.%s.html", folder, kind, language);
    CLEANUP(file) FILE *to = fopen(path, "w");
    assert_non_null(to);
    assert_int_equal(fwrite(r->body, 1, r->body_len, to), r->body_len);
}

static size_t times_in(const char *body, const char *what)
{
    size_t times = 0;
    for (const char *at = body; (at = strstr(at, what)) != NULL; at++)
        times++;
    return times;
}

static void check_page(void **state, const char *kind, const struct page *p, const char *language)
{
    struct reply r;
    reply_init(&r, *state);
    struct exchange x = {.arena = *state, .reply = &r, .language = language};
    page_reply(&x, p);
    keep(kind, language, &r);
    const char *root = arena_printf(*state, "<html lang=\"%s\" dir=\"%s\">", language,
                                    strcmp(language, "ar") == 0 ? "rtl" : "ltr");
    assert_true(r.body_len < 20 * 1024);
    assert_int_equal(r.status, 200);
    assert_int_equal(times_in(r.body, root), 1);
    assert_int_equal(times_in(r.body, "<h1>"), 1);
    assert_int_equal(times_in(r.body, "<main>"), 1);
    assert_int_equal(times_in(r.body, "<label for="), times_in(r.body, "required autocomplete"));
    assert_int_equal(times_in(r.body, "<p"), times_in(r.body, "</p>") + times_in(r.body, "<path"));
    assert_int_equal(times_in(r.body, "<dl>"), times_in(r.body, "</dl>"));
    assert_int_equal(times_in(r.body, "<form "), times_in(r.body, "</form>"));
    assert_int_equal(times_in(r.body, "<bdi>"), times_in(r.body, "</bdi>"));
    assert_int_equal(times_in(r.body, "<script"), 0);
    assert_null(strchr(strstr(r.body, "</style>"), '{')); /* no placeholder left */
}

static void every_page_in_every_language(void **state)
{
    const char *const *names;
    size_t count = messages_languages(&names);
    pages_setup("Ministry of Health and Indigenous Medicine", "Help desk: 1999 (day and night), helpdesk@health.example");
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < COUNT_OF(gallery); k++) {
            const struct page p = {.title = gallery[k].title, .blocks = gallery[k].blocks, .args = args};
            check_page(state, gallery[k].kind, &p, names[i]);
        }
    }
}

/* Without a ministry, a contact or any argument a page still reads well. */
static void a_bare_page(void **state)
{
    const char *const *names;
    size_t count = messages_languages(&names);
    pages_setup(NULL, NULL);
    pages_mark("MOH");
    for (size_t i = 0; i < count; i++) {
        const struct page p = {.title = "error.title", .blocks = refused};
        check_page(state, "bare", &p, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_ARENA(every_page_in_every_language),
        TEST_IN_ARENA(a_bare_page),
    };
    return cmocka_run_group_tests(tests, messages_setup, messages_teardown);
}
