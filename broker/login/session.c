/* A browser that is signed in at the bridge: a random id in a cookie, its SHA-256 in the store, the rest sealed there.
 * Whether a session may answer for a client is the client's `sso` (never, ask, silent); provider/ decides. */
#include "private.h"

#include <string.h>

#define SESSION_COOKIE "idb-session"

enum result login_session(struct fault *f, struct exchange *x, struct browser_session *out_r)
{
    const char *id = request_cookie(x->request, SESSION_COOKIE);
    if (id == NULL || x->view == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no session cookie");
    const char *hash = sha256_base64url(x->arena, id);
    NEED(f, hash);
    struct session s;
    TRY(store_session_get(f, x->view, x->arena, hash, clock_now(),
                          config_number(x->bridge->config, "session", NULL, "idle"), &s));
    json_t *j;
    TRY(json_parse(f, x->arena, s.data, strlen(s.data), 64u << 10, &j));
    *out_r = (struct browser_session){
        .id_hash = s.id_hash, .person_id = s.person_id, .upstream = json_text(j, "upstream"), .iss = json_text(j, "iss"),
        .sub = json_text(j, "sub"), .acr = json_text(j, "acr"), .display_name = json_text(j, "name"), .data = j};
    if (out_r->iss == NULL || out_r->sub == NULL || out_r->upstream == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "the session's row is incomplete");
    (void)json_integer_at(j, "auth_time", &out_r->auth_time);
    return RESULT_OK;
}

enum result login_session_start(struct exchange *x, struct login *l, const char **id_hash_r)
{
    struct fault *f = &x->fault;
    int64_t now = clock_now(), life = config_number(x->bridge->config, "session", NULL, "life");
    char *id = random_id(x->arena, 32);
    NEED(f, id);
    *id_hash_r = sha256_base64url(x->arena, id);
    NEED(f, *id_hash_r);
    json_t *j = arena_json(x->arena, json_pack("{s:s, s:s, s:s, s:s*, s:I, s:s*}", "upstream", l->upstream, "iss",
                                               l->identity.iss, "sub", l->identity.sub, "acr", l->identity.acr, "auth_time",
                                               (json_int_t)l->identity.auth_time, "name", l->person.display_name));
    NEED(f, j);
    if (l->identity.amr != NULL && json_object_set(j, "amr", (json_t *)(uintptr_t)l->identity.amr) != 0)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    const char *data = json_compact(x->arena, j);
    NEED(f, data);
    const struct session s = {.id_hash = *id_hash_r, .person_id = l->link.person_id, .data = data, .created = now,
                              .last_seen = now, .expires = now + life};
    TRY(store_session_add(f, x->view, &s));
    reply_cookie(x->reply, x->request, SESSION_COOKIE, id, life);
    return RESULT_OK;
}

enum result login_session_end(struct exchange *x, const char *id_hash)
{
    reply_cookie(x->reply, x->request, SESSION_COOKIE, "", 0);
    return store_revoke(&x->fault, x->view, NULL, id_hash, NULL); /* takes the session's row too */
}
