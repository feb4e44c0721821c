/* config: the keys of [directory NAME] and what they become. directories_new is called once at start and at each reload;
 * what it makes is read-only but for the connections, which pool.c guards. */
#include "edges.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 4 << 20, GROUP_CACHE_BYTES = 16 << 20 };
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

#define KEY(key, type, need, fallback, choices, min, max, help)                                                        \
    {"directory", true, key, type, need, fallback, choices, min, max, help}
#define TEXT_KEY(key, help) KEY(key, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, help)

const struct config_key directory_config_keys[] = {
    KEY("type", CONFIG_CHOICE, CONFIG_REQUIRED, NULL, "openldap ad 389ds", 0, 0,
        "Kind of server: openldap, ad (Active Directory, Samba) or 389ds (also FreeIPA)."),
    KEY("urls", CONFIG_LIST, CONFIG_REQUIRED, NULL, NULL, 0, 0,
        "ldaps://, ldap:// or ldapi:// addresses of equal servers; the first that is well is asked."),
    KEY("starttls", CONFIG_BOOL, CONFIG_OPTIONAL, "off", NULL, 0, 0, "Use StartTLS on ldap:// addresses."),
    KEY("ca_file", CONFIG_PATH, CONFIG_OPTIONAL, SYSTEM_CA, NULL, 0, 0,
        "Certificates (PEM) of the authorities that may vouch for the servers."),
    TEXT_KEY("bind_dn", "Account the bridge reads with; none: anonymous, or SASL EXTERNAL on ldapi:// and with client_cert_file."),
    KEY("bind_password_file", CONFIG_PATH, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "File that holds the password of bind_dn."),
    KEY("client_cert_file", CONFIG_PATH, CONFIG_OPTIONAL, NULL, NULL, 0, 0,
        "Certificate (PEM) the bridge shows the servers; without bind_dn it is who the bridge is (SASL EXTERNAL)."),
    KEY("client_key_file", CONFIG_PATH, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "Private key (PEM) of client_cert_file."),
    KEY("people_base", CONFIG_TEXT, CONFIG_REQUIRED, NULL, NULL, 0, 0, "DN below which people are searched."),
    TEXT_KEY("groups_base", "DN below which groups are searched; none: no groups are read."),
    TEXT_KEY("login_filter", "Search by the login name a person types, {login}; default by type, e.g. (uid={login})."),
    TEXT_KEY("claim_filter", "Search by verified claims, e.g. (employeeNumber={claim.employee_number}); default none."),
    TEXT_KEY("person_filter", "Who counts as a person at all; default by type, e.g. (objectClass=person)."),
    TEXT_KEY("id_attribute", "Attribute that never changes; default entryUUID, objectGUID or nsUniqueId."),
    TEXT_KEY("login_attribute", "Attribute with the login name; default uid or sAMAccountName."),
    KEY("given_name_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "givenName", NULL, 0, 0, "Attribute with the given name."),
    KEY("surname_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "sn", NULL, 0, 0, "Attribute with the surname."),
    KEY("display_name_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "displayName", NULL, 0, 0,
        "Attribute with the name to show; where absent: given name and surname, then cn."),
    KEY("mail_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "mail", NULL, 0, 0, "Attribute with the e-mail address."),
    KEY("phone_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "mobile", NULL, 0, 0, "Attribute with the telephone number."),
    TEXT_KEY("birth_date_attribute", "Attribute with the date of birth; YYYYMMDD is read as YYYY-MM-DD."),
    KEY("attributes", CONFIG_LIST, CONFIG_OPTIONAL, NULL, NULL, 0, 0, "Attributes that mapping rules may use."),
    KEY("group_mode", CONFIG_CHOICE, CONFIG_OPTIONAL, "default", "default search member_of token_groups in_chain", 0, 0,
        "How nested groups are found; default: search for openldap, token_groups for ad, member_of for 389ds."),
    KEY("member_attribute", CONFIG_TEXT, CONFIG_OPTIONAL, "member", NULL, 0, 0,
        "Attribute of a group with its members' DNs; memberUid holds login names, and its groups are not nested."),
    KEY("group_cache", CONFIG_DURATION, CONFIG_OPTIONAL, "60s", NULL, 0, 60,
        "How old an answer about a group being in a group may be; a person's own groups are read every time; 0: ask always."),
    TEXT_KEY("disabled_attribute", "Attribute that marks a disabled account, beside what the server itself knows."),
    TEXT_KEY("disabled_value", "Value of disabled_attribute that means disabled."),
    KEY("password_max_age", CONFIG_DURATION, CONFIG_OPTIONAL, "0", NULL, 0, 315360000,
        "openldap: pwdMaxAge of its policy, to see expired passwords before a bind; 0: only the bind tells."),
    KEY("refuse", CONFIG_LIST, CONFIG_OPTIONAL, "disabled expired not_yet_valid locked_by_admin", NULL, 0, 0,
        "Account statuses that refuse every login: " DIR_STATUS_WORDS "; none: none of them."),
    KEY("refuse_password", CONFIG_LIST, CONFIG_OPTIONAL, "locked_by_passwords password_expired must_change logon_hours", NULL, 0, 0,
        "Those that also refuse a login by the directory's own password."),
    KEY("network_timeout", CONFIG_DURATION, CONFIG_OPTIONAL, "5s", NULL, 1, 60, "Longest wait for a connection, then for TLS."),
    KEY("search_timeout", CONFIG_DURATION, CONFIG_OPTIONAL, "5s", NULL, 1, 60, "Longest wait for an answer."),
    KEY("pool_size", CONFIG_INT, CONFIG_OPTIONAL, "8", NULL, 1, 64,
        "Connections to one server at most for searches, and as many for binds."),
    KEY("idle", CONFIG_DURATION, CONFIG_OPTIONAL, "25s", NULL, 1, 3600, "A connection unused for longer is tried before use."),
    KEY("grace", CONFIG_DURATION, CONFIG_OPTIONAL, "0", NULL, 0, 604800,
        "How old a last good answer may be to let people in while the directory is down; 0: not at all."),
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};

static const struct type_defaults {
    const char *word;
    enum directory_type type;
    const char *login_filter, *person_filter, *id, *login;
    enum group_mode group_mode;
} type_defaults[] = {
    {"openldap", DIRECTORY_OPENLDAP, "(uid={login})", "(objectClass=person)", "entryUUID", "uid", GROUPS_SEARCH},
    {"ad", DIRECTORY_AD, "(|(sAMAccountName={login})(userPrincipalName={login}))",
     "(&(objectCategory=person)(objectClass=user))", "objectGUID", "sAMAccountName", GROUPS_TOKEN},
    {"389ds", DIRECTORY_389DS, "(uid={login})", "(objectClass=person)", "nsUniqueId", "uid", GROUPS_MEMBER_OF},
};

static const struct {
    const char *word;
    enum group_mode mode;
} group_modes[] = {
    {"search", GROUPS_SEARCH}, {"member_of", GROUPS_MEMBER_OF}, {"token_groups", GROUPS_TOKEN}, {"in_chain", GROUPS_IN_CHAIN}};

/* ---- reading one key, copied: the configuration may be freed before the directories are */

struct reader {
    struct arena *arena;
    const struct config *config;
    const char *name;
};

static const char *get(const struct reader *r, const char *key)
{
    const char *s = config_text(r->config, "directory", r->name, key);
    return s == NULL || s[0] == '\0' ? NULL : arena_strdup(r->arena, s);
}

static const char *get_or(const struct reader *r, const char *key, const char *fallback)
{
    const char *s = get(r, key);
    return s != NULL ? s : fallback;
}

static int64_t get_us(const struct reader *r, const char *key)
{
    return config_number(r->config, "directory", r->name, key) * 1000000LL;
}

static char *const *get_list(const struct reader *r, const char *key)
{
    char *const *list = config_list(r->config, "directory", r->name, key);
    size_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    char **copy = arena_alloc(r->arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < n; i++)
        if ((copy[i] = arena_strdup(r->arena, list[i])) == NULL)
            return NULL;
    return copy;
}

/* ---- the service account */

static enum result read_password(struct fault *f, const struct reader *r, struct directory *d)
{
    char *secret;
    if (d->bind_dn == NULL)
        return RESULT_OK;
    TRY(config_secret(f, r->config, "directory", r->name, "bind_password_file", &secret));
    d->bind_password = (struct berval){strlen(secret), secret};
    return RESULT_OK;
}

/* ---- everything else */

static void read_names(const struct reader *r, const struct type_defaults *t, struct person_attributes *n)
{
    *n = (struct person_attributes){
        .id = get_or(r, "id_attribute", t->id),
        .login = get_or(r, "login_attribute", t->login),
        .given_name = get(r, "given_name_attribute"),
        .surname = get(r, "surname_attribute"),
        .display_name = get(r, "display_name_attribute"),
        .mail = get(r, "mail_attribute"),
        .phone = get(r, "phone_attribute"),
        .birth_date = get(r, "birth_date_attribute"),
    };
    n->id_binary = strcasecmp(n->id, "objectGUID") == 0;
}

static enum result read_filters(struct fault *f, const struct reader *r, const struct type_defaults *t,
                                struct directory *d)
{
    d->login_filter = get_or(r, "login_filter", t->login_filter);
    d->person_filter = get_or(r, "person_filter", t->person_filter);
    d->claim_filter = get(r, "claim_filter");
    TRY(dir_filter_check(f, "login_filter", d->login_filter, "{login}"));
    TRY(dir_filter_check(f, "person_filter", d->person_filter, NULL));
    return d->claim_filter == NULL ? RESULT_OK : dir_filter_check(f, "claim_filter", d->claim_filter, "{claim.");
}

static enum result read_disabled_mark(struct fault *f, const struct reader *r, struct directory *d)
{
    d->disabled_attribute = get(r, "disabled_attribute");
    d->disabled_value = get(r, "disabled_value");
    if ((d->disabled_attribute == NULL) != (d->disabled_value == NULL))
        return FAULT(f, RESULT_INVALID, "[directory %s] disabled_attribute and disabled_value go together", r->name);
    return RESULT_OK;
}

static enum result read_group_mode(struct fault *f, const struct reader *r, const struct type_defaults *t,
                                   struct directory *d)
{
    const char *word = config_text(r->config, "directory", r->name, "group_mode");
    d->groups_base = get(r, "groups_base");
    d->member_attribute = get_or(r, "member_attribute", "member");
    d->member_is_login = strcasecmp(d->member_attribute, "memberUid") == 0;
    d->group_mode = d->member_is_login && text_equal(word, "default") ? GROUPS_SEARCH : t->group_mode;
    for (size_t i = 0; i < COUNT_OF(group_modes); i++)
        if (text_equal(word, group_modes[i].word))
            d->group_mode = group_modes[i].mode;
    if (d->member_is_login && d->group_mode != GROUPS_SEARCH)
        return FAULT(f, RESULT_INVALID, "[directory %s] member_attribute = %s needs group_mode = search", r->name,
                     d->member_attribute);
    if (d->type != DIRECTORY_AD && (d->group_mode == GROUPS_TOKEN || d->group_mode == GROUPS_IN_CHAIN))
        return FAULT(f, RESULT_INVALID, "[directory %s] group_mode = %s is for type = ad", r->name, word);
    d->group_cache_us = get_us(r, "group_cache");
    d->clock_us = clock_monotonic_us;
    if (d->group_cache_us == 0)
        return RESULT_OK;
    d->edges = edges_new(GROUP_CACHE_BYTES);
    NEED(f, d->edges);
    return RESULT_OK;
}

static void want(char **wanted, size_t max, const char *name)
{
    size_t n = 0;
    for (; name != NULL && n < max && wanted[n] != NULL; n++)
        if (strcasecmp(wanted[n], name) == 0)
            return;
    if (name != NULL && n < max)
        wanted[n] = (char *)(uintptr_t)name; /* libldap takes char ** and only reads */
}

/* All that one person search must bring, each name once. */
static enum result list_wanted(struct fault *f, struct arena *a, struct directory *d)
{
    enum { MAX = 60 };
    static const char *const ad[] = {"primaryGroupID", "objectSid"};
    const struct person_attributes *n = &d->names;
    const char *named[] = {n->id,   n->login, n->given_name, n->surname,           n->display_name,
                           n->mail, n->phone, n->birth_date, d->disabled_attribute};
    const char *status[24];
    size_t count = dir_status_attributes(d->type, status, COUNT_OF(status));
    d->wanted = arena_alloc(a, (MAX + 1) * sizeof *d->wanted);
    NEED(f, d->wanted);
    for (size_t i = 0; i < COUNT_OF(named); i++)
        want(d->wanted, MAX, named[i]);
    want(d->wanted, MAX, "cn");
    if (d->group_mode != GROUPS_SEARCH)
        want(d->wanted, MAX, "memberOf");
    for (size_t i = 0; d->type == DIRECTORY_AD && i < COUNT_OF(ad); i++)
        want(d->wanted, MAX, ad[i]);
    for (size_t i = 0; i < count; i++)
        want(d->wanted, MAX, status[i]);
    for (size_t i = 0; d->mapped[i] != NULL; i++)
        want(d->wanted, MAX, d->mapped[i]);
    if (d->wanted[MAX - 1] != NULL)
        return FAULT(f, RESULT_INVALID, "[directory %s] attributes: too many", d->name);
    return RESULT_OK;
}

static enum result read_directory(struct fault *f, const struct reader *r, struct directory *d)
{
    const struct type_defaults *t = &type_defaults[0];
    const char *type = config_text(r->config, "directory", r->name, "type");
    for (size_t i = 0; i < COUNT_OF(type_defaults); i++)
        if (text_equal(type, type_defaults[i].word))
            t = &type_defaults[i];
    d->type = t->type;
    d->bind_dn = get(r, "bind_dn");
    d->people_base = get(r, "people_base");
    NEED(f, d->people_base);
    d->network_timeout_us = get_us(r, "network_timeout");
    d->search_timeout_us = get_us(r, "search_timeout");
    d->idle_us = get_us(r, "idle");
    d->pool_size = (unsigned)config_number(r->config, "directory", r->name, "pool_size");
    d->mapped = get_list(r, "attributes");
    NEED(f, d->mapped);
    read_names(r, t, &d->names);
    TRY(read_group_mode(f, r, t, d));
    TRY(dir_servers(f, r->arena, r->config, d));
    TRY(read_filters(f, r, t, d));
    TRY(read_disabled_mark(f, r, d));
    TRY(dir_policy(f, r->config, d));
    TRY(read_password(f, r, d));
    return list_wanted(f, r->arena, d);
}

/* ---- all directories */

/* libldap reads ldap.conf, ~/.ldaprc and LDAP* variables at its first use: our configuration decides alone. And it writes
 * to a connection that the server has closed with plain write(2): without this a restarted directory would end us. */
void directories_init(void)
{
    (void)setenv("LDAPNOINIT", "1", 1);
    (void)signal(SIGPIPE, SIG_IGN);
}

static bool make_lock(struct directory *d)
{
    return pthread_mutex_init(&d->lock, NULL) == 0 && dir_condition_init(&d->tended);
}

static enum result read_all(struct fault *f, const struct config *c, struct directories *d)
{
    const char *const *names = NULL;
    size_t n = config_names(c, "directory", &names);
    d->list = arena_alloc(d->arena, (n + 1) * sizeof *d->list);
    d->names = arena_alloc(d->arena, (n + 1) * sizeof *d->names);
    NEED(f, d->list);
    NEED(f, d->names);
    for (size_t i = 0; i < n; i++) {
        struct directory *one = &d->list[d->count];
        d->names[i] = one->name = arena_strdup(d->arena, names[i]);
        NEED(f, one->name);
        if (strchr(one->name, ':') != NULL)
            return FAULT(f, RESULT_INVALID, "[directory %s]: the name may hold no colon", one->name);
        if (!make_lock(one))
            return FAULT(f, RESULT_INTERNAL, "out of memory");
        d->count++;
        struct reader r = {d->arena, c, one->name};
        TRY(read_directory(f, &r, one));
    }
    return RESULT_OK;
}

void directories_free(struct directories *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++) {
        struct directory *one = &d->list[i];
        dir_pool_free(one);
        edges_free(one->edges);
        if (one->bind_password.bv_val != NULL)
            wipe(one->bind_password.bv_val, one->bind_password.bv_len);
        free(one->bind_password.bv_val);
    }
    arena_free(d->arena);
    free(d);
}

size_t directories_names(const struct directories *d, const char *const **out_r)
{
    *out_r = d->names;
    return d->count;
}

struct directory *dir_find(const struct directories *d, const char *name, size_t len)
{
    for (size_t i = 0; i < d->count; i++)
        if (strlen(d->names[i]) == len && memcmp(d->names[i], name, len) == 0)
            return &d->list[i];
    return NULL;
}

enum result directories_new(struct fault *f, const struct config *c, struct directories **out_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, directories_init);
    struct directories *d = calloc(1, sizeof *d);
    NEED(f, d);
    d->arena = arena_new(MEMORY);
    enum result r = d->arena == NULL ? FAULT(f, RESULT_INTERNAL, "out of memory") : read_all(f, c, d);
    if (r != RESULT_OK) {
        directories_free(d);
        return r;
    }
    *out_r = d;
    return RESULT_OK;
}
