/* Carries a login while the browser is at the ID provider. Nothing is written on our side before somebody has been
 * authenticated: the whole login is sealed into one cookie (AEAD, ten minutes), and the upstream `state` is a small
 * sealed value that names that cookie. A state brought by another browser finds no cookie (RFC 6749 §10.12,
 * CVE-2022-39222). At most four logins are open in one browser; the oldest gives way. */
#include "private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_MAX 3800 /* browsers keep 4,096 bytes of name and value */
#define PURPOSE_COOKIE "login-cookie"
#define PURPOSE_STATE "login-state"

/* The text members that travel; one row each. */
static const struct {
    const char *name;
    size_t offset;
} FIELDS[] = {
    {"client_id", offsetof(struct login, client_id)},
    {"redirect_uri", offsetof(struct login, redirect_uri)},
    {"scope", offsetof(struct login, scope)},
    {"state", offsetof(struct login, state)},
    {"nonce", offsetof(struct login, nonce)},
    {"code_challenge", offsetof(struct login, code_challenge)},
    {"acr_values", offsetof(struct login, acr_values)},
    {"ui_locales", offsetof(struct login, ui_locales)},
    {"prompt", offsetof(struct login, prompt)},
    {"dhis2", offsetof(struct login, dhis2)},
    {"upstream", offsetof(struct login, upstream)},
    {"transaction", offsetof(struct login, transaction)},
    {"up_nonce", offsetof(struct login, rq.nonce)},
    {"up_verifier", offsetof(struct login, rq.code_verifier)},
    {"up_acr", offsetof(struct login, rq.acr_values)},
    {"up_prompt", offsetof(struct login, rq.prompt)},
    {"iss", offsetof(struct login, identity.iss)},
    {"sub", offsetof(struct login, identity.sub)},
    {"acr", offsetof(struct login, identity.acr)},
};

static const char **field(struct login *l, size_t i)
{
    return (const char **)(void *)((char *)l + FIELDS[i].offset);
}

json_t *state_to_json(struct arena *a, const struct login *l)
{
    json_t *j = arena_json(a, json_object());
    for (size_t i = 0; j != NULL && i < COUNT_OF(FIELDS); i++) {
        const char *value = *field((struct login *)(uintptr_t)l, i);
        if (value != NULL && json_object_set_new(j, FIELDS[i].name, json_string(value)) != 0)
            return NULL;
    }
    if (j == NULL || json_object_set_new(j, "started", json_integer(l->started)) != 0 ||
        json_object_set_new(j, "max_age", json_integer(l->max_age)) != 0 ||
        json_object_set_new(j, "auth_time", json_integer(l->identity.auth_time)) != 0)
        return NULL;
    return j;
}

enum result state_from_json(struct fault *f, struct arena *a, const json_t *j, struct login *l)
{
    *l = (struct login){.max_age = -1};
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++) {
        const char *value = json_text(j, FIELDS[i].name);
        if (value == NULL)
            continue;
        *field(l, i) = arena_strdup(a, value);
        NEED(f, *field(l, i));
    }
    (void)json_integer_at(j, "started", &l->started);
    (void)json_integer_at(j, "max_age", &l->max_age);
    (void)json_integer_at(j, "auth_time", &l->identity.auth_time);
    l->identity.upstream = l->upstream;
    l->rq.max_age = l->max_age;
    l->rq.ui_locales = l->ui_locales;
    return RESULT_OK;
}

static char *cookie_name(struct arena *a, const char *transaction)
{
    return arena_printf(a, LOGIN_COOKIE "%s", transaction);
}

/* Transaction ids begin with the time in hex, in milliseconds, so that the oldest cookie is the smallest name. */
static void drop_oldest(struct exchange *x)
{
    const char *oldest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < x->request->cookies.count; i++) {
        const char *name = strstr(x->request->cookies.list[i].name, LOGIN_COOKIE);
        if (name == NULL)
            continue;
        count++;
        if (oldest == NULL || strcmp(name, oldest) < 0)
            oldest = name;
    }
    if (count >= LOGIN_COOKIES_MAX)
        reply_cookie(x->reply, x->request, oldest, "", 0);
}

static enum result make_secrets(struct exchange *x, struct login *l)
{
    struct fault *f = &x->fault;
    const char *id = random_id(x->arena, 12);
    l->rq.nonce = random_id(x->arena, 24);
    l->rq.code_verifier = random_id(x->arena, 48); /* 64 characters, RFC 7636 §4.1 */
    NEED(f, id);
    NEED(f, l->rq.nonce);
    NEED(f, l->rq.code_verifier);
    l->transaction = arena_printf(x->arena, "%011llx%s", (unsigned long long)clock_now_ms(), id);
    NEED(f, l->transaction);
    l->rq.ui_locales = l->ui_locales;
    l->rq.max_age = l->max_age;
    return RESULT_OK;
}

/* The cookie is opened at every callback: AES-256-GCM without the layers of a JOSE object, half as long as one. */
static enum result seal_cookie(struct exchange *x, const struct login *l, const char **out_r)
{
    struct fault *f = &x->fault;
    struct bytes sealed;
    const json_t *j = state_to_json(x->arena, l);
    const char *text = j == NULL ? NULL : json_compact(x->arena, j);
    NEED(f, text);
    TRY(seal(f, x->arena, x->bridge->master, PURPOSE_COOKIE, "", bytes_of(text), &sealed));
    *out_r = base64url_encode(x->arena, sealed.data, sealed.len);
    NEED(f, *out_r);
    if (strlen(*out_r) > COOKIE_MAX)
        return FAULT(f, RESULT_INVALID, "the application's request is too long to keep (%zu bytes)", strlen(*out_r));
    return RESULT_OK;
}

/* RESULT_TIMEOUT: ours, and too old. */
static enum result open_cookie(struct exchange *x, const char *text, struct login *l)
{
    struct fault *f = &x->fault;
    struct bytes sealed, plain;
    json_t *j;
    TRY(base64url_decode(f, x->arena, text, strlen(text), &sealed));
    TRY(unseal(f, x->arena, x->bridge->master, PURPOSE_COOKIE, "", sealed, &plain));
    TRY(json_parse(f, x->arena, (const char *)plain.data, plain.len, COOKIE_MAX, &j));
    TRY(state_from_json(f, x->arena, j, l));
    if (clock_now() >= l->started + LOGIN_LIFE_S)
        return FAULT(f, RESULT_TIMEOUT, "the login was begun too long ago");
    return RESULT_OK;
}

enum result state_start(struct exchange *x, struct login *l)
{
    struct fault *f = &x->fault;
    l->started = clock_now();
    TRY(make_secrets(x, l));
    const char *sealed;
    TRY(seal_cookie(x, l, &sealed));
    json_t *small = arena_json(x->arena, json_pack("{s:s, s:s, s:s}", "t", l->transaction, "u", l->upstream, "c",
                                                    l->client_id));
    NEED(f, small);
    TRY(token_seal_state(f, x->arena, x->bridge->master, PURPOSE_STATE, small, l->started + LOGIN_LIFE_S, &l->rq.state));
    drop_oldest(x);
    char *name = cookie_name(x->arena, l->transaction);
    NEED(f, name);
    reply_cookie(x->reply, x->request, name, sealed, LOGIN_LIFE_S);
    return RESULT_OK;
}

enum result state_of_cookie(struct exchange *x, const char *transaction, struct login *l)
{
    struct fault *f = &x->fault;
    char *name = cookie_name(x->arena, transaction);
    NEED(f, name);
    const char *sealed = request_cookie(x->request, name);
    if (sealed == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no cookie for this login");
    TRY(open_cookie(x, sealed, l));
    if (GUARD(login_cookie, !text_equal(l->transaction, transaction)))
        return FAULT(f, RESULT_DENIED, "the cookie belongs to another login");
    return RESULT_OK;
}

enum result state_find(struct exchange *x, const char *state, struct login *l, const char **reason_r)
{
    struct fault *f = &x->fault;
    json_t *small;
    *reason_r = "bad_request";
    enum result r = token_open_state(f, x->arena, x->bridge->master, PURPOSE_STATE, state, clock_now(), &small);
    if (r == RESULT_TIMEOUT)
        *reason_r = "login_expired";
    if (r != RESULT_OK)
        return r;
    const char *transaction = json_text(small, "t");
    if (transaction == NULL)
        return FAULT(f, RESULT_INVALID, "state without a transaction");
    r = state_of_cookie(x, transaction, l);
    if (r == RESULT_NOT_FOUND && again_finished(x, transaction)) {
        *reason_r = "login_used";
        l->client_id = json_text(small, "c");
        return r;
    }
    if (r == RESULT_OK && !text_equal(l->upstream, json_text(small, "u")))
        r = FAULT(f, RESULT_DENIED, "state and cookie name different ID providers");
    *reason_r = r == RESULT_TIMEOUT ? "login_expired" : "login_other_browser";
    return r;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(((const struct login *)b)->transaction, ((const struct login *)a)->transaction);
}

size_t state_open_logins(struct exchange *x, const char *upstream, struct login *out, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < x->request->cookies.count && n < max; i++) {
        const char *name = strstr(x->request->cookies.list[i].name, LOGIN_COOKIE);
        struct login l;
        if (name == NULL || state_of_cookie(x, name + strlen(LOGIN_COOKIE), &l) != RESULT_OK)
            continue;
        if (upstream == NULL || text_equal(l.upstream, upstream))
            out[n++] = l;
    }
    x->fault = (struct fault){0};
    qsort(out, n, sizeof(*out), newest_first);
    return n;
}

void state_end(struct exchange *x, const struct login *l)
{
    char *name = cookie_name(x->arena, l->transaction);
    if (name != NULL)
        reply_cookie(x->reply, x->request, name, "", 0);
}
