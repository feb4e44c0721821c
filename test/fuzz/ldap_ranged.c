/* An attribute that comes in parts ("memberOf;range=0-1499"), as a server would send them: each block of lines is one answer,
 * each line "name: value". Whatever it says about its ranges, asking ends, and what is made of it are the values that came. */
#include "../../broker/directory/internal.h"
#include "fuzz.h"

static enum result answer_next(struct fault *f, struct arena *a, struct connection *c, const struct search *q,
                               struct entries *out_r);
#define dir_search answer_next
#include "../../broker/directory/ranged.c" /* NOLINT(bugprone-suspicious-include): it asks us instead of a server */

enum { ATTRIBUTES_MAX = 8, VALUES_MAX = 64 };

static char *rest;        /* what has not been answered yet */
static size_t handed_out; /* values, all answers together */

static void add_line(struct arena *a, struct entry *e, char *line)
{
    char *value = strstr(line, ": ");

    if (value == NULL)
        return;
    *value = '\0';
    struct attribute *at = (struct attribute *)(uintptr_t)dir_attribute(e, line);
    if (at == NULL && e->count < ATTRIBUTES_MAX) {
        at = &e->attributes[e->count++];
        *at = (struct attribute){.name = line, .values = arena_alloc(a, VALUES_MAX * sizeof *at->values)};
    }
    if (at != NULL && at->count < VALUES_MAX) {
        at->values[at->count++] = bytes_of(value + 2);
        handed_out++;
    }
}

static struct entry next_entry(struct arena *a)
{
    struct entry e = {.dn = "cn=x", .attributes = arena_alloc(a, ATTRIBUTES_MAX * sizeof *e.attributes)};

    MUST(e.attributes != NULL);
    while (rest != NULL && *rest != '\0' && *rest != '\n') {
        char *line = rest;
        rest = fuzz_cut(line);
        add_line(a, &e, line);
    }
    if (rest != NULL && *rest == '\n')
        rest++;
    return e;
}

static enum result answer_next(struct fault *f, struct arena *a, struct connection *c, const struct search *q,
                               struct entries *out_r)
{
    (void)c;
    MUST(q->scope == LDAP_SCOPE_BASE && q->attributes[0] != NULL && q->attributes[1] == NULL);
    if (rest == NULL || *rest == '\0')
        return FAULT(f, RESULT_UNAVAILABLE, "no more");
    out_r->list = arena_alloc(a, sizeof *out_r->list);
    MUST(out_r->list != NULL);
    out_r->list[0] = next_entry(a);
    out_r->count = 1;
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    char *text = fuzz_text(data, size);
    const struct attribute *all = NULL;

    rest = text;
    handed_out = 0;
    struct entry first = next_entry(a);
    if (fuzz_accepted(dir_ranged(&f, a, NULL, &first, "memberOf", &all)) && all != NULL) {
        MUST(all->count <= handed_out);
        for (size_t i = 0; i < all->count; i++)
            MUST(all->values[i].data != NULL);
    }
    free(text);
    arena_free(a);
    return 0;
}
