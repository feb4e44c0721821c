/* `idbridge client`: the applications that trust us. */
#include "private.h"

#include <string.h>

#define FILE_MAX (64u << 10)

struct adding {
    struct admin ad;
    struct client c;
    json_t *redirect_uris, *post_logout_redirect_uris;
    const char *secret, *jwks_file, *provider_id;
};

static const struct option OPTIONS[] = {
    {"name", required_argument, NULL, 'n'},         {"profile", required_argument, NULL, 'p'},
    {"dhis2", required_argument, NULL, 'd'},        {"auth-method", required_argument, NULL, 'm'},
    {"redirect-uri", required_argument, NULL, 'r'}, {"post-logout-redirect-uri", required_argument, NULL, 'l'},
    {"scopes", required_argument, NULL, 's'},       {"grant-types", required_argument, NULL, 'g'},
    {"audience", required_argument, NULL, 'a'},     {"sso", required_argument, NULL, 'o'},
    {"upstream", required_argument, NULL, 'u'},     {"acr-values", required_argument, NULL, 'c'},
    {"jwks", required_argument, NULL, 'j'},         {"jwks-uri", required_argument, NULL, 'J'},
    {"require-pkce", no_argument, NULL, 'k'},       {"provider-id", required_argument, NULL, 'i'},
    {NULL, 0, NULL, 0},
};
#define ADD_USAGE                                                                                                      \
    "add CLIENT_ID --dhis2 NAME --redirect-uri URL… [--post-logout-redirect-uri URL…] [--name TEXT] "                   \
    "[--profile dhis2|rfc9068|route] [--auth-method client_secret_basic|client_secret_post|private_key_jwt|none|route_key] " \
    "[--jwks FILE | --jwks-uri URL] [--grant-types LIST] [--scopes LIST] [--audience A] [--sso never|ask|silent] "      \
    "[--upstream NAME] [--acr-values LIST] [--require-pkce] [--provider-id ID]"

static int read_options(struct adding *q, int argc, char **argv)
{
    struct client *c = &q->c;
    const struct {
        int option;
        const char **to;
    } texts[] = {{'n', &c->name},     {'p', &c->profile},     {'d', &c->dhis2},    {'m', &c->auth_method},
                 {'s', &c->scopes},   {'g', &c->grant_types}, {'a', &c->audience}, {'o', &c->sso},
                 {'u', &c->upstream}, {'c', &c->acr_values},  {'j', &q->jwks_file}, {'J', &c->jwks_uri},
                 {'i', &q->provider_id}};
    for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (o == '?')
            return 2;
        if (o == 'r')
            admin_append(&q->redirect_uris, optarg);
        if (o == 'l')
            admin_append(&q->post_logout_redirect_uris, optarg);
        if (o == 'k')
            c->require_pkce = true;
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            if (texts[i].option == o)
                *texts[i].to = optarg;
    }
    if (optind + 1 != argc)
        return admin_usage("client " ADD_USAGE);
    c->client_id = argv[optind];
    return 0;
}

/* What an administrator who says nothing means: a DHIS2 login; or, with --profile route, a Route's credential. */
static enum result fill_in(struct adding *q)
{
    struct client *c = &q->c;
    struct fault *f = &q->ad.fault;
    size_t n;
    char *text;
    if (c->profile == NULL)
        c->profile = c->dhis2 != NULL ? "dhis2" : "rfc9068";
    bool route = strcmp(c->profile, "route") == 0;
    c->name = c->name != NULL ? c->name : c->client_id;
    c->auth_method = c->auth_method != NULL ? c->auth_method : "client_secret_basic";
    c->scopes = c->scopes != NULL ? c->scopes : "openid profile email";
    c->grant_types = c->grant_types != NULL ? c->grant_types : route ? "client_credentials" : "authorization_code";
    c->sso = c->sso != NULL ? c->sso : c->dhis2 != NULL ? "never" : "ask";
    if (route && c->audience == NULL)
        c->audience = arena_printf(q->ad.arena, "%s/verification", q->ad.b.issuer);
    c->redirect_uris = q->redirect_uris == NULL ? "[]" : json_compact(q->ad.arena, arena_json(q->ad.arena, q->redirect_uris));
    c->post_logout_redirect_uris =
        q->post_logout_redirect_uris == NULL ? "[]" : json_compact(q->ad.arena, arena_json(q->ad.arena, q->post_logout_redirect_uris));
    c->created = clock_now();
    if (q->jwks_file != NULL) {
        TRY(admin_read_file(&q->ad, q->jwks_file, FILE_MAX, &text, &n));
        struct token_keys *keys;
        TRY(token_keys_parse(f, text, n, &keys));
        token_keys_free(keys);
        c->jwks = text;
    }
    if (text_has_prefix(c->auth_method, "client_secret") || strcmp(c->auth_method, "route_key") == 0) {
        q->secret = random_id(q->ad.arena, 32);
        NEED(f, q->secret);
        c->secret_hash = keyed_hash(q->ad.arena, q->ad.b.master, "client-secret", q->secret);
    }
    return provider_client_check(f, q->ad.arena, q->ad.b.config, c);
}

static enum result put(struct fault *f, struct store_view *v, void *arg)
{
    struct adding *q = arg;
    struct client before;
    enum result r = store_client_get(f, v, q->ad.arena, q->c.client_id, &before);
    if (r == RESULT_OK)
        return FAULT(f, RESULT_CONFLICT, "client %.60s exists: `idbridge client remove` it first", q->c.client_id);
    if (r != RESULT_NOT_FOUND)
        return r;
    TRY(store_client_put(f, v, &q->c));
    return admin_audit(&q->ad, v, "client.add", NULL, q->c.client_id);
}

/* The `auth` of the Route as DHIS2 takes it. 2.41 knows static credentials only. */
static void print_route(const struct adding *q)
{
    const struct client *c = &q->c;
    const char *issuer = q->ad.b.issuer, *secret = q->secret == NULL ? "" : q->secret;
    if (strcmp(c->auth_method, "route_key") == 0)
        (void)printf("# auth of the Route (any DHIS2; the only kind that 2.41 can use with the bridge); it is not shown again:\n"
                     "{\"type\":\"api-headers\",\"headers\":{\"X-Route-Key\":\"%s.%s\"}}\n", c->client_id, secret);
    else
        (void)printf("# auth of the Route (DHIS2 2.42 and later; 2.41: --auth-method route_key); it is not shown again:\n"
                     "{\"type\":\"oauth2-client-credentials\",\"clientId\":\"%s\",\"clientSecret\":\"%s\",\"tokenUri\":\"%s/token\"}\n",
                     c->client_id, secret, issuer);
    (void)printf("# its url: %s/verification/ready\n", issuer);
}

static void print_added(const struct adding *q)
{
    (void)printf("# client %s for %s, sso %s\n", q->c.client_id, q->c.dhis2 == NULL ? q->c.name : q->c.dhis2, q->c.sso);
    if (strcmp(q->c.profile, "dhis2") == 0) {
        (void)printf("# put these lines into dhis.conf and restart DHIS2; the secret is not shown again\n%s",
                     provider_dhis_conf(q->ad.arena, q->ad.b.issuer, q->provider_id == NULL ? "bridge" : q->provider_id, &q->c, q->secret));
        return;
    }
    if (text_has_prefix(q->c.auth_method, "client_secret"))
        (void)printf("client_secret = %s\n# it is not shown again\n", q->secret);
    if (strcmp(q->c.profile, "route") == 0)
        print_route(q);
}

static int client_add(int argc, char **argv)
{
    struct adding q = {0};
    int status = read_options(&q, argc, argv);
    struct client wanted = q.c;
    json_t *uris = q.redirect_uris, *post = q.post_logout_redirect_uris;
    const char *jwks = q.jwks_file, *id = q.provider_id;
    if (status == 0)
        status = admin_begin(&q.ad, false);
    if (status != 0) {
        json_decref(uris);
        json_decref(post);
        return status;
    }
    q.c = wanted;
    q.redirect_uris = uris;
    q.post_logout_redirect_uris = post;
    q.jwks_file = jwks;
    q.provider_id = id;
    enum result r = fill_in(&q);
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, put, &q);
    if (r == RESULT_OK)
        print_added(&q);
    return admin_end(&q.ad, r);
}

static enum result print_line(void *arg, const struct client *c)
{
    (void)arg;
    (void)printf("%-24s %-8s %-10s %-20s sso=%-7s %s%s\n", c->client_id, c->profile, c->dhis2 == NULL ? "-" : c->dhis2,
                 c->auth_method, c->sso, c->redirect_uris, c->disabled ? "  DISABLED" : "");
    return RESULT_OK;
}

static int client_list(int argc, char **argv)
{
    struct admin ad;
    (void)argc, (void)argv;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    return admin_end(&ad, v == NULL ? ad.fault.result : store_client_each(&ad.fault, v, ad.arena, print_line, NULL));
}

struct removing {
    struct admin ad;
    const char *client_id;
};
static enum result take_out(struct fault *f, struct store_view *v, void *arg)
{
    struct removing *q = arg;
    struct client c;
    TRY(admin_named(f, store_client_get(f, v, q->ad.arena, q->client_id, &c), "client", q->client_id));
    TRY(store_client_remove(f, v, q->client_id));
    return admin_audit(&q->ad, v, "client.remove", NULL, q->client_id);
}

static int client_remove(int argc, char **argv)
{
    struct removing q = {0};
    if (argc != 2)
        return admin_usage("client remove CLIENT_ID");
    int status = admin_begin(&q.ad, false);
    if (status != 0)
        return status;
    q.client_id = argv[1];
    enum result r = store_transaction(&q.ad.fault, q.ad.b.store, take_out, &q);
    if (r == RESULT_OK)
        (void)printf("removed %s\n", argv[1]);
    return admin_end(&q.ad, r);
}

static const struct subcommand CLIENT[] = {
    {"add", client_add, ADD_USAGE, "Registers an application and prints what to configure there; the secret is shown once."},
    {"list", client_list, "list", "One line per application."},
    {"remove", client_remove, "remove CLIENT_ID", "Forgets an application; its tokens die within five minutes."},
    {NULL, NULL, NULL, NULL},
};
int admin_client(int argc, char **argv)
{
    return admin_dispatch("client", CLIENT, argc, argv);
}
