/* directory: may this person work here? Finds a person in OpenLDAP, Active Directory or 389-ds, reads account status,
 * attributes and all groups, nested included, and checks a password by a bind. Read-only: never writes a directory. */
#ifndef IDBRIDGE_DIRECTORY_H
#define IDBRIDGE_DIRECTORY_H

#include <idbridge/web.h>

extern const struct config_key directory_config_keys[]; /* [directory NAME] */
/* Once, before threads: what libldap frees (passwords, entries) is wiped. */
CHECKED enum result directory_global_init(struct fault *f);

/* A fact about a person, not an error. */
enum account_status {
    ACCOUNT_OK,
    ACCOUNT_UNKNOWN,         /* no entry */
    ACCOUNT_AMBIGUOUS,       /* two entries or more */
    ACCOUNT_UNREACHABLE,     /* the directory did not answer; beside RESULT_UNAVAILABLE or RESULT_TIMEOUT */
    ACCOUNT_DISABLED,
    ACCOUNT_EXPIRED,
    ACCOUNT_NOT_YET_VALID,
    ACCOUNT_LOCKED_BY_ADMIN,
    ACCOUNT_LOCKED_BY_PASSWORDS, /* this and the next three refuse, unless configured, only logins by that password */
    ACCOUNT_PASSWORD_EXPIRED,
    ACCOUNT_MUST_CHANGE,
    ACCOUNT_LOGON_HOURS,
    ACCOUNT_WRONG_PASSWORD,  /* only from directory_bind */
    ACCOUNT_STATUSES         /* how many there are */
};
const char *account_status_name(enum account_status s); /* "ok", "locked_by_admin", … */
/* From directory_bind: the password was the right one, even where it has expired or must be changed. */
bool account_status_proves(enum account_status s);

struct group {
    const char *dn;   /* in its one spelling: directory_dn_normal */
    const char *name; /* cn */
    bool direct;
};
struct person {
    const char *directory; /* name of its [directory x] */
    const char *key;       /* "x:" and the stable id: entryUUID, objectGUID as hex, nsUniqueId, ipaUniqueID */
    const char *dn;
    const char *login;     /* uid or sAMAccountName */
    const char *given_name, *surname, *display_name, *mail, *phone, *birth_date; /* NULL when absent */
    enum account_status status; /* the gravest of what holds */
    unsigned holds;             /* all that holds: 1U << ACCOUNT_... each, for what the policy lets pass may hide another */
    json_t *attributes;    /* object: attribute name as configured -> array of strings */
    const struct group *groups;
    size_t group_count;
    bool from_grace;       /* the directory did not answer; this is the last good answer, `seen` old */
    int64_t seen;
};
/* To and from JSON text, for the grace copy in the store. */
char *person_to_json(struct arena *a, const struct person *p);
CHECKED enum result person_from_json(struct fault *f, struct arena *a, const char *json, struct person *out_r);

/* First in main, before libldap is used and before there are threads: keeps ldap.conf, ~/.ldaprc and LDAP* variables out. */
void directories_init(void);

struct directories;
/* Opens nothing and starts no thread; the first question does. */
CHECKED enum result directories_new(struct fault *f, const struct config *c, struct directories **out_r);
void directories_free(struct directories *d);
size_t directories_names(const struct directories *d, const char *const **out_r);

/* The policy of [directory NAME], `refuse` and `refuse_password`; the latter counts where the person signs in with the
 * directory's own password. Unknown, ambiguous, unreachable, wrong password and unknown directories are always refused. */
bool directory_status_allows(const struct directories *d, const char *directory, enum account_status s, bool by_password);
/* Of all that holds for this person, what refuses them; ACCOUNT_OK: nothing does. */
enum account_status directory_refusal(const struct directories *d, const struct person *p, bool by_password);

/* All of these block on the network and run in the directory's pool. RESULT_UNAVAILABLE or RESULT_TIMEOUT: the directory
 * did not answer (no server that is known to be down was waited for), status ACCOUNT_UNREACHABLE. RESULT_OK with status ACCOUNT_UNKNOWN or
 * ACCOUNT_AMBIGUOUS: it did. */
CHECKED enum result directory_by_key(struct fault *f, struct arena *a, struct directories *d, const char *person_key,
                                     struct person *out_r);
/* After one of these has failed: because no server of that directory can be reached at all? False when one of them said
 * something, were it that it refuses bind_dn or the question: what a server says is not to be covered by an older answer. */
bool directory_unreachable(const struct directories *d, const char *directory);
/* By the login name a person types (filter `login_filter`, escaped by RFC 4515). */
CHECKED enum result directory_by_login(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                       const char *login, struct person *out_r);
/* The same without groups: one search, whether there is such a person or not. */
CHECKED enum result directory_entry_by_login(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                             const char *login, struct person *out_r);
/* By a configured search on verified claims: `claim_filter = (employeeNumber={claim.employee_number})`. RESULT_NOT_FOUND
 * when no filter is configured or a claim it needs is absent. */
CHECKED enum result directory_by_claims(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                        const json_t *claims, struct person *out_r);
/* Binds as `dn` on a handle of its own. Refuses an empty password before the wire (RFC 4513 §5.1.2). The status tells
 * what the server said: ACCOUNT_OK, ACCOUNT_PASSWORD_EXPIRED, ACCOUNT_MUST_CHANGE, ACCOUNT_EXPIRED or
 * ACCOUNT_LOGON_HOURS when the password is the right one
 * (account_status_proves), else ACCOUNT_WRONG_PASSWORD, ACCOUNT_LOCKED_BY_PASSWORDS, … */
CHECKED enum result directory_bind(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                   const char *dn, const char *password, enum account_status *out_r);
/* The bind of a name that cannot exist, so that a login name nobody has asks the server as much as a wrong password does. */
CHECKED enum result directory_bind_nobody(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                          const char *password);
/* One spelling per DN, lower case ("\\2C" and "\\," are the same): what group DNs are compared by. NULL: no DN. */
char *directory_dn_normal(struct arena *a, const char *dn);
/* For sync and listings: every person below people_base, paged. */
CHECKED enum result directory_each(struct fault *f, struct directories *d, const char *directory,
                                   enum result (*each)(void *arg, struct arena *a, const struct person *p), void *arg);
/* The same without their groups: a page of 500 people is one question. */
CHECKED enum result directory_each_entry(struct fault *f, struct directories *d, const char *directory,
                                         enum result (*each)(void *arg, struct arena *a, const struct person *p), void *arg);
/* What is asked of the directories and what they answer, told to whoever looks: `directory show`, `directory test`, doctor.
 * Only what this thread asks; `each` NULL ends it. A filter holds what somebody typed as a login name, and never a password. */
struct directory_event {
    enum { DIRECTORY_CONNECTED, DIRECTORY_SEARCHED, DIRECTORY_FACT } kind;
    const char *server;              /* its URL; not of a fact */
    const char *base, *scope, *filter;
    size_t entries;
    const char *attribute, *value;   /* of a fact: what made `status` hold; value NULL: no text */
    enum account_status status;
    const char *problem;             /* NULL: it went well */
    int64_t us;                      /* how long it took */
};
void directory_watch(void (*each)(void *arg, const struct directory_event *e), void *arg);
/* doctor: connects, binds, reads one entry; writes findings as plain sentences, one a line, each starting "ok: ",
 * "warning: " or "error: ". RESULT_OK when no error line was written. */
CHECKED enum result directory_probe(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                    struct buf *findings);
#endif
