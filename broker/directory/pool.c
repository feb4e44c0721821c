/* pool: which connection serves an operation, and what happens when it fails. Called by directory.c, bind.c, each.c.
 *
 * A connection serves one operation at a time. Those bound as the service account and those that persons bind on are kept
 * apart, so that nobody's identity ever reaches a search. A server that fails is tried last for 30 seconds: it costs its
 * timeout once, not once per login. When all are down they are tried with a short timeout, so that the first one back is
 * used at once. The lock guards the lists and the servers' health only; nobody waits for the network under it. */
#include "internal.h"

#include <poll.h>

/* What one operation has learnt about the servers. */
struct attempt {
    unsigned failed; /* bit per server: failed in this operation, on a new connection */
    bool fresh_only; /* a kept connection was dead: do not try the other kept ones */
};

static unsigned all_servers(const struct directory *d)
{
    return (1U << d->server_count) - 1;
}

/* ---- servers' health */

static void mark_down(struct directory *d, size_t server, const struct fault *f, bool refused)
{
    struct server *s = &d->servers[server];
    (void)pthread_mutex_lock(&d->lock);
    bool was_down = s->down_until_us != 0;
    s->down_until_us = clock_monotonic_us() + DIR_DOWN_SECONDS * 1000000LL;
    s->refused = refused;
    (void)pthread_mutex_unlock(&d->lock);
    if (!was_down)
        log_event(LEVEL_WARN, "directory_server_down", "directory", d->name, "url", s->url, "reason", f->detail, NULL);
}

static void mark_up(struct directory *d, size_t server)
{
    struct server *s = &d->servers[server];
    (void)pthread_mutex_lock(&d->lock);
    bool was_down = s->down_until_us != 0;
    s->down_until_us = 0;
    s->refused = false;
    (void)pthread_mutex_unlock(&d->lock);
    if (was_down)
        log_event(LEVEL_INFO, "directory_server_up", "directory", d->name, "url", s->url, NULL);
}

/* The next server to open: healthy ones in the configured order, then the known-dead. False: none is left. */
static bool next_server(struct directory *d, const struct attempt *t, size_t *server_r, bool *down_r)
{
    int64_t now = clock_monotonic_us();
    bool found = false;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->server_count && !(found && !*down_r); i++) {
        const struct server *s = &d->servers[i];
        bool down = s->down_until_us > now;
        if ((t->failed & (1U << i)) != 0 || (down && (s->refused || found)))
            continue;
        *server_r = i;
        *down_r = down;
        found = true;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return found;
}

/* ---- kept connections */

static struct connection *take_kept(struct directory *d, enum handle_kind kind)
{
    (void)pthread_mutex_lock(&d->lock);
    struct connection *c = d->kept[kind];
    if (c != NULL) {
        d->kept[kind] = c->next;
        d->kept_count[kind]--;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return c;
}

static void give_back(struct directory *d, enum handle_kind kind, struct connection *c)
{
    bool keep = !c->broken && !c->spent;
    c->used_us = clock_monotonic_us();
    (void)pthread_mutex_lock(&d->lock);
    keep = keep && d->kept_count[kind] < d->pool_size;
    if (keep) {
        c->next = d->kept[kind];
        d->kept[kind] = c;
        d->kept_count[kind]++;
    }
    (void)pthread_mutex_unlock(&d->lock);
    if (!keep)
        dir_close(c);
}

/* Closes what is kept to a server that has just failed. */
static void drop_kept(struct directory *d, size_t server)
{
    struct connection *dropped = NULL;
    (void)pthread_mutex_lock(&d->lock);
    for (size_t kind = 0; kind < HANDLE_KINDS; kind++) {
        for (struct connection **p = &d->kept[kind]; *p != NULL;) {
            struct connection *c = *p;
            if (c->server != server) {
                p = &c->next;
                continue;
            }
            *p = c->next;
            c->next = dropped;
            dropped = c;
            d->kept_count[kind]--;
        }
    }
    (void)pthread_mutex_unlock(&d->lock);
    while (dropped != NULL) {
        struct connection *c = dropped;
        dropped = c->next;
        dir_close(c);
    }
}

/* Between operations nothing may be readable: it is the server's notice of disconnection or the end of the stream. */
static bool is_silent(const struct connection *c)
{
    int fd = -1;
    if (ldap_get_option(c->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS || fd < 0)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

/* Reads the root DSE: a firewall may have forgotten a connection that was idle for long. */
static bool still_answers(struct connection *c)
{
    static char attribute[] = LDAP_NO_ATTRS;
    char *attributes[] = {attribute, NULL};
    CLEANUP(ldapmsg) LDAPMessage *answer = NULL;
    struct timeval second = {.tv_sec = 1};
    return ldap_search_ext_s(c->ld, "", LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 1, NULL, NULL, &second, 1,
                             &answer) == LDAP_SUCCESS;
}

static bool is_usable(const struct directory *d, struct connection *c)
{
    int64_t now = clock_monotonic_us();
    if (now - c->opened_us > DIR_OPEN_SECONDS_MAX * 1000000LL || !is_silent(c))
        return false;
    return now - c->used_us <= d->idle_us || still_answers(c);
}

/* ---- one operation */

static enum result open_at(struct fault *f, struct directory *d, enum handle_kind kind, size_t server, bool down,
                           struct connection **out_r)
{
    const int64_t second = 1000000;
    int64_t timeout_us = down && d->network_timeout_us > second ? second : d->network_timeout_us;
    TRY(dir_connect(f, d, server, timeout_us, out_r));
    enum result r = kind == HANDLE_SERVICE ? dir_bind_service(f, *out_r) : RESULT_OK;
    if (r != RESULT_OK)
        dir_close(*out_r);
    return r;
}

static enum result open_any(struct fault *f, struct directory *d, enum handle_kind kind, struct attempt *t,
                            struct connection **out_r)
{
    size_t server = 0;
    bool down = false;
    enum result r = RESULT_OK;
    while (next_server(d, t, &server, &down)) {
        r = open_at(f, d, kind, server, down, out_r);
        if (r == RESULT_OK) {
            mark_up(d, server);
            return RESULT_OK;
        }
        t->failed |= 1U << server;
        drop_kept(d, server);
        mark_down(d, server, f, r == RESULT_DENIED);
    }
    if (r == RESULT_OK)
        return FAULT(f, RESULT_UNAVAILABLE, "bind_dn was refused less than %d seconds ago", DIR_DOWN_SECONDS);
    f->result = r == RESULT_DENIED ? RESULT_UNAVAILABLE : r; /* to a login it is all the same: no answer */
    return f->result;
}

static enum result take(struct fault *f, struct directory *d, enum handle_kind kind, struct attempt *t,
                        struct connection **out_r)
{
    while (!t->fresh_only) {
        struct connection *c = take_kept(d, kind);
        if (c == NULL)
            break;
        c->fresh = false;
        if (is_usable(d, c)) {
            *out_r = c;
            return RESULT_OK;
        }
        dir_close(c);
    }
    return open_any(f, d, kind, t, out_r);
}

/* A server that hung or broke a new connection is out for this operation; one that closed a kept connection (it was
 * restarted, or tidies up) deserves a new one. */
static bool may_try_again(struct directory *d, const struct connection *c, enum result r, const struct fault *f,
                          struct attempt *t)
{
    if (!c->broken)
        return false;
    if (c->fresh || r == RESULT_TIMEOUT) {
        t->failed |= 1U << c->server;
        mark_down(d, c->server, f, false);
    }
    drop_kept(d, c->server);
    t->fresh_only = true;
    return !c->committed && t->failed != all_servers(d);
}

enum result dir_run(struct fault *f, struct directory *d, enum handle_kind kind,
                    enum result (*op)(struct fault *f, struct connection *c, void *arg), void *arg)
{
    struct attempt t = {0};
    for (;;) {
        struct connection *c = NULL;
        TRY(take(f, d, kind, &t, &c));
        enum result r = op(f, c, arg);
        bool again = may_try_again(d, c, r, f, &t);
        give_back(d, kind, c);
        if (!again)
            return r;
    }
}

void dir_pool_free(struct directory *d)
{
    for (size_t i = 0; i < d->server_count; i++)
        drop_kept(d, i);
    (void)pthread_mutex_destroy(&d->lock);
}
