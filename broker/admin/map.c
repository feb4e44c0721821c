/* `idbridge map`: the rules that turn groups, attributes and claims into DHIS2 roles, user groups and org units. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64u << 20)

/* ---- add --------------------------------------------------------------------------------------------------------------- */

static const struct option OPTIONS[] = {
    {"json", required_argument, NULL, 'j'},          {"dhis2", required_argument, NULL, 'd'},
    {"from", required_argument, NULL, 'f'},          {"until", required_argument, NULL, 't'},
    {"note", required_argument, NULL, 'n'},          {"group", required_argument, NULL, 'g'},
    {"attribute", required_argument, NULL, 'a'},     {"claim", required_argument, NULL, 'c'},
    {"role", required_argument, NULL, 'r'},          {"user-group", required_argument, NULL, 'u'},
    {"org-unit", required_argument, NULL, 'o'},      {"view-org-unit", required_argument, NULL, 'v'},
    {"search-org-unit", required_argument, NULL, 's'}, {NULL, 0, NULL, 0},
};
#define ADD_USAGE                                                                                                      \
    "add NAME [--dhis2 NAME] [--from DAY] [--until DAY] [--group G…] [--attribute A=V…] [--claim C=V…] "                 \
    "--role R… [--user-group G…] [--org-unit O…] [--view-org-unit O…] [--search-org-unit O…]  |  add --json TEXT|-"

static void put_in(json_t *object, const char *key, const char *value)
{
    json_t *list = json_object_get(object, key);
    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(object, key, list);
    }
    (void)json_array_append_new(list, json_string(value));
}

static json_t *part(json_t *object, const char *key)
{
    json_t *p = json_object_get(object, key);
    if (p == NULL) {
        p = json_object();
        (void)json_object_set_new(object, key, p);
    }
    return p;
}

/* "name=value" into {"name": ["value", …]}; false: no equals sign */
static bool put_pair(json_t *object, const char *pair)
{
    char name[128];
    const char *eq = strchr(pair, '=');
    if (eq == NULL || eq == pair || (size_t)(eq - pair) >= sizeof(name))
        return false;
    memcpy(name, pair, (size_t)(eq - pair));
    name[eq - pair] = '\0';
    put_in(object, name, eq + 1);
    return true;
}

static bool take_option(json_t *rule, int o)
{
    static const struct {
        int option;
        const char *in, *key;
    } lists[] = {{'g', "when", "groups"},    {'r', "give", "roles"},          {'u', "give", "groups"},
                 {'o', "give", "org_units"}, {'v', "give", "view_org_units"}, {'s', "give", "search_org_units"}};
    static const struct {
        int option;
        const char *key;
    } texts[] = {{'d', "dhis2"}, {'f', "from"}, {'t', "until"}, {'n', "note"}};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        if (lists[i].option == o)
            put_in(part(rule, lists[i].in), lists[i].key, optarg);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].option == o)
            (void)json_object_set_new(rule, texts[i].key, json_string(optarg));
    if (o == 'a' || o == 'c')
        return put_pair(part(part(rule, "when"), o == 'a' ? "attributes" : "claims"), optarg);
    return true;
}

struct storing {
    struct admin *ad;
    const char *name, *text;
};
static enum result store_rule(struct fault *f, struct store_view *v, void *arg)
{
    const struct storing *s = arg;
    const struct rule_row row = {.name = s->name, .text = s->text, .changed = clock_now()};
    TRY(store_rule_put(f, v, &row));
    return admin_audit(s->ad, v, "map.add", NULL, s->name);
}

static int map_add(int argc, char **argv)
{
    struct admin ad;
    CLEANUP(json) json_t *rule = json_object();
    const char *given = NULL;
    for (int o; (o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (o == 'j')
            given = optarg;
        if (o == '?' || !take_option(rule, o))
            return admin_usage("map " ADD_USAGE);
    }
    if ((given == NULL) != (optind + 1 == argc))
        return admin_usage("map " ADD_USAGE);
    if (given == NULL)
        (void)json_object_set_new(rule, "name", json_string(argv[optind]));
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    const char *dhis2 = json_text(rule, "dhis2");
    if (dhis2 != NULL && !admin_config_has_dhis2(ad.b.config, dhis2))
        return admin_end(&ad, FAULT(&ad.fault, RESULT_INVALID, "there is no [dhis2 %.60s] in the configuration", dhis2));
    struct storing s = {.ad = &ad};
    char *text = given == NULL ? json_compact(ad.arena, rule) : (char *)(uintptr_t)given;
    size_t n;
    enum result r = RESULT_OK;
    if (given != NULL && strcmp(given, "-") == 0)
        r = admin_read_file(&ad, "-", FILE_MAX, &text, &n);
    if (r == RESULT_OK)
        r = mapping_rule_check(&ad.fault, ad.arena, text, &s.text, &s.name);
    if (r == RESULT_OK)
        r = store_transaction(&ad.fault, ad.b.store, store_rule, &s);
    if (r == RESULT_OK)
        (void)printf("%s\n", s.text);
    if (r == RESULT_OK)
        (void)admin_rule_doubts(ad.b.config, s.text);
    return admin_end(&ad, r);
}

/* ---- list, show, export ---------------------------------------------------------------------------------------------------- */

struct printing {
    const char *only; /* NULL: all */
    enum { LIST, SHOW, EXPORT } how;
    size_t count;
};
static enum result print_rule(void *arg, const struct rule_row *r)
{
    struct printing *p = arg;
    if (p->only != NULL && strcmp(p->only, r->name) != 0)
        return RESULT_OK;
    p->count++;
    if (p->how != SHOW) {
        (void)printf("%s\n", r->text);
        return RESULT_OK;
    }
    CLEANUP(json) json_t *j = json_loads(r->text, 0, NULL);
    (void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    (void)printf("\n");
    return RESULT_OK;
}

static int print_rules(struct printing *p)
{
    struct admin ad;
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    struct store_view *v = store_reader(&ad.fault, ad.b.store);
    enum result r = v == NULL ? ad.fault.result : store_rule_each(&ad.fault, v, ad.arena, print_rule, p);
    if (r == RESULT_OK && p->only != NULL && p->count == 0)
        r = admin_named(&ad.fault, RESULT_NOT_FOUND, "rule", p->only);
    return admin_end(&ad, r);
}
static int map_list(int argc, char **argv)
{
    (void)argc, (void)argv;
    return print_rules(&(struct printing){.how = LIST});
}
static int map_export(int argc, char **argv)
{
    (void)argc, (void)argv;
    return print_rules(&(struct printing){.how = EXPORT});
}
static int map_show(int argc, char **argv)
{
    return argc != 2 ? admin_usage("map show NAME") : print_rules(&(struct printing){.how = SHOW, .only = argv[1]});
}

static enum result drop_rule(struct fault *f, struct store_view *v, void *arg)
{
    const struct storing *s = arg;
    TRY(admin_named(f, store_rule_remove(f, v, s->name), "rule", s->name));
    return admin_audit(s->ad, v, "map.remove", NULL, s->name);
}
static int map_remove(int argc, char **argv)
{
    struct admin ad;
    if (argc != 2)
        return admin_usage("map remove NAME");
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    struct storing s = {.ad = &ad, .name = argv[1]};
    enum result r = store_transaction(&ad.fault, ad.b.store, drop_rule, &s);
    if (r == RESULT_OK)
        (void)printf("removed %s\n", argv[1]);
    return admin_end(&ad, r);
}

/* ---- apply ------------------------------------------------------------------------------------------------------------------- */

/* A file of rules (what export prints: one JSON object per line, or one array) against what is stored. All or nothing. */
struct applying {
    struct admin *ad;
    json_t *wanted; /* name -> text */
    json_t *stored; /* name -> text */
    bool prune, dry_run, force;
    size_t added, changed, removed;
};

static enum result want(struct applying *ap, const char *text)
{
    const char *normal, *name;
    TRY(mapping_rule_check(&ap->ad->fault, ap->ad->arena, text, &normal, &name));
    if (json_object_get(ap->wanted, name) != NULL)
        return FAULT(&ap->ad->fault, RESULT_INVALID, "rule %.100s comes twice", name);
    (void)json_object_set_new(ap->wanted, name, json_string(normal));
    return RESULT_OK;
}

static enum result read_rules(struct applying *ap, const char *path)
{
    char *text;
    size_t n, i, line = 1;
    TRY(admin_read_file(ap->ad, path, FILE_MAX, &text, &n));
    if (text[strspn(text, " \t\r\n")] == '[') {
        json_t *list, *one;
        TRY(json_parse(&ap->ad->fault, ap->ad->arena, text, n, FILE_MAX, &list));
        json_array_foreach(list, i, one) TRY(want(ap, json_compact(ap->ad->arena, one)));
        return RESULT_OK;
    }
    for (char *at = text, *end; at != NULL && *at != '\0'; at = end, line++) {
        end = strchr(at, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (at[strspn(at, " \t\r")] == '\0' || *at == '#')
            continue;
        if (want(ap, at) != RESULT_OK) {
            struct fault why = ap->ad->fault;
            return FAULT(&ap->ad->fault, RESULT_INVALID, "%.60s:%zu: %s", path, line, why.detail);
        }
    }
    return RESULT_OK;
}

static enum result remember(void *arg, const struct rule_row *r)
{
    struct applying *ap = arg;
    (void)json_object_set_new(ap->stored, r->name, json_string(r->text));
    return RESULT_OK;
}

static enum result put_wanted(struct fault *f, struct store_view *v, struct applying *ap)
{
    const char *name;
    json_t *text;
    json_object_foreach(ap->wanted, name, text) {
        const char *before = json_string_value(json_object_get(ap->stored, name));
        if (text_equal(before, json_string_value(text)))
            continue;
        (void)printf("%c %s\n", before == NULL ? '+' : '~', json_string_value(text));
        *(before == NULL ? &ap->added : &ap->changed) += 1;
        (void)admin_rule_doubts(ap->ad->b.config, json_string_value(text));
        const struct rule_row row = {.name = name, .text = json_string_value(text), .changed = clock_now()};
        if (!ap->dry_run)
            TRY(store_rule_put(f, v, &row));
    }
    return RESULT_OK;
}

static enum result apply(struct fault *f, struct store_view *v, void *arg)
{
    struct applying *ap = arg;
    const char *name;
    json_t *text;
    TRY(store_rule_each(f, v, ap->ad->arena, remember, ap));
    if (ap->prune && !ap->force && json_object_size(ap->wanted) == 0 && json_object_size(ap->stored) > 0)
        return FAULT(f, RESULT_INVALID, "the file holds no rule and --prune would remove all %zu: nobody would get in (--force does it)",
                     json_object_size(ap->stored));
    TRY(put_wanted(f, v, ap));
    json_object_foreach(ap->stored, name, text) {
        if (!ap->prune || json_object_get(ap->wanted, name) != NULL)
            continue;
        (void)printf("- %s\n", json_string_value(text));
        ap->removed++;
        if (!ap->dry_run)
            TRY(store_rule_remove(f, v, name));
    }
    return ap->dry_run ? RESULT_OK : admin_audit(ap->ad, v, "map.apply", NULL, "ok");
}

static int map_apply(int argc, char **argv)
{
    static const struct option options[] = {{"prune", no_argument, NULL, 'p'}, {"dry-run", no_argument, NULL, 'n'},
                                            {"force", no_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    struct admin ad;
    struct applying ap = {.ad = &ad};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        ap.prune |= o == 'p';
        ap.dry_run |= o == 'n';
        ap.force |= o == 'f';
        if (o == '?')
            return 2;
    }
    if (optind + 1 != argc)
        return admin_usage("map apply [--prune [--force]] [--dry-run] FILE|-");
    int status = admin_begin(&ad, false);
    if (status != 0)
        return status;
    ap.wanted = arena_json(ad.arena, json_object());
    ap.stored = arena_json(ad.arena, json_object());
    enum result r = read_rules(&ap, argv[optind]);
    if (r == RESULT_OK)
        r = store_transaction(&ad.fault, ad.b.store, apply, &ap);
    if (r == RESULT_OK)
        (void)printf("%zu added, %zu changed, %zu removed%s\n", ap.added, ap.changed, ap.removed,
                     ap.dry_run ? " (dry run: nothing was written)" : "");
    return admin_end(&ad, r);
}

static const struct subcommand MAP[] = {
    {"add", map_add, ADD_USAGE, "Adds a rule or replaces the one of that name; prints it."},
    {"list", map_list, "list", "Prints every rule, one JSON object a line."},
    {"show", map_show, "show NAME", "Prints one rule for reading."},
    {"remove", map_remove, "remove NAME", "Removes a rule."},
    {"export", map_export, "export", "Prints all rules in the form `map apply` reads."},
    {"apply", map_apply, "apply [--prune [--force]] [--dry-run] FILE|-", "Adds and replaces the rules of a file, all or nothing; --prune removes others."},
    {NULL, NULL, NULL, NULL},
};
int admin_map(int argc, char **argv)
{
    return admin_dispatch("map", MAP, argc, argv);
}
