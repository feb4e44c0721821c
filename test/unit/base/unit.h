/* What every unit test of base includes: cmocka with what it needs before it, and one check used everywhere. */
#ifndef IDBRIDGE_TEST_UNIT_BASE_H
#define IDBRIDGE_TEST_UNIT_BASE_H

#include "idbridge/base.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define assert_result(expected, expr) assert_string_equal(result_name(expr), result_name(expected))

#endif
