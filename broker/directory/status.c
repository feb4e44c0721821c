/* status: is this account in order? Pure functions over an entry's attributes; called by person.c. One row per fact that a
 * server states about an account; where several hold, the first in the order of precedence is the answer.
 *
 * OpenLDAP: slapo-ppolicy(5) of 2.5, shadow(5) expiry as pam_unix reads it. Active Directory: [MS-ADTS] 2.2.16 and
 * msDS-User-Account-Control-Computed; times are 100 ns ticks since 1601. 389-ds: its Administration Guide on account
 * policies; krb* are FreeIPA's. A time that cannot be read refuses: nobody is let in by a typing mistake.
 *
 * Whose clock? Times in an entry are compared with the bridge's own; flags that a server computes when asked (AD's) and all
 * that a bind answers go by the server's. Where the two differ, an account ends by the bridge's clock for the first, by the
 * server's for the others: nothing is added or taken off for the difference. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const status_names[] = {
    [ACCOUNT_OK] = "ok",
    [ACCOUNT_UNKNOWN] = "unknown",
    [ACCOUNT_AMBIGUOUS] = "ambiguous",
    [ACCOUNT_UNREACHABLE] = "unreachable",
    [ACCOUNT_DISABLED] = "disabled",
    [ACCOUNT_EXPIRED] = "expired",
    [ACCOUNT_NOT_YET_VALID] = "not_yet_valid",
    [ACCOUNT_LOCKED_BY_ADMIN] = "locked_by_admin",
    [ACCOUNT_LOCKED_BY_PASSWORDS] = "locked_by_passwords",
    [ACCOUNT_PASSWORD_EXPIRED] = "password_expired",
    [ACCOUNT_MUST_CHANGE] = "must_change",
    [ACCOUNT_LOGON_HOURS] = "logon_hours",
    [ACCOUNT_WRONG_PASSWORD] = "wrong_password",
};

const char *account_status_name(enum account_status s)
{
    return (size_t)s < COUNT_OF(status_names) ? status_names[s] : "unknown";
}

bool account_status_proves(enum account_status s)
{
    /* The last two come from Active Directory alone, which says them only to who knows the password (data 701, 530, 531). */
    return s == ACCOUNT_OK || s == ACCOUNT_PASSWORD_EXPIRED || s == ACCOUNT_MUST_CHANGE || s == ACCOUNT_EXPIRED ||
           s == ACCOUNT_LOGON_HOURS;
}

/* ---- values */

static bool parse_integer(struct bytes value, int64_t *out_r)
{
    char *end = NULL;
    if (!dir_is_text(value))
        return false;
    errno = 0;
    long long n = strtoll((const char *)value.data, &end, 10);
    *out_r = n;
    return errno == 0 && end != (const char *)value.data && *end == '\0';
}

static bool take_digits(const char **p, int count, int *out_r)
{
    int n = 0;
    for (int i = 0; i < count; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        n = 10 * n + (**p - '0');
    }
    *out_r = n;
    return true;
}

/* "Z" or a difference to UTC such as +0530 (RFC 4517 §3.3.13); nothing else may follow. */
static bool take_zone(const char *p, int *offset_r)
{
    int hours = 0, minutes = 0;
    *offset_r = 0;
    if (*p == 'Z')
        return p[1] == '\0';
    int sign = *p == '-' ? -1 : 1;
    if (*p != '+' && *p != '-')
        return false;
    p++;
    if (!take_digits(&p, 2, &hours) || (*p != '\0' && !take_digits(&p, 2, &minutes)))
        return false;
    *offset_r = sign * (hours * 3600 + minutes * 60);
    return *p == '\0';
}

bool dir_time_parse(struct bytes value, int64_t *out_r)
{
    struct tm t = {0};
    int offset = 0;
    const char *p = (const char *)value.data;
    if (!dir_is_text(value) || !take_digits(&p, 4, &t.tm_year) || !take_digits(&p, 2, &t.tm_mon) ||
        !take_digits(&p, 2, &t.tm_mday) || !take_digits(&p, 2, &t.tm_hour))
        return false;
    if (*p >= '0' && *p <= '9' && !take_digits(&p, 2, &t.tm_min))
        return false;
    if (*p >= '0' && *p <= '9' && !take_digits(&p, 2, &t.tm_sec))
        return false;
    if (*p == '.' || *p == ',')
        p += 1 + strspn(p + 1, "0123456789");
    if (!take_zone(p, &offset))
        return false;
    if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 ||
        t.tm_sec > 60)
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    *out_r = (int64_t)timegm(&t) - offset;
    return true;
}

/* ---- tests on one value */

struct fact;
struct look { /* at one value of one attribute */
    const struct fact *fact;
    const struct directory *directory;
    const struct entry *entry;
    struct bytes value;
    int64_t now;
};
struct fact {
    unsigned types;
    const char *attribute;
    enum account_status status;
    bool (*holds)(const struct look *k);
    int64_t bit;
};

enum { UAC_ACCOUNTDISABLE = 0x2, UAC_LOCKOUT = 0x10, UAC_DONT_EXPIRE_PASSWORD = 0x10000, UAC_PASSWORD_EXPIRED = 0x800000 };
static const char admin_lock[] = "000001010000"; /* slapo-ppolicy(5): "permanently locked"; Z or seconds follow */
static const char uac_computed[] = "msDS-User-Account-Control-Computed";

static bool entry_integer(const struct entry *e, const char *name, int64_t *out_r)
{
    const struct attribute *at = dir_attribute(e, name);
    return at != NULL && at->count > 0 && parse_integer(at->values[0], out_r);
}

static bool has_bit(const struct look *k)
{
    int64_t n = 0;
    return !parse_integer(k->value, &n) || (n & k->fact->bit) != 0;
}

static bool is_true(const struct look *k)
{
    return strcasecmp((const char *)k->value.data, "true") == 0;
}

static bool is_past(const struct look *k)
{
    int64_t t = 0;
    return !dir_time_parse(k->value, &t) || (t > 0 && t <= k->now);
}

static bool is_future(const struct look *k)
{
    int64_t t = 0;
    return !dir_time_parse(k->value, &t) || t > k->now;
}

static bool is_epoch(const struct look *k)
{
    int64_t t = 0;
    return dir_time_parse(k->value, &t) && t == 0;
}

static bool is_future_or_epoch(const struct look *k) /* 389-ds: the epoch is a lock without end */
{
    return is_epoch(k) || is_future(k);
}

static bool starts_after_end(const struct look *k) /* slapo-ppolicy(5): "simply disables the account" */
{
    int64_t start = 0, end = 0;
    const struct attribute *at = dir_attribute(k->entry, "pwdEndTime");
    return at != NULL && at->count > 0 && dir_time_parse(k->value, &start) && dir_time_parse(at->values[0], &end) &&
           start >= end;
}

static bool is_admin_lock(const struct look *k)
{
    return text_has_prefix((const char *)k->value.data, admin_lock);
}

static bool is_password_lock(const struct look *k)
{
    return !is_admin_lock(k);
}

static bool is_past_filetime(const struct look *k)
{
    const int64_t never = INT64_MAX, epoch_1601 = 11644473600;
    int64_t ticks = 0;
    if (!parse_integer(k->value, &ticks))
        return true;
    return ticks != 0 && ticks != never && ticks / 10000000 - epoch_1601 <= k->now;
}

static bool is_past_day(const struct look *k) /* shadow(5): days since 1970; -1 never */
{
    int64_t day = 0;
    return !parse_integer(k->value, &day) || (day >= 0 && day <= k->now / 86400);
}

/* lockoutTime stays after the lock has ended; the computed flag knows, where it can be read. */
static bool is_locked_without_flag(const struct look *k)
{
    int64_t ticks = 0;
    return dir_attribute(k->entry, uac_computed) == NULL && (!parse_integer(k->value, &ticks) || ticks != 0);
}

/* The same flag stands for "expired" and for "must change": pwdLastSet 0 tells them apart. */
static bool is_expired_flag(const struct look *k)
{
    int64_t set = 1;
    (void)entry_integer(k->entry, "pwdLastSet", &set);
    return has_bit(k) && set != 0;
}

static bool is_zero_and_expires(const struct look *k)
{
    int64_t set = 1, flags = 0;
    (void)entry_integer(k->entry, "userAccountControl", &flags);
    return parse_integer(k->value, &set) && set == 0 && (flags & UAC_DONT_EXPIRE_PASSWORD) == 0;
}

/* [MS-SAMR] 2.2.6.5: a bit for each hour of the week in UTC, from Sunday 00:00, the lowest of a byte first. A value of
 * another length divides the week otherwise; no server makes one. */
static bool is_closed_hour(const struct look *k)
{
    const int64_t hour = (k->now / 3600 + 4 * 24) % 168; /* 1970 began on a Thursday */
    return k->value.len != 21 || (k->value.data[hour / 8] >> (hour % 8) & 1) == 0;
}

/* slapd keeps the age and no end; the policy is not the reader's to find, so the configuration says it. */
static bool is_too_old(const struct look *k)
{
    int64_t t = 0, age = k->directory->password_max_age;
    return age > 0 && (!dir_time_parse(k->value, &t) || t + age <= k->now);
}

enum { AD = DIRECTORY_AD, OL = DIRECTORY_OPENLDAP, DS = DIRECTORY_389DS };

static const struct fact facts[] = {
    {AD, "userAccountControl", ACCOUNT_DISABLED, has_bit, UAC_ACCOUNTDISABLE},
    {AD, "accountExpires", ACCOUNT_EXPIRED, is_past_filetime, 0},
    {AD, uac_computed, ACCOUNT_LOCKED_BY_PASSWORDS, has_bit, UAC_LOCKOUT},
    {AD, "lockoutTime", ACCOUNT_LOCKED_BY_PASSWORDS, is_locked_without_flag, 0},
    {AD, uac_computed, ACCOUNT_PASSWORD_EXPIRED, is_expired_flag, UAC_PASSWORD_EXPIRED},
    {AD, "pwdLastSet", ACCOUNT_MUST_CHANGE, is_zero_and_expires, 0},
    {AD, "logonHours", ACCOUNT_LOGON_HOURS, is_closed_hour, 0},
    {OL, "pwdStartTime", ACCOUNT_DISABLED, starts_after_end, 0},
    {OL, "pwdStartTime", ACCOUNT_NOT_YET_VALID, is_future, 0},
    {OL, "pwdEndTime", ACCOUNT_EXPIRED, is_past, 0},
    {OL, "pwdAccountLockedTime", ACCOUNT_LOCKED_BY_ADMIN, is_admin_lock, 0},
    {OL, "pwdAccountLockedTime", ACCOUNT_LOCKED_BY_PASSWORDS, is_password_lock, 0},
    {OL, "pwdAccountTmpLockoutEnd", ACCOUNT_LOCKED_BY_PASSWORDS, is_future, 0},
    {OL, "pwdChangedTime", ACCOUNT_PASSWORD_EXPIRED, is_too_old, 0},
    {OL | DS, "pwdReset", ACCOUNT_MUST_CHANGE, is_true, 0},
    {OL | DS, "shadowExpire", ACCOUNT_EXPIRED, is_past_day, 0},
    {DS, "nsAccountLock", ACCOUNT_DISABLED, is_true, 0},
    {DS, "accountUnlockTime", ACCOUNT_LOCKED_BY_PASSWORDS, is_future_or_epoch, 0},
    {DS, "passwordExpirationTime", ACCOUNT_MUST_CHANGE, is_epoch, 0},
    {DS, "passwordExpirationTime", ACCOUNT_PASSWORD_EXPIRED, is_past, 0},
    {DS, "krbPrincipalExpiration", ACCOUNT_EXPIRED, is_past, 0},
    {DS, "krbPasswordExpiration", ACCOUNT_PASSWORD_EXPIRED, is_past, 0},
};

/* What a server of this type must be asked for by name: operational attributes do not come by themselves. */
size_t dir_status_attributes(enum directory_type type, const char **names, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        bool seen = (facts[i].types & type) == 0;
        for (size_t j = 0; j < n && !seen; j++)
            seen = strcmp(names[j], facts[i].attribute) == 0;
        if (!seen && n < max)
            names[n++] = facts[i].attribute;
    }
    return n;
}

/* The value that makes it hold; NULL: it does not. */
static const struct bytes *fact_holds(const struct fact *fact, const struct directory *d, const struct entry *e, int64_t now)
{
    const struct attribute *at = dir_attribute(e, fact->attribute);
    for (size_t i = 0; at != NULL && i < at->count; i++) {
        struct look k = {fact, d, e, at->values[i], now};
        if (fact->holds(&k))
            return &at->values[i];
    }
    return NULL;
}

/* disabled_attribute = employeeType, disabled_value = disabled: what a personnel system writes. */
static bool is_marked_disabled(const struct directory *d, const struct entry *e)
{
    const struct attribute *at = dir_attribute(e, d->disabled_attribute);
    for (size_t i = 0; at != NULL && i < at->count; i++)
        if (strcasecmp((const char *)at->values[i].data, d->disabled_value) == 0)
            return true;
    return false;
}

unsigned dir_status_holds(const struct directory *d, const struct entry *e, int64_t now)
{
    unsigned holds = 0;
    if (is_marked_disabled(d, e))
        holds |= 1U << ACCOUNT_DISABLED;
    for (size_t i = 0; i < COUNT_OF(facts); i++)
        if ((facts[i].types & d->type) != 0 && fact_holds(&facts[i], d, e, now) != NULL)
            holds |= 1U << facts[i].status;
    return holds;
}

void dir_status_each(const struct directory *d, const struct entry *e, int64_t now,
                     void (*each)(const char *attribute, struct bytes value, enum account_status status))
{
    if (is_marked_disabled(d, e))
        each(d->disabled_attribute, bytes_of(d->disabled_value), ACCOUNT_DISABLED);
    for (size_t i = 0; i < COUNT_OF(facts); i++) {
        const struct bytes *value = (facts[i].types & d->type) == 0 ? NULL : fact_holds(&facts[i], d, e, now);
        if (value != NULL)
            each(facts[i].attribute, *value, facts[i].status);
    }
}

enum account_status dir_status_first(unsigned holds)
{
    static const enum account_status precedence[] = {
        ACCOUNT_UNREACHABLE,     ACCOUNT_UNKNOWN, ACCOUNT_AMBIGUOUS,     ACCOUNT_WRONG_PASSWORD,      ACCOUNT_DISABLED,
        ACCOUNT_LOCKED_BY_ADMIN, ACCOUNT_EXPIRED, ACCOUNT_NOT_YET_VALID, ACCOUNT_LOCKED_BY_PASSWORDS, ACCOUNT_PASSWORD_EXPIRED,
        ACCOUNT_MUST_CHANGE,     ACCOUNT_LOGON_HOURS,
    };
    for (size_t i = 0; i < COUNT_OF(precedence); i++)
        if ((holds & 1U << precedence[i]) != 0)
            return precedence[i];
    return ACCOUNT_OK;
}

enum account_status dir_status(const struct directory *d, const struct entry *e, int64_t now)
{
    return dir_status_first(dir_status_holds(d, e, now));
}
