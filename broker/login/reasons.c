/* Every way a login can end: one row each. The sentence for the person is in the catalogue under reason.<code>, what they
 * can do under reason.<code>.next; the sentence here is for the log. */
#include "private.h"

#include <string.h>

static const struct reason REASONS[] = {
    {"bad_request", 400, "the request is malformed", false},
    {"unknown_client", 400, "client_id is not registered or disabled", false},
    {"bad_redirect_uri", 400, "redirect_uri is not registered for the client", false},
    {"login_expired", 400, "the login took longer than ten minutes", true},
    {"login_used", 400, "the login was finished before", true},
    {"login_other_browser", 400, "the transaction cookie is missing: another browser, or cookies are off", false},
    {"login_choose", 400, "an error came back without state and several logins are open", false},
    {"upstream_cancelled", 403, "the person cancelled at the ID provider", true},
    {"upstream_refused", 403, "the ID provider refused the person", true},
    {"upstream_error", 502, "the ID provider reported an error", true},
    {"upstream_down", 502, "the ID provider cannot be reached or answers rubbish", true},
    {"upstream_slow", 504, "the ID provider did not answer in time", true},
    {"upstream_untrusted", 403, "what the ID provider sent did not verify", true},
    {"acr_too_low", 403, "the returned acr is not accepted", true},
    {"not_linked", 403, "the identity is linked to nobody", false},
    {"link_refused", 403, "wrong directory password at linking", true},
    {"link_limit", 429, "too many tries at linking", false},
    {"link_taken", 403, "the directory entry is linked already", false},
    {"link_mismatch", 403, "name or birth date differ between national ID and directory", false},
    {"link_pending", 403, "the link waits for approval", false},
    {"person_unknown", 403, "no directory entry", false},
    {"person_ambiguous", 403, "several directory entries", false},
    {"person_disabled", 403, "the directory account is disabled", false},
    {"person_expired", 403, "the directory account has expired", false},
    {"person_not_yet_valid", 403, "the directory account is not valid yet", false},
    {"person_locked", 403, "an administrator locked the directory account", false},
    {"person_locked_by_passwords", 403, "bad passwords locked the directory account, and the policy refuses that", false},
    {"person_password_expired", 403, "the directory password has expired, and the policy refuses that", false},
    {"person_must_change", 403, "the directory password must be changed, and the policy refuses that", false},
    {"person_logon_hours", 403, "outside the logon hours of the directory account, and the policy refuses that", true},
    {"directory_down", 503, "the directory did not answer and no grace applies", true},
    {"no_grants", 403, "no rule gives anything in this DHIS2", false},
    {"password_not_offered", 403, "login by a directory's password is not offered to this application, or not from here", false},
    {"dhis2_down", 503, "DHIS2 did not answer", true},
    {"dhis2_conflict", 409, "the DHIS2 account collides with another", false},
    {"dhis2_refused", 502, "DHIS2 refused the bridge's change", false},
    {"dhis2_protected", 403, "the DHIS2 account holds ALL and is never touched", false},
    {"overloaded", 503, "a queue is full", true},
    {"too_many_requests", 429, "the address limit was passed", false},
    {"not_found", 404, "no such page", false},
    {"internal", 500, "a fault of our own", true},
};

const struct reason *login_reason(const char *code)
{
    for (size_t i = 0; i < COUNT_OF(REASONS); i++)
        if (text_equal(REASONS[i].code, code))
            return &REASONS[i];
    return &REASONS[COUNT_OF(REASONS) - 1];
}

const struct reason *reason_at(size_t i)
{
    return i < COUNT_OF(REASONS) ? &REASONS[i] : NULL;
}

const char *login_reason_of(const struct fault *f)
{
    switch (f->result) {
    case RESULT_INVALID: return "bad_request";
    case RESULT_OVERLOADED:
    case RESULT_UNAVAILABLE:
    case RESULT_TIMEOUT: return "overloaded";
    default: return "internal";
    }
}

void refusals_note(const char *code)
{
    char labels[80];
    refusals_count((size_t)(login_reason(code) - REASONS));
    (void)snprintf(labels, sizeof(labels), "reason=\"%s\"", code);
    metric_add("idbridge_refused_total", labels, 1);
}

/* What the person does now is at another address: [directory x] password_change_url. */
static bool wants_change(const char *code)
{
    return strcmp(code, "person_password_expired") == 0 || strcmp(code, "person_must_change") == 0;
}

#define RETRY_SECONDS "10"

void login_refuse(struct exchange *x, const char *code, const char *restart_url)
{
    const struct reason *r = login_reason(code);
    x->reason = r->code;
    x->done = true;
    refusals_note(r->code);
    if (x->language == NULL)
        x->language = language_choose(param_get(&x->request->query, "ui_locales"),
                                      request_header(x->request, "accept-language"));
    char minutes[24]; /* how long [link] tries are remembered */
    (void)snprintf(minutes, sizeof(minutes), "%lld", (config_number(x->bridge->config, "link", NULL, "window") + 59) / 60);
    const struct param args[] = {
        {"application", x->application != NULL ? x->application : message_text(x->language, "word.application")},
        {"provider", x->provider != NULL ? x->provider : message_text(x->language, "word.provider")},
        {"seconds", RETRY_SECONDS}, {"minutes", minutes}, {NULL, NULL}};
    char key[64], next[72];
    (void)snprintf(key, sizeof(key), "reason.%s", r->code);
    (void)snprintf(next, sizeof(next), "reason.%s.next", r->code);
    struct block blocks[5] = {{.kind = BLOCK_NOTICE, .key = key}, {.kind = BLOCK_TEXT, .key = next}};
    size_t n = 2;
    if (restart_url != NULL && (r->restart || restart_url[0] != '/'))
        blocks[n++] = (struct block){.kind = BLOCK_LINK, .value = restart_url,
                                     .key = restart_url[0] == '/' ? "restart.link" : wants_change(r->code) ? "password.change" : "back.link"};
    blocks[n++] = (struct block){.kind = BLOCK_REF, .value = x->ref};
    blocks[n] = (struct block){.kind = BLOCK_END};
    page_reply(x, &(struct page){.status = r->status, .title = "error.title", .blocks = blocks, .args = args});
    if (r->status == 503 || r->status == 429)
        reply_header(x->reply, "Retry-After", RETRY_SECONDS);
    log_event(r->status >= 500 ? LEVEL_WARN : LEVEL_INFO, "refused", "id", x->ref, "reason", r->code, "why", r->log,
              "detail", x->fault.detail[0] == '\0' ? NULL : x->fault.detail, "where", x->fault.where, NULL);
}

void login_failed(struct exchange *x)
{
    const struct work *w = x->work;
    reply_init(x->reply, x->arena); /* nothing a step prepared goes out with a refusal */
    const char *restart = w == NULL || w->l.transaction == NULL ? NULL : again_restart(x, &w->l);
    login_refuse(x, x->reason != NULL ? x->reason : login_reason_of(&x->fault), restart);
}

enum result login_stop(struct exchange *x, enum result r, const char *reason)
{
    if (r == RESULT_OK)
        return RESULT_OK;
    const struct work *w = x->work;
    x->fault.result = r;
    const struct reason *why = login_reason(reason != NULL ? reason : login_reason_of(&x->fault));
    refusals_person(x, &w->l, why->code);
    const char *change = wants_change(why->code) && w->l.person.directory != NULL
                             ? config_text(x->bridge->config, "directory", w->l.person.directory, "password_change_url") : NULL;
    login_refuse(x, why->code, change != NULL      ? change
                               : why->restart      ? again_restart(x, &w->l)
                               : wants_change(why->code) ? NULL
                                                   : again_application(x, w->l.client_id));
    return RESULT_OK;
}
