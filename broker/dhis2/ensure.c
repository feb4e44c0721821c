/* ensure: make one account agree. Called by login/ before a code is issued, by sync, and with `write` false by explain.
 *
 * Look, plan, write, and look again until nothing is left to do: that one loop is look-up, create, update, read-back and
 * retry. DHIS2 loses one of two parallel writes though both answer 200, saves parts of a patch that answers 500, and
 * skips groups in silence (dhis2-users.md §0, §2): only the next look tells. An account that agrees costs one GET. */
#include "private.h"

#include <pthread.h>
#include <string.h>

enum { LOOKS = 4, LOCKS = 64 };

/* One writer per person in this process. Striped, because it must be bounded; a mutex, because the second login of a
 * person has nothing to do but wait for the first; static, so that it also holds between two configurations at a reload. */
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_of(const char *open_id)
{
    unsigned char digest[32];
    sha256(open_id, strlen(open_id), digest);
    return &locks[digest[0] % LOCKS];
}

struct ensure {
    struct task task;
    const struct account_wish *wish;
    bool write;
    struct account *out;
    struct plan plan;   /* what was left to do at the last look */
    bool found;
    long failed_status; /* a write answered 5xx: the next look tells what it did */
    unsigned group_writes;
};

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Not an error of the login: without that address the next round's plan goes through. */
static bool mail_was_refused(struct ensure *e, const struct answer *got)
{
    struct dhis2_errors errors;
    struct task *t = &e->task;
    const char *text = NULL, *key = e->wish->mail == NULL ? NULL : sha256_base64url(t->a, e->wish->mail);
    bool flag = false;
    dhis2_errors_read(t->a, got->json, &errors);
    if (key == NULL || !dhis2_errors_has(&errors, "E4003", "email"))
        return false;
    if (memory_get(t->d->bad_mail, t->a, key, &text, &flag)) /* left out already: it means the address that is there */
        return false;
    memory_put(t->d->bad_mail, key, "", false);
    log_event(LEVEL_WARN, "dhis2_mail_refused", "dhis2", t->d->name, NULL);
    return true;
}

static enum result send_patch(struct ensure *e, const char *uid, const json_t *patch)
{
    struct task *t = &e->task;
    struct answer got;
    if (json_array_size(patch) == 0)
        return RESULT_OK;
    const char *path = arena_printf(t->a, "/api/users/%s", uid), *body = json_compact(t->a, patch);
    NEED(t->f, path);
    NEED(t->f, body);
    TRY(dhis2_call(t, "PATCH", path, body, &got));
    e->out->changed = true;
    e->failed_status = got.status >= 500 ? got.status : 0;
    if (got.status == 200 || got.status >= 500 || mail_was_refused(e, &got))
        return RESULT_OK;
    return dhis2_refusal(t, &got);
}

/* 409 about what exists already is our own first try, another node's, or another person's username: looking again tells.
 * E5000 is the exception: that uid is made for this person, and the look-up by openId did not find it. */
static enum result judge_create(struct ensure *e, const struct answer *got)
{
    struct task *t = &e->task;
    struct dhis2_errors errors;
    dhis2_errors_read(t->a, got->json, &errors);
    e->failed_status = got->status >= 500 ? got->status : 0;
    if (got->status == 201 || got->status >= 500 || mail_was_refused(e, got))
        return RESULT_OK;
    if (dhis2_errors_has(&errors, "E4054", NULL) || dhis2_errors_has(&errors, "E5000", NULL) || errors.count == 0)
        return got->status == 409 ? RESULT_OK : dhis2_refusal(t, got);
    return dhis2_refusal(t, got);
}

static enum result choose_username(struct ensure *e, const char **out_r)
{
    struct task *t = &e->task;
    for (unsigned attempt = 0; attempt < DHIS2_USERNAME_TRIES; attempt++) {
        const char *holder = NULL;
        const char *name = dhis2_username_of(t->a, t->d->username_prefix, e->wish->login == NULL ? "" : e->wish->login,
                                             e->wish->open_id, attempt);
        NEED(t->f, name);
        TRY(dhis2_username_taken(t, name, &holder));
        *out_r = name;
        if (holder == NULL)
            return RESULT_OK;
        log_event(LEVEL_INFO, "dhis2_username_taken", "dhis2", t->d->name, "holder", holder, NULL);
    }
    return dhis2_conflict(t, "all usernames made for this person belong to other accounts");
}

static enum result create(struct ensure *e, const struct wanted *g, bool *done_r)
{
    struct task *t = &e->task;
    const char *username = NULL;
    json_t *body = NULL;
    struct answer got;
    TRY(choose_username(e, &username));
    TRY(dhis2_create_body(t, e->wish, g, username, &body));
    const char *text = json_compact(t->a, body);
    NEED(t->f, text);
    e->out->patch = text;
    e->out->created = e->out->changed = true;
    e->out->uid = dhis2_uid_of(t->a, e->wish->open_id);
    e->out->username = username;
    *done_r = !e->write;
    if (!e->write)
        return RESULT_OK;
    TRY(dhis2_call(t, "POST", "/api/users", text, &got));
    return judge_create(e, &got);
}

/* ---- one account that is there --------------------------------------------------------------------------------- */

/* accountExpiry comes in the server's local time without a zone: only what is over everywhere on earth counts. DHIS2 would
 * refuse the login without a word; and who set it meant it. */
static enum result check_expiry(struct task *t, const struct user *u)
{
    const char *now = clock_text(t->a, clock_now() - 14 * 3600);
    NEED(t->f, now);
    if (u->expiry != NULL && strlen(u->expiry) >= 10 && strcmp(u->expiry, now) < 0)
        return dhis2_refused(t, "account %s: its accountExpiry in DHIS2 is over", u->id);
    return RESULT_OK;
}

static enum result may_touch(struct task *t, const struct user *u)
{
    if (u->all) {
        enum result r = dhis2_refused(t, "account %s holds ALL: the bridge never touches it", u->id);
        t->reason = "dhis2_protected";
        return r;
    }
    if (u->disabled && !t->d->reenable)
        return dhis2_refused(t, "account %s is disabled in DHIS2, and reenable is off", u->id);
    return check_expiry(t, u);
}

static const char *whole_patch(struct task *t, const struct plan *p)
{
    json_t *both = arena_json(t->a, json_copy(p->patch));
    return both == NULL || json_array_extend(both, p->groups) != 0 ? NULL : json_compact(t->a, both);
}

/* Names and addresses DHIS2 keeps differently (it may trim them) are no reason to refuse: they count in the first look. */
static bool agrees(const struct ensure *e, unsigned look)
{
    const struct plan *p = &e->plan;
    return !p->rights && json_array_size(p->groups) == 0 && (!p->profile || (look > 0 && e->failed_status == 0));
}

static enum result update(struct ensure *e, const struct user *u, const struct wanted *g, unsigned look, bool *done_r)
{
    struct task *t = &e->task;
    TRY(may_touch(t, u));
    TRY(dhis2_plan(t, e->wish, g, u, &e->plan));
    e->out->uid = u->id;
    e->out->username = u->username;
    e->out->disabled = u->disabled;
    *done_r = !e->write || agrees(e, look);
    if (look == 0) {
        e->out->patch = whole_patch(t, &e->plan);
        NEED(t->f, e->out->patch);
        e->out->changed = !agrees(e, look);
    }
    if (*done_r || look == LOOKS - 1)
        return RESULT_OK;
    e->group_writes += json_array_size(e->plan.groups) > 0;
    TRY(send_patch(e, u->id, e->plan.patch));
    return send_patch(e, u->id, e->plan.groups);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static enum result look_and_act(struct ensure *e, unsigned look, bool *done_r)
{
    struct task *t = &e->task;
    struct user u;
    struct wanted g;
    TRY(dhis2_user_by_open_id(t, e->wish->open_id, &u, &e->found));
    TRY(dhis2_resolve(t, e->wish->grants, e->found ? &u : NULL, &g));
    if (e->found)
        return update(e, &u, &g, look, done_r);
    return look == LOOKS - 1 ? RESULT_OK : create(e, &g, done_r);
}

/* Groups the bridge's account may not fill are skipped with HTTP 200. */
static enum result groups_skipped(struct ensure *e)
{
    struct task *t = &e->task;
    const char *ids = "";
    for (size_t i = 0; ids != NULL && i < e->plan.missing_groups.count; i++)
        ids = arena_printf(t->a, "%s %s", ids, e->plan.missing_groups.list[i].id);
    NEED(t->f, ids);
    return dhis2_refused(t, "account %s: DHIS2 skipped these groups without a word:%s", e->out->uid, ids);
}

static enum result unfinished(struct ensure *e)
{
    struct task *t = &e->task;
    if (e->failed_status != 0)
        return dhis2_down(t, RESULT_UNAVAILABLE, "writing account %s: HTTP %ld, and it is not as it should be", e->out->uid,
                          e->failed_status);
    if (!e->found)
        return dhis2_conflict(t, "account %s exists without this person's openId, or was made and is not found", e->out->uid);
    if (!e->plan.rights && e->plan.missing_groups.count > 0)
        return groups_skipped(e);
    return dhis2_conflict(t, "account %s: what was written is not what is there: does another program write it?", e->out->uid);
}

static enum result agree(struct ensure *e)
{
    for (unsigned look = 0; look < LOOKS; look++) {
        bool done = false;
        TRY(look_and_act(e, look, &done));
        if (done)
            return RESULT_OK;
        if (look > 0 && e->group_writes > 1 && !e->plan.rights && e->plan.missing_groups.count > 0)
            break; /* skipped twice is no accident */
    }
    return unfinished(e);
}

static enum result agree_locked(struct ensure *e)
{
    if (!e->write)
        return agree(e);
    pthread_mutex_t *lock = lock_of(e->wish->open_id);
    (void)pthread_mutex_lock(lock);
    enum result r = agree(e);
    (void)pthread_mutex_unlock(lock);
    return r;
}

static void report(const struct ensure *e, enum result r)
{
    const struct account *out = e->out;
    if (r == RESULT_OK && e->write && out->changed) {
        metric_add("idbridge_dhis2_writes_total", out->created ? "kind=\"created\"" : "kind=\"changed\"", 1);
        log_event(LEVEL_INFO, out->created ? "dhis2_account_created" : "dhis2_account_changed", "dhis2", e->task.d->name,
                  "uid", out->uid, NULL);
    }
}

enum result dhis2_account_ensure(struct fault *f, struct arena *a, struct dhis2s *d, const char *name,
                                 const struct account_wish *w, bool write, struct account *out_r, const char **reason_r)
{
    struct ensure e = {.task = {f, a, dhis2_find(d, name), NULL}, .wish = w, .write = write, .out = out_r};
    *out_r = (struct account){.patch = "[]"};
    *reason_r = NULL;
    if (e.task.d == NULL || w->open_id == NULL) {
        *reason_r = "dhis2_down";
        return FAULT(f, RESULT_INTERNAL, "no such [dhis2] is configured, or a person without id");
    }
    enum result r = agree_locked(&e);
    report(&e, r);
    if (r != RESULT_OK)
        *reason_r = e.task.reason != NULL ? e.task.reason : "dhis2_down";
    return r;
}
