/* person: from an entry to struct person: stable key, names with their fallbacks, status, attributes for the mapping.
 * Called by directory.c and each.c; groups are added by groups.c. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

/* "staff:" and the stable id: text as it is, objectGUID as hex of its bytes in the order they came. */
static enum result make_key(struct fault *f, struct arena *a, const struct directory *d, const struct entry *e,
                            const char **out_r)
{
    const struct attribute *at = dir_attribute(e, d->names.id);
    if (at == NULL || at->count != 1 || at->values[0].len == 0)
        return FAULT(f, RESULT_DENIED, "an entry shows bind_dn no %s (id_attribute), or several", d->names.id);
    struct bytes v = at->values[0];
    if (!d->names.id_binary && !dir_is_text(v))
        return FAULT(f, RESULT_DENIED, "%s (id_attribute) is not text", d->names.id);
    const char *id = d->names.id_binary ? hex_encode(a, v.data, v.len) : (const char *)v.data;
    NEED(f, id);
    *out_r = arena_printf(a, "%s:%s", d->name, id);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* YYYYMMDD (SCHAC, and the start of a GeneralizedTime) becomes YYYY-MM-DD; anything else stays as it is. */
static const char *date_text(struct arena *a, const char *s)
{
    size_t digits = s == NULL ? 0 : strspn(s, "0123456789");
    bool time_follows = digits >= 10 && (s[digits] == 'Z' || s[digits] == '.');
    if (digits != 8 && !time_follows)
        return s;
    return arena_printf(a, "%.4s-%.2s-%.2s", s, s + 4, s + 6);
}

static enum result make_names(struct fault *f, struct arena *a, const struct directory *d, const struct entry *e,
                              struct person *p)
{
    const struct person_attributes *n = &d->names;
    p->login = dir_text(e, n->login);
    p->given_name = dir_text(e, n->given_name);
    p->surname = dir_text(e, n->surname);
    p->mail = dir_text(e, n->mail);
    p->phone = dir_text(e, n->phone);
    p->birth_date = date_text(a, dir_text(e, n->birth_date));
    p->display_name = dir_text(e, n->display_name);
    if (p->display_name == NULL && p->given_name != NULL && p->surname != NULL) {
        p->display_name = arena_printf(a, "%s %s", p->given_name, p->surname);
        NEED(f, p->display_name);
    }
    if (p->display_name == NULL)
        p->display_name = dir_text(e, "cn");
    if (p->display_name == NULL)
        p->display_name = p->login;
    return RESULT_OK;
}

enum { VALUE_MAX = 4096, VALUES_MAX = 128 << 10 }; /* bytes of one value that is used as text, and of all of them */

/* Names and what rules look at go into pages, DHIS2 and the store: an entry with megabytes there is refused, not cut. */
static enum result add_size(struct fault *f, const struct entry *e, const char *name, size_t *total)
{
    const struct attribute *at = dir_attribute(e, name);
    for (size_t i = 0; at != NULL && i < at->count; i++) {
        if (!dir_is_text(at->values[i]))
            continue;
        *total += at->values[i].len;
        if (at->values[i].len > VALUE_MAX || *total > VALUES_MAX)
            return FAULT(f, RESULT_UNAVAILABLE, "the entry's %s is too long", name);
    }
    return RESULT_OK;
}

static enum result check_sizes(struct fault *f, const struct directory *d, const struct entry *e)
{
    const struct person_attributes *n = &d->names;
    const char *const names[] = {n->id,   n->login, n->given_name, n->surname, n->display_name,
                                 n->mail, n->phone, n->birth_date, "cn"};
    size_t total = 0;
    if (!dir_is_text((struct bytes){(const unsigned char *)e->dn, e->dn_len}) || e->dn_len > VALUE_MAX)
        return FAULT(f, RESULT_UNAVAILABLE, "the entry's DN is no text, or too long");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        TRY(add_size(f, e, names[i], &total));
    for (char *const *name = d->mapped; *name != NULL; name++)
        TRY(add_size(f, e, *name, &total));
    return RESULT_OK;
}

static json_t *text_values(const struct attribute *at)
{
    json_t *values = json_array();
    for (size_t i = 0; values != NULL && i < at->count; i++)
        if (dir_is_text(at->values[i]) &&
            json_array_append_new(values, json_stringn((const char *)at->values[i].data, at->values[i].len)) != 0) {
            json_decref(values);
            return NULL;
        }
    return values;
}

/* What is no text (a photograph, a GUID) has no place in a rule and is left out; so is an attribute without values. */
static enum result make_attributes(struct fault *f, struct arena *a, const struct directory *d, const struct entry *e,
                                   struct person *p)
{
    p->attributes = arena_json(a, json_object());
    NEED(f, p->attributes);
    for (char *const *name = d->mapped; *name != NULL; name++) {
        const struct attribute *at = dir_attribute(e, *name);
        if (at == NULL)
            continue;
        CLEANUP(json) json_t *values = text_values(at);
        NEED(f, values);
        if (json_array_size(values) > 0 && json_object_set(p->attributes, *name, values) != 0)
            return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    return RESULT_OK;
}

/* Every AD user has userAccountControl: where it cannot be read, "disabled" would look like "ok" (CVE-2025-0604 was a
 * disabled account that passed). */
static enum result check_readable(struct fault *f, const struct directory *d, const struct entry *e)
{
    if (d->type == DIRECTORY_AD && dir_attribute(e, "userAccountControl") == NULL)
        return FAULT(f, RESULT_DENIED, "bind_dn may not read userAccountControl: the account's status is unknown");
    return RESULT_OK;
}

enum result dir_person(struct fault *f, struct arena *a, const struct directory *d, const struct entry *e,
                       struct person *out_r)
{
    *out_r = (struct person){.directory = d->name, .dn = e->dn, .seen = clock_now()};
    TRY(check_readable(f, d, e));
    TRY(check_sizes(f, d, e));
    TRY(make_key(f, a, d, e, &out_r->key));
    TRY(make_names(f, a, d, e, out_r));
    TRY(make_attributes(f, a, d, e, out_r));
    out_r->holds = dir_status_holds(d, e, out_r->seen);
    out_r->status = dir_status_first(out_r->holds);
    dir_trace_status(d, e, out_r->seen);
    return RESULT_OK;
}
