/* What the unit tests of web/ share: an arena per test, and an exchange to render pages into. */
#ifndef TEST_WEB_SUPPORT_H
#define TEST_WEB_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <idbridge/web.h>

static inline int arena_setup(void **state)
{
    *state = arena_new(4 * 1024 * 1024);
    return *state == NULL ? -1 : 0;
}

static inline int arena_teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static inline int messages_setup(void **state)
{
    struct fault f;
    (void)state;
    return messages_load(&f) == RESULT_OK ? 0 : -1;
}

static inline int messages_teardown(void **state)
{
    (void)state;
    messages_free();
    pages_setup(NULL, NULL);
    pages_mark(NULL);
    return 0;
}

static inline const char *reply_header_value(const struct reply *r, const char *name)
{
    const struct params headers = {r->headers, r->header_count};
    return param_get(&headers, name);
}

#define TEST_IN_ARENA(name) cmocka_unit_test_setup_teardown(name, arena_setup, arena_teardown)

#endif
