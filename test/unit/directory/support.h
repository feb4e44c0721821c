/* What the unit tests of directory/ share: an entry made of words, and directories made of a configuration text. */
#ifndef DIRECTORY_TEST_SUPPORT_H
#define DIRECTORY_TEST_SUPPORT_H

#include "../../../broker/directory/internal.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline int make_arena(void **state)
{
    *state = arena_new(64 << 20);
    return *state == NULL ? -1 : 0;
}

static inline int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

/* "name=value" words, ended by NULL; words of the same name are values of one attribute. */
static inline struct entry entry_of(struct arena *a, const char *const *words)
{
    struct entry e = {.dn = "uid=x,ou=people,dc=example", .dn_len = strlen("uid=x,ou=people,dc=example")};
    e.attributes = arena_alloc(a, 64 * sizeof *e.attributes);
    assert_non_null(e.attributes);
    for (; *words != NULL; words++) {
        const char *equals = strchr(*words, '=');
        assert_non_null(equals);
        char *name = arena_strndup(a, *words, (size_t)(equals - *words));
        struct attribute *at = (struct attribute *)(uintptr_t)dir_attribute(&e, name);
        assert_non_null(name);
        if (at == NULL) {
            at = &e.attributes[e.count++];
            *at = (struct attribute){.name = name, .values = arena_alloc(a, 8 * sizeof *at->values)};
        }
        char *value = arena_strdup(a, equals + 1);
        assert_non_null(at->values);
        assert_non_null(value);
        at->values[at->count++] = bytes_of(value);
    }
    return e;
}

/* Loads `text` as a configuration of [directory ...] sections. `errors_r` gets config_load's sentences. */
static inline enum result load(struct fault *f, const char *text, struct buf *errors, struct config **out_r)
{
    const struct config_key *const tables[] = {directory_config_keys, NULL};
    char path[] = "/tmp/idbridge-directory-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    enum result r = config_load(f, path, tables, errors, out_r);
    unlink(path);
    return r;
}

static inline enum result directories_of(struct fault *f, const char *text, struct directories **out_r)
{
    struct config *c = NULL;
    struct buf errors;
    buf_init(&errors, 4096);
    enum result r = load(f, text, &errors, &c);
    if (r != RESULT_OK)
        print_message("%s\n", errors.data);
    assert_int_equal(r, RESULT_OK);
    buf_free(&errors);
    r = directories_new(f, c, out_r);
    config_free(c); /* at once: nothing of it may still be needed */
    return r;
}
#endif
