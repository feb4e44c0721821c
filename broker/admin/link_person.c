/* Which person id does an entry get when an administrator links it? Its own, one that is named, or a new one. DHIS2 and
 * applications know a person by that id, so an id somebody signed in with is never given up for another: two accounts are
 * never made one. One that nobody ever got in with may be: somebody hired anew linked the new entry before they called. */
#include "link.h"

#include <string.h>

static enum result note_login(void *arg, const struct audit_row *r)
{
    *(bool *)arg |= text_equal(r->event, "login") && text_equal(r->outcome, "ok");
    return RESULT_OK;
}

enum result link_person_instead(struct fault *f, struct store_view *v, struct admin *ad, const char *own, const char *person_id,
                                const char *person_key)
{
    bool used = false;
    if (own == NULL || strcmp(own, person_id) == 0)
        return RESULT_OK;
    TRY(store_audit_find(f, v, ad->arena, own, NULL, note_login, &used));
    if (used)
        return FAULT(f, RESULT_CONFLICT, "that entry is person %s already, who signed in: two accounts are never made one", own);
    return store_link_rename(f, v, own, person_id, person_key);
}

enum result link_person_choose(struct fault *f, struct store_view *v, struct admin *ad, struct link *l, bool second)
{
    const char *own = NULL;
    bool linked = false;
    struct link other;
    enum result r = store_link_person(f, v, ad->arena, l->person_key, &own, &linked);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (linked && !second && l->person_id == NULL)
        return FAULT(f, RESULT_CONFLICT, "the entry is linked to another identity already");
    if (l->person_id == NULL) {
        l->person_id = own != NULL ? own : random_id(ad->arena, 16);
        NEED(f, l->person_id);
        return RESULT_OK;
    }
    r = store_link_by_person_id(f, v, ad->arena, l->person_id, &other);
    if (r == RESULT_OK && strcmp(other.person_key, l->person_key) != 0)
        return FAULT(f, RESULT_CONFLICT, "that person is linked to another entry: `link move --same-person` takes them along");
    return r == RESULT_OK || r == RESULT_NOT_FOUND ? link_person_instead(f, v, ad, own, l->person_id, l->person_key) : r;
}
