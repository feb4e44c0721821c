/* Refusals are counted in memory and written to the audit once a minute, one row per reason: an anonymous flood costs no
 * storage, and still leaves a trace. The log line of each refusal carries its reference code. */
#include "private.h"

#include <stdatomic.h>

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
