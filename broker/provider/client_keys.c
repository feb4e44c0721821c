/* Key sets of clients that publish them (`jwks_uri`: DHIS2 at /api/publicKeys/…). Anybody can send an assertion that names
 * a client, so a fetch must cost an attacker nothing and us little: one copy per client is kept, an assertion that fails
 * against it makes one fetch a minute, and a host that did not answer is not asked again for some seconds. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define CLIENTS_KEPT 64
#define FLOOR_S 60       /* an assertion that fails against the copy makes it be fetched anew, once in so long */
#define LIFE_S 600       /* an older copy is not believed: a key that the client withdrew stops counting */
#define FAILED_FLOOR_S 5 /* nor is a host that did not answer asked before */
#define JWKS_MAX (64u << 10)

struct kept {
    char client_id[129], *jwks; /* jwks NULL: the fetch failed */
    int64_t fetched, retried; /* retried: the last fetch that a failing assertion asked for */
};
struct client_keys { /* immutable; a fetch publishes a changed copy */
    struct kept list[CLIENTS_KEPT];
    size_t count;
};

static void keys_free(void *p)
{
    struct client_keys *k = p;
    for (size_t i = 0; i < k->count; i++)
        free(k->list[i].jwks);
    free(k);
}

static const struct kept *find(const struct client_keys *k, const char *client_id)
{
    for (size_t i = 0; k != NULL && i < k->count; i++)
        if (strcmp(k->list[i].client_id, client_id) == 0)
            return &k->list[i];
    return NULL;
}

const char *client_keys_cached(struct exchange *x, const char *client_id, bool *fresh_r)
{
    const struct kept *e = find(snapshot_slot_value(x->bridge->client_keys, x->arena), client_id);
    int64_t age = e == NULL ? LIFE_S : clock_now() - e->fetched;
    *fresh_r = e != NULL && (e->jwks == NULL ? age < FAILED_FLOOR_S : e->retried + FLOOR_S > clock_now());
    return age >= LIFE_S ? NULL : e->jwks;
}

/* Everybody else's entry as it was, the oldest left out when the table is full, and the new one. */
static enum result publish(struct exchange *x, const char *client_id, const char *jwks)
{
    int64_t now = clock_now();
    struct fault *f = &x->fault;
    const struct client_keys *old = snapshot_slot_value(x->bridge->client_keys, x->arena);
    struct client_keys *k = calloc(1, sizeof(*k));
    NEED(f, k);
    size_t oldest = 0;
    for (size_t i = 1; old != NULL && old->count == CLIENTS_KEPT && i < old->count; i++)
        if (old->list[i].fetched < old->list[oldest].fetched)
            oldest = i;
    for (size_t i = 0; old != NULL && i < old->count; i++) {
        const struct kept *e = &old->list[i];
        if (strcmp(e->client_id, client_id) == 0 || (old->count == CLIENTS_KEPT && i == oldest))
            continue;
        k->list[k->count] = *e;
        k->list[k->count++].jwks = e->jwks == NULL ? NULL : strdup(e->jwks);
    }
    struct kept *e = &k->list[k->count++];
    (void)snprintf(e->client_id, sizeof(e->client_id), "%s", client_id);
    e->jwks = jwks == NULL ? NULL : strdup(jwks);
    e->fetched = now;
    const struct kept *before = find(old, client_id);
    e->retried = before != NULL && before->jwks != NULL && before->fetched + LIFE_S > now ? now : 0;
    struct snapshot *s = snapshot_new(k, keys_free);
    NEED(f, s);
    snapshot_slot_set(x->bridge->client_keys, s);
    return RESULT_OK;
}

enum result client_keys_fetch(struct exchange *x, const struct client *c, const char **jwks_r)
{
    const struct config *cfg = x->bridge->config;
    const char *ca_file = c->dhis2 == NULL ? NULL : config_text(cfg, "dhis2", c->dhis2, "ca_file");
    const struct http_request rq = {.method = "GET", .url = c->jwks_uri, .max_body = JWKS_MAX, .ca_file = ca_file};
    struct http_response got;
    enum result r = http_fetch(&x->fault, x->arena, &rq, &got);
    if (r == RESULT_OK && got.status != 200)
        r = FAULT(&x->fault, RESULT_UNAVAILABLE, "jwks_uri answered %ld", got.status);
    struct fault why = x->fault;
    TRY(publish(x, c->client_id, r == RESULT_OK ? got.body : NULL));
    x->fault = why;
    TRY(r);
    *jwks_r = got.body;
    return RESULT_OK;
}
