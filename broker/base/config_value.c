/* One configuration value: is it what its key's type asks for, and what does it mean. Called by config_check.c for
 * the file's values and for the tables' fallbacks. No sentence repeats the value: it may be a secret put in the wrong
 * place. */
#include "config_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char CONFIG_NO_MEMORY[] = "out of memory";

struct setting {
    struct arena *arena;
    const char *folder;
    const struct config_key *key;
    const char *text;
};

static const char *range_problem(const struct setting *s, long long n)
{
    const struct config_key *k = s->key;
    if ((k->min == 0 && k->max == 0) || (n >= k->min && n <= k->max))
        return NULL;
    const char *unit = k->type == CONFIG_DURATION ? " seconds" : "";
    const char *text = arena_printf(s->arena, "must be from %lld to %lld%s", k->min, k->max, unit);
    return text == NULL ? CONFIG_NO_MEMORY : text;
}

static const char *parse_text(const struct setting *s, struct config_value *v)
{
    v->text = s->text;
    return s->text[0] == '\0' && s->key->need == CONFIG_REQUIRED ? "must not be empty" : NULL;
}

/* `rest_r`: what follows the digits. strtoll would also take blanks and a plus sign in front. */
static bool whole_number(const char *text, long long *n_r, const char **rest_r)
{
    char *end;
    const char *digits = text + (text[0] == '-');
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    *n_r = strtoll(text, &end, 10);
    *rest_r = end;
    return errno == 0;
}

static const char *parse_int(const struct setting *s, struct config_value *v)
{
    const char *rest;
    if (!whole_number(s->text, &v->number, &rest) || *rest != '\0')
        return "must be a whole number";
    return range_problem(s, v->number);
}

static const char *parse_duration(const struct setting *s, struct config_value *v)
{
    static const struct {
        const char *unit;
        long long seconds;
    } UNITS[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *rest;
    if (!whole_number(s->text, &v->number, &rest) || v->number < 0)
        return "must be a duration such as 30, 30s, 10m, 8h or 7d";
    for (size_t i = 0; i < COUNT_OF(UNITS); i++) {
        if (strcmp(rest, UNITS[i].unit) != 0)
            continue;
        if (__builtin_mul_overflow(v->number, UNITS[i].seconds, &v->number))
            return "must be a shorter duration";
        return range_problem(s, v->number);
    }
    return "must be a duration such as 30, 30s, 10m, 8h or 7d";
}

static const char *parse_bool(const struct setting *s, struct config_value *v)
{
    static const char *const WORDS[] = {"off", "on", "no", "yes", "false", "true"};
    for (size_t i = 0; i < COUNT_OF(WORDS); i++) {
        if (strcmp(s->text, WORDS[i]) == 0) {
            v->flag = i % 2 == 1;
            return NULL;
        }
    }
    return "must be on or off";
}

static const char *parse_list(const struct setting *s, struct config_value *v)
{
    size_t count;
    v->list = text_split(s->arena, s->text, " \t", &count);
    if (v->list == NULL)
        return CONFIG_NO_MEMORY;
    return count == 0 && s->key->need == CONFIG_REQUIRED ? "must not be empty" : NULL;
}

static const char *parse_path(const struct setting *s, struct config_value *v)
{
    if (s->text[0] == '\0')
        return "must be a path";
    v->text = s->text[0] == '/' ? s->text : arena_printf(s->arena, "%s/%s", s->folder, s->text);
    return v->text == NULL ? CONFIG_NO_MEMORY : NULL;
}

static const char *parse_url(const struct setting *s, struct config_value *v)
{
    struct url_parts parts;
    struct fault f = {0};
    (void)v;
    if (url_parse(&f, s->arena, s->text, &parts) == RESULT_OK)
        return NULL;
    if (f.result == RESULT_INTERNAL)
        return CONFIG_NO_MEMORY;
    const char *text = arena_printf(s->arena, "must be an http or https URL (%s)", f.detail);
    return text == NULL ? CONFIG_NO_MEMORY : text;
}

static const char *parse_choice(const struct setting *s, struct config_value *v)
{
    (void)v;
    if (strchr(s->text, ' ') == NULL && text_has_word(s->key->choices, s->text))
        return NULL;
    const char *text = arena_printf(s->arena, "must be one of: %s", s->key->choices);
    return text == NULL ? CONFIG_NO_MEMORY : text;
}

static const char *(*const PARSERS[])(const struct setting *, struct config_value *) = {
    [CONFIG_TEXT] = parse_text,   [CONFIG_INT] = parse_int,   [CONFIG_BOOL] = parse_bool,
    [CONFIG_DURATION] = parse_duration, [CONFIG_LIST] = parse_list, [CONFIG_PATH] = parse_path,
    [CONFIG_URL] = parse_url,     [CONFIG_CHOICE] = parse_choice,
};

const char *config_parse_value(struct arena *a, const char *folder, const struct config_key *key, const char *text,
                               struct config_value *out_r)
{
    struct setting s = {a, folder, key, arena_strdup(a, text)};
    if (s.text == NULL)
        return CONFIG_NO_MEMORY;
    *out_r = (struct config_value){.text = s.text};
    return PARSERS[key->type](&s, out_r);
}
