/* What can be seen to be wrong, or probably wrong, before anybody signs in: certificate files without a certificate, a
 * configuration with which nobody gets in, a rule that can never hold. Called by `config check`, `map add` and `map apply`
 * (and, for the certificates, before a configuration is taken over). A doubt is a warning: it may be meant. */
#include "private.h"

#include <stdarg.h>
#include <string.h>

/* ---- the configuration --------------------------------------------------------------------------------------------------- */

enum result admin_config_certificates(struct fault *f, const struct config *c)
{
    static const char *const sections[] = {"upstream", "directory", "dhis2"};
    for (size_t s = 0; s < COUNT_OF(sections); s++) {
        const char *const *names;
        size_t n = config_names(c, sections[s], &names);
        for (size_t i = 0; i < n; i++)
            TRY(config_certificates(f, c, sections[s], names[i]));
    }
    return RESULT_OK;
}

size_t admin_config_doubts(const struct config *c, const char *path)
{
    static const struct {
        const char *section, *so;
    } needed[] = {{"upstream", "nobody can sign in"}, {"directory", "nobody is found"}};
    size_t doubts = 0;
    for (size_t i = 0; i < COUNT_OF(needed); i++) {
        const char *const *names;
        if (config_names(c, needed[i].section, &names) > 0)
            continue;
        (void)fprintf(stderr, "%s: warning: there is no [%s NAME]: %s\n", path, needed[i].section, needed[i].so);
        doubts++;
    }
    return doubts;
}

/* ---- rules --------------------------------------------------------------------------------------------------------------- */

struct doubting {
    const struct config *config;
    const char *rule;
    size_t doubts;
};

PRINTF(2, 3) static void doubt(struct doubting *d, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "idbridge: warning: rule %s: %s\n", d->rule, text);
    d->doubts++;
}

static bool listed_in_some(const struct config *c, const char *section, const char *key, const char *word)
{
    const char *const *names;
    size_t n = config_names(c, section, &names);
    for (size_t i = 0; i < n; i++)
        for (char *const *w = config_list(c, section, names[i], key); w != NULL && *w != NULL; w++)
            if (strcmp(*w, word) == 0)
                return true;
    return false;
}

/* What decisions look at is what is read and kept: both lists are in the configuration, upper and lower case counted. */
static void check_name(struct doubting *d, bool attribute, const char *name)
{
    const char *const *names, *section = attribute ? "directory" : "upstream", *key = attribute ? "attributes" : "link_claims";
    if (config_names(d->config, section, &names) == 0 || listed_in_some(d->config, section, key, name))
        return;
    doubt(d, "%s %.100s is in no [%s NAME] %s: the bridge %s it, so this never holds", attribute ? "attribute" : "claim", name,
          section, key, attribute ? "does not read" : "does not keep");
}

static void check_names(struct doubting *d, bool attribute, const json_t *conditions)
{
    const char *name;
    json_t *values;
    json_object_foreach((json_t *)(uintptr_t)conditions, name, values)
    {
        (void)values;
        check_name(d, attribute, name);
    }
}

/* "code:{directory.departmentNumber}": a placeholder that is never filled gives nothing. */
static void check_template(struct doubting *d, const char *ref)
{
    char name[128];
    for (const char *open = strchr(ref, '{'); open != NULL; open = strchr(open + 1, '{')) {
        const char *dot = strchr(open, '.'), *close = strchr(open, '}');
        if (dot == NULL || close == NULL || close < dot || (size_t)(close - dot) > sizeof(name))
            return;
        memcpy(name, dot + 1, (size_t)(close - dot - 1));
        name[close - dot - 1] = '\0';
        check_name(d, text_has_prefix(open, "{directory."), name);
    }
}

bool admin_config_has_dhis2(const struct config *c, const char *name)
{
    const char *const *names;
    size_t n = config_names(c, "dhis2", &names), i = 0;
    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i < n;
}

size_t admin_rule_doubts(const struct config *c, const char *rule_text)
{
    CLEANUP(json) json_t *rule = json_loads(rule_text, 0, NULL);
    struct doubting d = {.config = c, .rule = json_text(rule, "name")};
    const json_t *when = json_object_get(rule, "when");
    const char *kind, *dhis2 = json_text(rule, "dhis2"), *const *names;
    size_t i;
    json_t *ref, *list;
    if (json_object_size(when) == 0)
        doubt(&d, "it has no condition, so everybody whom the directory knows gets what it gives");
    if (dhis2 != NULL && config_names(c, "dhis2", &names) > 0 && !admin_config_has_dhis2(c, dhis2))
        doubt(&d, "there is no [dhis2 %.60s] in the configuration: it gives nothing", dhis2);
    check_names(&d, true, json_object_get(when, "attributes"));
    check_names(&d, false, json_object_get(when, "claims"));
    json_object_foreach(json_object_get(rule, "give"), kind, list) {
        json_array_foreach(list, i, ref) {
            check_template(&d, json_string_value(ref));
        }
    }
    return d.doubts;
}
