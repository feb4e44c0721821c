/* DHIS2's error envelopes, in the shapes a 2.43.1 and a 2.41 gave: codes, reasons, and what may reach the log. */
#include "support.h"

#define REPORT(code, message, property, args)                                                                          \
    "{\"message\":\"" message "\",\"mainKlass\":\"org.hisp.dhis.user.User\",\"errorCode\":\"" code                     \
    "\",\"errorProperty\":\"" property "\",\"errorProperties\":" args "}"
#define ENVELOPE(reports)                                                                                              \
    "{\"httpStatus\":\"Conflict\",\"httpStatusCode\":409,\"status\":\"ERROR\",\"message\":\"One or more errors occurred, " \
    "please see full details in import report.\",\"response\":{\"klass\":\"org.hisp.dhis.user.User\",\"uid\":\"UsrAAAAAA05\"," \
    "\"errorReports\":[" reports "],\"responseType\":\"ObjectReport\"}}"

#define OPEN_ID_TAKEN                                                                                                  \
    ENVELOPE(REPORT("E4054", "Property `OIDC mapping value` already exists, was given `ann@example.org`.", "username", \
                    "[\"OIDC mapping value\",\"ann@example.org\"]"))
#define USERNAME_TAKEN                                                                                                 \
    ENVELOPE(REPORT("E4054", "Property `username` already exists, was given `anne.smith1`.", "username",               \
                    "[\"username\",\"anne.smith1\"]"))
#define ROLE                                                                                                           \
    REPORT("E3003", "User `prov1` is not allowed to grant users access to user role `Clinic worker`", "",              \
           "[\"prov1\",\"Clinic worker\"]")

static struct dhis2_errors errors_of(struct rig *r, const char *text)
{
    struct dhis2_errors e;
    dhis2_errors_read(r->arena, json_of(r, text), &e);
    return e;
}

static void single_object_report(void **state)
{
    struct dhis2_errors e = errors_of(*state, OPEN_ID_TAKEN);
    assert_int_equal(e.count, 1);
    assert_true(dhis2_errors_has(&e, "E4054", NULL));
    assert_true(dhis2_errors_has(&e, "E4054", "OIDC mapping value"));
    assert_false(dhis2_errors_has(&e, "E4054", "username")); /* errorProperty says so, and it is not so */
    e = errors_of(*state, USERNAME_TAKEN);
    assert_true(dhis2_errors_has(&e, "E4054", "username"));
}

static void import_report_and_top_level(void **state)
{
    struct dhis2_errors e = errors_of(*state, "{\"status\":\"WARNING\",\"response\":{\"typeReports\":[{\"objectReports\":[{"
                                              "\"errorReports\":[" ROLE "]}]}]}}");
    assert_int_equal(e.count, 1);
    assert_true(dhis2_errors_has(&e, "E3003", NULL));
    e = errors_of(*state, "{\"status\":\"ERROR\",\"message\":\"x\",\"errorCode\":\"E1006\"}");
    assert_true(e.count == 1 && dhis2_errors_has(&e, "E1006", NULL));
}

static void what_is_no_envelope(void **state)
{
    static const char *const texts[] = {"{}", "{\"response\":[]}", "{\"response\":{\"errorReports\":{}}}", "[1]",
                                        "{\"errorCode\":5000}", "{\"response\":{\"errorReports\":[null,1,{}]}}",
                                        "{\"errorCode\":\"a code that is much too long\"}"};
    struct dhis2_errors e;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(errors_of(*state, texts[i]).count, 0);
    dhis2_errors_read(((struct rig *)*state)->arena, NULL, &e);
    assert_int_equal(e.count, 0);
}

static void more_reports_than_are_kept(void **state)
{
    CLEANUP(buf) struct buf b;
    buf_init(&b, 1 << 16);
    buf_text(&b, "{\"response\":{\"errorReports\":[");
    for (int i = 0; i < 50; i++)
        buf_printf(&b, "%s{\"errorCode\":\"E4%03d\"}", i == 0 ? "" : ",", i);
    buf_text(&b, "]}}");
    assert_int_equal(errors_of(*state, b.data).count, DHIS2_ERRORS_MAX);
}

/* ---- reasons ------------------------------------------------------------------------------------------------------------ */

static const struct {
    long status;
    const char *body; /* NULL: HTML or nothing */
    enum result result;
    const char *reason, *shows, *hides;
} answers[] = {
    {409, OPEN_ID_TAKEN, RESULT_CONFLICT, "dhis2_conflict", "E4054", "ann@"},
    {409, USERNAME_TAKEN, RESULT_CONFLICT, "dhis2_conflict", "E4054", "smith"},
    {409, ENVELOPE(ROLE), RESULT_DENIED, "dhis2_refused", "E3003 (Clinic worker)", NULL},
    {409, ENVELOPE(ROLE "," REPORT("E3041", "User `prov1` is not allowed to change a user having the ALL authority", "", "[\"prov1\"]")),
     RESULT_DENIED, "dhis2_protected", "E3041", NULL},
    {409, ENVELOPE(REPORT("E7617", "Organisation unit: `OuOtherAA01` not in hierarchy of current user: `prov1`", "",
                          "[\"OuOtherAA01\",\"prov1\"]")),
     RESULT_DENIED, "dhis2_refused", "E7617 (OuOtherAA01)", NULL},
    {409, ENVELOPE(REPORT("E5008", "READ access is required for reference [RolePriv0A1] (UserRole) on object Christopher "
                                   "McDonaldson [UsrPrRoA1A1] (User) for association `userRole`", "userRole", "[]")),
     RESULT_DENIED, "dhis2_refused", "E5008 (RolePriv0A1)", "McDonaldson"},
    {409, ENVELOPE(REPORT("E5002", "Invalid reference [Christopher] on object [McDonaldson] x", "userRole", "[]")), RESULT_DENIED,
     "dhis2_refused", "E5002", "Christopher"},
    {409, "{\"errorCode\":\"E1004\",\"message\":\"You don't have permissions to add user to user group: GrpPrivAAA1\"}",
     RESULT_DENIED, "dhis2_refused", "E1004 (GrpPrivAAA1)", NULL},
    {409, "{\"errorCode\":\"E1004\",\"message\":\"You don't have permissions\"}", RESULT_DENIED, "dhis2_refused", "E1004",
     "(permissions)"},
    {409, ENVELOPE(REPORT("E4003", "Property `email` requires a valid email address, was given `ann@x`", "email", "[\"email\",\"ann@x\"]")),
     RESULT_DENIED, "dhis2_refused", "E4003", "ann@"},
    {403, "{\"errorCode\":\"E1006\",\"message\":\"You don't have the proper permissions to create this object.\"}", RESULT_DENIED,
     "dhis2_refused", "E1006", NULL},
    {404, "{\"errorCode\":\"E1005\",\"message\":\"User with id UsrAAAAAA05 could not be found.\"}", RESULT_CONFLICT,
     "dhis2_conflict", "E1005", NULL},
    {409, "{\"message\":\"ERROR: duplicate key (username)=(ann)\"}", RESULT_DENIED, "dhis2_refused", "409", "ann"},
    {500, "{\"errorCode\":\"E3003\",\"message\":\"fetchedOrgUnit is null\"}", RESULT_UNAVAILABLE, "dhis2_down", "500", "null"},
    {502, NULL, RESULT_UNAVAILABLE, "dhis2_down", "502", NULL},
    {404, NULL, RESULT_UNAVAILABLE, "dhis2_down", "404", NULL},
    {429, "{}", RESULT_UNAVAILABLE, "dhis2_down", "429", NULL},
    {302, NULL, RESULT_UNAVAILABLE, "dhis2_down", "redirect", NULL},
    {415, NULL, RESULT_UNAVAILABLE, "dhis2_down", "415", NULL},
};

static void reasons(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        const struct answer got = {.status = answers[i].status,
                                   .json = answers[i].body == NULL ? NULL : json_of(r, answers[i].body),
                                   .what = "PATCH /api/users/UsrAAAAAA05"};
        r->task.reason = NULL;
        assert_result(answers[i].result, dhis2_refusal(&r->task, &got));
        assert_string_equal(r->task.reason, answers[i].reason);
        assert_non_null(strstr(r->fault.detail, answers[i].shows));
        assert_non_null(strstr(r->fault.detail, "hmis: PATCH /api/users/UsrAAAAAA05"));
        if (answers[i].hides != NULL)
            assert_null(strstr(r->fault.detail, answers[i].hides));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {with_rig(single_object_report), with_rig(import_report_and_top_level),
                                       with_rig(what_is_no_envelope), with_rig(more_reports_than_are_kept), with_rig(reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
