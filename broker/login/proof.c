/* Is this the password of that directory account? What the linking page and the login by password share: tries are counted in
 * the store before anything is verified (CVE-2023-47111, CVE-2024-4629), then the entry is found and bound as. An unknown name
 * gets the page of a wrong password, costs the directory the same two questions, and takes as long: groups are read only
 * once the password was right, and where the server spends time on hashing passwords that time is waited for. */
#include "private.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { USER_MAX = 256, PASSWORD_MAX = 1024, PATIENCE_US = 1000000 };

/* An empty password is an anonymous bind (RFC 4513 §5.1.2): never sent, and no try. */
bool proof_complete(const struct work *w)
{
    return w->user[0] != '\0' && w->password[0] != '\0' && strlen(w->user) <= USER_MAX && strlen(w->password) <= PASSWORD_MAX;
}

char *proof_key(struct exchange *x, const char *kind, const char *value)
{
    char *low = arena_strdup(x->arena, value);
    for (char *p = low; p != NULL && *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    const char *hash = low == NULL ? NULL : keyed_hash(x->arena, x->bridge->master, "attempt", low);
    return hash == NULL ? NULL : arena_printf(x->arena, "link:%s:%s", kind, hash);
}

/* RUN_STORE: both pages count for one account together. */
enum result proof_count(struct exchange *x, const char *kind, const char *value)
{
    struct fault *f = &x->fault;
    const struct config *c = x->bridge->config;
    int64_t tries = config_number(c, "link", NULL, "tries"), window = config_number(c, "link", NULL, "window"), count;
    const char *key = proof_key(x, kind, value);
    NEED(f, key);
    TRY(store_attempt(f, x->view, key, clock_now(), window, &count));
    if (GUARD(link_tries, count > tries))
        login_refuse(x, "link_limit", NULL);
    return RESULT_OK;
}

static const char *directory_of(const struct exchange *x)
{
    const struct work *w = x->work;
    const char *own = login_password_directory(w->l.upstream);
    return own != NULL ? own : login_directory(x->bridge);
}

static bool found(const struct work *w)
{
    const struct person *p = &w->l.person;
    return p->key != NULL && p->dn != NULL && p->status != ACCOUNT_UNKNOWN && p->status != ACCOUNT_AMBIGUOUS;
}

enum result proof_find(struct exchange *x)
{
    struct work *w = x->work;
    int64_t start = clock_monotonic_us();
    enum result r = directory_entry_by_login(&x->fault, x->arena, x->bridge->directories, directory_of(x), w->user, &w->l.person);
    w->l.us_person = clock_monotonic_us() - start;
    return login_stop(x, r, "directory_down");
}

/* By its entry, for a directory takes "Ann", " ann" and other spellings for one name. */
enum result proof_count_account(struct exchange *x)
{
    const struct work *w = x->work;
    return proof_count(x, "account", found(w) ? w->l.person.key : w->user);
}

/* What a bind with somebody's password takes here, on the average. The servers do not hash for a name they do not find:
 * OpenLDAP with SSHA saves microseconds by that, 389-ds with PBKDF2 tens of milliseconds, which can be measured from afar. */
static _Atomic int64_t usual_us;

static void wait_as_usual(int64_t took)
{
    int64_t usual = atomic_load(&usual_us), rest = (usual < PATIENCE_US ? usual : PATIENCE_US) - took;
    if (rest > 0)
        (void)nanosleep(&(struct timespec){.tv_sec = rest / 1000000, .tv_nsec = rest % 1000000 * 1000}, NULL);
}

/* The server locks nobody for it: there is no such name. */
static enum result ask_nobody(struct exchange *x, struct work *w, const char *directory)
{
    int64_t start = clock_monotonic_us();
    w->said = ACCOUNT_WRONG_PASSWORD;
    enum result r = directory_bind_nobody(&x->fault, x->arena, x->bridge->directories, directory, w->password);
    if (r == RESULT_OK)
        wait_as_usual(clock_monotonic_us() - start);
    return r;
}

/* The whole person is read after the password: the entry may be gone by then, too. */
static enum result ask_person(struct exchange *x, struct work *w, const char *directory)
{
    struct directories *d = x->bridge->directories;
    int64_t start = clock_monotonic_us();
    TRY(directory_bind(&x->fault, x->arena, d, directory, w->l.person.dn, w->password, &w->said));
    atomic_store(&usual_us, (atomic_load(&usual_us) * 7 + clock_monotonic_us() - start) / 8);
    if (!account_status_proves(w->said))
        return RESULT_OK;
    const char *key = w->l.person.key;
    TRY(directory_by_key(&x->fault, x->arena, d, key, &w->l.person));
    if (!found(w))
        w->said = ACCOUNT_WRONG_PASSWORD;
    return RESULT_OK;
}

enum result proof_bind(struct exchange *x)
{
    struct work *w = x->work;
    int64_t start = clock_monotonic_us();
    enum result r = (found(w) ? ask_person : ask_nobody)(x, w, directory_of(x));
    wipe((void *)(uintptr_t)w->password, strlen(w->password));
    w->password = NULL;
    w->l.us_person += clock_monotonic_us() - start;
    if (r != RESULT_OK)
        return login_stop(x, r, "directory_down");
    if (account_status_proves(w->said))
        return RESULT_OK;
    w->wrong = true; /* unknown name and wrong password look the same */
    w->form(x, w);
    return RESULT_OK;
}
