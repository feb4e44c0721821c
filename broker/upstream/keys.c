/* The bridge's own keys at its ID providers: one for client assertions and, where userinfo comes encrypted, one to decrypt.
 * Made by `idbridge upstream key`, sealed in the store, never rotated (eSignet cannot exchange a client's key). */
#include "private.h"

#include <string.h>

static char *use_of(struct arena *a, const char *name, bool encryption)
{
    return arena_printf(a, "upstream%s:%s", encryption ? "-enc" : "", name);
}

struct wanted {
    struct arena *arena;
    const char *private_jwk, *public_jwk, *alg;
};
static enum result keep(void *arg, const struct key_row *k)
{
    struct wanted *w = arg;
    if (strcmp(k->state, "active") != 0 || k->private_jwk == NULL)
        return RESULT_OK;
    w->private_jwk = arena_strdup(w->arena, k->private_jwk);
    w->public_jwk = arena_strdup(w->arena, k->public_jwk);
    w->alg = arena_strdup(w->arena, k->alg);
    return RESULT_OK;
}

static void private_free(void *p)
{
    token_private_free(p);
}

static enum result load(struct fault *f, struct arena *a, struct store_view *v, const char *name, bool encryption,
                        struct snapshot_slot *slot)
{
    struct wanted w = {.arena = a};
    const char *use = use_of(a, name, encryption);
    struct token_private *key;
    NEED(f, use);
    TRY(store_key_each(f, v, a, use, keep, &w));
    if (w.private_jwk == NULL)
        return RESULT_OK; /* said when it is needed */
    TRY(token_private_parse(f, w.private_jwk, w.alg, &key));
    struct snapshot *s = snapshot_new(key, private_free);
    NEED(f, s);
    snapshot_slot_set(slot, s);
    return RESULT_OK;
}

enum result upstreams_reload_keys(struct fault *f, struct upstreams *u)
{
    CLEANUP(arena) struct arena *a = arena_new(1u << 20);
    struct store_view *v = store_reader(f, u->store);
    NEED(f, a);
    if (v == NULL)
        return f->result;
    for (size_t i = 0; i < u->count; i++) {
        TRY(load(f, a, v, u->list[i].name, false, u->list[i].signer));
        TRY(load(f, a, v, u->list[i].name, true, u->list[i].decrypter));
    }
    return RESULT_OK;
}

struct making {
    struct arena *arena;
    const char *use, *alg, *actor;
    struct wanted found;
};

static enum result find_or_make(struct fault *f, struct store_view *v, void *arg)
{
    struct making *m = arg;
    struct key_row k = {.use = m->use, .alg = m->alg, .state = "active", .created = clock_now()};
    TRY(store_key_each(f, v, m->arena, m->use, keep, &m->found));
    if (m->found.public_jwk != NULL)
        return RESULT_OK;
    bool encryption = text_has_prefix(m->alg, "RSA-OAEP");
    TRY(token_generate(f, m->arena, m->alg, encryption ? "enc" : "sig", &k.kid, &k.private_jwk, &k.public_jwk));
    k.active_from = k.created;
    m->found.public_jwk = k.public_jwk;
    TRY(store_key_put(f, v, &k));
    const struct audit row = {.event = "upstream.key", .actor = m->actor, .outcome = "ok"};
    return store_audit_add(f, v, &row);
}

enum result upstream_key(struct fault *f, struct arena *a, struct store *s, const struct config *c, const char *name,
                         bool encryption, const char *actor, const char **public_jwk_r)
{
    const char *const *names;
    size_t n = config_names(c, "upstream", &names), i = 0;
    while (i < n && strcmp(names[i], name) != 0)
        i++;
    if (i == n)
        return FAULT(f, RESULT_NOT_FOUND, "there is no [upstream %.60s] in the configuration", name);
    struct making m = {.arena = a, .use = use_of(a, name, encryption), .actor = actor, .found = {.arena = a},
                       .alg = encryption ? "RSA-OAEP-256" : config_text(c, "upstream", name, "assertion_alg")};
    NEED(f, m.use);
    TRY(store_transaction(f, s, find_or_make, &m));
    *public_jwk_r = m.found.public_jwk;
    return RESULT_OK;
}
