/* resolve: grants name roles, groups and org units by name, code or uid; DHIS2 wants uids. What cannot be named for sure
 * refuses the login: half the rights would be a riddle for everybody. Called by ensure.c. */
#include "private.h"

enum { MISS_US = 10 * 1000000 }; /* a name not found is looked for again in a catalogue at most this old */

static const char *const by_words[] = {[BY_NAME] = "name", [BY_CODE] = "code", [BY_UID] = "uid"};

static const struct things *held_of(const struct user *u, enum grant_kind k)
{
    if (u == NULL)
        return NULL;
    return k == GRANT_ROLE ? &u->roles : k == GRANT_GROUP ? &u->groups : &u->units[k - GRANT_OU_CAPTURE];
}

static struct things *wanted_of(struct wanted *w, enum grant_kind k)
{
    return k == GRANT_ROLE ? &w->roles : k == GRANT_GROUP ? &w->groups : &w->units[k - GRANT_OU_CAPTURE];
}

/* Codes and uids are unique in DHIS2, names of org units are not. */
static bool is_held(const struct things *held, const struct granted *g, struct thing *out_r)
{
    for (size_t i = 0; held != NULL && g->by != BY_NAME && i < held->count; i++) {
        const struct thing *one = &held->list[i];
        if (text_equal(g->by == BY_UID ? one->id : one->code, g->ref)) {
            *out_r = *one;
            return true;
        }
    }
    return false;
}

static enum result from_catalogue(struct task *t, const struct granted *g, struct thing *out_r)
{
    const struct catalogue *c = NULL;
    const char *what = g->kind == GRANT_ROLE ? "user role" : "user group";
    TRY(dhis2_catalogue(t, 0, &c));
    size_t n = catalogue_find(c, g->kind, g->by, g->ref, out_r);
    if (n == 0) {
        TRY(dhis2_catalogue(t, MISS_US, &c));
        n = catalogue_find(c, g->kind, g->by, g->ref, out_r);
    }
    if (n == 0)
        return dhis2_refused(t, "no %s with the %s %s that our account may see", what, by_words[g->by], g->ref);
    if (n > 1)
        return dhis2_refused(t, "two %ss are called %s: use code: or uid:", what, g->ref);
    return RESULT_OK;
}

static enum result resolve_one(struct task *t, const struct granted *g, const struct user *u, struct wanted *w)
{
    struct thing one = {0};
    if (!is_held(held_of(u, g->kind), g, &one)) {
        if (g->kind == GRANT_ROLE || g->kind == GRANT_GROUP)
            TRY(from_catalogue(t, g, &one));
        else
            TRY(dhis2_unit(t, g->by, g->ref, &one));
    }
    if (one.all)
        return dhis2_refused(t, "role %s holds the authority ALL: the bridge never gives it", one.id);
    return things_add(t, wanted_of(w, g->kind), &one);
}

enum result dhis2_resolve(struct task *t, const struct grants *g, const struct user *u, struct wanted *out_r)
{
    *out_r = (struct wanted){0};
    for (size_t i = 0; g != NULL && i < g->count; i++)
        TRY(resolve_one(t, &g->list[i], u, out_r));
    return RESULT_OK;
}
