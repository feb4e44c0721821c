/* The stations between an identity and an account: person, grants, account. A login, a refresh and `idbridge explain` all
 * run these; there is no second copy of any decision. */
#include "private.h"

#include <string.h>

#define PERSON_JSON_MAX (256u << 10)

/* What refuses is the directory's configuration (`refuse`, `refuse_password`); here only what each refusal is called. */
static const char *const STATUS_REASONS[ACCOUNT_STATUSES] = {
    [ACCOUNT_UNKNOWN] = "person_unknown",
    [ACCOUNT_AMBIGUOUS] = "person_ambiguous",
    [ACCOUNT_UNREACHABLE] = "directory_down",
    [ACCOUNT_DISABLED] = "person_disabled",
    [ACCOUNT_EXPIRED] = "person_expired",
    [ACCOUNT_NOT_YET_VALID] = "person_not_yet_valid",
    [ACCOUNT_LOCKED_BY_ADMIN] = "person_locked",
    [ACCOUNT_LOCKED_BY_PASSWORDS] = "person_locked_by_passwords",
    [ACCOUNT_PASSWORD_EXPIRED] = "person_password_expired",
    [ACCOUNT_MUST_CHANGE] = "person_must_change",
    [ACCOUNT_LOGON_HOURS] = "person_logon_hours",
    [ACCOUNT_WRONG_PASSWORD] = "link_refused",
};

enum result login_check_status(struct fault *f, const struct bridge *b, const struct person *p, bool by_password,
                               const char **reason_r)
{
    enum account_status refusal = directory_refusal(b->directories, p, by_password);
    if (GUARD(account_status, refusal != ACCOUNT_OK)) {
        *reason_r = STATUS_REASONS[refusal];
        return FAULT(f, RESULT_DENIED, "account status %s", account_status_name(refusal));
    }
    return RESULT_OK;
}

static enum result find_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l)
{
    if (l->linked) {
        enum result r = directory_by_key(f, a, b->directories, l->link.person_key, &l->person);
        return r == RESULT_UNAVAILABLE || r == RESULT_TIMEOUT ? grace_person(f, a, b, l) : r;
    }
    const char *directory = login_directory(b);
    if (directory[0] == '\0' || !text_listed(config_list(b->config, "link", NULL, "method"), "search") ||
        GUARD(search_provider, !upstream_may_search(b->upstreams, l->upstream)))
        return FAULT(f, RESULT_NOT_FOUND, "not linked, and nobody is searched for who signs in there");
    return directory_by_claims(f, a, b->directories, directory, l->identity.claims, &l->person);
}

enum result login_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l, const char **reason_r)
{
    int64_t start = clock_monotonic_us();
    enum result r = find_person(f, a, b, l);
    l->us_person = clock_monotonic_us() - start;
    *reason_r = r == RESULT_NOT_FOUND ? "not_linked" : r == RESULT_UNAVAILABLE || r == RESULT_TIMEOUT ? "directory_down" : NULL;
    TRY(r);
    r = login_check_status(f, b, &l->person, login_password_directory(l->upstream) != NULL, reason_r);
    if (r != RESULT_OK)
        grace_answered(b, a, l, true);
    return r;
}

enum result login_grants(struct fault *f, struct arena *a, struct bridge *b, struct login *l, const char **reason_r)
{
    int64_t start = clock_monotonic_us();
    const struct mapping *rules = snapshot_slot_value(b->rules, a);
    if (rules == NULL)
        return FAULT(f, RESULT_INTERNAL, "no rules are loaded");
    TRY(mapping_decide(f, a, rules, l->dhis2, &l->person, l->claims, clock_now(), l->want_trace, &l->grants));
    l->us_grants = clock_monotonic_us() - start;
    for (size_t i = 0; i < l->grants.count; i++)
        if (l->grants.list[i].kind == GRANT_ROLE) /* DHIS2 wants at least one role (E4055) */
            return RESULT_OK;
    if (l->dhis2 == NULL)
        return RESULT_OK; /* an application that writes no DHIS2 asks for no role */
    grace_answered(b, a, l, false);
    *reason_r = "no_grants";
    return FAULT(f, RESULT_DENIED, "no rule gives a role (%zu grants)", l->grants.count);
}

enum result login_account(struct fault *f, struct arena *a, struct bridge *b, struct login *l, bool write,
                          const char **reason_r)
{
    int64_t start = clock_monotonic_us();
    struct held held;
    TRY(held_load(f, a, b, l, &held));
    const struct account_wish wish = {
        .could_give = held_could_give, .could_give_arg = &held,
        .open_id = l->link.person_id, .login = l->person.login, .given_name = l->person.given_name,
        .surname = l->person.surname, .mail = l->person.mail, .phone = l->person.phone, .grants = &l->grants};
    enum result r = dhis2_account_ensure(f, a, b->dhis2s, l->dhis2, &wish, write, &l->account, reason_r);
    l->us_account = clock_monotonic_us() - start;
    if (r != RESULT_OK && *reason_r == NULL)
        *reason_r = "dhis2_down";
    if (r != RESULT_OK)
        grace_answered(b, a, l, false);
    return r;
}

enum result login_load_link(struct fault *f, struct exchange *x, struct login *l, const char *iss, const char *sub,
                            const char **reason_r)
{
    TRY(store_link_get(f, x->view, x->arena, iss, sub, &l->link));
    l->linked = true;
    if (GUARD(link_pending, text_equal(l->link.state, "pending"))) {
        *reason_r = "link_pending";
        return FAULT(f, RESULT_DENIED, "the link waits for approval");
    }
    x->directory = arena_strndup(x->arena, l->link.person_key, strcspn(l->link.person_key, ":"));
    x->subject = keyed_hash(x->arena, x->bridge->master, "log-subject", l->link.person_id);
    if (login_password_directory(l->link.upstream) != NULL)
        return password_claims(f, x->view, x->arena, l);
    if (l->claims == NULL && l->link.claims != NULL)
        TRY(json_parse(f, x->arena, l->link.claims, strlen(l->link.claims), PERSON_JSON_MAX, &l->claims));
    return RESULT_OK;
}
