/* A mapping rule as an administrator writes it: what is accepted has one normal text, which is accepted again and names
 * the same rule. */
#include "../../broker/mapping/private.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    struct rule r;
    const char *normal, *name, *again, *same_name;
    char *text = fuzz_text(data, size);

    if (fuzz_accepted(mapping_rule_check(&f, a, text, &normal, &name))) {
        MUST(name[0] != '\0' && strlen(name) <= 100);
        MUST(fuzz_accepted(mapping_rule_check(&f, a, normal, &again, &same_name)));
        MUST(strcmp(normal, again) == 0 && strcmp(name, same_name) == 0);
        MUST(fuzz_accepted(rule_parse(&f, a, normal, &r, NULL)) && r.give_count > 0);
        for (size_t i = 0; i < r.give_count; i++)
            MUST(r.give[i].ref[0] != '\0' && (int)r.give[i].kind < GRANT_KINDS);
        for (size_t i = 0; i < r.when_count; i++) /* an empty list would hold for nobody, or for everybody */
            MUST(r.when[i].count > 0);
    }
    free(text);
    arena_free(a);
    return 0;
}
