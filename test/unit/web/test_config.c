/* [pages] of the configuration reaches the pages. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct config_key *const tables[] = {web_config_keys, NULL};

/* Loads `text` as a configuration and applies it. */
static enum result apply(const char *text)
{
    struct fault f;
    char path[] = "/tmp/idbridge-pages-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    CLEANUP(buf) struct buf errors;
    struct config *c = NULL;
    buf_init(&errors, 4096);
    enum result loaded = config_load(&f, path, tables, &errors, &c);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(loaded, RESULT_OK);
    enum result set = web_setup(&f, c);
    config_free(c);
    return set;
}

static const char *home(void **state, const char *language)
{
    static const struct block blocks[] = {{BLOCK_TEXT, .key = "home.text"}, {BLOCK_END}};
    static struct reply r;
    const struct page p = {.title = "home.title", .blocks = blocks};
    reply_init(&r, *state);
    struct exchange x = {.arena = *state, .reply = &r, .language = language};
    page_reply(&x, &p);
    return r.body;
}

static void names_mark_and_languages_are_applied(void **state)
{
    assert_int_equal(apply("[pages]\nministry = Minist\xc3\xa8re de la Sant\xc3\xa9\ncontact = 1999\nmark = MS\n"
                           "languages = fr\n"),
                     RESULT_OK);
    const char *body = home(state, "fr");
    assert_non_null(strstr(body, "<bdi>Minist\xc3\xa8re de la Sant\xc3\xa9</bdi></span></header>"));
    assert_non_null(strstr(body, "<footer><p><bdi>1999</bdi></p></footer>"));
    assert_non_null(strstr(body, ">MS</span>"));
    assert_string_equal(language_choose("ar", "es, fr;q=0.1"), "fr");
}

static void nothing_configured_is_fine(void **state)
{
    struct fault f;
    assert_int_equal(messages_load(&f), RESULT_OK);
    assert_int_equal(apply(""), RESULT_OK);
    const char *body = home(state, "ar");
    assert_non_null(strstr(body, "<svg class=\"mark\""));
    assert_null(strstr(body, "<footer>"));
    assert_string_equal(language_choose("ar", NULL), "ar");
}

static void a_language_without_texts_is_refused(void **state)
{
    (void)state;
    assert_int_equal(apply("[pages]\nlanguages = en xx\n"), RESULT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_ARENA(names_mark_and_languages_are_applied),
        TEST_IN_ARENA(nothing_configured_is_fine),
        cmocka_unit_test(a_language_without_texts_is_refused),
    };
    return cmocka_run_group_tests(tests, messages_setup, messages_teardown);
}
