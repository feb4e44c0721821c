/* What every subcommand shares: finding and reading the configuration, opening the store as the user who owns it, and
 * saying what went wrong in a sentence. */
#include "privilege.h"
#include "private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERRORS_MAX (64u << 10)
#define ARENA_MAX (512u << 20)

const struct config_key *const *admin_config_tables;
enum result (*admin_config_front)(struct fault *f, const struct config *c);

const char *admin_config_path(void)
{
    const char *path = getenv("IDBRIDGE_CONFIG"); /* --config sets it too */
    return path == NULL ? "/etc/idbridge/idbridge.ini" : path;
}

struct config *admin_config(const char *path)
{
    struct fault f = {0};
    struct config *c = NULL;
    CLEANUP(buf) struct buf errors;
    buf_init(&errors, ERRORS_MAX);
    if (config_load(&f, path, admin_config_tables, &errors, &c) == RESULT_OK)
        return c;
    if (errors.len > 0)
        (void)fprintf(stderr, "%s", errors.data);
    else
        (void)fprintf(stderr, "idbridge: %s\n", f.detail);
    return NULL;
}

static bool on_loopback(const char *issuer)
{
    struct fault f = {0};
    struct url_parts u;
    CLEANUP(arena) struct arena *a = arena_new(16u << 10);
    return a != NULL && url_parse(&f, a, issuer, &u) == RESULT_OK && url_is_loopback(&u);
}

static enum result check_issuer(struct fault *f, struct bridge *b)
{
    b->issuer = config_text(b->config, "bridge", NULL, "issuer");
    b->secure = text_has_prefix(b->issuer, "https:");
    size_t n = strlen(b->issuer);
    if (b->issuer[n - 1] == '/')
        return FAULT(f, RESULT_INVALID, "[bridge] issuer must not end in a slash: tokens are compared byte for byte");
    if (GUARD(http_issuer, !b->secure && !on_loopback(b->issuer)))
        return FAULT(f, RESULT_INVALID, "[bridge] issuer must be https (http only on loopback)");
    return RESULT_OK;
}

/* Directories and DHIS2 read their secret files here: a file that is missing is said before the daemon needs it. */
enum result admin_config_usable(struct fault *f, const struct config *c)
{
    struct bridge b = {.config = c};
    struct directories *d = NULL;
    struct dhis2s *dhis2s = NULL;
    TRY(check_issuer(f, &b));
    TRY(admin_config_front(f, c));
    TRY(login_config_check(f, c));
    TRY(admin_config_certificates(f, c));
    struct upstreams *u = NULL;
    enum result r = upstreams_new(f, c, NULL, &u);
    if (r == RESULT_OK)
        r = directories_new(f, c, &d);
    if (r == RESULT_OK)
        r = dhis2s_new(f, c, &dhis2s);
    upstreams_free(u);
    if (dhis2s != NULL)
        dhis2s_free(dhis2s);
    if (d != NULL)
        directories_free(d);
    return r;
}

static void rules_free(void *p)
{
    mapping_free(p);
}

enum result admin_load_rules(struct fault *f, struct bridge *b)
{
    struct store_view *v = store_reader(f, b->store);
    struct mapping *m;
    if (v == NULL)
        return f->result;
    TRY(mapping_load(f, v, &m));
    struct snapshot *s = snapshot_new(m, rules_free);
    NEED(f, s);
    snapshot_slot_set(b->rules, s);
    return RESULT_OK;
}

static enum result open_bridge(struct fault *f, bool dependencies, struct bridge *b)
{
    struct master *m = NULL;
    TRY(check_issuer(f, b));
    TRY(login_config_check(f, b->config));
    TRY(master_load(f, config_text(b->config, "bridge", NULL, "master_key"), &m));
    b->master = m;
    const char *state = config_text(b->config, "store", NULL, "folder");
    if (!privilege_become_owner(state))
        return FAULT(f, RESULT_DENIED, "cannot become the owner of the state folder");
    TRY(store_open(f, state, STORE_OPEN, m, &b->store));
    b->ring = snapshot_slot_new();
    b->rules = snapshot_slot_new();
    b->discovery = snapshot_slot_new();
    b->client_keys = snapshot_slot_new();
    NEED(f, b->ring);
    NEED(f, b->rules);
    NEED(f, b->discovery);
    NEED(f, b->client_keys);
    if (!dependencies)
        return RESULT_OK;
    double per_second = (double)config_number(b->config, "listen", NULL, "requests_per_second");
    b->address_limits = limits_new(4096, per_second, per_second * 4);
    NEED(f, b->address_limits);
    TRY(upstreams_new(f, b->config, b->store, &b->upstreams));
    TRY(directories_new(f, b->config, &b->directories));
    TRY(dhis2s_new(f, b->config, &b->dhis2s));
    return admin_load_rules(f, b);
}

int admin_open(const char *config_path, bool dependencies, struct bridge *b)
{
    struct fault f = {0};
    *b = (struct bridge){0};
    b->config = admin_config(config_path);
    if (b->config == NULL)
        return 2;
    if (open_bridge(&f, dependencies, b) == RESULT_OK)
        return 0;
    (void)fprintf(stderr, "idbridge: %s\n", f.detail);
    if (f.result == RESULT_NOT_FOUND)
        (void)fprintf(stderr, "idbridge: on a new machine, `idbridge init` comes first\n");
    admin_close(b);
    return 1;
}

void admin_close(struct bridge *b)
{
    if (b->dhis2s != NULL)
        dhis2s_free(b->dhis2s);
    if (b->directories != NULL)
        directories_free(b->directories);
    upstreams_free(b->upstreams);
    limits_free(b->address_limits);
    if (b->store != NULL)
        store_close(b->store);
    struct snapshot_slot *slots[] = {b->ring, b->rules, b->discovery, b->client_keys};
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        if (slots[i] != NULL)
            snapshot_slot_free(slots[i]);
    if (b->master != NULL)
        master_free((struct master *)(uintptr_t)b->master);
    if (b->config != NULL)
        config_free((struct config *)(uintptr_t)b->config);
    *b = (struct bridge){0};
}

void admin_actor(char *to, size_t n)
{
    (void)snprintf(to, n, "cli uid=%u", (unsigned)getuid());
}

int admin_begin(struct admin *ad, bool dependencies)
{
    *ad = (struct admin){0};
    admin_actor(ad->actor, sizeof(ad->actor));
    int status = admin_open(admin_config_path(), dependencies, &ad->b);
    if (status != 0)
        return status;
    ad->arena = arena_new(ARENA_MAX);
    return ad->arena == NULL ? 1 : 0;
}

int admin_end(struct admin *ad, enum result r)
{
    if (r != RESULT_OK)
        (void)fprintf(stderr, "idbridge: %s\n", ad->fault.detail[0] == '\0' ? result_name(r) : ad->fault.detail);
    if (ad->arena != NULL)
        arena_free(ad->arena);
    admin_close(&ad->b);
    return r == RESULT_OK ? 0 : 1;
}

enum result admin_named(struct fault *f, enum result r, const char *what, const char *name)
{
    return r == RESULT_NOT_FOUND ? FAULT(f, r, "no such %s: %.120s", what, name) : r;
}

int admin_usage(const char *text)
{
    (void)fprintf(stderr, "usage: idbridge %s\n", text);
    return 2;
}

int admin_dispatch(const char *word, const struct subcommand *table, int argc, char **argv)
{
    bool asked = argc >= 2 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc == 3 && (strcmp(argv[2], "help") == 0 || strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
        for (const struct subcommand *s = table; s->name != NULL; s++)
            if (strcmp(argv[1], s->name) == 0)
                return printf("usage: idbridge %s %s\n  %s\n", word, s->usage, s->help) < 0;
    for (const struct subcommand *s = table; argc >= 2 && s->name != NULL; s++)
        if (strcmp(argv[1], s->name) == 0) {
            optind = 1;
            return s->run(argc - 1, argv + 1);
        }
    FILE *to = asked ? stdout : stderr;
    if (argc >= 2 && !asked)
        (void)fprintf(to, "idbridge: there is no `%s %s`\n", word, argv[1]);
    for (const struct subcommand *s = table; s->name != NULL; s++)
        (void)fprintf(to, "  idbridge %s %s\n      %s\n", word, s->usage, s->help);
    return asked ? 0 : 2;
}

enum result admin_read_file(struct admin *ad, const char *path, size_t max, char **text_r, size_t *n_r)
{
    CLEANUP(buf) struct buf b;
    char part[65536];
    size_t n;
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    if (file == NULL)
        return FAULT(&ad->fault, RESULT_NOT_FOUND, "cannot read %.100s: %m", path);
    buf_init(&b, max);
    while ((n = fread(part, 1, sizeof(part), file)) > 0)
        buf_add(&b, part, n);
    if (!standard)
        (void)fclose(file);
    if (b.failed)
        return FAULT(&ad->fault, RESULT_INVALID, "%.100s is longer than %zu bytes", path, max);
    *n_r = b.len;
    *text_r = arena_strndup(ad->arena, b.data == NULL ? "" : b.data, b.len);
    NEED(&ad->fault, *text_r);
    return RESULT_OK;
}

void admin_append(json_t **array, const char *value)
{
    if (*array == NULL)
        *array = json_array();
    (void)json_array_append_new(*array, json_string(value));
}

enum result admin_audit(struct admin *ad, struct store_view *v, const char *event, const char *subject, const char *outcome)
{
    const struct audit row = {.event = event, .subject = subject, .actor = ad->actor, .outcome = outcome};
    return store_audit_add(&ad->fault, v, &row);
}
