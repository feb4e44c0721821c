/* vectors.h: reads a Wycheproof file (C2SP/wycheproof, testvectors_v1) and hands each test of each group to a function
 * that says accepted, refused, not supported, or that the file contradicts itself; counts them. The folder is
 * IDBRIDGE_VECTORS, default ../shared/vectors; without it the tests are skipped, or fail when IDBRIDGE_REQUIRE_VECTORS
 * is set (as in CI). */
#ifndef TEST_TOKEN_VECTORS_H
#define TEST_TOKEN_VECTORS_H

#include "support.h"

#include <stdio.h>

enum outcome { ACCEPTED, REFUSED, UNSUPPORTED, CONTRADICTION };
struct counts {
    int valid, valid_accepted, valid_unsupported, invalid, invalid_refused, contradictions;
};
typedef enum outcome run_vector(const json_t *group, const json_t *test);

static json_t *load_vectors(const char *name)
{
    const char *folder = getenv("IDBRIDGE_VECTORS");
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "../shared/vectors", name);
    json_t *file = json_load_file(path, 0, NULL);
    if (file == NULL && getenv("IDBRIDGE_REQUIRE_VECTORS") != NULL)
        fail_msg("%s cannot be read and IDBRIDGE_REQUIRE_VECTORS is set", path);
    if (file == NULL) {
        print_message("skipped: %s cannot be read; set IDBRIDGE_VECTORS to the folder with the Wycheproof files\n",
                      path);
        skip();
    }
    return file;
}

/* Tests a vector may break without being wrong: their tcId and why. Ended by 0. */
struct exception {
    json_int_t id;
    const char *why;
};

static bool is_exception(const struct exception *e, json_int_t id)
{
    for (; e != NULL && e->id != 0; e++)
        if (e->id == id)
            return true;
    return false;
}

static void judge(const json_t *test, enum outcome got, const struct exception *exceptions, struct counts *c)
{
    bool valid = text_equal(json_text(test, "result"), "valid");
    json_int_t id = json_integer_value(json_object_get(test, "tcId"));
    const char *comment = json_text(test, "comment");

    *(valid ? &c->valid : &c->invalid) += 1;
    c->valid_accepted += valid && got == ACCEPTED;
    c->valid_unsupported += valid && got == UNSUPPORTED;
    c->invalid_refused += !valid && (got == REFUSED || got == UNSUPPORTED);
    c->contradictions += got == CONTRADICTION;
    if (!valid && got == ACCEPTED)
        fail_msg("vector %lld (%s) is invalid and was accepted", (long long)id, comment);
    if (valid && got == REFUSED && !is_exception(exceptions, id))
        fail_msg("vector %lld (%s) is valid and was refused: %s", (long long)id, comment, fault.detail);
    if (valid && got == ACCEPTED && is_exception(exceptions, id))
        fail_msg("vector %lld (%s) was accepted although it is listed as refused", (long long)id, comment);
}

static struct counts run_vectors(const char *name, run_vector *run, const struct exception *exceptions)
{
    struct counts c = {0};
    json_t *file = load_vectors(name), *group, *test;
    size_t i, k;

    json_array_foreach(json_object_get(file, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), k, test) judge(test, run(group, test), exceptions, &c);
    json_decref(file);
    print_message("%s: %d valid (%d accepted, %d of algorithms we do not do, %d refused with reason), "
                  "%d invalid (%d refused, %d identical to a valid one)\n",
                  name, c.valid, c.valid_accepted, c.valid_unsupported,
                  c.valid - c.valid_accepted - c.valid_unsupported, c.invalid, c.invalid_refused, c.contradictions);
    return c;
}

__attribute__((unused)) static char *json_dump_in(struct arena *a, const json_t *j)
{
    char *text = json_compact(a, j);

    assert_non_null(text);
    return text;
}

__attribute__((unused)) static unsigned char *unhex(struct arena *a, const char *hex, size_t *len_r)
{
    size_t n = strlen(hex) / 2;
    unsigned char *out = arena_alloc(a, n + 1);

    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        unsigned v = 0;
        assert_int_equal(1, sscanf(hex + 2 * i, "%2x", &v));
        out[i] = (unsigned char)v;
    }
    *len_r = n;
    return out;
}

#endif
