/* `idbridge link list`: which links are there, and which of them name an entry that is gone? For the last the directory is
 * walked once, page by page, however many links there are. With --csv what is printed can be read by `link import`: the
 * person ids go along, so that a store made anew means the same DHIS2 accounts. */
#include "link.h"

#include <csv.h>
#include <string.h>

struct listing {
    struct admin ad;
    const char *upstream, *directory, *person_key;
    bool dangling, csv;
    json_t *entries; /* the keys of all who are in a directory */
    size_t count;
};

static void print_csv(struct arena *a, const struct link *l)
{
    const char *const values[] = {l->upstream, l->iss, l->sub, l->person_key, l->person_id, l->state, l->method,
                                  clock_text(a, l->created), clock_text(a, l->last_used)};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (i > 0)
            (void)putchar(',');
        (void)csv_fwrite(stdout, values[i], strlen(values[i]));
    }
    (void)putchar('\n');
}

static void print_line(struct arena *a, const struct link *l)
{
    (void)printf("%s %s person=%s key=%s state=%s by=%s since=%s last=%s upstream=%s\n", l->iss, l->sub, l->person_id,
                 l->person_key, l->state, l->method, clock_text(a, l->created), clock_text(a, l->last_used), l->upstream);
}

static bool wanted(const struct listing *q, const struct link *l)
{
    size_t n = q->directory == NULL ? 0 : strlen(q->directory);
    if (q->upstream != NULL && !text_equal(q->upstream, l->upstream))
        return false;
    if (n > 0 && (strncmp(l->person_key, q->directory, n) != 0 || l->person_key[n] != ':'))
        return false;
    return !q->dangling || json_object_get(q->entries, l->person_key) == NULL;
}

static enum result print_link(void *arg, const struct link *l)
{
    struct listing *q = arg;
    CLEANUP(arena) struct arena *a = arena_new(64u << 10);
    NEED(&q->ad.fault, a);
    if (!wanted(q, l))
        return RESULT_OK;
    q->count++;
    (q->csv ? print_csv : print_line)(a, l);
    return RESULT_OK;
}

static enum result note_entry(void *arg, struct arena *a, const struct person *p)
{
    struct listing *q = arg;
    (void)a;
    (void)json_object_set_new(q->entries, p->key, json_true());
    return RESULT_OK;
}

/* A directory that does not answer ends the command: nobody may be taken for gone because a server is down. One that is
 * not configured any more leaves its links without an entry, truly. */
static enum result note_entries(struct listing *q)
{
    const char *const *names;
    size_t n = directories_names(q->ad.b.directories, &names);
    q->entries = arena_json(q->ad.arena, json_object());
    NEED(&q->ad.fault, q->entries);
    for (size_t i = 0; i < n; i++)
        if (q->directory == NULL || strcmp(q->directory, names[i]) == 0)
            TRY(directory_each_entry(&q->ad.fault, q->ad.b.directories, names[i], note_entry, q));
    return RESULT_OK;
}

static enum result list(struct listing *q, const char *login)
{
    struct person p;
    struct fault *f = &q->ad.fault;
    if (login != NULL)
        TRY(link_find_entry(&q->ad, q->directory, login, &p));
    if (q->dangling)
        TRY(note_entries(q));
    struct store_view *v = store_reader(f, q->ad.b.store);
    if (v == NULL)
        return f->result;
    if (q->csv)
        (void)printf("upstream,iss,sub,person_key,person_id,state,method,created,last_used\n");
    TRY(store_link_each(f, v, NULL, login == NULL ? NULL : p.key, print_link, q));
    if (q->dangling)
        (void)fprintf(stderr, "%zu links name an entry that is gone%s\n", q->count,
                      q->count == 0 ? "" : ": `idbridge explain \"ISS SUB\"` says what can be done about each");
    return RESULT_OK;
}

int link_list(int argc, char **argv)
{
    static const struct option options[] = {{"upstream", required_argument, NULL, 'u'}, {"directory", required_argument, NULL, 'd'},
                                            {"dangling", no_argument, NULL, 'g'}, {"csv", no_argument, NULL, 'c'}, {NULL, 0, NULL, 0}};
    struct listing q = {0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == '?')
            return 2;
        q.upstream = o == 'u' ? optarg : q.upstream;
        q.directory = o == 'd' ? optarg : q.directory;
        q.dangling |= o == 'g';
        q.csv |= o == 'c';
    }
    if (optind + 1 < argc)
        return admin_usage("link list [--upstream NAME] [--directory NAME] [--dangling] [--csv] [LOGIN]");
    struct admin ad;
    const char *login = optind < argc ? argv[optind] : NULL;
    int status = admin_begin(&ad, login != NULL || q.dangling);
    if (status != 0)
        return status;
    q.ad = ad;
    return admin_end(&q.ad, list(&q, login));
}
