/* What rules may give at all, whoever the person: doctor checks each reference, and dhis2/ asks whether a group somebody is
 * in but is no longer given is the rules' affair. */
#include "private.h"

#include <string.h>

static bool concerns(const struct rule *r, const char *dhis2)
{
    return r->dhis2 == NULL || dhis2 == NULL || strcmp(r->dhis2, dhis2) == 0;
}

enum result mapping_each_ref(const struct mapping *m, const char *dhis2, enum grant_kind k,
                             enum result (*each)(void *arg, enum grant_by by, const char *ref), void *arg)
{
    for (size_t i = 0; i < m->count; i++)
        for (size_t g = 0; concerns(&m->rules[i], dhis2) && g < m->rules[i].give_count; g++)
            if (m->rules[i].give[g].kind == k)
                TRY(each(arg, m->rules[i].give[g].by, m->rules[i].give[g].ref));
    return RESULT_OK;
}

/* A template could give whatever has its fixed beginning and end. */
static bool template_fits(const char *template, const char *ref)
{
    const char *open = strchr(template, '{'), *close = strrchr(template, '}');
    if (open == NULL || close == NULL)
        return false;
    size_t head = (size_t)(open - template), tail = strlen(close + 1), n = strlen(ref);
    return n > head + tail && strncmp(template, ref, head) == 0 && strcmp(ref + n - tail, close + 1) == 0;
}

bool mapping_could_give(const struct mapping *m, const char *dhis2, enum grant_kind k, enum grant_by by, const char *ref)
{
    char key[INDEX_REF_KEY];
    if ((index_ref_key(key, sizeof(key), NULL, k, by, ref) && index_knows(m, key)) ||
        (dhis2 != NULL && index_ref_key(key, sizeof(key), dhis2, k, by, ref) && index_knows(m, key)))
        return true;
    for (size_t i = 0; i < m->templated_count; i++) {
        const struct rule *r = &m->rules[m->templated[i]];
        for (size_t g = 0; concerns(r, dhis2) && g < r->give_count; g++)
            if (r->give[g].kind == k && r->give[g].by == by && template_fits(r->give[g].ref, ref))
                return true;
    }
    return false;
}
