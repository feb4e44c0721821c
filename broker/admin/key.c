/* `idbridge key`: the keys our own tokens are signed with. `idbridge upstream key`: what the bridge proves itself with at an
 * ID provider. */
#include "private.h"

#include <string.h>

#define FILE_MAX (32u << 10)

/* ---- key ------------------------------------------------------------------------------------------------------------ */

struct keying {
    struct admin ad;
    bool emergency;
    const char *kid, *jwk;
    int64_t next_at;     /* when the first key that waits signs; 0: none waits */
    json_t *waited;      /* kids that waited before, as members */
    bool fresh, changed; /* one that waits was made now; anything happened */
};

static enum result print_key(void *arg, const struct key_row *k)
{
    struct arena *a = arg;
    (void)printf("%-43s %-12s %-8s %-20s made=%s%s%s\n", k->kid, k->alg, k->state, k->use, clock_text(a, k->created),
                 k->retire_at == 0 ? "" : " leaves=", k->retire_at == 0 ? "" : clock_text(a, k->retire_at));
    return RESULT_OK;
}

static int key_list(int argc, char **argv)
{
    struct admin ad;
    (void)argc, (void)argv;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    return admin_end(&ad, v == NULL ? ad.fault.result : store_key_each(&ad.fault, v, ad.arena, NULL, print_key, ad.arena));
}

static enum result note_waiting(void *arg, const struct key_row *k)
{
    if (text_equal(k->state, "next"))
        (void)json_object_set_new(arg, k->kid, json_true());
    return RESULT_OK;
}

static enum result note_next(void *arg, const struct key_row *k)
{
    struct keying *q = arg;
    if (!text_equal(k->state, "next"))
        return RESULT_OK;
    q->fresh |= json_object_get(q->waited, k->kid) == NULL;
    if (q->next_at == 0 || k->active_from < q->next_at)
        q->next_at = k->active_from;
    return RESULT_OK;
}

/* A successor that waits already is not doubled: then nothing is published, and the command says so. */
static enum result rotate(struct fault *f, struct store_view *v, void *arg)
{
    struct keying *q = arg;
    const struct config *c = q->ad.b.config;
    q->waited = arena_json(q->ad.arena, json_object());
    NEED(f, q->waited);
    TRY(store_key_each(f, v, q->ad.arena, "sign", note_waiting, q->waited));
    TRY(token_ring_tend(f, v, clock_now(), config_number(c, "keys", NULL, "publish"), config_number(c, "keys", NULL, "rotate"),
                        config_number(c, "keys", NULL, "retire"), true, q->emergency, &q->changed));
    TRY(store_key_each(f, v, q->ad.arena, "sign", note_next, q));
    return admin_audit(&q->ad, v, q->emergency ? "key.rotate.emergency" : "key.rotate", NULL, "ok");
}

static void say_rotated(const struct keying *q)
{
    long long wait = (long long)(q->next_at - clock_now());
    if (q->emergency)
        (void)printf("The new keys sign at once. Applications that cached the old set fail until they fetch it again.\n");
    else if (q->fresh)
        (void)printf("New keys are published now and sign in %lld seconds, when every cache has seen them.\n",
                     config_number(q->ad.b.config, "keys", NULL, "publish"));
    else if (q->next_at == 0)
        (void)printf("The keys that waited sign from now on. Nothing new was published: rotate again for that.\n");
    else
        (void)printf("Nothing new was published: keys of an earlier rotation wait already and sign in %lld seconds.\n", wait < 0 ? 0 : wait);
}

static int key_rotate(int argc, char **argv)
{
    struct keying q = {0};
    bool emergency = argc == 2 && strcmp(argv[1], "--emergency") == 0;
    if (argc > 1 && !emergency)
        return admin_usage("key rotate [--emergency]");
    int status = admin_begin(&q.ad, false);
    if (status != 0)
        return status;
    q.emergency = emergency;
    enum result r = store_transaction(&q.ad.fault, q.ad.b.store, rotate, &q);
    if (r == RESULT_OK)
        say_rotated(&q);
    return admin_end(&q.ad, r);
}

static enum result retire(struct fault *f, struct store_view *v, void *arg)
{
    struct keying *q = arg;
    TRY(admin_named(f, token_ring_retire(f, v, q->ad.arena, q->kid, clock_now()), "signing key", q->kid));
    return admin_audit(&q->ad, v, "key.retire", NULL, "ok");
}

static int key_retire(int argc, char **argv)
{
    struct keying q = {0};
    if (argc != 2)
        return admin_usage("key retire KID");
    int status = admin_begin(&q.ad, false);
    if (status != 0)
        return status;
    q.kid = argv[1];
    enum result r = store_transaction(&q.ad.fault, q.ad.b.store, retire, &q);
    if (r == RESULT_OK)
        (void)printf("%s is out of the key set: what it signed is refused from now on\n", argv[1]);
    return admin_end(&q.ad, r);
}

static enum result take_in(struct fault *f, struct store_view *v, void *arg)
{
    struct keying *q = arg;
    TRY(token_ring_import(f, v, q->ad.arena, q->jwk, NULL, clock_now(), config_number(q->ad.b.config, "keys", NULL, "publish"), &q->kid));
    return admin_audit(&q->ad, v, "key.import", NULL, "ok");
}

static int key_import(int argc, char **argv)
{
    struct keying q = {0};
    char *text;
    size_t n;
    if (argc != 2)
        return admin_usage("key import FILE|-");
    int status = admin_begin(&q.ad, false);
    if (status != 0)
        return status;
    enum result r = admin_read_file(&q.ad, argv[1], FILE_MAX, &text, &n);
    q.jwk = r == RESULT_OK ? text : NULL;
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, take_in, &q);
    if (r == RESULT_OK)
        (void)printf("%s\n", q.kid);
    return admin_end(&q.ad, r);
}

static int key_export_public(int argc, char **argv)
{
    struct admin ad;
    struct token_ring *ring = NULL;
    (void)argc, (void)argv;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    enum result r = v == NULL ? ad.fault.result : token_ring_load(&ad.fault, v, clock_now(), &ring);
    if (r == RESULT_OK) {
        (void)printf("%s\n", token_ring_jwks(ring));
        token_ring_free(ring);
    }
    return admin_end(&ad, r);
}

static const struct subcommand KEY[] = {
    {"list", key_list, "list", "Prints every key: kid, algorithm, state, use."},
    {"rotate", key_rotate, "rotate [--emergency]", "Publishes new signing keys that take over later; --emergency: at once."},
    {"retire", key_retire, "retire KID", "Takes a key that no longer signs out of the key set now."},
    {"import", key_import, "import FILE|-", "Takes in a private JWK (RS256 or ES256) as the next signing key."},
    {"export-public", key_export_public, "export-public", "Prints the public key set as /jwks shows it."},
    {NULL, NULL, NULL, NULL},
};
int admin_key(int argc, char **argv)
{
    return admin_dispatch("key", KEY, argc, argv);
}

/* ---- upstream ---------------------------------------------------------------------------------------------------------- */

static int upstream_key_cmd(int argc, char **argv)
{
    struct admin ad;
    const char *jwk;
    bool encryption = argc == 3 && strcmp(argv[1], "--encryption") == 0;
    if (argc != 2 && !encryption)
        return admin_usage("upstream key [--encryption] NAME");
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    enum result r = upstream_key(&ad.fault, ad.arena, ad.b.store, ad.b.config, argv[argc - 1], encryption, ad.actor, &jwk);
    if (r == RESULT_OK)
        (void)printf("%s\n", jwk);
    return admin_end(&ad, r);
}

static int upstream_list(int argc, char **argv)
{
    const char *const *names;
    (void)argc, (void)argv;
    struct config *c = admin_config(admin_config_path());
    if (c == NULL)
        return 2;
    size_t n = config_names(c, "upstream", &names);
    for (size_t i = 0; i < n; i++)
        (void)printf("%-20s %s client_id=%s redirect_uri=%s/callback/%s\n", names[i], config_text(c, "upstream", names[i], "issuer"),
                     config_text(c, "upstream", names[i], "client_id"), config_text(c, "bridge", NULL, "issuer"), names[i]);
    config_free(c);
    return 0;
}

static const struct subcommand UPSTREAM[] = {
    {"key", upstream_key_cmd, "key [--encryption] NAME", "Prints the public JWK to register at an ID provider; makes the key first."},
    {"list", upstream_list, "list", "Prints each ID provider with the redirect URI to register."},
    {NULL, NULL, NULL, NULL},
};
int admin_upstream(int argc, char **argv)
{
    return admin_dispatch("upstream", UPSTREAM, argc, argv);
}
