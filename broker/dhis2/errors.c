/* errors: what DHIS2 means when it says no. Reads the codes of its three error envelopes (dhis2.md §5): top level
 * errorCode, response.errorReports, and response.typeReports[].objectReports[].errorReports. Texts differ between
 * versions and hold names of people, so only codes count, and only ids and role names are taken over for the log. */
#include "private.h"

#include <ctype.h>
#include <string.h>

enum about { ABOUT_NOTHING, ABOUT_ID, ABOUT_ROLE, ABOUT_UNIT };

/* One row per code seen; rows earlier in the table win when several come at once. */
static const struct code {
    const char *code, *reason;
    enum about about;
    const char *words;
} codes[] = {
    {"E3041", "dhis2_protected", ABOUT_NOTHING, "the account holds ALL"},
    {"E4054", "dhis2_conflict", ABOUT_NOTHING, "username or openId is taken"},
    {"E5000", "dhis2_conflict", ABOUT_NOTHING, "uid is taken"},
    {"E5003", "dhis2_conflict", ABOUT_NOTHING, "a unique value is taken"},
    {"E1005", "dhis2_conflict", ABOUT_NOTHING, "the account went away"},
    {"E3003", "dhis2_refused", ABOUT_ROLE, "the bridge's account may not give that role"},
    {"E5008", "dhis2_refused", ABOUT_ID, "the bridge's account may not read it"},
    {"E5002", "dhis2_refused", ABOUT_ID, "there is no such role or org unit"},
    {"E7617", "dhis2_refused", ABOUT_UNIT, "org unit outside those of the bridge's account"},
    {"E1004", "dhis2_refused", ABOUT_ID, "the bridge's account may not change that user or group"},
    {"E1006", "dhis2_refused", ABOUT_NOTHING, "the bridge's account lacks an authority"},
    {"E3000", "dhis2_refused", ABOUT_NOTHING, "the bridge's account lacks an authority"},
    {"E4055", "dhis2_refused", ABOUT_NOTHING, "no role is left"},
    {"E4049", "dhis2_refused", ABOUT_NOTHING, "username is not acceptable"},
    {"E4003", "dhis2_refused", ABOUT_NOTHING, "e-mail address is not acceptable"},
};

/* A DHIS2 uid: 11 letters and digits, a letter first. A digit or a capital later on tells it from a plain word
 * ("permissions" has 11 letters as well). */
static bool is_uid(const char *s, size_t n)
{
    bool marked = false;
    if (n != DHIS2_UID_LEN || !isalpha((unsigned char)s[0]))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!isalnum((unsigned char)s[i]))
            return false;
        marked = marked || isdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]);
    }
    return marked;
}

/* The first uid that stands in brackets or backticks, or after ": " at the end; elsewhere stand people's names. */
static const char *uid_in(struct arena *a, const char *text)
{
    for (const char *s = text; s != NULL && (s = strpbrk(s, "[`")) != NULL; s++) {
        size_t n = strcspn(s + 1, "]`");
        if (is_uid(s + 1, n))
            return arena_strndup(a, s + 1, n);
    }
    const char *colon = text == NULL ? NULL : strrchr(text, ':');
    if (colon != NULL && colon[1] == ' ' && is_uid(colon + 2, strlen(colon + 2)))
        return arena_strdup(a, colon + 2);
    return NULL;
}

static const char *array_text(const json_t *array, size_t i)
{
    return json_string_value(json_array_get(array, i));
}

static const struct code *code_row(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (text_equal(codes[i].code, code))
            return &codes[i];
    return NULL;
}

static void add(struct arena *a, const json_t *report, struct dhis2_errors *e)
{
    const char *code = json_text(report, "errorCode");
    const json_t *args = json_object_get(report, "errorProperties");
    const struct code *row = code == NULL ? NULL : code_row(code);
    if (code == NULL || strlen(code) > 8 || e->count == DHIS2_ERRORS_MAX)
        return;
    struct dhis2_error one = {.code = code, .property = json_text(report, "errorProperty"), .subject = array_text(args, 0)};
    if (row != NULL && row->about == ABOUT_ROLE)
        one.about = array_text(args, 1);
    if (row != NULL && row->about == ABOUT_UNIT)
        one.about = array_text(args, 0);
    if (row != NULL && row->about == ABOUT_ID)
        one.about = uid_in(a, json_text(report, "message"));
    e->list[e->count++] = one;
}

static void add_all(struct arena *a, const json_t *reports, struct dhis2_errors *e)
{
    for (size_t i = 0; i < json_array_size(reports); i++)
        add(a, json_array_get(reports, i), e);
}

void dhis2_errors_read(struct arena *a, const json_t *envelope, struct dhis2_errors *out_r)
{
    const json_t *response = json_object_get(envelope, "response");
    const json_t *types = json_object_get(response, "typeReports");
    *out_r = (struct dhis2_errors){0};
    add(a, envelope, out_r);
    add_all(a, json_object_get(response, "errorReports"), out_r);
    for (size_t i = 0; i < json_array_size(types); i++) {
        const json_t *objects = json_object_get(json_array_get(types, i), "objectReports");
        for (size_t k = 0; k < json_array_size(objects); k++)
            add_all(a, json_object_get(json_array_get(objects, k), "errorReports"), out_r);
    }
}

bool dhis2_errors_has(const struct dhis2_errors *e, const char *code, const char *subject_or_property)
{
    for (size_t i = 0; i < e->count; i++) {
        const struct dhis2_error *one = &e->list[i];
        bool about = subject_or_property == NULL || text_equal(one->subject, subject_or_property) ||
                     (one->subject == NULL && text_equal(one->property, subject_or_property));
        if (about && text_equal(one->code, code))
            return true;
    }
    return false;
}

/* E3003 (Clinic worker) E7617 (OuOtherAA01) */
static const char *list_of(struct arena *a, const struct dhis2_errors *e)
{
    const char *text = "";
    for (size_t i = 0; i < e->count && text != NULL; i++) {
        const char *about = e->list[i].about;
        text = about == NULL ? arena_printf(a, "%s %s", text, e->list[i].code)
                             : arena_printf(a, "%s %s (%s)", text, e->list[i].code, about);
    }
    return text;
}

static const struct code *weightiest(const struct dhis2_errors *e)
{
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (dhis2_errors_has(e, codes[i].code, NULL))
            return &codes[i];
    return NULL;
}

static enum result refusal_of_code(struct task *t, const struct code *row, const char *what, long status, const char *list)
{
    if (text_equal(row->reason, "dhis2_conflict"))
        return dhis2_conflict(t, "%s: HTTP %ld%s: %s", what, status, list, row->words);
    enum result r = dhis2_refused(t, "%s: HTTP %ld%s: %s", what, status, list, row->words);
    t->reason = row->reason;
    return r;
}

enum result dhis2_refusal(struct task *t, const struct answer *got)
{
    struct dhis2_errors e;
    dhis2_errors_read(t->a, got->json, &e);
    const struct code *row = weightiest(&e);
    const char *list = list_of(t->a, &e);
    NEED(t->f, list);
    if (row != NULL && got->status < 500)
        return refusal_of_code(t, row, got->what, got->status, list);
    if (got->status >= 300 && got->status < 400)
        return dhis2_down(t, RESULT_UNAVAILABLE, "%s: HTTP %ld, a redirect: is url right and the token in use?", got->what,
                          got->status);
    if (got->status >= 400 && got->status < 500 && got->status != 404 && got->status != 429 && got->json != NULL)
        return dhis2_refused(t, "%s: HTTP %ld%s", got->what, got->status, list);
    return dhis2_down(t, RESULT_UNAVAILABLE, "%s: HTTP %ld%s%s", got->what, got->status, list,
                      got->json == NULL ? " without JSON" : "");
}
