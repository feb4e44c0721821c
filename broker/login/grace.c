/* May the directory's last answer count while no server of it can be reached? Used by the stations of logins and refreshes.
 *
 * It is the last answer, good or bad: one that refused takes the good one away, one with fewer groups replaces it even where
 * the login then failed for another reason, so that an outage brings nobody back and gives nothing back. And it counts only
 * where nobody answered: a server that says no, or says too little, is not covered up. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

enum { COPY_MAX = 512 << 10 };

static int64_t grace_of(const struct bridge *b, const char *directory)
{
    return directory == NULL ? 0 : config_number(b->config, "directory", directory, "grace");
}

static const char *directory_of(struct arena *a, const char *person_key)
{
    const char *colon = person_key == NULL ? NULL : strchr(person_key, ':');
    return colon == NULL ? NULL : arena_strndup(a, person_key, (size_t)(colon - person_key));
}

/* Not one of the future either: a clock that was set back must not make a copy last. */
static bool is_young(int64_t seen, int64_t grace, int64_t now)
{
    return seen <= now + 60 && now - seen <= grace;
}

/* `[directory x] grace`, 0 meaning never. */
enum result grace_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l)
{
    struct fault ignored = {0};
    const char *directory = directory_of(a, l->link.person_key), *data;
    int64_t grace = grace_of(b, directory), seen = 0;
    struct store_view *v = store_reader(&ignored, b->store);
    if (grace == 0 || v == NULL || GUARD(grace_unreachable, !directory_unreachable(b->directories, directory)))
        return f->result;
    if (store_person_get(&ignored, v, a, l->link.person_key, &data, &seen) != RESULT_OK || !is_young(seen, grace, clock_now()))
        return f->result;
    TRY(person_from_json(f, a, data, &l->person));
    l->person.from_grace = true;
    l->person.seen = seen;
    if (!l->want_trace) /* no label: how many may be enough to wake somebody */
        metric_add("idbridge_grace_total", NULL, 1);
    return RESULT_OK;
}

/* NULL: larger than a row of the store may be. Then there is none: the login goes on, and an older one must not stay. */
static const char *copy_of(struct arena *a, const struct person *p)
{
    struct fault f = {0};
    const char *data = person_to_json(a, p);
    if (data != NULL && strlen(data) <= COPY_MAX)
        return data;
    (void)FAULT(&f, RESULT_INVALID, "a person's entry is too large to be kept for grace");
    log_fault(LEVEL_WARN, "grace", &f);
    return NULL;
}

enum result login_keep_answer(struct fault *f, struct exchange *x, const struct login *l)
{
    if (l->person.from_grace || grace_of(x->bridge, l->person.directory) == 0)
        return RESULT_OK;
    const char *data = copy_of(x->arena, &l->person);
    return data == NULL ? store_person_remove(f, x->view, l->person.key)
                        : store_person_put(f, x->view, l->person.key, data, clock_now());
}

/* A write of its own: a login that is refused writes nothing else. */
struct answered {
    struct store_write write; /* the first member: done() gets a pointer to it */
    const char *data;         /* behind the key; NULL: there is to be no copy */
    char key[];
};

static enum result answered_run(struct fault *f, struct store_view *v, void *arg)
{
    const struct answered *g = arg;
    return g->data == NULL ? store_person_remove(f, v, g->key) : store_person_put(f, v, g->key, g->data, clock_now());
}

static void answered_done(struct store_write *w)
{
    struct answered *g = (struct answered *)w;
    if (w->fault.result != RESULT_OK)
        log_fault(LEVEL_WARN, "grace", &w->fault);
    if (g->data != NULL)
        wipe((char *)(uintptr_t)g->data, strlen(g->data));
    free(g);
}

void grace_answered(struct bridge *b, struct arena *a, const struct login *l, bool refused)
{
    const char *key = l->link.person_key, *data = NULL;
    if (!l->linked || l->want_trace || l->person.from_grace || (!refused && grace_of(b, directory_of(a, key)) == 0))
        return; /* explain writes nothing, and a copy does not judge itself */
    if (!refused)
        data = copy_of(a, &l->person);
    size_t n = strlen(key) + 1, more = data == NULL ? 0 : strlen(data) + 1;
    struct answered *g = calloc(1, sizeof(*g) + n + more);
    struct fault full = {0};
    if (g != NULL) {
        memcpy(g->key, key, n);
        g->data = data == NULL ? NULL : memcpy(g->key + n, data, more);
        g->write = (struct store_write){.run = answered_run, .done = answered_done, .arg = g};
    }
    if (g != NULL && store_submit(b->store, &g->write) == RESULT_OK)
        return;
    free(g);
    (void)FAULT(&full, RESULT_OVERLOADED, "a refusal by the directory could not be noted: an older answer still counts for grace");
    log_fault(LEVEL_WARN, "grace", &full);
}
