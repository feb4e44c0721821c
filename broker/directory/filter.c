/* filter: search filters with values filled in (RFC 4515). Every value is escaped by libldap, so what a person types or an
 * ID provider claims can only ever be a value (CVE-2022-2232 was one that was not). */
#include "internal.h"

#include <string.h>

char *dir_escape(struct arena *a, struct bytes value)
{
    struct berval escaped = {0, NULL}, in = {value.len, arena_strdup(a, "")};
    if (value.len > 0) {
        in.bv_val = arena_alloc(a, value.len + 1);
        if (in.bv_val != NULL)
            memcpy(in.bv_val, value.data, value.len);
    }
    if (in.bv_val == NULL || ldap_bv2escaped_filter_value(&in, &escaped) != 0)
        return NULL;
    char *out = arena_strndup(a, escaped.bv_val == NULL ? "" : escaped.bv_val, escaped.bv_len);
    if (escaped.bv_val != in.bv_val)
        ber_memfree(escaped.bv_val);
    return out;
}

static bool is_balanced(const char *filter)
{
    int depth = 0;
    for (const char *p = filter; *p != '\0'; p++) {
        depth += (*p == '(') - (*p == ')');
        if (depth < 0 || (depth == 0 && p[1] != '\0'))
            return false;
    }
    return filter[0] == '(' && depth == 0;
}

/* Called once at start. `placeholder`: "{login}", "{claim." (any claim), or NULL when the filter may hold none. */
enum result dir_filter_check(struct fault *f, const char *key, const char *filter, const char *placeholder)
{
    bool found = false;
    if (!is_balanced(filter))
        return FAULT(f, RESULT_INVALID, "%s: not one filter in parentheses: %s", key, filter);
    for (const char *p = strchr(filter, '{'); p != NULL; p = strchr(p + 1, '{')) {
        if (placeholder == NULL || !text_has_prefix(p, placeholder) || strchr(p, '}') == NULL)
            return FAULT(f, RESULT_INVALID, "%s: unknown placeholder; it may hold %s", key,
                         placeholder == NULL ? "none" : placeholder);
        found = true;
    }
    if (placeholder != NULL && !found)
        return FAULT(f, RESULT_INVALID, "%s: holds no %s, so it would find the same for everybody", key, placeholder);
    return RESULT_OK;
}

/* The text of a claim; NULL when it is absent, empty, or neither text nor a whole number. */
static const char *claim_text(struct arena *a, const json_t *claims, const char *name)
{
    const json_t *j = json_object_get(claims, name);
    if (json_is_integer(j))
        return arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
    const char *s = json_text(claims, name);
    return s != NULL && s[0] != '\0' ? s : NULL;
}

static const char *placeholder_value(struct arena *a, const char *name, const char *login, const json_t *claims)
{
    if (text_equal(name, "login"))
        return login;
    if (text_has_prefix(name, "claim."))
        return claim_text(a, claims, name + strlen("claim."));
    return NULL;
}

/* RESULT_NOT_FOUND: a value it needs is absent. */
enum result dir_filter_fill(struct fault *f, struct arena *a, const char *filter, const char *login,
                            const json_t *claims, char **out_r)
{
    CLEANUP(buf) struct buf b;
    buf_init(&b, 8192);
    const char *p = filter;
    for (const char *open; (open = strchr(p, '{')) != NULL; p = strchr(open, '}') + 1) {
        buf_add(&b, p, (size_t)(open - p));
        const char *name = arena_strndup(a, open + 1, strcspn(open + 1, "}"));
        NEED(f, name);
        const char *value = placeholder_value(a, name, login, claims);
        if (value == NULL)
            return FAULT(f, RESULT_NOT_FOUND, "no value for {%s}", name);
        const char *escaped = dir_escape(a, bytes_of(value));
        NEED(f, escaped);
        buf_text(&b, escaped);
    }
    buf_text(&b, p);
    *out_r = b.failed ? NULL : arena_strdup(a, b.data);
    NEED(f, *out_r);
    return RESULT_OK;
}
