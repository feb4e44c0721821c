/* trace: what is asked of a directory and what it answers, for somebody who looks: `idbridge directory show`, `directory test`
 * and `doctor`. Called by pool.c, search.c and person.c at the moment of each answer. One thread's own: the logins that run
 * beside it are not told of, and without a watcher nothing is done. */
#include "internal.h"

static _Thread_local struct {
    void (*each)(void *arg, const struct directory_event *e);
    void *arg;
} watcher;

void directory_watch(void (*each)(void *arg, const struct directory_event *e), void *arg)
{
    watcher.each = each;
    watcher.arg = arg;
}

static void tell(const struct directory_event *e)
{
    if (watcher.each != NULL)
        watcher.each(watcher.arg, e);
}

void dir_trace_connected(const struct directory *d, size_t server, int64_t started_us, const struct fault *problem)
{
    tell(&(struct directory_event){.kind = DIRECTORY_CONNECTED,
                                   .server = d->servers[server].url,
                                   .problem = problem == NULL ? NULL : problem->detail,
                                   .us = clock_monotonic_us() - started_us});
}

void dir_trace_searched(const struct connection *c, const struct search *s, size_t entries, int64_t started_us,
                        const struct fault *problem)
{
    tell(&(struct directory_event){.kind = DIRECTORY_SEARCHED,
                                   .server = c->directory->servers[c->server].url,
                                   .base = s->base,
                                   .scope = s->scope == LDAP_SCOPE_BASE ? "this entry" : "everything below",
                                   .filter = s->filter,
                                   .entries = entries,
                                   .problem = problem == NULL ? NULL : problem->detail,
                                   .us = clock_monotonic_us() - started_us});
}

static void tell_fact(const char *attribute, struct bytes value, enum account_status status)
{
    tell(&(struct directory_event){.kind = DIRECTORY_FACT,
                                   .attribute = attribute,
                                   .value = dir_is_text(value) ? (const char *)value.data : NULL,
                                   .status = status});
}

void dir_trace_status(const struct directory *d, const struct entry *e, int64_t now)
{
    if (watcher.each != NULL)
        dir_status_each(d, e, now, tell_fact);
}
