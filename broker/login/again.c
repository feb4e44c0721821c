/* What can a person do whose login ended here? Start the same request again out of its cookie, ask for this page once more,
 * or, when the login was finished before, go back to the application: its own half is used up then (a DHIS2 that gets the
 * same state twice shows `oidcFailure=true` and no reason). Called where login/ makes the page of a refusal. */
#include "private.h"

#include <string.h>

const char *again_restart(struct exchange *x, const struct login *l)
{
    return l->transaction == NULL ? NULL : arena_printf(x->arena, "/restart?login=%s", l->transaction);
}

const char *again_other(struct exchange *x, const struct login *l)
{
    return arena_printf(x->arena, "/restart?login=%s&other=1", l->transaction);
}

const char *again_same_page(struct exchange *x)
{
    const struct request *rq = x->request;
    return strcmp(rq->method, "GET") == 0 ? url_with(x->arena, rq->path, rq->query.list, rq->query.count) : NULL;
}

bool again_finished(struct exchange *x, const char *transaction)
{
    struct fault ignored = {0};
    bool seen = false;
    return x->view != NULL && store_once_seen(&ignored, x->view, "login", transaction, &seen) == RESULT_OK && seen;
}

/* scheme://authority/ of the first redirect URI; NULL for an app's own scheme. */
static const char *origin(struct arena *a, const char *redirect_uris)
{
    struct fault ignored = {0};
    json_t *list;
    if (json_parse(&ignored, a, redirect_uris, strlen(redirect_uris), 64u << 10, &list) != RESULT_OK)
        return NULL;
    const char *uri = json_string_value(json_array_get(list, 0));
    if (uri == NULL || !(text_has_prefix(uri, "https://") || text_has_prefix(uri, "http://")))
        return NULL;
    size_t authority = strcspn(strchr(uri, ':') + 3, "/?#") + (size_t)(strchr(uri, ':') + 3 - uri);
    return arena_printf(a, "%.*s/", (int)authority, uri);
}

const char *again_application(struct exchange *x, const char *client_id)
{
    struct fault ignored = {0};
    struct client c;
    struct store_view *v = x->view != NULL ? x->view : store_reader(&ignored, x->bridge->store);
    if (v == NULL || client_id == NULL || store_client_get(&ignored, v, x->arena, client_id, &c) != RESULT_OK)
        return NULL;
    x->application = c.name;
    return c.dhis2 != NULL ? config_text(x->bridge->config, "dhis2", c.dhis2, "url") : origin(x->arena, c.redirect_uris);
}

enum result again_used(struct exchange *x, const char *client_id)
{
    login_refuse(x, "login_used", again_application(x, client_id));
    return RESULT_OK;
}
