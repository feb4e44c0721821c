/* `idbridge doctor`: tries every ID provider, directory and DHIS2 once and says in words what is wrong. `idbridge explain`:
 * what a person would get, and why. */
#include "private.h"

#include <string.h>

#define FINDINGS_MAX (256u << 10)

static size_t errors_in(const char *findings)
{
    size_t n = 0;
    for (const char *p = findings; p != NULL; p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1)
        n += text_has_prefix(p, "error: ");
    return n;
}

static enum result probe_upstream(struct admin *ad, const char *name, struct buf *out)
{
    return upstream_probe(&ad->fault, ad->arena, ad->b.upstreams, name, out);
}
static enum result probe_directory(struct admin *ad, const char *name, struct buf *out)
{
    return admin_probe_directory(ad, name, out, &ad->asked);
}
static enum result probe_dhis2(struct admin *ad, const char *name, struct buf *out)
{
    return dhis2_probe(&ad->fault, ad->arena, ad->b.dhis2s, name, snapshot_slot_value(ad->b.rules, ad->arena), out);
}

static size_t examine(struct admin *ad, const char *section, enum result (*run)(struct admin *, const char *, struct buf *))
{
    const char *const *names;
    size_t n = config_names(ad->b.config, section, &names), bad = 0;
    if (n == 0)
        (void)printf("%s\n  warning: there is no [%s x] in the configuration\n", section, section);
    for (size_t i = 0; i < n; i++) {
        CLEANUP(buf) struct buf out;
        buf_init(&out, FINDINGS_MAX);
        ad->fault = (struct fault){0};
        ad->asked = NULL;
        enum result r = run(ad, names[i], &out);
        size_t here = errors_in(out.data);
        if (r != RESULT_OK && here == 0) {
            buf_printf(&out, "error: %s\n", ad->fault.detail);
            here = 1;
        }
        bad += here;
        (void)printf("%s %s\n", section, names[i]);
        for (char *line = out.data == NULL ? NULL : strtok(out.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
            (void)printf("  %s\n", line);
        admin_print_asked(ad->asked);
    }
    return bad;
}

static size_t examine_ourselves(struct admin *ad)
{
    const struct mapping *m = snapshot_slot_value(ad->b.rules, ad->arena);
    struct fault f = {0};
    size_t bad = 0;
    (void)printf("bridge %s\n", ad->b.issuer);
    if (store_writable(&f, ad->b.store) == RESULT_OK) {
        (void)printf("  ok: the store can be written\n");
    } else {
        (void)printf("  error: %s\n", f.detail);
        bad++;
    }
    if (m != NULL && mapping_count(m) > 0)
        (void)printf("  ok: %zu mapping rules\n", mapping_count(m));
    else
        (void)printf("  warning: no mapping rule: nobody gets in. Add one with `idbridge map add`\n");
    return bad;
}

int admin_doctor(int argc, char **argv)
{
    struct admin ad;
    (void)argv;
    if (argc > 1)
        return admin_usage("doctor");
    int status = admin_begin(&ad, true);
    if (status != 0)
        return status;
    size_t bad = examine_ourselves(&ad);
    bad += examine(&ad, "upstream", probe_upstream);
    bad += examine(&ad, "directory", probe_directory);
    bad += examine(&ad, "dhis2", probe_dhis2);
    (void)printf("%s\n", bad == 0 ? "nothing is wrong" : "something is wrong: see the lines that begin with error");
    (void)admin_end(&ad, RESULT_OK);
    return bad == 0 ? 0 : 1;
}

int admin_explain(int argc, char **argv)
{
    static const struct option options[] = {{"dhis2", required_argument, NULL, 'd'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct admin ad;
    const char *dhis2 = NULL;
    bool json = false;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'd')
            dhis2 = optarg;
        json |= o == 'j';
        if (o == '?')
            return 2;
    }
    if (optind + 1 != argc)
        return admin_usage("explain [--dhis2 NAME] [--json] PERSON   (a login name, a person id, or \"ISS SUB\")");
    int status = admin_begin(&ad, true);
    if (status != 0)
        return status;
    return admin_end(&ad, login_explain(&ad.fault, ad.arena, &ad.b, argv[optind], dhis2, json, stdout));
}
