/* Which language is chosen, what the catalogues hold, and how placeholders are filled. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void chooses_a_language(void **state)
{
    (void)state;
    const struct {
        const char *ui_locales, *accept, *want;
    } rows[] = {
        {NULL, NULL, "en"},
        {NULL, "", "en"},
        {NULL, "fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5", "fr"},
        {NULL, "de, ar;q=0.3, pt-BR;q=0.7", "pt"},
        {NULL, "de-AT,de", "en"},
        {NULL, "fr;q=0, en;q=0.1", "en"},
        {NULL, "en;q=0.4, es; q=0.9", "es"},
        {NULL, "EN-gb;Q=0.5,TA;q=0.6", "ta"},
        {NULL, "fr;q=0.5, es;q=0.5", "fr"},
        {NULL, "*", "en"},
        {NULL, "en;q=0, *", "fr"},
        {NULL, "hi;q=0.2, *;q=0.9", "en"},
        {NULL, "hi;q=2, si;q=abc, ta;q=-1", "en"},
        {NULL, ",,;q=1,-,\xff\xff,fr", "fr"},
        {"no ar fr", "en", "ar"},
        {"fr-CA", NULL, "fr"},
        {"eng", "fr", "en"},
        {"fra ara", NULL, "fr"},
        {"fre", NULL, "fr"},
        {"ara", NULL, "ar"},
        {"sin-LK", NULL, "si"},
        {"xx yy", "hi", "hi"},
        {"englishenglishenglish", "es", "es"},
        {"  es  ", NULL, "es"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(language_choose(rows[i].ui_locales, rows[i].accept), rows[i].want);
}

static void offers_only_what_was_asked_for(void **state)
{
    (void)state;
    struct fault f;
    const char *const *names;
    char fr[] = "fr", en[] = "en", xx[] = "xx";
    char *some[] = {fr, en, fr, NULL}, *unknown[] = {xx, NULL};
    assert_int_equal(messages_offer(&f, some), RESULT_OK);
    assert_int_equal(messages_languages(&names), 2);
    assert_string_equal(names[0], "en");
    assert_string_equal(names[1], "fr");
    assert_string_equal(language_choose("ar fr", NULL), "fr");
    assert_int_equal(messages_offer(&f, unknown), RESULT_INVALID);
    assert_int_equal(messages_load(&f), RESULT_OK);
    assert_int_equal(messages_languages(&names), 8);
}

static void falls_back_to_english_and_to_the_key(void **state)
{
    (void)state;
    assert_string_not_equal(message_text("fr", "error.title"), message_text("en", "error.title"));
    assert_string_equal(message_text("xx", "error.title"), message_text("en", "error.title"));
    assert_string_equal(message_text(NULL, "error.title"), message_text("en", "error.title"));
    assert_string_equal(message_text("fr", "no.such.key"), "no.such.key");
    assert_string_equal(message_text("fr", "_meta"), "_meta");
    assert_true(message_rtl("ar"));
    assert_false(message_rtl("en"));
    assert_false(message_rtl("xx"));
}

static void fills_placeholders(void **state)
{
    const struct param args[] = {{"name", "A{b}"}, {"n", "3"}, {NULL, NULL}};
    assert_string_equal(message_fill(*state, "{name}, {n} times {n}.", args), "A{b}, 3 times 3.");
    assert_string_equal(message_fill(*state, "{other} stays", args), "{other} stays");
    assert_string_equal(message_fill(*state, "{n", args), "{n");
    assert_string_equal(message_fill(*state, "{} }{", args), "{} }{");
    assert_string_equal(message_fill(*state, "", args), "");
    assert_string_equal(message_fill(*state, "{n}", NULL), "{n}");
}

/* ---- the catalogues themselves ---------------------------------------------------------------------------- */

static const char *const reason_codes[] = {
    "bad_request", "unknown_client", "bad_redirect_uri", "login_expired", "login_used", "login_other_browser",
    "login_choose", "upstream_cancelled", "upstream_refused", "upstream_error", "upstream_down", "upstream_slow",
    "upstream_untrusted", "acr_too_low", "not_linked", "link_refused", "link_limit", "link_taken", "link_mismatch",
    "link_pending", "person_unknown", "person_ambiguous", "person_disabled", "person_expired", "person_not_yet_valid",
    "person_locked", "directory_down", "no_grants", "dhis2_down", "dhis2_conflict", "dhis2_refused",
    "dhis2_protected", "overloaded", "too_many_requests", "internal", "not_found"};
static const char *const other_keys[] = {
    "link.title", "link.intro", "link.person", "link.user", "link.password", "link.button", "link.told",
    "link.wrong", "sso.title", "sso.continue", "sso.other", "choose.title", "choose.intro", "logout.title",
    "logout.ask", "logout.button", "logout.done", "logout.open", "logout.back", "restart.link",
    "restart.application", "error.title", "ref.sentence", "home.title", "home.text", "back.link", "page.brand"};

static void english_has_every_key(void **state)
{
    for (size_t i = 0; i < COUNT_OF(reason_codes); i++) {
        assert_true(message_known("en", arena_printf(*state, "reason.%s", reason_codes[i])));
        assert_true(message_known("en", arena_printf(*state, "reason.%s.next", reason_codes[i])));
    }
    for (size_t i = 0; i < COUNT_OF(other_keys); i++)
        assert_true(message_known("en", other_keys[i]));
}

static json_t *catalogue(const char *language)
{
    char path[128];
    (void)snprintf(path, sizeof path, "broker/web/messages/%s.json", language);
    return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

static bool placeholder_in(const char *text, const char *name, size_t n)
{
    for (const char *at = text; (at = strchr(at, '{')) != NULL; at++)
        if (strncmp(at + 1, name, n) == 0 && at[1 + n] == '}')
            return true;
    return false;
}

/* Every {name} of one text is in the other. */
static void assert_placeholders_within(const char *text, const char *other)
{
    for (const char *at = text; (at = strchr(at, '{')) != NULL; at++)
        assert_true(placeholder_in(other, at + 1, strcspn(at + 1, "}")));
}

static void translations_match_english(void **state)
{
    (void)state;
    const char *const *names;
    size_t count = messages_languages(&names);
    CLEANUP(json) json_t *en = catalogue("en");
    assert_non_null(en);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        CLEANUP(json) json_t *texts = catalogue(names[i]);
        const char *key;
        json_t *text;
        assert_non_null(texts);
        json_object_foreach(texts, key, text) {
            if (strcmp(key, "_meta") == 0)
                continue;
            const char *english = json_string_value(json_object_get(en, key));
            assert_non_null(english);
            assert_true(json_string_length(text) > 0);
            assert_placeholders_within(english, json_string_value(text));
            assert_placeholders_within(json_string_value(text), english);
        }
    }
}

static void every_placeholder_has_a_word(void **state)
{
    CLEANUP(json) json_t *en = catalogue("en");
    const char *key;
    json_t *text;
    assert_non_null(en);
    json_object_foreach(en, key, text) {
        for (const char *at = json_string_value(text); at != NULL && (at = strchr(at, '{')) != NULL; at++) {
            int n = (int)strcspn(at + 1, "}");
            assert_true(message_known("en", arena_printf(*state, "word.%.*s", n, at + 1)));
        }
    }
}

static void every_translation_is_complete_and_says_who_read_it(void **state)
{
    const struct {
        const char *language;
        bool reviewed;
    } rows[] = {{"fr", true}, {"ar", true}, {"pt", false}, {"es", false}, {"si", false}, {"ta", false}, {"hi", false}};
    CLEANUP(json) json_t *en = catalogue("en");
    const char *key;
    json_t *text;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        size_t same = 0;
        json_object_foreach(en, key, text) {
            if (strcmp(key, "_meta") == 0)
                continue;
            assert_true(message_known(rows[i].language, key));
            same += text_equal(message_text(rows[i].language, key), json_string_value(text));
        }
        assert_true(same < 5); /* copied English is no translation; "–" and the like may be the same */
        assert_int_equal(message_reviewed(rows[i].language), rows[i].reviewed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_a_language),
        cmocka_unit_test(offers_only_what_was_asked_for),
        cmocka_unit_test(falls_back_to_english_and_to_the_key),
        TEST_IN_ARENA(fills_placeholders),
        TEST_IN_ARENA(english_has_every_key),
        cmocka_unit_test(translations_match_english),
        TEST_IN_ARENA(every_placeholder_has_a_word),
        cmocka_unit_test(every_translation_is_complete_and_says_who_read_it),
    };
    return cmocka_run_group_tests(tests, messages_setup, messages_teardown);
}
