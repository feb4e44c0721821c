/* directory: the questions the rest of the bridge asks about one person: by key, by login name, by claims. One search for
 * the entry, then the groups on the same connection, so that both come from one server at one moment. */
#include "internal.h"

#include <string.h>

struct question {
    struct arena *arena;
    const char *filter;
    struct person *out_r;
    bool bare; /* without groups */
};

enum { PEOPLE_MOST = 100 }; /* from a server that does not keep to the limit */

/* Two entries are enough to know that it is not one: the limit is 2. */
static enum result find_person(struct fault *f, struct connection *c, void *arg)
{
    struct question *q = arg;
    struct directory *d = c->directory;
    struct search s = {.base = d->people_base,
                       .filter = q->filter,
                       .scope = LDAP_SCOPE_SUBTREE,
                       .attributes = d->wanted,
                       .limit = 2,
                       .most = PEOPLE_MOST};
    struct entries found;
    *q->out_r = (struct person){.directory = d->name, .status = ACCOUNT_UNKNOWN, .seen = clock_now()};
    enum result r = dir_search(f, q->arena, c, &s, &found);
    if (r == RESULT_NOT_FOUND)
        return FAULT(f, RESULT_UNAVAILABLE, "people_base does not exist, or bind_dn may not see it");
    TRY(r);
    if (found.count != 1) {
        q->out_r->status = found.count == 0 ? ACCOUNT_UNKNOWN : ACCOUNT_AMBIGUOUS;
        return RESULT_OK;
    }
    TRY(dir_person(f, q->arena, d, &found.list[0], q->out_r));
    if (q->bare)
        return RESULT_OK;
    r = dir_groups(f, q->arena, c, &found.list[0], &q->out_r->groups, &q->out_r->group_count);
    return r == RESULT_NOT_FOUND ? FAULT(f, RESULT_UNAVAILABLE, "the entry went away while its groups were read") : r;
}

static enum result ask(struct fault *f, struct arena *a, struct directory *d, const char *filter, bool bare, struct person *out_r)
{
    const char *both = arena_printf(a, "(&%s%s)", filter, d->person_filter);
    NEED(f, both);
    struct question q = {a, both, out_r, bare};
    enum result r = dir_run(f, d, HANDLE_SERVICE, find_person, &q);
    if (r != RESULT_OK) /* nothing half read may look like an account in order */
        *out_r = (struct person){.directory = d->name, .status = ACCOUNT_UNREACHABLE, .seen = clock_now()};
    return r;
}

static enum result named(struct fault *f, const struct directories *d, const char *name, size_t len,
                         struct directory **out_r)
{
    *out_r = dir_find(d, name, len);
    if (*out_r == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no [directory] of that name is configured");
    return RESULT_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* objectGUID back from the hex of make_key. Length 0: no hex. */
static struct bytes from_hex(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    unsigned char *out = arena_alloc(a, n + 1);
    if (out == NULL || strlen(hex) != 2 * n)
        return (struct bytes){NULL, 0};
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return (struct bytes){NULL, 0};
        out[i] = (unsigned char)(high << 4 | low);
    }
    return (struct bytes){out, n};
}

bool directory_unreachable(const struct directories *d, const char *directory)
{
    struct directory *one = dir_find(d, directory, strlen(directory));
    return one != NULL && dir_health_unreachable(one);
}

enum result directory_by_key(struct fault *f, struct arena *a, struct directories *d, const char *person_key,
                             struct person *out_r)
{
    struct directory *one = NULL;
    const char *colon = strchr(person_key, ':');
    if (colon == NULL || colon[1] == '\0')
        return FAULT(f, RESULT_INVALID, "not a person key");
    TRY(named(f, d, person_key, (size_t)(colon - person_key), &one));
    struct bytes id = one->names.id_binary ? from_hex(a, colon + 1) : bytes_of(colon + 1);
    if (id.len == 0)
        return FAULT(f, RESULT_INVALID, "not a person key");
    const char *escaped = dir_escape(a, id);
    NEED(f, escaped);
    const char *filter = arena_printf(a, "(%s=%s)", one->names.id, escaped);
    NEED(f, filter);
    return ask(f, a, one, filter, false, out_r);
}

static enum result by_login(struct fault *f, struct arena *a, struct directories *d, const char *directory, const char *login,
                            bool bare, struct person *out_r)
{
    struct directory *one = NULL;
    char *filter = NULL;
    TRY(named(f, d, directory, strlen(directory), &one));
    size_t len = strlen(login);
    if (len == 0 || len > DIR_LOGIN_MAX || !text_is_utf8(login, len))
        return FAULT(f, RESULT_INVALID, "a login name is 1 to %d bytes of UTF-8", DIR_LOGIN_MAX);
    TRY(dir_filter_fill(f, a, one->login_filter, login, NULL, &filter));
    return ask(f, a, one, filter, bare, out_r);
}

enum result directory_by_login(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                               const char *login, struct person *out_r)
{
    return by_login(f, a, d, directory, login, false, out_r);
}

enum result directory_entry_by_login(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                     const char *login, struct person *out_r)
{
    return by_login(f, a, d, directory, login, true, out_r);
}

enum result directory_by_claims(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                const json_t *claims, struct person *out_r)
{
    struct directory *one = NULL;
    char *filter = NULL;
    TRY(named(f, d, directory, strlen(directory), &one));
    if (one->claim_filter == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no claim_filter is configured");
    TRY(dir_filter_fill(f, a, one->claim_filter, NULL, claims, &filter));
    return ask(f, a, one, filter, false, out_r);
}
