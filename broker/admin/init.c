/* The operator's first and last commands: init, config, backup, restore, audit. */
#include "privilege.h"
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- init ------------------------------------------------------------------------------------------------------------ */

struct first {
    const struct config *config;
    char actor[32];
};

static enum result first_keys(struct fault *f, struct store_view *v, void *arg)
{
    const struct first *q = arg;
    const struct config *c = q->config;
    bool changed;
    TRY(token_ring_tend(f, v, clock_now(), config_number(c, "keys", NULL, "publish"), config_number(c, "keys", NULL, "rotate"),
                        config_number(c, "keys", NULL, "retire"), false, false, &changed));
    const struct audit row = {.event = "init", .actor = q->actor, .outcome = "ok"};
    return store_audit_add(f, v, &row);
}

static enum result init_state(struct fault *f, const struct config *c, struct store **out_r, struct master **m)
{
    const char *key = config_text(c, "bridge", NULL, "master_key"), *state = config_text(c, "store", NULL, "folder");
    bool fresh = access(key, F_OK) != 0;
    struct first first = {.config = c};
    admin_actor(first.actor, sizeof(first.actor));
    if (fresh)
        TRY(master_create(f, key, 0640));
    bool made = mkdir(state, 0700) == 0;
    if (!made && errno != EEXIST)
        return FAULT(f, RESULT_UNAVAILABLE, "cannot make %.100s: %s", state, strerror(errno));
    if (!privilege_settle(state, made, key, admin_config_path()))
        return FAULT(f, RESULT_DENIED, "cannot hand key and state to their owner: %s", strerror(errno));
    TRY(master_load(f, key, m));
    if (!privilege_become_owner(state))
        return FAULT(f, RESULT_DENIED, "cannot become the owner of %.100s", state);
    TRY(store_open(f, state, STORE_CREATE, *m, out_r));
    TRY(store_transaction(f, *out_r, first_keys, &first));
    (void)printf("%s  %s\n", fresh ? "made     " : "found    ", key);
    (void)printf("ready      %s (store, schema %d, signing keys)\n\n", state, store_schema_version());
    (void)printf("Back up both, apart from each other:\n  the key    %s  (once; without it the store is unreadable)\n"
                 "  the store  `idbridge backup FILE` (daily; while the bridge runs)\n\nNext: `idbridge config check`, then\n",
                 key);
    const char *const *names;
    size_t n = config_names(c, "upstream", &names);
    for (size_t i = 0; i < n; i++)
        (void)printf("  idbridge upstream key %s    and register the JWK it prints\n", names[i]);
    n = config_names(c, "dhis2", &names);
    for (size_t i = 0; i < n; i++)
        (void)printf("  idbridge client add NAME --dhis2 %s --redirect-uri URL    and put what it prints into dhis.conf\n", names[i]);
    (void)printf("  idbridge map add NAME --group GROUP --role ROLE --org-unit 'code:{directory.ATTRIBUTE}'\n  idbridge doctor\n");
    return RESULT_OK;
}

int admin_init(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return admin_usage("init");
    struct config *c = admin_config(admin_config_path());
    struct fault f = {0};
    struct store *s = NULL;
    struct master *m = NULL;
    if (c == NULL)
        return 2;
    enum result r = init_state(&f, c, &s, &m);
    if (r != RESULT_OK)
        (void)fprintf(stderr, "idbridge: %s\n", f.detail);
    if (s != NULL)
        store_close(s);
    if (m != NULL)
        master_free(m);
    config_free(c);
    return r == RESULT_OK ? 0 : 1;
}

/* ---- config ------------------------------------------------------------------------------------------------------------ */

static int config_check(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : admin_config_path();
    struct config *c = admin_config(path);
    if (c == NULL)
        return 1;
    struct fault f = {0};
    enum result r = admin_config_usable(&f, c);
    if (r == RESULT_OK)
        (void)admin_config_doubts(c, path);
    (void)fprintf(r == RESULT_OK ? stdout : stderr, "%s: %s\n", path, r == RESULT_OK ? "ok" : f.detail);
    config_free(c);
    return r == RESULT_OK ? 0 : 1;
}

static int config_example_cmd(int argc, char **argv)
{
    (void)argc, (void)argv;
    config_example(admin_config_tables, stdout);
    return 0;
}

static const struct subcommand CONFIG[] = {
    {"check", config_check, "check [FILE]", "Reads the configuration and names every fault by file, line and key."},
    {"example", config_example_cmd, "example", "Prints every key with its default and one sentence."},
    {NULL, NULL, NULL, NULL},
};
int admin_config_cmd(int argc, char **argv)
{
    return admin_dispatch("config", CONFIG, argc, argv);
}

/* ---- backup, restore ------------------------------------------------------------------------------------------------------ */

int admin_backup(int argc, char **argv)
{
    struct admin ad;
    if (argc != 2)
        return admin_usage("backup FILE");
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    enum result r = store_backup(&ad.fault, ad.b.store, argv[1]);
    if (r == RESULT_OK)
        (void)printf("%s: the store as it is now. The master key is not in it: keep %s elsewhere.\n", argv[1],
                     config_text(ad.b.config, "bridge", NULL, "master_key"));
    return admin_end(&ad, r);
}

int admin_restore(int argc, char **argv)
{
    if (argc != 2)
        return admin_usage("restore FILE");
    char actor[32];
    admin_actor(actor, sizeof(actor)); /* before it becomes the owner of the state */
    struct config *c = admin_config(admin_config_path());
    struct fault f = {0};
    struct master *m = NULL;
    if (c == NULL)
        return 2;
    enum result r = master_load(&f, config_text(c, "bridge", NULL, "master_key"), &m);
    if (r == RESULT_OK && !privilege_become_owner(config_text(c, "store", NULL, "folder")))
        r = FAULT(&f, RESULT_DENIED, "cannot become the owner of the state folder");
    if (r == RESULT_OK)
        r = store_restore(&f, config_text(c, "store", NULL, "folder"), argv[1], m, actor);
    if (r == RESULT_OK)
        (void)printf("restored from %s. Codes, sessions and refresh tokens are revoked: people sign in again.\n"
                     "What was taken away after that backup is back: keys that were retired (`idbridge key rotate --emergency`, `key retire`), "
                     "applications and links that were removed.\n", argv[1]);
    else
        (void)fprintf(stderr, "idbridge: %s\n", f.detail);
    if (m != NULL)
        master_free(m);
    config_free(c);
    return r == RESULT_OK ? 0 : 1;
}

/* ---- audit ---------------------------------------------------------------------------------------------------------------- */

static enum result print_row(void *arg, const struct audit_row *r)
{
    struct arena *a = arg;
    const char *how = strcmp(r->event, "login") == 0 ? r->detail : NULL; /* of other rows: identities, which are nobody's to read */
    (void)printf("%lld %s %s %s actor=\"%s\"%s%s%s%s%s%s\n", (long long)r->seq, clock_text(a, r->time), r->event, r->outcome, r->actor,
                 r->subject == NULL ? "" : " subject=", r->subject == NULL ? "" : r->subject, r->ref == NULL ? "" : " ref=",
                 r->ref == NULL ? "" : r->ref, how == NULL ? "" : " how=", how == NULL ? "" : how);
    return RESULT_OK;
}

static int audit_list(int argc, char **argv)
{
    struct admin ad;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    long long after = argc > 1 ? strtoll(argv[1], NULL, 10) : 0;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    return admin_end(&ad, v == NULL ? ad.fault.result : store_audit_each(&ad.fault, v, ad.arena, after, print_row, ad.arena));
}

static int audit_verify(int argc, char **argv)
{
    struct admin ad;
    (void)argc, (void)argv;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    int64_t rows = 0, bad = 0;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    enum result r = v == NULL ? ad.fault.result : store_audit_verify(&ad.fault, v, &rows, &bad);
    if (r == RESULT_OK)
        (void)printf("%lld rows, the chain holds\n", (long long)rows);
    else if (r == RESULT_CONFLICT)
        (void)printf("row %lld does not fit the chain: something was changed, removed or inserted\n", (long long)bad);
    return admin_end(&ad, r);
}

static const struct subcommand AUDIT[] = {
    {"list", audit_list, "list [AFTER]", "Prints the rows after number AFTER."},
    {"verify", audit_verify, "verify", "Walks the hash chain; exit 1 at the first row that does not fit."},
    {NULL, NULL, NULL, NULL},
};
int admin_audit_cmd(int argc, char **argv)
{
    return admin_dispatch("audit", AUDIT, argc, argv);
}
