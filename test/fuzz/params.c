/* Query strings and form bodies (RFC 6749 appendix B): at most 64 pairs of UTF-8 without NUL, and writing them again
 * gives the same list. */
#include "fuzz.h"

#include <idbridge/web.h>

static void check_pair(const struct params *p, size_t i, size_t size)
{
    const struct param *one = &p->list[i];

    MUST(strlen(one->name) <= size && strlen(one->value) <= size);
    MUST(text_is_utf8(one->name, strlen(one->name)) && text_is_utf8(one->value, strlen(one->value)));
    MUST(param_get(p, one->name) != NULL && param_times(p, one->name) > 0);
}

static void check_again(struct arena *a, const struct params *p)
{
    CLEANUP(buf) struct buf text;
    struct fault f = {0};
    struct params again;

    buf_init(&text, 16u << 20);
    for (size_t i = 0; i < p->count; i++)
        form_add(&text, p->list[i].name, p->list[i].value);
    MUST(!text.failed);
    MUST(fuzz_accepted(params_parse(&f, a, text.data, text.len, &again)));
    MUST(again.count == p->count);
    for (size_t i = 0; i < p->count; i++)
        MUST(strcmp(p->list[i].name, again.list[i].name) == 0 && strcmp(p->list[i].value, again.list[i].value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    struct params p;

    if (fuzz_accepted(params_parse(&f, a, (const char *)data, size, &p))) {
        MUST(p.count <= 64 && memchr(data, '\0', size) == NULL);
        bool twice = false;
        for (size_t i = 0; i < p.count; i++) {
            check_pair(&p, i, size);
            twice = twice || param_times(&p, p.list[i].name) > 1;
        }
        MUST(twice == (param_duplicate(&p) != NULL));
        check_again(a, &p);
    }
    arena_free(a);
    return 0;
}
