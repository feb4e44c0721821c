/* /userinfo (OpenID Connect Core §5.3): JSON, always; DHIS2 takes nothing else. What is told was put into the access token
 * when it was made, so the endpoint reads no directory. */
#include "private.h"

static const char *const TOLD[] = {"email", "name", "given_name", "family_name", "preferred_username", "amr"};

static enum result userinfo(struct exchange *x)
{
    struct bearer b;
    TRY(provider_bearer(&x->fault, x, NULL, &b));
    json_t *j = arena_json(x->arena, json_pack("{s:s}", "sub", b.sub));
    NEED(&x->fault, j);
    if (b.scope == NULL || !text_has_word(b.scope, "openid"))
        return FAULT_OAUTH(&x->fault, RESULT_DENIED, "invalid_token", "the token has no scope openid");
    for (size_t i = 0; i < COUNT_OF(TOLD); i++) {
        json_t *value = json_object_get(b.claims, TOLD[i]);
        if (value != NULL && json_object_set(j, TOLD[i], value) != 0)
            return FAULT(&x->fault, RESULT_INTERNAL, "out of memory");
    }
    reply_json(x->reply, 200, j);
    x->done = true;
    return RESULT_OK;
}

const struct step userinfo_steps[] = {{"userinfo", RUN_CPU, userinfo, NULL}, {NULL, RUN_CPU, NULL, NULL}};
