/* client: one call of the Web API, by personal access token or Basic. Paths are /api without a version number, which
 * 2.41 to 2.44 all answer. Called by the rest of this folder, in the instance's pool.
 *
 * DHIS2 sets a JSESSIONID at each call, and that cookie alone would act for the token, even after the token is deleted
 * (seen on 2.43.1): base's HTTP client keeps no cookies, and nothing here ever reads one. */
#include "private.h"

#include <stdarg.h>
#include <string.h>

enum { ANSWER_MAX = 8 << 20 };

static void refused(struct task *t, enum result r, const char *reason, const char *fmt, va_list ap)
{
    char text[sizeof t->f->detail];
    (void)vsnprintf(text, sizeof text, fmt, ap);
    t->reason = reason;
    (void)fault_set(t->f, r, NULL, "dhis2", "%s: %s", t->d->name, text);
}

enum result dhis2_down(struct task *t, enum result r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refused(t, r, "dhis2_down", fmt, ap);
    va_end(ap);
    return r;
}

enum result dhis2_refused(struct task *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refused(t, RESULT_DENIED, "dhis2_refused", fmt, ap);
    va_end(ap);
    return RESULT_DENIED;
}

enum result dhis2_conflict(struct task *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    refused(t, RESULT_CONFLICT, "dhis2_conflict", fmt, ap);
    va_end(ap);
    return RESULT_CONFLICT;
}

/* The path without its query: filters hold usernames. */
static const char *bare_path(struct arena *a, const char *path)
{
    return arena_strndup(a, path, strcspn(path, "?"));
}

/* "No longer accepted" is our own misconfiguration and no fact about the person; the administrator must hear of it. */
static enum result token_refused(struct task *t, const struct answer *got)
{
    log_event(LEVEL_WARN, "dhis2_credentials_refused", "dhis2", t->d->name, "hint",
              "the token or password of the bridge's own account is no longer accepted", NULL);
    return dhis2_down(t, RESULT_UNAVAILABLE, "%s: HTTP 401, our credentials are not accepted", got->what);
}

static const char *content_type(const char *method)
{
    return text_equal(method, "PATCH") ? "application/json-patch+json" : "application/json";
}

enum result dhis2_call(struct task *t, const char *method, const char *path, const char *body, struct answer *out_r)
{
    const struct http_header headers[] = {{"Authorization", t->d->authorization},
                                          {"Accept", "application/json"},
                                          {body == NULL ? NULL : "Content-Type", content_type(method)},
                                          {NULL, NULL}};
    const struct http_request rq = {.method = method,
                                    .url = arena_printf(t->a, "%s%s", t->d->base, path),
                                    .headers = headers,
                                    .body = body,
                                    .body_len = body == NULL ? 0 : strlen(body),
                                    .connect_timeout_ms = t->d->connect_timeout_ms,
                                    .timeout_ms = t->d->timeout_ms,
                                    .max_body = ANSWER_MAX,
                                    .ca_file = t->d->ca_file,
                                    .proxy = t->d->proxy,
                                    .ip_family = t->d->ip_family};
    const char *bare = bare_path(t->a, path);
    NEED(t->f, rq.url);
    NEED(t->f, bare);
    struct http_response rs;
    *out_r = (struct answer){.what = arena_printf(t->a, "%s %s", method, bare)};
    NEED(t->f, out_r->what);
    enum result r = http_fetch(t->f, t->a, &rq, &rs);
    metric_observe_ms("idbridge_dhis2_call_ms", NULL, (double)rs.took_us / 1000);
    if (r != RESULT_OK) {
        t->reason = "dhis2_down";
        return r;
    }
    out_r->status = rs.status;
    out_r->date = rs.date;
    if (rs.status == 401)
        return token_refused(t, out_r);
    struct fault unread; /* no JSON: the caller judges by the status */
    if (rs.body_len > 0 && json_parse(&unread, t->a, rs.body, rs.body_len, ANSWER_MAX, &out_r->json) != RESULT_OK)
        out_r->json = NULL;
    return RESULT_OK;
}

enum result dhis2_get(struct task *t, const char *path, json_t **out_r)
{
    struct answer got;
    TRY(dhis2_call(t, "GET", path, NULL, &got));
    if (got.status != 200)
        return dhis2_refusal(t, &got);
    if (!json_is_object(got.json))
        return dhis2_down(t, RESULT_UNAVAILABLE, "%s: HTTP 200 without JSON: is url right?", got.what);
    *out_r = got.json;
    return RESULT_OK;
}

enum result dhis2_filter_value(struct task *t, const char *value, char **out_r)
{
    if (value[0] == '\0' || strchr(value, ',') != NULL || !text_is_utf8(value, strlen(value)))
        return dhis2_refused(t, "a value that is empty or holds a comma cannot be looked up in DHIS2");
    for (const char *c = value; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return dhis2_refused(t, "a value with a control character cannot be looked up in DHIS2");
    *out_r = percent_encode(t->a, value);
    NEED(t->f, *out_r);
    return RESULT_OK;
}
