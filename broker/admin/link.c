/* `idbridge link`: which identity of which ID provider is which person of the directory. Links are by (iss, sub) to the
 * entry's stable id, never to a DN or an address (OpenID Connect Core §5.7). What each command means in a working life is
 * in docs/operate.md, "Links through a working life". */
#include "link.h"

#include <string.h>

/* ---- shared with link_list.c and link_import.c --------------------------------------------------------------------- */

static enum result not_one(struct fault *f, const struct person *p)
{
    if (p->status == ACCOUNT_UNKNOWN)
        return FAULT(f, RESULT_NOT_FOUND, "the directory has no entry for that login name");
    if (p->status == ACCOUNT_AMBIGUOUS)
        return FAULT(f, RESULT_NOT_FOUND, "the directory %s has several entries for that login name", p->directory);
    return RESULT_OK;
}

enum result link_find_entry(struct admin *ad, const char *directory, const char *login, struct person *out_r)
{
    TRY(login_find_entry(&ad->fault, ad->arena, &ad->b, directory, login, out_r));
    return not_one(&ad->fault, out_r);
}

const char *link_upstream_of(const struct bridge *b, const char *iss)
{
    const char *const *names;
    size_t n = config_names(b->config, "upstream", &names);
    for (size_t i = 0; i < n; i++)
        if (text_equal(upstream_issuer(b->upstreams, names[i]), iss))
            return names[i];
    return NULL;
}

/* Which identity it was stands in the sealed part of the row: `explain` tells the history of one link. */
enum result link_audit(struct admin *ad, struct store_view *v, const char *event, const struct link *l)
{
    const char *text = login_link_detail(ad->arena, l);
    NEED(&ad->fault, text);
    const struct audit row = {.event = event, .subject = l->person_id, .actor = ad->actor, .outcome = "ok", .detail = text};
    return store_audit_add(&ad->fault, v, &row);
}

enum result link_place(struct fault *f, struct store_view *v, struct admin *ad, struct link *l, bool second, bool *there_r)
{
    struct link there;
    enum result r = store_link_get(f, v, ad->arena, l->iss, l->sub, &there);
    *there_r = false;
    if (r == RESULT_OK && strcmp(there.person_key, l->person_key) != 0)
        return FAULT(f, RESULT_CONFLICT, "the identity is linked to another entry: see `link list`, `link move`");
    if (r == RESULT_OK && l->person_id != NULL && strcmp(there.person_id, l->person_id) != 0)
        return FAULT(f, RESULT_CONFLICT, "the identity is linked to that entry as person %s", there.person_id);
    if (r == RESULT_OK) {
        *there_r = true;
        l->person_id = there.person_id;
        return RESULT_OK;
    }
    if (r != RESULT_NOT_FOUND)
        return r;
    TRY(link_person_choose(f, v, ad, l, second));
    TRY(store_link_add(f, v, l));
    return link_audit(ad, v, strcmp(l->method, "import") == 0 ? "link.import" : "link.add", l);
}

/* ---- add ----------------------------------------------------------------------------------------------------------- */

struct linking {
    struct admin ad;
    const char *iss, *sub, *directory, *login, *upstream, *ref, *person_id;
    bool replace, same, other, gone;
    struct person person;
    struct link link;
    const char *event;
    json_t *subs;
};

static int begin(struct linking *q, bool directory)
{
    struct admin ad;
    int status = admin_begin(&ad, directory);
    q->ad = ad;
    return status;
}

/* The identities that came of an earlier national ID. */
static enum result note_earlier(void *arg, const struct link *l)
{
    struct linking *q = arg;
    if (strcmp(l->iss, q->link.iss) == 0 && strcmp(l->sub, q->link.sub) != 0)
        (void)json_array_append_new(q->subs, json_string(l->sub));
    return RESULT_OK;
}

static enum result replace_earlier(struct fault *f, struct store_view *v, struct linking *q)
{
    size_t i;
    json_t *sub;
    q->subs = arena_json(q->ad.arena, json_array());
    NEED(f, q->subs);
    TRY(store_link_each(f, v, q->ad.arena, q->link.person_key, note_earlier, q));
    json_array_foreach(q->subs, i, sub) {
        struct link gone = q->link;
        gone.sub = json_string_value(sub);
        TRY(store_link_remove(f, v, gone.iss, gone.sub));
        TRY(link_audit(&q->ad, v, "link.remove", &gone));
    }
    return i == 0 ? RESULT_OK : store_revoke(f, v, NULL, NULL, q->link.person_id);
}

static enum result note_row(void *arg, const struct audit_row *r)
{
    (void)r;
    *(bool *)arg = true;
    return RESULT_OK;
}

/* A slip of the pen would make another person of somebody. */
static enum result check_person(struct fault *f, struct store_view *v, struct linking *q)
{
    bool known = q->person_id == NULL;
    if (!known)
        TRY(store_audit_find(f, v, q->ad.arena, q->person_id, NULL, note_row, &known));
    return known ? RESULT_OK : FAULT(f, RESULT_NOT_FOUND, "nobody ever had that person id");
}

static enum result add(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    bool there;
    TRY(check_person(f, v, q));
    q->link.person_key = q->person.key;
    q->link.dn = q->person.dn;
    q->link.person_id = q->person_id;
    TRY(link_place(f, v, &q->ad, &q->link, true, &there));
    if (there && !q->replace)
        return FAULT(f, RESULT_CONFLICT, "the identity is linked to that entry already");
    return q->replace ? replace_earlier(f, v, q) : RESULT_OK;
}

static enum result take_refused(void *arg, const struct audit_row *r)
{
    struct linking *q = arg;
    struct fault ignored = {0};
    json_t *j;
    if (!text_equal(r->outcome, "link_taken") || r->detail == NULL ||
        json_parse(&ignored, q->ad.arena, r->detail, strlen(r->detail), 16u << 10, &j) != RESULT_OK)
        return RESULT_OK;
    q->sub = json_text(j, "sub");
    q->iss = json_text(j, "iss");
    return RESULT_OK;
}

/* Who was refused with `link_taken` tells the reference code of the page; the identity stands in its audit row. */
static enum result identity(struct linking *q)
{
    struct fault *f = &q->ad.fault;
    if (q->ref != NULL) {
        struct store_view *v = store_reader(f, q->ad.b.store);
        if (v == NULL)
            return f->result;
        TRY(store_audit_find(f, v, q->ad.arena, NULL, q->ref, take_refused, q));
        if (q->sub == NULL || q->iss == NULL)
            return FAULT(f, RESULT_NOT_FOUND, "no first sign-in was refused for a linked entry (link_taken) with that code");
        q->upstream = link_upstream_of(&q->ad.b, q->iss);
    } else {
        q->iss = upstream_issuer(q->ad.b.upstreams, q->upstream);
    }
    if (q->iss == NULL || q->upstream == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "there is no [upstream %.60s]", q->upstream == NULL ? q->iss : q->upstream);
    int64_t now = clock_now();
    q->link = (struct link){.upstream = q->upstream, .iss = q->iss, .sub = q->sub, .claims = "{}", .method = "admin",
                            .state = "active", .created = now, .last_used = now};
    return RESULT_OK;
}

#define ADD_USAGE "add {--upstream NAME --sub SUB | --ref CODE} --login LOGIN [--directory NAME] [--person ID] [--replace]"

static int link_add(int argc, char **argv)
{
    static const struct option options[] = {{"upstream", required_argument, NULL, 'u'}, {"sub", required_argument, NULL, 's'},
                                            {"login", required_argument, NULL, 'l'}, {"directory", required_argument, NULL, 'd'},
                                            {"ref", required_argument, NULL, 'r'}, {"person", required_argument, NULL, 'p'},
                                            {"replace", no_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};
    struct linking q = {0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const char *unused = NULL, **to = o == 'u' ? &q.upstream : o == 's' ? &q.sub : o == 'l' ? &q.login : o == 'd' ? &q.directory
                                 : o == 'r' ? &q.ref : o == 'p' ? &q.person_id : &unused;
        if (o == '?')
            return 2;
        *to = optarg;
        q.replace |= o == 'x';
    }
    bool named = q.upstream != NULL && q.sub != NULL && q.ref == NULL, by_ref = q.ref != NULL && q.upstream == NULL && q.sub == NULL;
    if ((!named && !by_ref) || q.login == NULL || optind != argc)
        return admin_usage("link " ADD_USAGE);
    int status = begin(&q, true);
    if (status != 0)
        return status;
    enum result r = identity(&q);
    if (r == RESULT_OK)
        r = link_find_entry(&q.ad, q.directory, q.login, &q.person);
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, add, &q);
    if (r == RESULT_OK)
        (void)printf("linked: person %s\n", q.link.person_id);
    return admin_end(&q.ad, r);
}

/* ---- move ---------------------------------------------------------------------------------------------------------- */

/* The identity is somebody else's: it takes the person id of the entry it goes to. */
static enum result give_away(struct fault *f, struct store_view *v, struct linking *q, const char *own)
{
    if (own == NULL && q->gone && !q->other)
        return FAULT(f, RESULT_INVALID, "the entry it had is gone: --same-person if they were hired anew (the DHIS2 account "
                                        "stays), --other-person if the link was wrong");
    if (login_password_directory(q->iss) != NULL)
        return FAULT(f, RESULT_INVALID, "that identity is the entry itself, who knows its password: it is nobody else's");
    const char *person_id = own != NULL ? own : random_id(q->ad.arena, 16);
    NEED(f, person_id);
    TRY(store_link_move(f, v, q->iss, q->sub, q->person.key, person_id, q->person.dn));
    q->link.person_id = person_id;
    return RESULT_OK;
}

/* The same human being with another entry: every identity of theirs goes along, and nothing changes in DHIS2. */
static enum result take_along(struct fault *f, struct store_view *v, struct linking *q, const char *own)
{
    TRY(link_person_instead(f, v, &q->ad, own, q->link.person_id, q->person.key));
    return store_link_follow(f, v, q->link.person_id, q->person.key);
}

/* The link that was named by ISS and SUB, or "no such link: ISS SUB". */
static enum result named_link(struct fault *f, struct store_view *v, struct linking *q, struct link *out_r)
{
    return admin_named(f, store_link_get(f, v, q->ad.arena, q->iss, q->sub, out_r), "link",
                       arena_printf(q->ad.arena, "%s %s", q->iss, q->sub));
}

static enum result move(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    const char *own = NULL;
    bool linked;
    TRY(named_link(f, v, q, &q->link));
    if (strcmp(q->link.person_key, q->person.key) == 0)
        return FAULT(f, RESULT_CONFLICT, "the identity is linked to that entry already");
    enum result r = store_link_person(f, v, q->ad.arena, q->person.key, &own, &linked);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    TRY(store_revoke(f, v, NULL, NULL, q->link.person_id)); /* what the identity got at the other entry ends now */
    TRY(q->same ? take_along(f, v, q, own) : give_away(f, v, q, own));
    q->link.person_key = q->person.key;
    return link_audit(&q->ad, v, "link.move", &q->link);
}

/* Does the entry that the link names still exist? Asked only where nobody said what the move means. */
static enum result look_for_old_entry(struct linking *q)
{
    struct person old;
    struct link l;
    struct fault *f = &q->ad.fault;
    struct store_view *v = store_reader(f, q->ad.b.store);
    if (v == NULL)
        return f->result;
    TRY(named_link(f, v, q, &l));
    enum result r = directory_by_key(f, q->ad.arena, q->ad.b.directories, l.person_key, &old);
    q->gone = r == RESULT_NOT_FOUND || (r == RESULT_OK && old.status == ACCOUNT_UNKNOWN);
    return r == RESULT_NOT_FOUND ? RESULT_OK : r; /* a [directory] that is no more */
}

#define MOVE_USAGE "move [--same-person | --other-person] [--directory NAME] ISS SUB LOGIN"

static int link_move(int argc, char **argv)
{
    static const struct option options[] = {{"same-person", no_argument, NULL, 's'}, {"other-person", no_argument, NULL, 'o'},
                                            {"directory", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    struct linking q = {0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == '?')
            return 2;
        q.same |= o == 's';
        q.other |= o == 'o';
        q.directory = o == 'd' ? optarg : q.directory;
    }
    if (optind + 3 != argc || (q.same && q.other))
        return admin_usage("link " MOVE_USAGE);
    q.iss = argv[optind];
    q.sub = argv[optind + 1];
    int status = begin(&q, true);
    if (status != 0)
        return status;
    enum result r = link_find_entry(&q.ad, q.directory, argv[optind + 2], &q.person);
    if (r == RESULT_OK && !q.same && !q.other)
        r = look_for_old_entry(&q);
    if (r == RESULT_OK)
        r = store_transaction(&q.ad.fault, q.ad.b.store, move, &q);
    if (r == RESULT_OK)
        (void)printf("moved to %s: person %s\n", q.person.key, q.link.person_id);
    return admin_end(&q.ad, r);
}

/* ---- approve, remove ----------------------------------------------------------------------------------------------- */

/* Taking a link away also ends what came of it: sessions, codes, refresh tokens of that person. */
static enum result change(struct fault *f, struct store_view *v, void *arg)
{
    struct linking *q = arg;
    TRY(named_link(f, v, q, &q->link));
    if (strcmp(q->event, "link.approve") == 0) {
        TRY(store_link_set_state(f, v, q->iss, q->sub, "active"));
    } else {
        TRY(store_link_remove(f, v, q->iss, q->sub));
        TRY(store_revoke(f, v, NULL, NULL, q->link.person_id));
    }
    return link_audit(&q->ad, v, q->event, &q->link);
}

static int change_link(int argc, char **argv, const char *event)
{
    struct linking q = {.event = event};
    if (argc != 3) {
        (void)fprintf(stderr, "usage: idbridge link %s ISS SUB\n", argv[0]);
        return 2;
    }
    q.iss = argv[1];
    q.sub = argv[2];
    int status = begin(&q, false);
    if (status != 0)
        return status;
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
    {"list", link_list, "list [--upstream NAME] [--directory NAME] [--dangling] [--csv] [LOGIN]",
     "Prints links: all, of one person, or those whose entry is gone; --csv in the form `link import` reads."},
    {"add", link_add, ADD_USAGE, "Links an identity to a directory entry; --replace takes the earlier one of that provider away."},
    {"move", link_move, MOVE_USAGE, "Gives an identity to another entry: of the same person hired anew, or of who it really is."},
    {"import", link_import, "import [--dry-run] [--upstream NAME] [--directory NAME] [--by ATTRIBUTE] FILE|-",
     "Adds the links of a CSV or JSON lines file, all or none; says for each line why not."},
    {"approve", link_approve, "approve ISS SUB", "Lets a link that waits for approval count."},
    {"remove", link_remove, "remove ISS SUB", "Removes a link and ends the person's sessions and refresh tokens."},
    {NULL, NULL, NULL, NULL},
};
int admin_link(int argc, char **argv)
{
    return admin_dispatch("link", LINK, argc, argv);
}
