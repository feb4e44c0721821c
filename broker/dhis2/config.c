/* config: the keys of [dhis2 NAME] and what they become. dhis2s_new is called once at start; what it makes is read-only
 * but for the snapshots in it. */
#include "private.h"

#include <string.h>

enum { MEMORY = 1 << 20, UNIT_SLOTS = 1024, ENABLED_SLOTS = 256, MAIL_SLOTS = 64 };
static const int64_t SECOND = 1000000, ENABLED_LIFE_S = 30, MAIL_LIFE_S = 3600;

#define KEY(key, type, need, fallback, choices, min, max, help)                                                        \
    {"dhis2", true, key, type, need, fallback, choices, min, max, help}
#define OPTION(key, type, fallback, help) KEY(key, type, CONFIG_OPTIONAL, fallback, NULL, 0, 0, help)

const struct config_key dhis2_config_keys[] = {
    KEY("url", CONFIG_URL, CONFIG_REQUIRED, NULL, NULL, 0, 0, "Address of DHIS2 without /api, e.g. https://hmis.example.org."),
    KEY("auth", CONFIG_CHOICE, CONFIG_OPTIONAL, "token", "token basic", 0, 0,
        "How the bridge signs in there: token (a personal access token, recommended) or basic."),
    OPTION("token_file", CONFIG_PATH, NULL, "File that holds the personal access token (d2p_...)."),
    OPTION("username", CONFIG_TEXT, NULL, "Account of auth = basic."),
    OPTION("password_file", CONFIG_PATH, NULL, "File that holds the password of username."),
    OPTION("ca_file", CONFIG_PATH, NULL, "Certificates (PEM) that may vouch for it; none: the system's."),
    OPTION("proxy", CONFIG_TEXT, NULL, "Proxy on the way there; none: no proxy, whatever the environment says."),
    KEY("ip_family", CONFIG_CHOICE, CONFIG_OPTIONAL, "any", "any ipv4 ipv6", 0, 0, "Address family used to reach it."),
    KEY("connect_timeout", CONFIG_DURATION, CONFIG_OPTIONAL, "5s", NULL, 1, 60, "How long a connection may take."),
    KEY("timeout", CONFIG_DURATION, CONFIG_OPTIONAL, "10s", NULL, 1, 120, "How long a whole answer may take."),
    KEY("metadata_life", CONFIG_DURATION, CONFIG_OPTIONAL, "5m", NULL, 1, 86400,
        "How long names of roles, groups and org units are remembered."),
    OPTION("own", CONFIG_LIST, "names mail roles groups org_units",
           "What the bridge keeps as directory and rules say: names mail phone roles groups org_units. The rest is filled "
           "in at creation at most, and then belongs to DHIS2's administrators."),
    OPTION("managed_groups", CONFIG_LIST, "rules",
           "User groups people are taken out of when no rule gives them: rules (those that some rule can give), all, none, "
           "or code:X and uid:X, where * at the end stands for anything. Other groups stay as DHIS2's administrators set them."),
    OPTION("unmanaged_roles", CONFIG_LIST, NULL,
           "Roles that stay when somebody has them: code:X, uid:X, * at the end for anything. All others go when no rule "
           "gives them."),
    OPTION("reenable", CONFIG_BOOL, "on",
           "Enable a disabled account again when directory and rules let its person in; off: refuse the login."),
    OPTION("username_prefix", CONFIG_TEXT, NULL, "Put before the directory's login name when an account is created."),
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};

static const struct {
    const char *word;
    enum owned bit;
} own_words[] = {{"names", OWN_NAMES}, {"mail", OWN_MAIL},     {"phone", OWN_PHONE},
                 {"roles", OWN_ROLES}, {"groups", OWN_GROUPS}, {"org_units", OWN_ORG_UNITS}};

struct reader {
    struct arena *arena;
    const struct config *config;
    const char *name;
};

static const char *get(const struct reader *r, const char *key)
{
    const char *s = config_text(r->config, "dhis2", r->name, key);
    return s == NULL || s[0] == '\0' ? NULL : arena_strdup(r->arena, s);
}

/* Copied: the configuration may be freed before the instances are. */
static char *const *get_list(const struct reader *r, const char *key)
{
    char *const *list = config_list(r->config, "dhis2", r->name, key);
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    char **copy = arena_alloc(r->arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < n; i++)
        if ((copy[i] = arena_strdup(r->arena, list[i])) == NULL)
            return NULL;
    return copy;
}

static enum result read_own(struct fault *f, const struct reader *r, struct dhis2 *d)
{
    char *const *words = config_list(r->config, "dhis2", r->name, "own");
    for (; words != NULL && *words != NULL; words++) {
        unsigned before = d->own;
        for (size_t i = 0; i < COUNT_OF(own_words); i++)
            if (text_equal(*words, own_words[i].word))
                d->own |= own_words[i].bit;
        if (d->own == before)
            return FAULT(f, RESULT_INVALID, "[dhis2 %s] own: unknown or repeated word: %s", r->name, *words);
    }
    return RESULT_OK;
}

/* A bare name would be cut at its blanks by the list, so patterns name things by code or uid only. */
static enum result check_patterns(struct fault *f, const char *name, const char *key, char *const *list, bool words)
{
    for (; *list != NULL; list++) {
        bool word = text_equal(*list, "rules") || text_equal(*list, "all") || text_equal(*list, "none");
        if (!(word && words) && !text_has_prefix(*list, "code:") && !text_has_prefix(*list, "uid:"))
            return FAULT(f, RESULT_INVALID, "[dhis2 %s] %s: want code:X or uid:X, not %s", name, key, *list);
    }
    return RESULT_OK;
}

static enum result read_authorization(struct fault *f, const struct reader *r, struct dhis2 *d)
{
    char *secret = NULL;
    bool basic = text_equal(config_text(r->config, "dhis2", r->name, "auth"), "basic");
    const char *user = get(r, "username");
    if (basic && user == NULL)
        return FAULT(f, RESULT_INVALID, "[dhis2 %s] auth = basic needs username", r->name);
    TRY(config_secret(f, r->config, "dhis2", r->name, basic ? "password_file" : "token_file", &secret));
    const char *pair = basic ? arena_printf(r->arena, "%s:%s", user, secret) : NULL;
    if (pair != NULL)
        pair = base64_encode(r->arena, pair, strlen(pair));
    d->authorization = basic ? pair == NULL ? NULL : arena_printf(r->arena, "Basic %s", pair)
                             : arena_printf(r->arena, "ApiToken %s", secret);
    secret_free(secret);
    NEED(f, d->authorization);
    return RESULT_OK;
}

static const char *without_slash(struct arena *a, const char *url)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    return arena_strndup(a, url, n);
}

static int64_t seconds(const struct reader *r, const char *key)
{
    return config_number(r->config, "dhis2", r->name, key);
}

static enum result make_memories(struct fault *f, struct dhis2 *d)
{
    d->catalogue = snapshot_slot_new();
    d->units = memory_new(UNIT_SLOTS, d->metadata_life_us);
    d->enabled = memory_new(ENABLED_SLOTS, ENABLED_LIFE_S * SECOND);
    d->bad_mail = memory_new(MAIL_SLOTS, MAIL_LIFE_S * SECOND);
    NEED(f, d->catalogue);
    NEED(f, d->units);
    NEED(f, d->enabled);
    NEED(f, d->bad_mail);
    return RESULT_OK;
}

static enum result read_one(struct fault *f, const struct reader *r, struct dhis2 *d)
{
    d->base = without_slash(r->arena, config_text(r->config, "dhis2", r->name, "url"));
    NEED(f, d->base);
    d->ca_file = get(r, "ca_file");
    d->proxy = get(r, "proxy");
    d->ip_family = get(r, "ip_family");
    d->timeout_ms = (long)seconds(r, "timeout") * 1000;
    d->connect_timeout_ms = (long)seconds(r, "connect_timeout") * 1000;
    d->metadata_life_us = seconds(r, "metadata_life") * SECOND;
    d->reenable = config_flag(r->config, "dhis2", r->name, "reenable");
    d->username_prefix = get(r, "username_prefix");
    d->managed_groups = get_list(r, "managed_groups");
    d->unmanaged_roles = get_list(r, "unmanaged_roles");
    NEED(f, d->managed_groups);
    NEED(f, d->unmanaged_roles);
    TRY(check_patterns(f, r->name, "managed_groups", d->managed_groups, true));
    TRY(check_patterns(f, r->name, "unmanaged_roles", d->unmanaged_roles, false));
    TRY(read_own(f, r, d));
    TRY(read_authorization(f, r, d));
    return make_memories(f, d);
}

static enum result read_all(struct fault *f, const struct config *c, struct dhis2s *d)
{
    const char *const *names = NULL;
    size_t n = config_names(c, "dhis2", &names);
    d->list = arena_alloc(d->arena, (n + 1) * sizeof *d->list);
    d->names = arena_alloc(d->arena, (n + 1) * sizeof *d->names);
    NEED(f, d->list);
    NEED(f, d->names);
    for (size_t i = 0; i < n; i++) {
        d->names[i] = d->list[i].name = arena_strdup(d->arena, names[i]);
        NEED(f, d->names[i]);
        d->count++;
        TRY(read_one(f, &(struct reader){d->arena, c, names[i]}, &d->list[i]));
    }
    return RESULT_OK;
}

enum result dhis2s_new(struct fault *f, const struct config *c, struct dhis2s **out_r)
{
    struct arena *a = arena_new(MEMORY);
    struct dhis2s *d = a == NULL ? NULL : arena_alloc(a, sizeof *d);
    *out_r = NULL;
    if (d == NULL)
        arena_free(a);
    NEED(f, d);
    d->arena = a;
    enum result r = read_all(f, c, d);
    if (r == RESULT_OK)
        *out_r = d;
    else
        dhis2s_free(d);
    return r;
}

void dhis2s_free(struct dhis2s *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++) {
        snapshot_slot_free(d->list[i].catalogue);
        memory_free(d->list[i].units);
        memory_free(d->list[i].enabled);
        memory_free(d->list[i].bad_mail);
    }
    arena_free(d->arena); /* holds d itself and the secrets; wipes them */
}

size_t dhis2s_names(const struct dhis2s *d, const char *const **out_r)
{
    *out_r = d->names;
    return d->count;
}

struct dhis2 *dhis2_find(const struct dhis2s *d, const char *name)
{
    for (size_t i = 0; name != NULL && i < d->count; i++)
        if (text_equal(d->names[i], name))
            return &d->list[i];
    return NULL;
}

bool dhis2s_has(const struct dhis2s *d, const char *name)
{
    return dhis2_find(d, name) != NULL;
}

const char *dhis2_base_url(const struct dhis2s *d, const char *name)
{
    const struct dhis2 *one = dhis2_find(d, name);
    return one == NULL ? NULL : one->base;
}
