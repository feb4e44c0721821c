/* /verification/ready: what a DHIS2 Route reaches. Proves the whole way of a Route: its credential (a bearer token for this
 * audience and nothing else), exactly one X-Forwarded-User that DHIS2 set, and that this user exists there and may work. A
 * header of that name counts only together with the credential (dhis2.md §4). Never 401 (a browser behind the Route would
 * think its DHIS2 session died) and never a redirect (2.41 follows them with the credential). */
#include <idbridge/verification.h>

#include <string.h>

enum result (*verification_bearer)(struct fault *f, struct exchange *x, const char *audience, const char **client_id_r,
                                   const char **dhis2_r);

struct visit {
    const char *user, *client_id, *dhis2;
};

static void failed(struct exchange *x)
{
    const struct fault *f = &x->fault;
    bool later = f->result == RESULT_OVERLOADED || f->result == RESULT_UNAVAILABLE || f->result == RESULT_TIMEOUT;
    x->done = true;
    x->reason = f->oauth_error == NULL ? result_name(f->result) : f->oauth_error;
    log_fault(LEVEL_INFO, "route", f);
    reply_json(x->reply, later ? 503 : f->result == RESULT_INTERNAL ? 500 : 403,
               arena_json(x->arena, json_pack("{s:b, s:s, s:s}", "ready", 0, "reason", x->reason, "detail", f->detail)));
}

static enum result ready_request(struct exchange *x)
{
    struct visit *v = arena_alloc(x->arena, sizeof(*v));
    NEED(&x->fault, v);
    x->work = v;
    char *audience = arena_printf(x->arena, "%s/verification", x->bridge->issuer);
    NEED(&x->fault, audience);
    TRY(verification_bearer(&x->fault, x, audience, &v->client_id, &v->dhis2));
    if (GUARD(forwarded_user, param_times(&x->request->headers, "x-forwarded-user") != 1))
        return FAULT_OAUTH(&x->fault, RESULT_DENIED, "user_header", "X-Forwarded-User must come exactly once");
    v->user = request_header(x->request, "x-forwarded-user");
    x->dhis2 = v->dhis2;
    return RESULT_OK;
}

static enum result ready_user(struct exchange *x)
{
    const struct visit *v = x->work;
    const char *uid = NULL;
    bool enabled = false;
    enum result r = dhis2_user_enabled(&x->fault, x->arena, x->bridge->dhis2s, v->dhis2, v->user, &enabled, &uid);
    if (r == RESULT_NOT_FOUND || GUARD(user_enabled, r == RESULT_OK && !enabled))
        return FAULT_OAUTH(&x->fault, RESULT_DENIED, "user_unknown", "DHIS2 knows no enabled user of that name");
    TRY(r);
    json_t *j = arena_json(x->arena, json_pack("{s:b, s:s, s:s, s:s, s:s}", "ready", 1, "user", v->user, "user_uid", uid,
                                               "dhis2", v->dhis2, "route", v->client_id));
    NEED(&x->fault, j);
    reply_json(x->reply, 200, j);
    x->done = true;
    return RESULT_OK;
}

static const struct step STEPS[] = {
    {"credential", RUN_CPU, ready_request, NULL},
    {"user", RUN_DHIS2, ready_user, NULL},
    {NULL, RUN_CPU, NULL, NULL},
};

/* DHIS2 2.43 streams bodies chunked, 2.41 sends a length; both may post. */
const struct route verification_routes[] = {
    {"GET", "/verification/ready", "verification", STEPS, failed, 0},
    {"POST", "/verification/ready", "verification", STEPS, failed, 64u << 10},
    {NULL, NULL, NULL, NULL, NULL, 0},
};
