/* probe: what `idbridge doctor` says about a directory. Each server is tried by itself, past the pool, so that a dead
 * second server shows before it is needed; then one entry is read as a login would. Findings are sentences for somebody
 * tired: which address, what failed, what to look at. No name or DN of a person is in them. */
#include "internal.h"

#include <string.h>

struct probe {
    struct arena *arena;
    struct directory *directory;
    struct buf *findings;
    size_t errors;
};

PRINTF(3, 4) static void finding(struct probe *p, const char *kind, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (text_equal(kind, "error"))
        p->errors++;
    buf_printf(p->findings, "%s: [directory %s] %s\n", kind, p->directory->name, line);
}

/* What to look at, by what libldap, GnuTLS or the system said. The first row that fits. */
static const char *advice(const char *detail)
{
    static const struct {
        const char *says, *look_at;
    } rows[] = {
        {"Connection refused", "does the server run, and on this port? Does a firewall reject it?"},
        {"in time", "a firewall may drop the packets, or the server hangs."},
        {"TLS: Timed out", "the server hangs, or this is no port for TLS: ldaps:// is usually 636."},
        {"Timed out", "the server accepts connections and does not answer: it hangs, or this is not its LDAP port."},
        {"contact LDAP server", "the server closed the connection: is this its port for TLS? Then say ldaps://."},
        {"name not found", "is the host name right, and does this machine's DNS know it?"},
        {"unreachable", "is there a route to that network?"},
        {"ca_file", "does the file exist, is it PEM, and may the bridge read it?"},
        {"bind_dn is refused", "check bind_dn, bind_password_file and the state of that account."},
        {"certificate is not accepted", "its authority must be in ca_file, its name in the URL, today within its dates."},
        {"TLS", "is this the port for TLS? ldaps:// is usually 636; on 389 use ldap:// with starttls = on."},
        {"onfidentiality", "the server wants TLS: use ldaps:// or starttls = on."},
        {"trong", "the server wants TLS: use ldaps:// or starttls = on."},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strstr(detail, rows[i].says) != NULL)
            return rows[i].look_at;
    return "see the server's own log.";
}

/* ---- what one entry shows */

static void check_bases(struct probe *p, struct connection *c, const char *key, const char *base, const char *filter,
                        struct entries *found_r)
{
    struct fault f = {0};
    struct search s = {
        .base = base, .filter = filter, .scope = LDAP_SCOPE_SUBTREE, .attributes = p->directory->wanted, .limit = 1};
    enum result r = dir_search(&f, p->arena, c, &s, found_r);
    if (r == RESULT_NOT_FOUND)
        finding(p, "error", "%s = %s does not exist, or bind_dn may not see it.", key, base);
    else if (r != RESULT_OK)
        finding(p, "error", "%s cannot be searched: %s.", key, f.detail);
    else if (found_r->count == 0)
        finding(p, "error", "nothing below %s = %s matches %s, or bind_dn may not see it.", key, base, filter);
}

/* One entry may lack what another has: only what everybody has is an error. */
static void check_entry(struct probe *p, const struct entry *e)
{
    const struct directory *d = p->directory;
    struct fault f = {0};
    struct person person;
    if (dir_person(&f, p->arena, d, e, &person) != RESULT_OK) {
        finding(p, "error", "an entry was found but is no use: %s.", f.detail);
        return;
    }
    finding(p, "ok", "people are found, and %s tells them apart for ever.", d->names.id);
    if (person.login == NULL)
        finding(p, "warning", "the entry that was looked at shows no %s (login_attribute).", d->names.login);
    if (person.mail == NULL)
        finding(p, "warning", "the entry that was looked at shows no %s (mail_attribute): nobody can be told of a new link.",
                d->names.mail);
    for (char *const *name = d->mapped; *name != NULL; name++)
        if (dir_attribute(e, *name) == NULL)
            finding(p, "warning", "the entry that was looked at shows no %s (attributes).", *name);
}

static void check_groups(struct probe *p, struct connection *c, const struct entry *e)
{
    const struct directory *d = p->directory;
    const struct group *groups = NULL;
    struct fault f = {0};
    size_t n = 0;
    if (d->groups_base == NULL) {
        finding(p, "warning", "groups_base is not set: no groups are read, and rules on groups give nothing.");
        return;
    }
    if (dir_groups(&f, p->arena, c, e, &groups, &n) != RESULT_OK)
        finding(p, "error", "the groups of a person cannot be read: %s.", f.detail);
    else
        finding(p, "ok", "groups can be read; the person looked at is in %zu.", n);
}

static void check_content(struct probe *p, struct connection *c)
{
    const struct directory *d = p->directory;
    struct entries people = {NULL, 0}, groups = {NULL, 0};
    check_bases(p, c, "people_base", d->people_base, d->person_filter, &people);
    if (d->groups_base != NULL) {
        const char *filter = arena_printf(p->arena, "(%s=*)", d->type == DIRECTORY_AD ? "groupType" : d->member_attribute);
        check_bases(p, c, "groups_base", d->groups_base, filter, &groups);
    }
    if (people.count == 0)
        return;
    check_entry(p, &people.list[0]);
    check_groups(p, c, &people.list[0]);
}

/* ---- servers */

static void say_connected(struct probe *p, struct connection *c, int64_t started_us)
{
    const struct server *s = &p->directory->servers[c->server];
    long ms = (long)((clock_monotonic_us() - started_us) / 1000);
    bool clear = s->scheme == SCHEME_LDAP && !p->directory->starttls;
    finding(p, "ok", "%s answers in %ld ms%s.", s->url, ms,
            clear ? ", without TLS (this machine only)" : s->scheme == SCHEME_LDAPI ? "" : " with a certificate we trust");
}

static void probe_server(struct probe *p, size_t i, bool *content_done)
{
    struct connection *c = NULL;
    struct fault f = {0};
    struct directory *d = p->directory;
    int64_t started = clock_monotonic_us();
    enum result r = dir_connect(&f, d, i, d->network_timeout_us, &c);
    if (r == RESULT_OK)
        r = dir_bind_service(&f, c);
    if (r != RESULT_OK) {
        const char *why = dir_probe_certificate(p->arena, d, &d->servers[i]);
        finding(p, "error", "%s: %s%s", f.detail, advice(f.detail), why == NULL ? "" : why);
    } else {
        say_connected(p, c, started);
        if (!*content_done)
            check_content(p, c);
        *content_done = true;
    }
    dir_close(c);
}

enum result directory_probe(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                            struct buf *findings)
{
    bool content_done = false;
    struct probe p = {a, dir_find(d, directory, strlen(directory)), findings, 0};
    if (p.directory == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no [directory] of that name is configured");
    if (p.directory->bind_dn == NULL && p.directory->client_cert_file == NULL && p.directory->servers[0].scheme != SCHEME_LDAPI)
        finding(&p, "warning", "no bind_dn: what anybody may read is all the bridge can see.");
    for (size_t i = 0; i < p.directory->server_count; i++)
        probe_server(&p, i, &content_done);
    if (p.errors > 0)
        return FAULT(f, RESULT_UNAVAILABLE, "%zu things are wrong with this directory", p.errors);
    return RESULT_OK;
}
