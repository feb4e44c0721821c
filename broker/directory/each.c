/* each: every person of one directory, page by page (RFC 2696), for sync and listings. One connection for the whole walk,
 * because a paging cookie belongs to its connection; once a person was handed out it is not begun again elsewhere. */
#include "internal.h"

#include <string.h>

enum { PERSON_MEMORY = 8 << 20, PAGE_MEMORY = 64 << 20 };

struct walk {
    enum result (*each)(void *arg, struct arena *a, const struct person *p);
    void *arg;
    bool groups;
};

static enum result hand_out(struct fault *f, struct connection *c, const struct walk *w, const struct entry *e)
{
    struct person p;
    CLEANUP(arena) struct arena *a = arena_new(PERSON_MEMORY);
    NEED(f, a);
    TRY(dir_person(f, a, c->directory, e, &p));
    enum result r = w->groups ? dir_groups(f, a, c, e, &p.groups, &p.group_count) : RESULT_OK;
    if (r == RESULT_NOT_FOUND) /* deleted since its page came */
        return RESULT_OK;
    TRY(r);
    c->committed = true;
    r = w->each(w->arg, a, &p);
    return r == RESULT_OK ? r : FAULT(f, r, "the walk was stopped by its caller");
}

/* `cookie` lives in `keep`, everything else of the page in an arena of its own. */
static enum result walk_page(struct fault *f, struct connection *c, const struct walk *w, struct berval *cookie,
                             char *keep, size_t keep_size)
{
    struct directory *d = c->directory;
    struct entries found;
    CLEANUP(arena) struct arena *a = arena_new(PAGE_MEMORY);
    NEED(f, a);
    struct search s = {.base = d->people_base,
                       .filter = d->person_filter,
                       .scope = LDAP_SCOPE_SUBTREE,
                       .attributes = d->wanted,
                       .cookie = cookie};
    enum result r = dir_search(f, a, c, &s, &found);
    if (r == RESULT_NOT_FOUND)
        return FAULT(f, RESULT_UNAVAILABLE, "people_base does not exist, or bind_dn may not see it");
    TRY(r);
    if (cookie->bv_len > keep_size)
        return FAULT(f, RESULT_UNAVAILABLE, "the server's paging cookie is too long");
    if (cookie->bv_len > 0)
        memcpy(keep, cookie->bv_val, cookie->bv_len);
    cookie->bv_val = keep;
    for (size_t i = 0; i < found.count; i++)
        TRY(hand_out(f, c, w, &found.list[i]));
    return RESULT_OK;
}

static enum result walk_all(struct fault *f, struct connection *c, void *arg)
{
    char keep[4096];
    struct berval cookie = {0, keep};
    c->spent = true; /* a walk that ends early leaves a paged search open on it */
    do
        TRY(walk_page(f, c, arg, &cookie, keep, sizeof keep));
    while (cookie.bv_len > 0);
    return RESULT_OK;
}

static enum result walk_people(struct fault *f, struct directories *d, const char *directory, struct walk *w)
{
    struct directory *one = dir_find(d, directory, strlen(directory));
    if (one == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no [directory] of that name is configured");
    return dir_run(f, one, HANDLE_SERVICE, walk_all, w);
}

enum result directory_each(struct fault *f, struct directories *d, const char *directory,
                           enum result (*each)(void *arg, struct arena *a, const struct person *p), void *arg)
{
    return walk_people(f, d, directory, &(struct walk){each, arg, true});
}

enum result directory_each_entry(struct fault *f, struct directories *d, const char *directory,
                                 enum result (*each)(void *arg, struct arena *a, const struct person *p), void *arg)
{
    return walk_people(f, d, directory, &(struct walk){each, arg, false});
}
