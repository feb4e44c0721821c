/* Refusals are counted in memory and written to the audit once a minute, one row per reason: an anonymous flood costs no
 * storage, and still leaves a trace. Somebody the ID provider authenticated and the bridge knows gets a row of their own,
 * written beside the answer: "why was she refused on Monday" is asked. The log line of each carries its reference code. */
#include "private.h"

#include <stdatomic.h>
#include <stdlib.h>

#define REASONS_MAX 64
static atomic_llong counts[REASONS_MAX];

void refusals_count(size_t reason)
{
    if (reason < REASONS_MAX)
        atomic_fetch_add(&counts[reason], 1);
}

enum result login_audit_refusals(struct fault *f, struct store_view *v)
{
    const struct reason *r;
    for (size_t i = 0; i < REASONS_MAX && (r = reason_at(i)) != NULL; i++) {
        long long n = atomic_exchange(&counts[i], 0);
        char detail[48];
        if (n == 0)
            continue;
        (void)snprintf(detail, sizeof(detail), "{\"count\":%lld}", n);
        const struct audit row = {.event = "login.refused", .actor = "bridge", .outcome = r->code, .detail = detail};
        TRY(store_audit_add(f, v, &row));
    }
    return RESULT_OK;
}

struct row_of_person {
    struct store_write write; /* the first member */
    char subject[64], actor[129], reason[32], ref[24];
};

static enum result write_row(struct fault *f, struct store_view *v, void *arg)
{
    const struct row_of_person *r = arg;
    const struct audit row = {.event = "login.refused", .subject = r->subject, .actor = r->actor, .outcome = r->reason, .ref = r->ref};
    return store_audit_add(f, v, &row);
}

static void row_done(struct store_write *w)
{
    if (w->fault.result != RESULT_OK)
        log_fault(LEVEL_ERROR, "audit", &w->fault);
    free(w->arg);
}

void refusals_person(const struct exchange *x, const struct login *l, const char *reason)
{
    struct row_of_person *r = l->link.person_id == NULL ? NULL : calloc(1, sizeof(*r));
    if (r == NULL)
        return;
    (void)snprintf(r->subject, sizeof(r->subject), "%s", l->link.person_id);
    (void)snprintf(r->actor, sizeof(r->actor), "%s", l->client_id == NULL ? "bridge" : l->client_id);
    (void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
    (void)snprintf(r->ref, sizeof(r->ref), "%s", x->ref);
    r->write = (struct store_write){.run = write_row, .done = row_done, .arg = r};
    if (store_submit(x->bridge->store, &r->write) != RESULT_OK)
        free(r); /* the store is overloaded: the count and the log line remain */
}
