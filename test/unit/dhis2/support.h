/* What the unit tests of dhis2/ share: an arena per test and an instance made by hand, without a server. */
#ifndef TEST_DHIS2_SUPPORT_H
#define TEST_DHIS2_SUPPORT_H

#include "../../../broker/dhis2/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_result(expected, expr) assert_string_equal(result_name(expr), result_name(expected))

struct rig {
    struct arena *arena;
    struct fault fault;
    struct dhis2 instance;
    struct task task;
};

static inline int rig_up(void **state)
{
    static char *const rules[] = {"rules", NULL}, *const none[] = {NULL};
    struct rig *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -1;
    *state = r;
    r->arena = arena_new(4 << 20);
    r->instance.name = "hmis";
    r->instance.own = OWN_NAMES | OWN_MAIL | OWN_ROLES | OWN_GROUPS | OWN_ORG_UNITS;
    r->instance.reenable = true;
    r->instance.managed_groups = rules;
    r->instance.unmanaged_roles = none;
    r->instance.bad_mail = memory_new(4, 60 * 1000000);
    r->task = (struct task){&r->fault, r->arena, &r->instance, NULL};
    return r->arena == NULL || r->instance.bad_mail == NULL ? -1 : 0;
}

static inline int rig_down(void **state)
{
    struct rig *r = *state;
    memory_free(r->instance.bad_mail);
    arena_free(r->arena);
    free(r);
    return 0;
}

static inline json_t *json_of(struct rig *r, const char *text)
{
    json_t *j = NULL;
    assert_result(RESULT_OK, json_parse(&r->fault, r->arena, text, strlen(text), 1 << 20, &j));
    return j;
}

#define with_rig(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)

#endif
