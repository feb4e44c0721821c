/* What DHIS2 answers when it says no: its three error envelopes, read for the log. Nothing but codes, uids and role names
 * may be taken over, and names made of a person's login are ones DHIS2 accepts. */
#include "../../broker/dhis2/private.h"
#include "fuzz.h"

static void check_envelope(struct arena *a, const json_t *j)
{
    struct dhis2_errors e;
    struct fault f = {0};
    struct dhis2 instance = {.name = "hmis"};
    struct task t = {.f = &f, .a = a, .d = &instance};
    const struct answer got = {.status = 409, .json = (json_t *)(uintptr_t)j, .what = "PATCH /api/users/x"};

    dhis2_errors_read(a, j, &e);
    MUST(e.count <= DHIS2_ERRORS_MAX);
    for (size_t i = 0; i < e.count; i++) {
        MUST(e.list[i].code != NULL && strlen(e.list[i].code) <= 8);
        MUST(dhis2_errors_has(&e, e.list[i].code, NULL));
    }
    MUST(dhis2_refusal(&t, &got) != RESULT_OK && f.detail[0] != '\0' && t.reason != NULL);
}

static void check_names(struct arena *a, const char *text)
{
    for (unsigned i = 0; i < DHIS2_USERNAME_TRIES; i++) {
        const char *name = dhis2_username_of(a, "nid.", text, "open-id", i);
        MUST(name != NULL && dhis2_username_ok(name));
    }
    if (!text_is_utf8(text, strlen(text)))
        return;
    const char *cut = dhis2_cut(a, text, 20);
    MUST(text_has_prefix(text, cut) && text_is_utf8(cut, strlen(cut)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    json_t *j;
    char *text = fuzz_text(data, size);

    if (fuzz_accepted(json_parse(&f, a, text, strlen(text), 1u << 20, &j)))
        check_envelope(a, j);
    check_names(a, text);
    (void)dhis2_mail_ok(text);
    free(text);
    arena_free(a);
    return 0;
}
