/* search: searches on one connection, bounded in time and size, their entries copied into the arena. Called by directory.c,
 * groups.c, each.c and probe.c. RFC 4511 §4.5, paging RFC 2696. Several questions may travel at once: each costs the
 * server's time, all of them one way through the network.
 *
 * A part of an answer is no answer. A limit of the server (size, time, administrative) and a reference to another server are
 * faults, except a size limit that was ours, or that can be got round page by page. Active Directory refers to its own DNS
 * and configuration partitions whenever the base is the domain: that says nothing about people. */
#include "internal.h"

#include <string.h>

struct pending {
    const struct search *search;
    struct entries *out;
    size_t capacity, bytes;
    int id, code;
    bool sent, done, referred;
};

struct round {
    struct connection *connection;
    struct arena *arena;
    struct pending list[DIR_SEARCHES_MAX];
    size_t count, open;
    int64_t deadline_us;
};

/* ---- sending */

static enum result page_control(struct fault *f, struct connection *c, const struct search *s, LDAPControl **out_r)
{
    if (s->cookie == NULL)
        return RESULT_OK;
    struct berval *cookie = s->cookie->bv_len > 0 ? s->cookie : NULL;
    int code = ldap_create_page_control(c->ld, DIR_PAGE, cookie, 1, out_r);
    return code == LDAP_SUCCESS ? RESULT_OK : dir_fault(f, c, code, "paging");
}

static enum result send_one(struct fault *f, struct round *r, struct pending *p)
{
    CLEANUP(ldapcontrol) LDAPControl *page = NULL;
    const struct search *s = p->search;
    struct connection *c = r->connection;
    TRY(page_control(f, c, s, &page));
    LDAPControl *controls[] = {page, NULL};
    /* no timeout here: LDAP_OPT_TIMELIMIT is the server's, the deadline ours */
    int code = ldap_search_ext(c->ld, s->base, s->scope, s->filter, (char **)s->attributes, 0,
                               page == NULL ? NULL : controls, NULL, NULL, s->limit, &p->id);
    if (code == LDAP_FILTER_ERROR)
        return FAULT(f, RESULT_INVALID, "libldap refuses the search filter");
    if (code != LDAP_SUCCESS)
        return dir_fault(f, c, code, "search");
    p->sent = true;
    r->open++;
    return RESULT_OK;
}

/* ---- receiving */

static enum result add_entry(struct fault *f, struct round *r, struct pending *p, LDAPMessage *m)
{
    struct entries one;
    enum result got = dir_entries(f, r->arena, r->connection->ld, m, &one);
    if (got == RESULT_INTERNAL)
        return FAULT(f, got, "an entry of the directory is larger than the memory of one request");
    TRY(got);
    if (one.count == 0)
        return RESULT_OK;
    p->bytes += one.list[0].bytes;
    if (p->bytes > DIR_ANSWER_MAX)
        return FAULT(f, RESULT_UNAVAILABLE, "the directory's answer to one search is larger than %d MB",
                     DIR_ANSWER_MAX >> 20);
    if (p->search->most > 0 && p->out->count == p->search->most)
        return FAULT(f, RESULT_INVALID, "the directory finds more than %zu entries", p->search->most);
    if (p->out->count == p->capacity) {
        size_t wider = p->capacity == 0 ? 4 : 2 * p->capacity;
        struct entry *list = arena_alloc(r->arena, wider * sizeof *list);
        NEED(f, list);
        for (size_t i = 0; i < p->out->count; i++)
            list[i] = p->out->list[i];
        p->out->list = list;
        p->capacity = wider;
    }
    p->out->list[p->out->count++] = one.list[0];
    return RESULT_OK;
}

/* A server that ignores paging sends no cookie: then this was everything. */
static enum result next_page(struct fault *f, struct arena *a, LDAP *ld, LDAPControl **controls, struct berval *cookie)
{
    struct berval next = {0, NULL};
    int estimate = 0;
    *cookie = (struct berval){0, NULL};
    LDAPControl *page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (page == NULL)
        return RESULT_OK;
    if (ldap_parse_pageresponse_control(ld, page, &estimate, &next) != LDAP_SUCCESS)
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

static enum result end_of(struct fault *f, struct round *r, struct pending *p, LDAPMessage *m)
{
    CLEANUP(ldapcontrols) LDAPControl **controls = NULL;
    struct connection *c = r->connection;
    if (ldap_parse_result(c->ld, m, &p->code, NULL, NULL, NULL, &controls, 0) != LDAP_SUCCESS)
        return dir_fault(f, c, LDAP_DECODING_ERROR, "search");
    p->done = true;
    r->open--;
    return p->search->cookie == NULL || p->code != LDAP_SUCCESS
               ? RESULT_OK
               : next_page(f, r->arena, c->ld, controls, p->search->cookie);
}

static enum result take_message(struct fault *f, struct round *r, int kind, LDAPMessage *m)
{
    struct pending *p = NULL;
    for (size_t i = 0; i < r->count && p == NULL; i++)
        if (r->list[i].sent && !r->list[i].done && r->list[i].id == ldap_msgid(m))
            p = &r->list[i];
    if (ldap_msgid(m) == 0) /* notice of disconnection, RFC 4511 §4.4.1 */
        return dir_fault(f, r->connection, LDAP_SERVER_DOWN, "search");
    if (p == NULL)
        return dir_fault(f, r->connection, LDAP_DECODING_ERROR, "search");
    if (kind == LDAP_RES_SEARCH_ENTRY)
        return add_entry(f, r, p, m);
    if (kind == LDAP_RES_SEARCH_RESULT)
        return end_of(f, r, p, m);
    p->referred |= kind == LDAP_RES_SEARCH_REFERENCE && r->connection->directory->type != DIRECTORY_AD;
    return RESULT_OK;
}

/* Whatever comes first, so that nothing piles up inside libldap. */
static enum result receive_one(struct fault *f, struct round *r)
{
    CLEANUP(ldapmsg) LDAPMessage *m = NULL;
    struct connection *c = r->connection;
    int64_t left = r->deadline_us - clock_monotonic_us();
    struct timeval wait = {.tv_sec = left / 1000000, .tv_usec = left % 1000000};
    int code = LDAP_TIMEOUT, kind = left <= 0 ? 0 : ldap_result(c->ld, LDAP_RES_ANY, LDAP_MSG_ONE, &wait, &m);
    if (kind < 0 && ldap_get_option(c->ld, LDAP_OPT_RESULT_CODE, &code) != LDAP_OPT_SUCCESS)
        code = LDAP_SERVER_DOWN;
    return kind > 0 ? take_message(f, r, kind, m) : dir_fault(f, c, code, "search");
}

/* ---- what came of it */

static enum result judge(struct fault *f, struct connection *c, const struct pending *p)
{
    if (p->code == LDAP_NO_SUCH_OBJECT)
        return FAULT(f, RESULT_NOT_FOUND, "the search base does not exist, or bind_dn may not see it");
    if (p->code == LDAP_REFERRAL || p->referred)
        return FAULT(f, RESULT_UNAVAILABLE,
                     "%s: part of the answer is on another server, and referrals are not followed",
                     c->directory->servers[c->server].url);
    if (p->code != LDAP_SUCCESS && !(p->code == LDAP_SIZELIMIT_EXCEEDED && p->search->limit > 0))
        return dir_fault(f, c, p->code, "search");
    return RESULT_OK;
}

/* Every question sent, every answer received, in the time one search may take. */
static enum result run_round(struct fault *f, struct round *r)
{
    r->deadline_us = clock_monotonic_us() + r->connection->directory->search_timeout_us;
    enum result result = RESULT_OK;
    for (size_t i = 0; i < r->count && result == RESULT_OK; i++)
        result = send_one(f, r, &r->list[i]);
    while (r->open > 0 && result == RESULT_OK)
        result = receive_one(f, r);
    if (r->open > 0)
        r->connection->spent = true; /* answers to nobody are still under way on it */
    return result;
}

static enum result told(const struct round *r, int64_t started_us, enum result result, const struct fault *f)
{
    for (size_t i = 0; i < r->count; i++)
        dir_trace_searched(r->connection, r->list[i].search, r->list[i].out->count, started_us,
                           result == RESULT_OK ? NULL : f);
    return result;
}

enum result dir_search(struct fault *f, struct arena *a, struct connection *c, const struct search *s,
                       struct entries *out_r)
{
    struct round r = {.connection = c, .arena = a, .count = 1, .list = {{.search = s, .out = out_r}}};
    *out_r = (struct entries){NULL, 0};
    int64_t started_us = clock_monotonic_us();
    enum result result = run_round(f, &r);
    if (result == RESULT_OK)
        result = judge(f, c, &r.list[0]);
    return told(&r, started_us, result, f);
}

/* Again, from the first page on, what the server would not say at once. */
static enum result by_pages(struct fault *f, struct arena *a, struct connection *c, const struct search *s,
                            struct entries *out_r)
{
    struct berval cookie = {0, NULL};
    struct search page = *s;
    struct round r = {.connection = c, .arena = a, .count = 1, .list = {{.search = &page, .out = out_r}}};
    struct pending *p = &r.list[0];
    page.cookie = &cookie;
    *out_r = (struct entries){NULL, 0};
    do {
        p->done = false;
        TRY(run_round(f, &r));
        TRY(judge(f, c, p));
    } while (cookie.bv_len > 0);
    return RESULT_OK;
}

enum result dir_searches(struct fault *f, struct arena *a, struct connection *c, const struct search *list,
                         size_t count, struct entries *out)
{
    struct round r = {.connection = c, .arena = a, .count = count};
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct entries){NULL, 0};
        r.list[i] = (struct pending){.search = &list[i], .out = &out[i]};
    }
    int64_t started_us = clock_monotonic_us();
    enum result result = run_round(f, &r);
    for (size_t i = 0; i < count && result == RESULT_OK; i++)
        if (r.list[i].code == LDAP_SIZELIMIT_EXCEEDED)
            result = by_pages(f, a, c, &list[i], &out[i]);
        else
            result = judge(f, c, &r.list[i]);
    return told(&r, started_us, result, f);
}
