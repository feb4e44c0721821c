/* Which connection does this thread read with? One per thread and store, opened at first use, closed when the thread
 * ends or the store is closed (then no other thread may be using it). A reader never waits for the writer (WAL). */
#include "db.h"

#include <stdlib.h>
#include <string.h>

static void reader_close(void *p)
{
    struct reader *r = p;
    struct store *s = r->view.store;
    pthread_mutex_lock(&s->readers_lock);
    *r->link = r->next;
    if (r->next != NULL)
        r->next->link = r->link;
    pthread_mutex_unlock(&s->readers_lock);
    view_close(&r->view);
    free(r);
}

static void reader_list(struct store *s, struct reader *r)
{
    pthread_mutex_lock(&s->readers_lock);
    r->next = s->readers;
    r->link = &s->readers;
    if (r->next != NULL)
        r->next->link = &r->next;
    s->readers = r;
    pthread_mutex_unlock(&s->readers_lock);
}

static enum result reader_new(struct fault *f, struct store *s, struct reader **out_r)
{
    struct reader *r = calloc(1, sizeof *r);
    NEED(f, r);
    enum result result = view_open(f, s, &r->view);
    if (result == RESULT_OK)
        result = connection_exec(f, r->view.db, "PRAGMA query_only = ON");
    if (result != RESULT_OK) {
        view_close(&r->view);
        free(r);
        return result;
    }
    reader_list(s, r);
    *out_r = r;
    return RESULT_OK;
}

struct store_view *store_reader(struct fault *f, struct store *s)
{
    struct reader *r = pthread_getspecific(s->reader_key);
    if (r != NULL)
        return &r->view;
    if (reader_new(f, s, &r) != RESULT_OK)
        return NULL;
    if (pthread_setspecific(s->reader_key, r) != 0) {
        reader_close(r);
        (void)FAULT(f, RESULT_INTERNAL, "out of memory");
        return NULL;
    }
    return &r->view;
}

enum result readers_start(struct fault *f, struct store *s)
{
    int rc = pthread_key_create(&s->reader_key, reader_close);
    return rc == 0 ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "no thread key left: %s", strerror(rc));
}

void readers_stop(struct store *s)
{
    pthread_key_delete(s->reader_key);
    while (s->readers != NULL)
        reader_close(s->readers); /* NOLINT(clang-analyzer-unix.Malloc): it takes itself out of the list first */
}
