/* `idbridge link import FILE`: many links at once, out of what a personnel office or an ID authority has. All lines are
 * stored in one transaction or none; each line that cannot be is told with its number and reason. The directories are
 * walked once, page by page, so 10,000 lines cost pages and not searches; a login name that the walk does not know goes
 * through `login_filter` as at linking. All that is asked before the transaction begins: logins do not wait for it.
 *
 * Columns: sub; upstream or iss (or --upstream); login, person_key, or the attribute that --by names; directory,
 * person_id, state where wanted. Others are left alone and named. */
#include "link.h"

#include <string.h>

#define FILE_MAX (256u << 20)
#define PERSON_ID_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define REPORT_MAX 200u /* lines of faults that are printed; all are counted */

struct entry_found {
    const char *key, *dn;
    bool twice;
};

/* One line of the file: the link it asks for, or why it cannot be. */
struct line {
    struct line *next;
    size_t number;
    struct link link;
    const char *why;
};

struct importing {
    struct admin ad;
    const char *path, *upstream, *directory, *by;
    bool dry_run;
    json_t *walked;  /* directory name -> {"login": {}, "key": {}, "by": {}}, each value -> address of an entry_found */
    json_t *seen;    /* "iss sub" -> line */
    json_t *unused;  /* columns that mean nothing here */
    struct line *first, **last;
    size_t added, there, refused;
    int64_t now;
};

/* ---- who is in the directory --------------------------------------------------------------------------------------- */

/* ASCII only; other spellings go through the directory's own matching. */
static const char *folded(struct arena *a, const char *s)
{
    char *low = arena_strdup(a, s);
    for (char *p = low; p != NULL && *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return low;
}

static struct entry_found *entry_at(const json_t *index, const char *value)
{
    const json_t *j = value == NULL ? NULL : json_object_get(index, value);
    return j == NULL ? NULL : (struct entry_found *)(intptr_t)json_integer_value(j);
}

static enum result note(struct importing *q, json_t *index, const char *value, struct entry_found *e)
{
    struct entry_found *there = entry_at(index, value);
    if (value == NULL || (there != NULL && strcmp(there->key, e->key) == 0))
        return RESULT_OK;
    if (there != NULL) { /* one value, two entries: it names nobody */
        struct entry_found *both = arena_alloc(q->ad.arena, sizeof(*both));
        NEED(&q->ad.fault, both);
        *both = *there;
        both->twice = true;
        e = both;
    }
    return json_object_set_new(index, value, json_integer((json_int_t)(intptr_t)e)) == 0
               ? RESULT_OK
               : FAULT(&q->ad.fault, RESULT_INTERNAL, "out of memory");
}

struct walking {
    struct importing *q;
    json_t *login, *key, *by;
};
static enum result note_entry(void *arg, struct arena *a, const struct person *p)
{
    struct walking *w = arg;
    struct importing *q = w->q;
    size_t i;
    json_t *value;
    struct entry_found *e = arena_alloc(q->ad.arena, sizeof(*e));
    NEED(&q->ad.fault, e);
    *e = (struct entry_found){.key = arena_strdup(q->ad.arena, p->key), .dn = arena_strdup(q->ad.arena, p->dn)};
    NEED(&q->ad.fault, e->key);
    NEED(&q->ad.fault, e->dn);
    TRY(note(q, w->key, e->key, e));
    if (p->login != NULL)
        TRY(note(q, w->login, folded(a, p->login), e));
    json_array_foreach(q->by == NULL ? NULL : json_object_get(p->attributes, q->by), i, value)
        TRY(note(q, w->by, json_string_value(value), e));
    return RESULT_OK;
}

static enum result walk(struct importing *q, const char *directory, json_t **out_r)
{
    *out_r = json_object_get(q->walked, directory);
    if (*out_r != NULL)
        return RESULT_OK;
    json_t *index = json_pack("{s:{}, s:{}, s:{}}", "login", "key", "by");
    if (index == NULL || json_object_set_new(q->walked, directory, index) != 0)
        return FAULT(&q->ad.fault, RESULT_INTERNAL, "out of memory");
    struct walking w = {q, json_object_get(index, "login"), json_object_get(index, "key"), json_object_get(index, "by")};
    *out_r = index;
    return directory_each_entry(&q->ad.fault, q->ad.b.directories, directory, note_entry, &w);
}

static enum result take_entry(struct importing *q, const struct entry_found *e, const char *what, struct link *l)
{
    if (e == NULL)
        return FAULT(&q->ad.fault, RESULT_NOT_FOUND, "the directory has no entry with that %s", what);
    if (e->twice)
        return FAULT(&q->ad.fault, RESULT_NOT_FOUND, "the directory has several entries with that %s", what);
    l->person_key = e->key;
    l->dn = e->dn;
    return RESULT_OK;
}

static enum result find_login(struct importing *q, const json_t *index, const char *directory, const char *login, struct link *l)
{
    struct person p;
    bool own_filter = config_has(q->ad.b.config, "directory", directory, "login_filter");
    const struct entry_found *e = own_filter ? NULL : entry_at(json_object_get(index, "login"), folded(q->ad.arena, login));
    if (e != NULL)
        return take_entry(q, e, "login name", l);
    TRY(link_find_entry(&q->ad, directory, login, &p));
    l->person_key = p.key;
    l->dn = p.dn;
    return RESULT_OK;
}

static enum result find_entry(struct importing *q, const json_t *row, struct link *l)
{
    json_t *index;
    const char *key = json_text(row, "person_key"), *login = json_text(row, "login");
    const char *by = q->by == NULL ? NULL : json_text(row, q->by), *colon = key == NULL ? NULL : strchr(key, ':');
    const char *directory = json_text(row, "directory") != NULL ? json_text(row, "directory")
                            : colon != NULL ? arena_strndup(q->ad.arena, key, (size_t)(colon - key))
                            : q->directory != NULL ? q->directory : login_directory(&q->ad.b);
    NEED(&q->ad.fault, directory);
    if ((key != NULL) + (login != NULL) + (by != NULL) != 1)
        return FAULT(&q->ad.fault, RESULT_INVALID, "whose it is must stand in one column: login, person_key%s%s",
                     q->by == NULL ? "" : " or ", q->by == NULL ? "" : q->by);
    TRY(walk(q, directory, &index));
    if (login != NULL)
        return find_login(q, index, directory, login, l);
    return key != NULL ? take_entry(q, entry_at(json_object_get(index, "key"), key), "person_key", l)
                       : take_entry(q, entry_at(json_object_get(index, "by"), by), q->by, l);
}

/* ---- one line ------------------------------------------------------------------------------------------------------ */

/* An entry's own identity (login by its password) is its own issuer; it comes out of `link list --csv`, too. */
static const char *issuer_of(const struct bridge *b, const char *upstream)
{
    const char *const *names, *directory = login_password_directory(upstream);
    size_t n = directories_names(b->directories, &names), i = 0;
    if (directory == NULL)
        return upstream_issuer(b->upstreams, upstream);
    while (i < n && strcmp(names[i], directory) != 0)
        i++;
    return i < n ? upstream : NULL;
}

static enum result find_provider(struct importing *q, const json_t *row, struct link *l)
{
    struct fault *f = &q->ad.fault;
    const char *iss = json_text(row, "iss");
    if (l->upstream == NULL)
        l->upstream = q->upstream != NULL ? q->upstream : iss != NULL ? link_upstream_of(&q->ad.b, iss) : NULL;
    const char *issuer = l->upstream == NULL ? NULL : issuer_of(&q->ad.b, l->upstream);
    if (issuer == NULL)
        return FAULT(f, RESULT_INVALID, "no ID provider: a column upstream or iss, or --upstream, must name a configured one");
    if (iss != NULL && strcmp(iss, issuer) != 0)
        return FAULT(f, RESULT_INVALID, "iss is not the issuer of [upstream %.40s]", l->upstream);
    l->iss = issuer;
    return RESULT_OK;
}

static enum result seen_before(struct importing *q, size_t line, const struct link *l)
{
    const char *identity = arena_printf(q->ad.arena, "%s %s", l->iss, l->sub);
    NEED(&q->ad.fault, identity);
    const json_t *first = json_object_get(q->seen, identity);
    if (first != NULL)
        return FAULT(&q->ad.fault, RESULT_CONFLICT, "the same identity as line %lld", (long long)json_integer_value(first));
    (void)json_object_set_new(q->seen, identity, json_integer((json_int_t)line));
    return RESULT_OK;
}

static enum result copy_text(struct importing *q, const json_t *row, const char *column, size_t most, const char **out_r)
{
    const char *text = json_text(row, column);
    if (text == NULL)
        return RESULT_OK;
    if (strlen(text) > most)
        return FAULT(&q->ad.fault, RESULT_INVALID, "%s is longer than %zu characters", column, most);
    *out_r = arena_strdup(q->ad.arena, text);
    NEED(&q->ad.fault, *out_r);
    return RESULT_OK;
}

/* An entry's own identity is nobody else's. */
static enum result check_own(struct fault *f, const struct link *l)
{
    const char *directory = login_password_directory(l->iss);
    size_t n = directory == NULL ? 0 : strlen(directory);
    if (directory != NULL && (strncmp(l->person_key, directory, n) != 0 || l->person_key[n] != ':' || strcmp(l->person_key + n + 1, l->sub) != 0))
        return FAULT(f, RESULT_INVALID, "that identity is another entry itself, who knows its password");
    return RESULT_OK;
}

static enum result read_line(struct importing *q, size_t line, const json_t *row, struct link *l)
{
    struct fault *f = &q->ad.fault;
    *l = (struct link){.claims = "{}", .method = "import", .state = "active", .created = q->now, .last_used = q->now};
    TRY(copy_text(q, row, "sub", 255, &l->sub)); /* OpenID Connect Core §2 */
    TRY(copy_text(q, row, "person_id", 64, &l->person_id));
    TRY(copy_text(q, row, "state", 16, &l->state));
    TRY(copy_text(q, row, "upstream", 64, &l->upstream));
    if (l->sub == NULL)
        return FAULT(f, RESULT_INVALID, "no sub");
    for (const char *p = l->sub; *p != '\0'; p++)
        if ((unsigned char)*p < ' ')
            return FAULT(f, RESULT_INVALID, "sub holds a control character");
    if (l->person_id != NULL && l->person_id[strspn(l->person_id, PERSON_ID_LETTERS)] != '\0') /* it becomes DHIS2's openId */
        return FAULT(f, RESULT_INVALID, "person_id holds more than letters, digits, - and _");
    if (!text_has_word("active pending", l->state))
        return FAULT(f, RESULT_INVALID, "state is active or pending");
    TRY(find_provider(q, row, l));
    TRY(seen_before(q, line, l));
    TRY(find_entry(q, row, l));
    return check_own(f, l);
}

static void note_unused(struct importing *q, const json_t *row)
{
    static const char known[] = "sub upstream iss login person_key directory person_id state method created last_used";
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)row, name, value)
        if (!text_has_word(known, name) && !text_equal(q->by, name))
            (void)json_object_set_new(q->unused, name, json_true());
}

/* What is wrong with one line ends that line; what ends them all is a dependency or the store. */
static bool of_the_line(enum result r)
{
    return r == RESULT_INVALID || r == RESULT_NOT_FOUND || r == RESULT_CONFLICT;
}

static enum result each_line(void *arg, size_t number, const json_t *row)
{
    struct importing *q = arg;
    struct line *line = arena_alloc(q->ad.arena, sizeof(*line));
    NEED(&q->ad.fault, line);
    note_unused(q, row);
    line->number = number;
    enum result r = read_line(q, number, row, &line->link);
    if (of_the_line(r)) {
        line->why = arena_strdup(q->ad.arena, q->ad.fault.detail);
        NEED(&q->ad.fault, line->why);
    } else if (r != RESULT_OK) {
        return r;
    }
    *q->last = line;
    q->last = &line->next;
    return RESULT_OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static enum result store_line(struct importing *q, struct store_view *v, struct line *line)
{
    bool there = false;
    enum result r = line->why != NULL ? RESULT_INVALID : link_place(&q->ad.fault, v, &q->ad, &line->link, false, &there);
    if (r == RESULT_OK)
        *(there ? &q->there : &q->added) += 1;
    if (!of_the_line(r))
        return r;
    if (q->refused++ < REPORT_MAX)
        (void)fprintf(stderr, "%s:%zu: %s\n", q->path, line->number, line->why != NULL ? line->why : q->ad.fault.detail);
    return RESULT_OK;
}

/* Also a dry run does all this, and is rolled back at the end: it says what the real one will say. */
static enum result import(struct fault *f, struct store_view *v, void *arg)
{
    struct importing *q = arg;
    for (struct line *line = q->first; line != NULL; line = line->next)
        TRY(store_line(q, v, line));
    if (q->refused > 0)
        return FAULT(f, RESULT_CONFLICT, "%zu lines cannot be linked: nothing was written", q->refused);
    return q->dry_run ? FAULT(f, RESULT_CONFLICT, "a dry run") : RESULT_OK;
}

static enum result check_by(struct importing *q)
{
    const char *directory = q->directory != NULL ? q->directory : login_directory(&q->ad.b);
    for (char *const *m = config_list(q->ad.b.config, "directory", directory, "attributes"); m != NULL && *m != NULL; m++)
        if (text_equal(q->by, *m))
            return RESULT_OK;
    return q->by == NULL ? RESULT_OK : FAULT(&q->ad.fault, RESULT_INVALID, "--by: [directory %.40s] attributes does not list %.60s",
                                             directory, q->by);
}

static enum result read_file(struct importing *q)
{
    char *text;
    size_t len;
    q->walked = arena_json(q->ad.arena, json_object());
    q->seen = arena_json(q->ad.arena, json_object());
    q->unused = arena_json(q->ad.arena, json_object());
    q->now = clock_now();
    q->last = &q->first;
    TRY(check_by(q));
    TRY(admin_read_file(&q->ad, q->path, FILE_MAX, &text, &len));
    return link_table(&q->ad.fault, q->ad.arena, text, len, each_line, q);
}

static enum result run(struct importing *q)
{
    const char *name;
    json_t *value;
    TRY(read_file(q));
    enum result r = store_transaction(&q->ad.fault, q->ad.b.store, import, q);
    if (q->refused > REPORT_MAX)
        (void)fprintf(stderr, "and %zu lines more\n", q->refused - REPORT_MAX);
    json_object_foreach(q->unused, name, value)
        (void)fprintf(stderr, "column not used: %s\n", name);
    if (q->dry_run && q->refused == 0 && r == RESULT_CONFLICT)
        r = RESULT_OK;
    if (r == RESULT_OK)
        (void)printf("%zu linked, %zu there already%s\n", q->added, q->there, q->dry_run ? " (dry run: nothing was written)" : "");
    return r;
}

#define USAGE "link import [--dry-run] [--upstream NAME] [--directory NAME] [--by ATTRIBUTE] FILE|-"

int link_import(int argc, char **argv)
{
    static const struct option options[] = {{"dry-run", no_argument, NULL, 'n'}, {"upstream", required_argument, NULL, 'u'},
                                            {"directory", required_argument, NULL, 'd'}, {"by", required_argument, NULL, 'b'},
                                            {NULL, 0, NULL, 0}};
    struct importing q = {0};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == '?')
            return 2;
        q.dry_run |= o == 'n';
        q.upstream = o == 'u' ? optarg : q.upstream;
        q.directory = o == 'd' ? optarg : q.directory;
        q.by = o == 'b' ? optarg : q.by;
    }
    if (optind + 1 != argc)
        return admin_usage(USAGE);
    struct admin ad;
    q.path = argv[optind];
    int status = admin_begin(&ad, true);
    if (status != 0)
        return status;
    q.ad = ad;
    return admin_end(&q.ad, run(&q));
}
