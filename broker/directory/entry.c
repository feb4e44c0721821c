/* entry: an LDAP entry copied into the arena, and DNs compared as DNs. Called by search.c; read by person.c, status.c and
 * groups.c. Values are bytes: what is text is decided where text is needed. DNs follow RFC 4514. */
#include "internal.h"

#include <ctype.h>
#include <string.h>

bool dir_is_text(struct bytes value)
{
    return value.len > 0 && memchr(value.data, '\0', value.len) == NULL &&
           text_is_utf8((const char *)value.data, value.len);
}

const struct attribute *dir_attribute(const struct entry *e, const char *name)
{
    if (name == NULL)
        return NULL;
    for (size_t i = 0; i < e->count; i++)
        if (strcasecmp(e->attributes[i].name, name) == 0)
            return &e->attributes[i];
    return NULL;
}

const char *dir_text(const struct entry *e, const char *name)
{
    const struct attribute *at = dir_attribute(e, name);
    for (size_t i = 0; at != NULL && i < at->count; i++)
        if (dir_is_text(at->values[i]))
            return (const char *)at->values[i].data;
    return NULL;
}

static char *copy(struct arena *a, const struct berval *bv)
{
    char *p = arena_alloc(a, bv->bv_len + 1);
    if (p != NULL && bv->bv_len > 0)
        memcpy(p, bv->bv_val, bv->bv_len);
    return p;
}

static enum result read_values(struct fault *f, struct arena *a, const struct berval *from, struct attribute *at,
                               size_t *bytes)
{
    size_t n = 0;
    while (from != NULL && from[n].bv_val != NULL)
        n++;
    at->values = arena_alloc(a, (n + 1) * sizeof *at->values);
    NEED(f, at->values);
    for (; at->count < n; at->count++) {
        char *p = copy(a, &from[at->count]);
        NEED(f, p);
        at->values[at->count] = (struct bytes){(const unsigned char *)p, from[at->count].bv_len};
        *bytes += from[at->count].bv_len + 1;
    }
    return RESULT_OK;
}

/* `ber` walks the attributes; the values point into the message, only their array is ours to free. */
static enum result read_attributes(struct fault *f, struct arena *a, LDAP *ld, LDAPMessage *m, BerElement *ber,
                                   struct entry *e)
{
    enum { MAX = 512 }; /* we ask for far fewer, but each may come in many languages: "title;lang-fr" (RFC 3866) */
    e->attributes = arena_alloc(a, MAX * sizeof *e->attributes);
    NEED(f, e->attributes);
    for (;;) {
        struct berval name = {0, NULL}, *values = NULL;
        if (ldap_get_attribute_ber(ld, m, ber, &name, &values) != LDAP_SUCCESS)
            return FAULT(f, RESULT_UNAVAILABLE, "the directory sent an entry that cannot be decoded");
        if (name.bv_val == NULL)
            return RESULT_OK;
        if (e->count == MAX) { /* what is left out could be the lock, or a group */
            ldap_memfree(values);
            return FAULT(f, RESULT_UNAVAILABLE, "the directory sent an entry of more than %d attributes", MAX);
        }
        struct attribute *at = &e->attributes[e->count++];
        at->name = copy(a, &name);
        e->bytes += name.bv_len + 1;
        enum result r = at->name == NULL ? FAULT(f, RESULT_INTERNAL, "out of memory") : read_values(f, a, values, at, &e->bytes);
        ldap_memfree(values);
        TRY(r);
    }
}

static enum result read_entry(struct fault *f, struct arena *a, LDAP *ld, LDAPMessage *m, struct entry *e)
{
    BerElement *ber = NULL;
    struct berval dn = {0, NULL};
    if (ldap_get_dn_ber(ld, m, &ber, &dn) != LDAP_SUCCESS)
        return FAULT(f, RESULT_UNAVAILABLE, "the directory sent an entry that cannot be decoded");
    e->dn = copy(a, &dn);
    e->dn_len = dn.bv_len;
    e->bytes = dn.bv_len + 1;
    enum result r = e->dn == NULL ? FAULT(f, RESULT_INTERNAL, "out of memory") : read_attributes(f, a, ld, m, ber, e);
    ber_free(ber, 0);
    return r;
}

enum result dir_entries(struct fault *f, struct arena *a, LDAP *ld, LDAPMessage *answer, struct entries *out_r)
{
    int n = ldap_count_entries(ld, answer);
    *out_r = (struct entries){NULL, 0};
    if (n <= 0)
        return RESULT_OK;
    out_r->list = arena_alloc(a, (size_t)n * sizeof *out_r->list);
    NEED(f, out_r->list);
    LDAPMessage *m = ldap_first_entry(ld, answer);
    for (; m != NULL && out_r->count < (size_t)n; m = ldap_next_entry(ld, m))
        TRY(read_entry(f, a, ld, m, &out_r->list[out_r->count++]));
    return RESULT_OK;
}

/* slapd writes the same DN with \2C in one place and \, in another: parse it and write it again. Lower case, because
 * the attribute types in DNs of directories compare without case (RFC 4519). */
char *directory_dn_normal(struct arena *a, const char *dn)
{
    LDAPDN parsed = NULL;
    char *text = NULL;
    if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        return NULL;
    if (ldap_dn2str(parsed, &text, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
        text = NULL;
    ldap_dnfree(parsed);
    char *normal = text == NULL ? NULL : arena_strdup(a, text);
    ldap_memfree(text);
    for (char *p = normal; p != NULL && *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    return normal;
}

bool dir_dn_below(const char *normal_dn, const char *normal_base)
{
    size_t dn = strlen(normal_dn), base = strlen(normal_base);
    if (base == 0 || dn < base || strcmp(normal_dn + dn - base, normal_base) != 0)
        return base == 0;
    return dn == base || normal_dn[dn - base - 1] == ',';
}

const char *dir_dn_first_value(struct arena *a, const char *dn)
{
    LDAPDN parsed = NULL;
    const char *value = NULL;
    if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS && parsed != NULL && parsed[0] != NULL)
        value = arena_strndup(a, parsed[0][0]->la_value.bv_val, parsed[0][0]->la_value.bv_len);
    ldap_dnfree(parsed);
    return value != NULL ? value : dn;
}
