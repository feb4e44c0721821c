/* `idbridge link`: which identity of which ID provider is which person of the directory. */
#include "private.h"

#include <string.h>

struct linking {
    struct admin ad;
    const char *iss, *sub, *directory;
    struct person person;
    struct link link;
    const char *event;
};

static int begin(struct linking *q, bool directory)
{
    struct linking wanted = *q;
    int status = admin_begin(&q->ad, directory);
    q->iss = wanted.iss;
    q->sub = wanted.sub;
    q->directory = wanted.directory;
    return status;
}

static enum result find_person(struct linking *q, const char *login)
{
    const char *const *names;
    struct fault *f = &q->ad.fault;
    if (q->directory == NULL)
        q->directory = config_text(q->ad.b.config, "link", NULL, "directory");
    if (q->directory == NULL && directories_names(q->ad.b.directories, &names) > 0)
        q->directory = names[0];
    TRY(directory_by_login(f, q->ad.arena, q->ad.b.directories, q->directory == NULL ? "" : q->directory, login, &q->person));
    if (q->person.status == ACCOUNT_UNKNOWN || q->person.status == ACCOUNT_AMBIGUOUS)
        return FAULT(f, RESULT_NOT_FOUND, "the directory has %s for that login name",
                     q->person.status == ACCOUNT_UNKNOWN ? "no entry" : "several entries");
    return RESULT_OK;
}

struct owner {
    struct arena *arena;
    const char *person_id;
};
static enum result keep_id(void *arg, const struct link *l)
{
    struct owner *o = arg;
    o->person_id = arena_strdup(o->arena, l->person_id);
    return RESULT_OK;
}

static enum result person_id_of(struct fault *f, struct store_view *v, struct linking *q, const char **out_r)
{
    struct owner o = {.arena = q->ad.arena};
    TRY(store_link_each(f, v, q->ad.arena, q->person.key, keep_id, &o));
    enum result r = o.person_id != NULL ? RESULT_OK : store_link_former(f, v, q->ad.arena, q->person.key, &o.person_id);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    *out_r = o.person_id != NULL ? o.person_id : random_id(q->ad.arena, 16);
    NEED(f, *out_r);
    return RESULT_OK;
}

static enum result add(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    q->link.person_key = q->person.key;
    q->link.dn = q->person.dn;
    TRY(person_id_of(f, v, q, &q->link.person_id));
    TRY(store_link_add(f, v, &q->link));
    return admin_audit(&q->ad, v, "link.add", q->link.person_id, "ok");
}

static int link_add(int argc, char **argv)
{
    static const struct option options[] = {{"upstream", required_argument, NULL, 'u'}, {"sub", required_argument, NULL, 's'},
                                            {"login", required_argument, NULL, 'l'}, {"directory", required_argument, NULL, 'd'},
                                            {NULL, 0, NULL, 0}};
    struct linking q = {0};
    const char *upstream = NULL, *login = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char **to = o == 'u' ? &upstream : o == 's' ? &q.sub : o == 'l' ? &login : o == 'd' ? &q.directory : NULL;
        if (to == NULL)
            return 2;
        *to = optarg;
    }
    if (upstream == NULL || q.sub == NULL || login == NULL || optind != argc)
        return admin_usage("link add --upstream NAME --sub SUB --login LOGIN [--directory NAME]");
    int status = begin(&q, true);
    if (status != 0)
        return status;
    int64_t now = clock_now();
    q.link = (struct link){.upstream = upstream, .sub = q.sub, .claims = "{}", .method = "admin", .state = "active",
                           .created = now, .last_used = now, .iss = upstream_issuer(q.ad.b.upstreams, upstream)};
    enum result r = q.link.iss == NULL ? FAULT(&q.ad.fault, RESULT_NOT_FOUND, "there is no [upstream %.60s]", upstream)
                                       : find_person(&q, login);
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, add, &q);
    if (r == RESULT_OK)
        (void)printf("linked: person %s\n", q.link.person_id);
    return admin_end(&q.ad, r);
}

static enum result print_link(void *arg, const struct link *l)
{
    struct arena *a = arg;
    (void)printf("%s %s person=%s key=%s state=%s by=%s since=%s last=%s\n", l->iss, l->sub, l->person_id, l->person_key,
                 l->state, l->method, clock_text(a, l->created), clock_text(a, l->last_used));
    return RESULT_OK;
}

static int link_list(int argc, char **argv)
{
    struct linking q = {0};
    const char *login = argc > 1 ? argv[1] : NULL;
    int status = begin(&q, login != NULL);
    if (status != 0)
        return status;
    enum result r = login == NULL ? RESULT_OK : find_person(&q, login);
    struct store_view *v = r == RESULT_OK ? store_reader(&q.ad.fault, q.ad.b.store) : NULL;
    if (r == RESULT_OK)
        r = v == NULL ? q.ad.fault.result : store_link_each(&q.ad.fault, v, q.ad.arena, q.person.key, print_link, q.ad.arena);
    return admin_end(&q.ad, r);
}

static enum result move(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    const char *person_id;
    TRY(store_link_get(f, v, q->ad.arena, q->iss, q->sub, &q->link));
    TRY(person_id_of(f, v, q, &person_id));
    TRY(store_revoke(f, v, NULL, NULL, q->link.person_id)); /* what the identity got as the other person ends now */
    TRY(store_link_move(f, v, q->iss, q->sub, q->person.key, person_id, q->person.dn));
    return admin_audit(&q->ad, v, "link.move", person_id, "ok");
}

static int link_move(int argc, char **argv)
{
    struct linking q = {0};
    if (argc != 4)
        return admin_usage("link move ISS SUB LOGIN");
    q.iss = argv[1];
    q.sub = argv[2];
    int status = begin(&q, true);
    if (status != 0)
        return status;
    enum result r = find_person(&q, argv[3]);
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, move, &q);
    if (r == RESULT_OK)
        (void)printf("moved to %s\n", q.person.key);
    return admin_end(&q.ad, r);
}

/* Taking a link away also ends what came of it: sessions, codes, refresh tokens of that person. */
static enum result change(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    TRY(store_link_get(f, v, q->ad.arena, q->iss, q->sub, &q->link));
    if (strcmp(q->event, "link.approve") == 0) {
        TRY(store_link_set_state(f, v, q->iss, q->sub, "active"));
    } else {
        TRY(store_link_remove(f, v, q->iss, q->sub));
        TRY(store_revoke(f, v, NULL, NULL, q->link.person_id));
    }
    return admin_audit(&q->ad, v, q->event, q->link.person_id, "ok");
}

static int change_link(int argc, char **argv, const char *event)
{
    struct linking q = {0};
    if (argc != 3) {
        (void)fprintf(stderr, "usage: idbridge link %s ISS SUB\n", argv[0]);
        return 2;
    }
    q.iss = argv[1];
    q.sub = argv[2];
    int status = begin(&q, false);
    if (status != 0)
        return status;
    q.event = event;
    enum result r = store_transaction(&q.ad.fault, q.ad.b.store, change, &q);
    if (r == RESULT_OK)
        (void)printf("%s: done\n", event);
    return admin_end(&q.ad, r);
}
static int link_remove(int argc, char **argv)
{
    return change_link(argc, argv, "link.remove");
}
static int link_approve(int argc, char **argv)
{
    return change_link(argc, argv, "link.approve");
}

static const struct subcommand LINK[] = {
    {"list", link_list, "list [LOGIN]", "Prints all links, or those of one person."},
    {"add", link_add, "add --upstream NAME --sub SUB --login LOGIN [--directory NAME]", "Links an identity to a directory entry."},
    {"move", link_move, "move ISS SUB LOGIN", "Gives an identity to another directory entry (a reissued national ID, a wrong link)."},
    {"approve", link_approve, "approve ISS SUB", "Lets a link that waits for approval count."},
    {"remove", link_remove, "remove ISS SUB", "Removes a link and ends the person's sessions and refresh tokens."},
    {NULL, NULL, NULL, NULL},
};
int admin_link(int argc, char **argv)
{
    return admin_dispatch("link", LINK, argc, argv);
}
