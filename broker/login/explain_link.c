/* What `idbridge explain` tells of a person's links: how, when and by whom each was made, to which entry, whether that is
 * still there, and what an administrator can do, as the command to type. Who did what stands in the audit, sealed under the
 * person's key; what was erased there is not told. */
#include "private.h"

#include <string.h>

#define DETAIL_MAX (16u << 10)
#define THERE "its entry is there"

struct telling {
    struct arena *arena;
    struct fault *fault;
    const struct login *login;
    const char *reason; /* of the refusal, or NULL */
    json_t *links;      /* array of objects */
    json_t *earlier;    /* a link of another entry that stood where this one does, or NULL */
    json_t *refused;    /* the last identity that was refused because the entry is linked, or NULL */
};

static const char *how(const char *method)
{
    static const struct {
        const char *method, *words;
    } ways[] = {{"password", "by the person, who knew the directory password"},
                {"search", "by a claim that the ID provider vouches for"},
                {"directory", "by the person, signing in with the directory password"},
                {"import", "by an administrator, out of a file"}};
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        if (text_equal(ways[i].method, method))
            return ways[i].words;
    return "by an administrator";
}

/* One row per state that a link can be in when it lets nobody in: the words, and the command (ISS SUB follow where they say
 * so). What is the directory's affair needs no command. */
static const struct advice {
    const char *reason, *state, *commands[3];
} ADVICE[] = {
    {"person_unknown", "its entry is not in the directory any more: deleted, or moved out of people_base",
     {"hired anew, under another entry: idbridge link move --same-person %s LOGIN",
      "it was the wrong person's: idbridge link move --other-person %s LOGIN", "gone for good: idbridge link remove %s"}},
    {"not_linked", "its [directory] is not in the configuration any more",
     {"they are in another one now: idbridge link move --same-person --directory NAME %s LOGIN", "gone for good: idbridge link remove %s", NULL}},
    {"link_pending", "it waits for approval", {"idbridge link approve %s", "not theirs: idbridge link remove %s", NULL}},
    {"person_ambiguous", "several entries have its stable id: the directory must tell them apart", {NULL, NULL, NULL}},
    {"directory_down", "the directory did not answer: whether its entry is there is not known", {NULL, NULL, NULL}},
};

static const struct advice *advice_for(const struct telling *t, const struct link *l)
{
    const char *reason = text_equal(l->state, "pending") ? "link_pending" : t->reason;
    for (size_t i = 0; i < COUNT_OF(ADVICE); i++)
        if (text_equal(ADVICE[i].reason, reason))
            return &ADVICE[i];
    return NULL;
}

static void add_commands(struct telling *t, json_t *to, const struct advice *advice, const struct link *l)
{
    const char *identity = arena_printf(t->arena, "'%s' '%s'", l->iss, l->sub);
    for (size_t i = 0; advice != NULL && identity != NULL && i < COUNT_OF(advice->commands) && advice->commands[i] != NULL; i++) {
        const char *at = strstr(advice->commands[i], "%s");
        (void)json_array_append_new(to, json_sprintf("%.*s%s%s", (int)(at - advice->commands[i]), advice->commands[i], identity, at + 2));
    }
}

static enum result tell_link(void *arg, const struct link *l)
{
    struct telling *t = arg;
    const struct advice *advice = advice_for(t, l);
    const char *dn = t->login->person.dn;
    json_t *commands = json_array();
    add_commands(t, commands, advice, l);
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s, s:o, s:[]}", "iss", l->iss, "sub", l->sub,
                            "upstream", l->upstream, "person_id", l->person_id, "entry", l->person_key, "how", how(l->method),
                            "created", clock_text(t->arena, l->created), "last_used", clock_text(t->arena, l->last_used), "seen_at",
                            l->dn, "at", dn, "state", advice != NULL ? advice->state : text_has_prefix(t->reason, "person_") ? THERE "; what refuses them is the "
                            "directory's affair, the link needs nothing" : THERE, "can", commands, "history");
    return json_array_append_new(t->links, row) == 0 ? RESULT_OK : RESULT_INTERNAL;
}

/* ---- who did what: the audit --------------------------------------------------------------------------------------- */

static json_t *link_of(const struct telling *t, const json_t *detail)
{
    size_t i;
    json_t *row;
    json_array_foreach(t->links, i, row)
        if (text_equal(json_text(row, "iss"), json_text(detail, "iss")) && text_equal(json_text(row, "sub"), json_text(detail, "sub")))
            return row;
    return NULL;
}

static enum result take_row(void *arg, const struct audit_row *r)
{
    struct telling *t = arg;
    struct fault ignored = {0};
    json_t *detail;
    bool taken = text_equal(r->outcome, "link_taken");
    if ((!taken && !text_has_prefix(r->event, "link.")) || r->detail == NULL ||
        json_parse(&ignored, t->arena, r->detail, strlen(r->detail), DETAIL_MAX, &detail) != RESULT_OK)
        return RESULT_OK;
    json_t *row = link_of(t, detail);
    if (taken && row == NULL && json_text(detail, "iss") != NULL)
        t->refused = arena_json(t->arena, json_pack("{s:s, s:s*, s:s}", "time", clock_text(t->arena, r->time), "ref", r->ref, "iss",
                                                    json_text(detail, "iss")));
    if (!taken && row != NULL)
        (void)json_array_append_new(json_object_get(row, "history"),
                                    json_sprintf("%s %s by %s", clock_text(t->arena, r->time), r->event, r->actor));
    return RESULT_OK;
}

/* ---- an entry that is linked to nobody ----------------------------------------------------------------------------- */

/* A link whose entry was last seen where this entry is now: the person left and was hired anew, most often. */
static enum result take_earlier(void *arg, const struct link *l)
{
    struct telling *t = arg;
    CLEANUP(arena) struct arena *a = arena_new(64u << 10);
    NEED(t->fault, a);
    const char *here = directory_dn_normal(a, t->login->person.dn), *there = l->dn == NULL ? NULL : directory_dn_normal(a, l->dn);
    if (text_equal(here, there) && login_password_directory(l->upstream) == NULL)
        t->earlier = arena_json(t->arena, json_pack("{s:s, s:s, s:s}", "iss", l->iss, "sub", l->sub, "person_id", l->person_id));
    return RESULT_OK;
}

static enum result tell_unlinked(struct telling *t, struct store_view *v, json_t *told, const char **person_id_r)
{
    const struct person *p = &t->login->person;
    bool linked;
    enum result r = store_link_person(t->fault, v, t->arena, p->key, person_id_r, &linked);
    if (r != RESULT_OK && r != RESULT_NOT_FOUND)
        return r;
    if (r == RESULT_OK)
        (void)json_object_set_new(told, "former_person_id", json_string(*person_id_r));
    if (p->dn != NULL && r == RESULT_NOT_FOUND)
        TRY(store_link_each(t->fault, v, NULL, NULL, take_earlier, t));
    if (t->earlier != NULL)
        (void)json_object_set(told, "earlier_entry", t->earlier);
    return RESULT_OK;
}

enum result explain_links(struct fault *f, struct arena *a, struct store_view *v, const struct login *l, const char *reason,
                          json_t **out_r)
{
    struct telling t = {.arena = a, .fault = f, .login = l, .reason = reason, .links = arena_json(a, json_array())};
    const char *person_id = l->link.person_id;
    const struct fault refusal = *f; /* what the sign-in ends with is still to be told */
    NEED(f, t.links);
    *out_r = arena_json(a, json_object());
    NEED(f, *out_r);
    (void)json_object_set(*out_r, "links", t.links);
    if (l->linked)
        TRY(store_link_each(f, v, a, l->link.person_key, tell_link, &t));
    else if (l->person.key != NULL)
        TRY(tell_unlinked(&t, v, *out_r, &person_id));
    if (person_id != NULL)
        TRY(store_audit_find(f, v, a, person_id, NULL, take_row, &t));
    if (t.refused != NULL)
        (void)json_object_set(*out_r, "refused", t.refused);
    *f = refusal;
    return RESULT_OK;
}

/* ---- in words ------------------------------------------------------------------------------------------------------ */

static void print_texts(FILE *to, const json_t *array)
{
    size_t i;
    json_t *text;
    json_array_foreach((json_t *)(uintptr_t)array, i, text) {
        (void)fprintf(to, "            %s\n", json_string_value(text));
    }
}

static void print_one(FILE *to, const json_t *row)
{
    const char *at = json_text(row, "at"), *seen_at = json_text(row, "seen_at");
    (void)fprintf(to, "link      %s %s\n", json_text(row, "iss"), json_text(row, "sub"));
    (void)fprintf(to, "            linked %s %s; last used %s\n", json_text(row, "created"), json_text(row, "how"), json_text(row, "last_used"));
    (void)fprintf(to, "            to %s as person %s\n", json_text(row, "entry"), json_text(row, "person_id"));
    (void)fprintf(to, "            %s\n", json_text(row, "state"));
    if (at != NULL)
        (void)fprintf(to, "            at %s\n", at);
    if (seen_at != NULL && !text_equal(at, seen_at))
        (void)fprintf(to, "            at the last sign-in it was at %s\n", seen_at);
    print_texts(to, json_object_get(row, "history"));
    print_texts(to, json_object_get(row, "can"));
}

void explain_links_print(FILE *to, const struct login *l, const json_t *told)
{
    size_t i;
    json_t *row;
    const json_t *refused = json_object_get(told, "refused"), *earlier = json_object_get(told, "earlier_entry");
    const char *login = l->person.login != NULL ? l->person.login : "LOGIN", *former = json_text(told, "former_person_id");
    json_array_foreach(json_object_get(told, "links"), i, row)
        print_one(to, row);
    if (i == 0 && l->person.status == ACCOUNT_UNKNOWN)
        (void)fprintf(to, "link      none: no directory has that login name. Did it change? Ask by the new one, by person id, or by \"ISS SUB\"\n");
    else if (i == 0 && l->person.status == ACCOUNT_AMBIGUOUS)
        (void)fprintf(to, "link      none: several entries have that login name; nobody can be linked by it until the directory tells them apart\n");
    else if (i == 0)
        (void)fprintf(to, "link      none. By command: idbridge link add --upstream NAME --sub SUB --login '%s'\n", login);
    if (former != NULL)
        (void)fprintf(to, "            it was linked before; the next link is person %s again, the same account in DHIS2\n", former);
    if (earlier != NULL)
        (void)fprintf(to, "            an earlier entry at the same place was linked. Hired anew: idbridge link move --same-person '%s' '%s' '%s'\n",
                      json_text(earlier, "iss"), json_text(earlier, "sub"), login);
    if (refused != NULL && json_text(refused, "ref") != NULL)
        (void)fprintf(to, "            %s another identity was refused because the entry is linked. A reissued national ID, and you know who "
                          "asks: idbridge link add --ref %s --login '%s' --replace\n", json_text(refused, "time"), json_text(refused, "ref"), login);
}
