/* Distinguished names of groups and people (RFC 4514): the one spelling they are compared by is its own one spelling, and a
 * name lies below another only where a comma stands. Two lines: a DN and a base. */
#include "../../broker/directory/internal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    char *dn = fuzz_text(data, size), *base = fuzz_cut(dn);
    const char *one = directory_dn_normal(a, dn), *two = base == NULL ? NULL : directory_dn_normal(a, base);

    if (one != NULL) {
        const char *again = directory_dn_normal(a, one);
        /* libldap takes "#" and a blank for an empty BER value, and writes it in a way it does not take itself. */
        MUST(strstr(one, "=#") != NULL || (again != NULL && strcmp(one, again) == 0));
        MUST(dir_dn_below(one, one) && dir_dn_below(one, ""));
    }
    if (one != NULL && two != NULL && two[0] != '\0' && dir_dn_below(one, two)) {
        size_t n = strlen(one), m = strlen(two);
        MUST(n >= m && strcmp(one + n - m, two) == 0 && (n == m || one[n - m - 1] == ','));
    }
    const char *first = dir_dn_first_value(a, dn);
    MUST(first != NULL && strlen(first) <= strlen(dn));
    free(dn);
    arena_free(a);
    return 0;
}
