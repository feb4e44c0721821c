/* policy: which account statuses refuse a login? Called by login for every login, refresh and `explain`, never cached.
 *
 * Two lists of [directory NAME], by default as nurses need them: nobody uses the directory password any more, so it expires
 * for everyone, and five bad binds by a stranger must not lock a nurse out. `refuse` holds for everybody; `refuse_password`
 * as well for who signs in with that very password. Who is not found, is found twice, or cannot be read is nobody: no
 * configuration lets them in. */
#include "internal.h"

#include <string.h>

static const unsigned always =
    1U << ACCOUNT_UNKNOWN | 1U << ACCOUNT_AMBIGUOUS | 1U << ACCOUNT_UNREACHABLE | 1U << ACCOUNT_WRONG_PASSWORD;

static bool status_of_word(const char *word, enum account_status *out_r)
{
    for (enum account_status s = ACCOUNT_DISABLED; s <= ACCOUNT_LOGON_HOURS; s++)
        if (text_equal(word, account_status_name(s))) {
            *out_r = s;
            return true;
        }
    return false;
}

static enum result read_list(struct fault *f, const struct config *c, const char *name, const char *key,
                             unsigned *out_r)
{
    char *const *words = config_list(c, "directory", name, key);
    enum account_status s = ACCOUNT_UNKNOWN;
    *out_r = 0;
    for (; words != NULL && *words != NULL; words++) {
        if (text_equal(*words, "none"))
            continue;
        if (!status_of_word(*words, &s))
            return FAULT(f, RESULT_INVALID, "[directory %s] %s: want words of: " DIR_STATUS_WORDS ", or none", name,
                         key);
        *out_r |= 1U << s;
    }
    return RESULT_OK;
}

enum result dir_policy(struct fault *f, const struct config *c, struct directory *d)
{
    unsigned by_password = 0;
    d->password_max_age = config_number(c, "directory", d->name, "password_max_age");
    TRY(read_list(f, c, d->name, "refuse", &d->refused[0]));
    TRY(read_list(f, c, d->name, "refuse_password", &by_password));
    d->refused[0] |= always;
    d->refused[1] = d->refused[0] | by_password;
    return RESULT_OK;
}

static unsigned refused(const struct directories *d, const char *directory, bool by_password)
{
    const struct directory *one = directory == NULL ? NULL : dir_find(d, directory, strlen(directory));
    return one == NULL ? ~0U : one->refused[by_password]; /* a directory nobody knows: everybody */
}

bool directory_status_allows(const struct directories *d, const char *directory, enum account_status s,
                             bool by_password)
{
    return s < ACCOUNT_STATUSES && (refused(d, directory, by_password) & 1U << s) == 0;
}

enum account_status directory_refusal(const struct directories *d, const struct person *p, bool by_password)
{
    if (!directory_status_allows(d, p->directory, ACCOUNT_OK, by_password))
        return ACCOUNT_UNREACHABLE;
    return dir_status_first((p->holds | 1U << p->status) & refused(d, p->directory, by_password));
}
