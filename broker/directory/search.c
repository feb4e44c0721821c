/* search: one search on one connection, bounded in time and size, its entries copied into the arena. Called by directory.c,
 * groups.c, each.c and probe.c. RFC 4511 §4.5, paging RFC 2696. */
#include "internal.h"

#include <string.h>

static enum result page_control(struct fault *f, struct connection *c, const struct search *s, LDAPControl **out_r)
{
    if (s->cookie == NULL)
        return RESULT_OK;
    struct berval *cookie = s->cookie->bv_len > 0 ? s->cookie : NULL;
    int code = ldap_create_page_control(c->ld, DIR_PAGE, cookie, 1, out_r);
    return code == LDAP_SUCCESS ? RESULT_OK : dir_fault(f, c, code, "paging");
}

/* A server that ignores paging sends no cookie: then this was everything. */
static enum result next_page(struct fault *f, struct arena *a, struct connection *c, LDAPMessage *answer,
                             struct berval *cookie)
{
    CLEANUP(ldapcontrols) LDAPControl **controls = NULL;
    struct berval next = {0, NULL};
    *cookie = (struct berval){0, NULL};
    int code = LDAP_SUCCESS, estimate = 0;
    if (ldap_parse_result(c->ld, answer, &code, NULL, NULL, NULL, &controls, 0) != LDAP_SUCCESS)
        return FAULT(f, RESULT_UNAVAILABLE, "the answer to a paged search cannot be decoded");
    LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (page == NULL)
        return RESULT_OK;
    if (ldap_parse_pageresponse_control(c->ld, page, &estimate, &next) != LDAP_SUCCESS)
        return FAULT(f, RESULT_UNAVAILABLE, "the answer to a paged search cannot be decoded");
    if (next.bv_len > 0) {
        cookie->bv_val = arena_alloc(a, next.bv_len);
        cookie->bv_len = cookie->bv_val == NULL ? 0 : next.bv_len;
        if (cookie->bv_val != NULL)
            memcpy(cookie->bv_val, next.bv_val, next.bv_len);
    }
    bool lost = next.bv_len > 0 && cookie->bv_val == NULL;
    ber_memfree(next.bv_val);
    return lost ? FAULT(f, RESULT_INTERNAL, "out of memory") : RESULT_OK;
}

enum result dir_search(struct fault *f, struct arena *a, struct connection *c, const struct search *s,
                       struct entries *out_r)
{
    CLEANUP(ldapcontrol) LDAPControl *page = NULL;
    CLEANUP(ldapmsg) LDAPMessage *answer = NULL;
    TRY(page_control(f, c, s, &page));
    LDAPControl *controls[] = {page, NULL};
    /* no timeout here: LDAP_OPT_TIMEOUT is ours, LDAP_OPT_TIMELIMIT the server's */
    int code = ldap_search_ext_s(c->ld, s->base, s->scope, s->filter, (char **)s->attributes, 0,
                                 page == NULL ? NULL : controls, NULL, NULL, s->limit, &answer);
    if (code == LDAP_NO_SUCH_OBJECT)
        return FAULT(f, RESULT_NOT_FOUND, "the search base does not exist, or bind_dn may not see it");
    if (code == LDAP_FILTER_ERROR)
        return FAULT(f, RESULT_INVALID, "libldap refuses the search filter");
    if (code != LDAP_SUCCESS && !(code == LDAP_SIZELIMIT_EXCEEDED && s->limit > 0))
        return dir_fault(f, c, code, "search");
    TRY(dir_entries(f, a, c->ld, answer, out_r));
    return s->cookie == NULL ? RESULT_OK : next_page(f, a, c, answer, s->cookie);
}
