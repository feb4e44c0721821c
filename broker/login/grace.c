/* May the directory's last good answer count while it is down? Used by the stations of logins and refreshes. An answer that
 * let nobody in takes the good one away, so that an outage does not bring back who was disabled before it. */
#include "private.h"

#include <stdlib.h>
#include <string.h>

/* Directory down: the last good answer counts for `[directory x] grace`, 0 meaning never. */
enum result grace_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l)
{
    struct fault ignored = {0};
    const char *colon = strchr(l->link.person_key, ':');
    char *directory = colon == NULL ? NULL : arena_strndup(a, l->link.person_key, (size_t)(colon - l->link.person_key));
    if (directory == NULL)
        return RESULT_UNAVAILABLE;
    int64_t grace = config_number(b->config, "directory", directory, "grace"), seen;
    struct store_view *v = store_reader(&ignored, b->store);
    const char *data;
    if (grace == 0 || v == NULL || store_person_get(&ignored, v, a, l->link.person_key, &data, &seen) != RESULT_OK ||
        seen + grace < clock_now())
        return f->result;
    TRY(person_from_json(f, a, data, &l->person));
    l->person.from_grace = true;
    l->person.seen = seen;
    return RESULT_OK;
}

/* A write of its own: nobody waits for it, and a login that is refused writes nothing else. */
struct forgetting {
    struct store_write write; /* the first member: done() gets a pointer to it */
    char person_key[];
};
static enum result forget(struct fault *f, struct store_view *v, void *arg)
{
    const struct forgetting *g = arg;
    return store_person_remove(f, v, g->person_key);
}
static void forgotten(struct store_write *w)
{
    if (w->fault.result != RESULT_OK)
        log_fault(LEVEL_WARN, "grace", &w->fault);
    free(w);
}

void grace_forget(struct bridge *b, const struct login *l)
{
    const char *key = l->link.person_key;
    if (!l->linked || l->want_trace || l->person.from_grace || key == NULL)
        return; /* explain writes nothing, and a copy does not judge itself */
    struct forgetting *g = calloc(1, sizeof(*g) + strlen(key) + 1);
    if (g == NULL)
        return;
    memcpy(g->person_key, key, strlen(key) + 1);
    g->write = (struct store_write){.run = forget, .done = forgotten, .arg = g};
    if (store_submit(b->store, &g->write) != RESULT_OK)
        free(g);
}
