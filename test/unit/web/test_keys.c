/* Every message key that the program names is in the English catalogue: a typing error would show on a page. Reads the
 * sources, so it runs from the project's root. */
#include "support.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

/* How a key is written in the sources; what follows, up to the quote, is the key. */
static const char *const spellings[] = {".key = \"", ".title = \"", "message_text(x->language, \"", "message_text(language, \""};

static char *source_read(void **state, const char *path)
{
    CLEANUP(file) FILE *from = fopen(path, "r");
    assert_non_null(from);
    char *text = arena_alloc(*state, 256 * 1024);
    assert_non_null(text);
    size_t n = fread(text, 1, 256 * 1024 - 1, from);
    assert_true(feof(from));
    text[n] = '\0';
    return text;
}

static size_t keys_check(void **state, const char *path, const char *text, const char *spelling)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, spelling)) != NULL; found++) {
        at += strlen(spelling);
        const char *key = arena_strndup(*state, at, strcspn(at, "\""));
        assert_non_null(key);
        if (strchr(key, '.') == NULL) /* .key of a configuration table */
            continue;
        if (!message_known("en", key))
            fail_msg("%s: no message %s", path, key);
    }
    return found;
}

static void every_key_the_program_names_has_a_text(void **state)
{
    glob_t files;
    size_t found = 0;
    assert_int_equal(glob("broker/*/*.c", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *text = source_read(state, files.gl_pathv[i]);
        for (size_t k = 0; k < COUNT_OF(spellings); k++)
            found += keys_check(state, files.gl_pathv[i], text, spellings[k]);
    }
    globfree(&files);
    assert_true(found > 0);
}

static int large_arena_setup(void **state)
{
    *state = arena_new(256 * 1024 * 1024);
    return *state == NULL ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_key_the_program_names_has_a_text, large_arena_setup, arena_teardown),
    };
    return cmocka_run_group_tests(tests, messages_setup, messages_teardown);
}
