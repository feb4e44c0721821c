/* ui_locales on the first line, Accept-Language on the second: whatever they say, the answer is a language we have, and
 * with one language offered there is nothing to choose. */
#include "fuzz.h"

#include <idbridge/web.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct fault f = {0};

    (void)argc, (void)argv;
    MUST(messages_load(&f) == RESULT_OK);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *locales = fuzz_text(data, size), *accept = fuzz_cut(locales);
    const char *const *offered;
    size_t count = messages_languages(&offered);
    const char *chosen = language_choose(locales, accept);
    bool found = false;

    for (size_t i = 0; i < count; i++)
        found = found || strcmp(offered[i], chosen) == 0;
    MUST(found);
    MUST(strcmp(language_choose(locales, accept), chosen) == 0);
    free(locales);
    return 0;
}
