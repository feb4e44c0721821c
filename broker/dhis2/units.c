/* units: which organisation unit does a rule mean? A country has 20,000 of them, so each is looked up by itself, once per
 * metadata_life, in a bounded table. Called by resolve.c and the probe. */
#include "private.h"

static const char *const fields[] = {[BY_NAME] = "name", [BY_CODE] = "code", [BY_UID] = "id"};

/* Two answers are enough to know that a name is not one. */
static enum result ask(struct task *t, enum grant_by by, const char *ref, const char **id_r)
{
    struct things found;
    char *value = NULL;
    TRY(dhis2_filter_value(t, ref, &value));
    const char *path = arena_printf(t->a, "/api/organisationUnits?filter=%s:eq:%s&fields=id&pageSize=2", fields[by], value);
    NEED(t->f, path);
    TRY(dhis2_list(t, path, "organisationUnits", &found));
    if (found.count == 0)
        return dhis2_refused(t, "there is no organisation unit with the %s %s", fields[by], ref);
    if (found.count > 1)
        return dhis2_refused(t, "two organisation units are called %s: use code: or uid:", ref);
    *id_r = found.list[0].id;
    return RESULT_OK;
}

/* What was not found is not remembered: the administrator is just about to make it. */
enum result dhis2_unit(struct task *t, enum grant_by by, const char *ref, struct thing *out_r)
{
    const char *key = arena_printf(t->a, "%s:%s", fields[by], ref);
    const char *id = NULL;
    bool unused = false;
    NEED(t->f, key);
    if (!memory_get(t->d->units, t->a, key, &id, &unused)) {
        TRY(ask(t, by, ref, &id));
        memory_put(t->d->units, key, id, false);
    }
    *out_r = (struct thing){.id = id};
    return RESULT_OK;
}
