/* The idbridge program: `serve` and the dispatch of subcommands. The only file that sees every folder: it joins their
 * configuration tables and routes, and hands each what would otherwise point up. */
#include <idbridge/admin.h>
#include <idbridge/front.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define LOOK_AGAIN_S 2     /* how soon a change by the command line is seen */
#define EXPIRE_EVERY_S 60
#define TEND_EVERY_S 3600

static const struct config_key *const TABLES[] = {
    login_config_keys,     front_config_keys, store_config_keys,    token_config_keys, provider_config_keys, web_config_keys,
    upstream_config_keys, directory_config_keys, dhis2_config_keys, NULL,
};

/* ---- keys, rules and clients change under a running daemon ------------------------------------------------------------- */

static enum result tend(struct fault *f, struct store_view *v, void *arg)
{
    const struct config *c = arg;
    bool changed;
    return token_ring_tend(f, v, clock_now(), config_number(c, "keys", NULL, "publish"), config_number(c, "keys", NULL, "rotate"),
                           config_number(c, "keys", NULL, "retire"), false, false, &changed);
}
static enum result expire(struct fault *f, struct store_view *v, void *arg)
{
    (void)arg;
    TRY(login_audit_refusals(f, v));
    return store_expire(f, v, clock_now());
}

struct watch {
    int64_t revision, tended, expired, keys_at;
};

static enum result refresh(struct fault *f, struct bridge *b, struct watch *w)
{
    struct store_view *v = store_reader(f, b->store);
    int64_t revision = 0;
    if (v == NULL)
        return f->result;
    TRY(store_revision(f, v, &revision));
    bool keys_due = clock_now() >= w->keys_at;
    if (revision == w->revision && !keys_due)
        return RESULT_OK;
    TRY(provider_refresh_keys(f, b));
    TRY(upstreams_reload_keys(f, b->upstreams));
    if (revision != w->revision)
        TRY(admin_load_rules(f, b));
    w->tended = 0; /* a key may sign since the set was read: at the next look its row says so too */
    struct snapshot *s = snapshot_slot_borrow(b->ring);
    w->keys_at = s == NULL ? 0 : token_ring_next_change(snapshot_value(s));
    if (s != NULL)
        snapshot_release(s);
    w->revision = revision;
    return RESULT_OK;
}

static void look_after(struct bridge *b, struct watch *w)
{
    struct fault f = {0};
    int64_t now = clock_now();
    if (now >= w->tended + TEND_EVERY_S || now >= w->keys_at) {
        w->tended = now;
        if (store_transaction(&f, b->store, tend, (void *)(uintptr_t)b->config) != RESULT_OK)
            log_fault(LEVEL_ERROR, "keys", &f);
    }
    if (now >= w->expired + EXPIRE_EVERY_S) {
        w->expired = now;
        if (store_transaction(&f, b->store, expire, NULL) != RESULT_OK)
            log_fault(LEVEL_ERROR, "expire", &f);
    }
    if (refresh(&f, b, w) != RESULT_OK)
        log_fault(LEVEL_ERROR, "refresh", &f);
}

/* ---- serve --------------------------------------------------------------------------------------------------------------- */

static enum result bearer_for_verification(struct fault *f, struct exchange *x, const char *audience, const char **client_id_r,
                                           const char **dhis2_r)
{
    struct bearer b;
    struct client c;
    if (request_header(x->request, PROVIDER_ROUTE_KEY) != NULL) {
        TRY(provider_route_key(f, x, &c));
    } else {
        TRY(provider_bearer(f, x, audience, &b));
        TRY(store_client_get(f, x->view, x->arena, b.client_id, &c));
    }
    if (c.disabled || c.dhis2 == NULL || GUARD(route_profile, strcmp(c.profile, "route") != 0))
        return FAULT_OAUTH(f, RESULT_DENIED, "invalid_token", "the client is no route");
    *client_id_r = c.client_id;
    *dhis2_r = c.dhis2;
    return RESULT_OK;
}

static void no_core_dumps(void)
{
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static enum level level_of(const struct config *c)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(config_text(c, "bridge", NULL, "log_level"), names[i]) == 0)
            return (enum level)i;
    return LEVEL_INFO;
}

/* One life of the daemon: from one configuration to the next. At SIGHUP the next life answers on the same sockets before
 * this one has drained, so nobody is turned away. */
struct life {
    struct bridge bridge;
    struct front *front;
    const struct route *login;
    const struct route *tables[4];
};

/* What the daemon may touch from now on. A configuration reloaded later may name nothing outside: new paths need a restart. */
struct shut {
    const char *paths[256];
    size_t count;
};
static void add_path(void *arg, const char *path)
{
    struct shut *s = arg;
    if (s->count + 1 < COUNT_OF(s->paths))
        s->paths[s->count++] = path;
}

static void shut_in(const struct bridge *b)
{
    struct shut readable = {0};
    struct fault f = {0};
    bool entered = false;
    if (!config_flag(b->config, "bridge", NULL, "sandbox"))
        return;
    config_each_path(b->config, add_path, &readable);
    const char *address = config_text(b->config, "listen", NULL, "address");
    CLEANUP(arena) struct arena *a = arena_new(16u << 10);
    char *socket_folder = text_has_prefix(address, "unix:") ? arena_strdup(a, address + 5) : NULL;
    char *slash = socket_folder == NULL ? NULL : strrchr(socket_folder, '/');
    if (slash != NULL)
        *slash = '\0';
    const char *const writable[] = {config_text(b->config, "store", NULL, "folder"), socket_folder, NULL};
    if (sandbox_enter(&f, readable.paths, writable, &entered) != RESULT_OK)
        log_fault(LEVEL_WARN, "sandbox", &f);
    else
        log_event(LEVEL_INFO, "sandbox", "landlock", entered ? "on" : "not in this kernel", NULL);
}

static enum result start(struct fault *f, struct life *l, struct front_sockets *sockets)
{
    struct bridge *b = &l->bridge;
    size_t n;
    TRY(store_writer_start(f, b->store, (unsigned)config_number(b->config, "store", NULL, "queue")));
    TRY(store_transaction(f, b->store, tend, (void *)(uintptr_t)b->config));
    TRY(provider_refresh_keys(f, b));
    TRY(login_routes(f, b->config, &l->login, &n));
    l->tables[0] = provider_routes;
    l->tables[1] = l->login;
    l->tables[2] = verification_routes;
    return front_start(f, b, l->tables, sockets, &l->front);
}

static void *end_life(void *arg)
{
    struct life *l = arg;
    struct fault f = {0};
    if (l->front != NULL)
        front_stop(l->front, (int)config_number(l->bridge.config, "listen", NULL, "drain"));
    if (l->front != NULL && store_transaction(&f, l->bridge.store, expire, NULL) != RESULT_OK)
        log_fault(LEVEL_ERROR, "expire", &f);
    admin_close(&l->bridge);
    login_routes_free(l->login);
    free(l);
    return NULL;
}

/* NULL: said why, nothing is left behind. `first`: also what is done once, [pages] and the sandbox. */
static struct life *begin_life(const char *path, struct front_sockets *sockets, bool first)
{
    struct fault f = {0};
    struct life *l = calloc(1, sizeof(*l));
    if (l == NULL || admin_open(path, true, &l->bridge) != 0) {
        free(l);
        return NULL;
    }
    log_setup(level_of(l->bridge.config), stderr);
    enum result r = first ? web_setup(&f, l->bridge.config) : RESULT_OK;
    if (first)
        shut_in(&l->bridge);
    if (r == RESULT_OK)
        r = start(&f, l, sockets);
    if (r == RESULT_OK)
        return l;
    (void)fprintf(stderr, "idbridge: %s\n", f.detail);
    (void)end_life(l);
    return NULL;
}

/* A configuration that cannot be used leaves the running one in place. The old life ends beside the new one; the reload
 * after that waits for it. */
static struct life *reload(struct life *l, const char *path, struct front_sockets *sockets, pthread_t *ending, bool *ends)
{
    if (*ends)
        (void)pthread_join(*ending, NULL);
    *ends = false;
    struct life *next = begin_life(path, sockets, false);
    log_event(next == NULL ? LEVEL_ERROR : LEVEL_INFO, "reload", "outcome",
              next == NULL ? "the configuration has faults, the running one stays" : "ok", NULL);
    if (next == NULL)
        return l;
    *ends = pthread_create(ending, NULL, end_life, l) == 0;
    if (!*ends)
        (void)end_life(l);
    return next;
}

static int run_lives(const char *path, const sigset_t *set)
{
    struct front_sockets sockets = {0};
    pthread_t ending;
    bool ends = false;
    struct life *l = begin_life(path, &sockets, true);
    if (l == NULL)
        return 1;
    struct watch w = {.tended = clock_now()};
    for (int sig = 0; sig != SIGTERM && sig != SIGINT;) {
        look_after(&l->bridge, &w);
        sig = sigtimedwait(set, NULL, &(struct timespec){.tv_sec = LOOK_AGAIN_S});
        if (sig == SIGHUP) {
            l = reload(l, path, &sockets, &ending, &ends);
            w = (struct watch){.tended = clock_now(), .expired = clock_now()};
        }
    }
    log_event(LEVEL_INFO, "stopping", "why", "signal", NULL);
    l->bridge.stopping = true;
    front_sockets_close(&sockets);
    (void)end_life(l);
    if (ends)
        (void)pthread_join(ending, NULL);
    return 0;
}

static int serve(int argc, char **argv)
{
    sigset_t set;
    (void)argv;
    if (argc > 1) {
        (void)fprintf(stderr, "usage: idbridge serve\n");
        return 2;
    }
    no_core_dumps();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* before any thread: all inherit it */
    return run_lives(admin_config_path(), &set);
}

/* ---- the program ------------------------------------------------------------------------------------------------------------- */

static int help(void)
{
    (void)printf("idbridge: sign in to DHIS2 with a national ID\n\nusage: idbridge [--config FILE] COMMAND …\n\n");
    (void)printf("  %-10s %s\n", "serve", "run the bridge in the foreground");
    for (const struct command *c = admin_commands; c->name != NULL; c++)
        (void)printf("  %-10s %s\n", c->name, c->help);
    (void)printf("  %-10s %s\n  %-10s %s\n\n", "version", "print the version", "help", "print this");
    (void)printf("FILE is /etc/idbridge/idbridge.ini unless --config or IDBRIDGE_CONFIG says otherwise.\n"
                 "`idbridge COMMAND help` lists what a command can do. Manual: idbridge(8), idbridge.ini(5).\n");
    return 0;
}

/* jansson 2.14 goes on after a growth that failed inside its lexer and writes past its buffer: without memory the program ends
 * here instead, and systemd starts it again. */
static void *must_malloc(size_t n)
{
    void *p = malloc(n);
    if (p == NULL) {
        log_event(LEVEL_ERROR, "out_of_memory", NULL);
        abort();
    }
    return p;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int dispatch(int argc, char **argv)
{
    const char *word = argc < 2 ? "help" : argv[1];
    if (is_help(word))
        return help() + (argc < 2 ? 2 : 0);
    if (strcmp(word, "version") == 0 || strcmp(word, "--version") == 0)
        return printf("idbridge %s (%s)\n", IDBRIDGE_VERSION, IDBRIDGE_COMMIT) < 0;
    if (strcmp(word, "serve") == 0)
        return serve(argc - 1, argv + 1);
    for (const struct command *c = admin_commands; c->name != NULL; c++)
        if (strcmp(word, c->name) == 0) {
            if (argc == 3 && c->usage != NULL && is_help(argv[2]))
                return printf("usage: idbridge %s\n  %s\n", c->usage, c->help) < 0;
            return c->run(argc - 1, argv + 1);
        }
    (void)fprintf(stderr, "idbridge: there is no command `%s`; `idbridge help` lists them\n", word);
    return 2;
}

int main(int argc, char **argv)
{
    struct fault f = {0};
    directories_init();
    admin_config_tables = TABLES;
    admin_config_front = front_config_check;
    login_complete = provider_complete;
    verification_bearer = bearer_for_verification;
    log_setup(LEVEL_WARN, stderr);
    json_set_alloc_funcs(must_malloc, wipe_free);
    token_global_init();
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* every command reads the master key */
    if (argc > 2 && strcmp(argv[1], "--config") == 0) {
        (void)setenv("IDBRIDGE_CONFIG", argv[2], 1);
        argc -= 2;
        argv += 2;
    }
    if (wipe_openssl(&f) != RESULT_OK || directory_global_init(&f) != RESULT_OK || http_global_init(&f) != RESULT_OK ||
        messages_load(&f) != RESULT_OK) {
        (void)fprintf(stderr, "idbridge: %s\n", f.detail);
        return 1;
    }
    int status = dispatch(argc, argv);
    messages_free();
    return status;
}
