/* upstream: claims of several spellings become one form. */
#include "../../../broker/upstream/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void merged(const char *locales, const char *first, const char *second, const char *expected)
{
    CLEANUP(arena) struct arena *a = arena_new(1u << 20);
    struct fault f = {0};
    json_t *to = arena_json(a, json_object()), *from, *want;
    const char *parts[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        if (parts[i] == NULL)
            continue;
        assert_int_equal(json_parse(&f, a, parts[i], strlen(parts[i]), 4096, &from), RESULT_OK);
        assert_int_equal(claims_merge(&f, a, locales, to, from), RESULT_OK);
    }
    assert_int_equal(json_parse(&f, a, expected, strlen(expected), 4096, &want), RESULT_OK);
    if (!json_equal(to, want))
        fail_msg("got %s, wanted %s", json_compact(a, to), expected);
}

static void languages(void **state)
{
    (void)state;
    const char *tagged = "{\"name#fra\":\"Amina F\",\"name#eng\":\"Amina E\",\"name#ara\":\"A\"}";
    merged("eng", tagged, NULL, "{\"name\":\"Amina E\"}");
    merged("fra eng", tagged, NULL, "{\"name\":\"Amina F\"}");
    merged("fr", tagged, NULL, "{\"name\":\"Amina F\"}");
    merged("por ara", tagged, NULL, "{\"name\":\"A\"}");
    merged("eng", "{\"name\":\"Plain\",\"name#eng\":\"Tagged\"}", NULL, "{\"name\":\"Plain\"}");
    merged("eng", "{\"name\":\"\",\"name#fra\":\"F\"}", NULL, "{\"name\":\"F\"}");
    merged(NULL, "{\"name#fra\":\"F\"}", NULL, "{\"name\":\"F\"}");
}

static void dates_and_technical_claims(void **state)
{
    (void)state;
    merged(NULL, "{\"birthdate\":\"1988/04/12\",\"iss\":\"x\",\"aud\":\"y\",\"exp\":1,\"nonce\":\"n\",\"email\":\"\"}", NULL,
           "{\"birthdate\":\"1988-04-12\"}");
    merged(NULL, "{\"birthdate\":\"1988-04-12\"}", NULL, "{\"birthdate\":\"1988-04-12\"}");
    merged(NULL, "{\"birthdate\":\"12/04/1988\"}", NULL, "{\"birthdate\":\"12/04/1988\"}");
}

static void the_id_token_wins(void **state)
{
    (void)state;
    merged(NULL, "{\"sub\":\"s\",\"gender\":\"F\"}", "{\"sub\":\"s\",\"gender\":\"M\",\"email\":\"a@b\"}",
           "{\"sub\":\"s\",\"gender\":\"F\",\"email\":\"a@b\"}");
}

static void verified_claims(void **state)
{
    (void)state;
    merged("eng", "{\"verified_claims\":[{\"verification\":{},\"claims\":{\"name#eng\":\"V\",\"email\":\"v@x\"}}],\"email\":\"p@x\"}", NULL,
           "{\"name\":\"V\",\"email\":\"p@x\"}");
    merged("eng", "{\"verified_claims\":{\"claims\":{\"birthdate\":\"1990/01/02\"}}}", NULL, "{\"birthdate\":\"1990-01-02\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(languages),
        cmocka_unit_test(dates_and_technical_claims),
        cmocka_unit_test(the_id_token_wins),
        cmocka_unit_test(verified_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
