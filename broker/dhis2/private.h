/* What the files of dhis2/ share: one configured instance, the task in hand, and the shapes of what DHIS2 answers. */
#ifndef IDBRIDGE_DHIS2_PRIVATE_H
#define IDBRIDGE_DHIS2_PRIVATE_H

#include <idbridge/dhis2.h>

#include <stdatomic.h>

/* ---- one instance (config.c) --------------------------------------------------------------------------- */

enum owned { OWN_NAMES = 1, OWN_MAIL = 2, OWN_PHONE = 4, OWN_ROLES = 8, OWN_GROUPS = 16, OWN_ORG_UNITS = 32 };

struct memory; /* memory.c: what was asked lately */

struct dhis2 {
    const char *name;
    const char *base;          /* no trailing slash */
    const char *authorization; /* the header's value: secret */
    const char *ca_file, *proxy, *ip_family;
    long timeout_ms, connect_timeout_ms;
    int64_t metadata_life_us;
    unsigned own;              /* enum owned */
    bool reenable;
    const char *username_prefix;
    char *const *managed_groups, *const *unmanaged_roles;
    struct snapshot_slot *catalogue; /* struct catalogue */
    atomic_bool refreshing;
    struct memory *units, *enabled, *bad_mail;
};
struct dhis2s {
    struct arena *arena;
    struct dhis2 *list;
    const char **names;
    size_t count;
};
struct dhis2 *dhis2_find(const struct dhis2s *d, const char *name); /* NULL: none */

/* ---- the task in hand ------------------------------------------------------------------------------------ */

/* Made by each public function; `reason` is what *reason_r will be when the task fails. */
struct task {
    struct fault *f;
    struct arena *a;
    struct dhis2 *d;
    const char *reason;
};
enum result dhis2_down(struct task *t, enum result r, const char *fmt, ...) PRINTF(3, 4);
enum result dhis2_refused(struct task *t, const char *fmt, ...) PRINTF(2, 3);
enum result dhis2_conflict(struct task *t, const char *fmt, ...) PRINTF(2, 3);

/* ---- calls (client.c) -------------------------------------------------------------------------------------- */

struct answer {
    long status;
    json_t *json;     /* object, or NULL */
    const char *date; /* Date header or NULL */
    const char *what; /* "PATCH /api/users/abc" for faults: no query, so no person */
};
/* RESULT_OK whatever the status but 401: that and no answer at all are dhis2_down. `body` NULL: none; it is sent as
 * JSON, or as JSON Patch when the method is PATCH. */
CHECKED enum result dhis2_call(struct task *t, const char *method, const char *path, const char *body,
                               struct answer *out_r);
/* GET that must answer 200 with an object. */
CHECKED enum result dhis2_get(struct task *t, const char *path, json_t **out_r);
/* A filter's value as it goes into the query: commas are refused (dhis2-users: never found by any filter). */
CHECKED enum result dhis2_filter_value(struct task *t, const char *value, char **out_r);

/* ---- refusals (errors.c) ------------------------------------------------------------------------------------- */

enum { DHIS2_ERRORS_MAX = 8 };
struct dhis2_error {
    const char *code;     /* E4054 */
    const char *property; /* errorProperty or NULL */
    const char *subject;  /* first of errorProperties: "username", "OIDC mapping value", or NULL */
    const char *about;    /* id or role name that may be logged, or NULL */
};
struct dhis2_errors {
    size_t count;
    struct dhis2_error list[DHIS2_ERRORS_MAX];
};
void dhis2_errors_read(struct arena *a, const json_t *envelope, struct dhis2_errors *out_r);
bool dhis2_errors_has(const struct dhis2_errors *e, const char *code, const char *subject_or_property);
/* The fault and reason for an answer that is no success. Never returns RESULT_OK. */
CHECKED enum result dhis2_refusal(struct task *t, const struct answer *got);

/* ---- names (names.c): pure ------------------------------------------------------------------------------------- */

enum { DHIS2_UID_LEN = 11, DHIS2_USERNAME_TRIES = 4 };
char *dhis2_uid_of(struct arena *a, const char *open_id);
/* Attempt 0 is the login made acceptable; later ones end in letters derived from open_id. */
char *dhis2_username_of(struct arena *a, const char *prefix, const char *login, const char *open_id, unsigned attempt);
bool dhis2_username_ok(const char *s);
bool dhis2_mail_ok(const char *s);
char *dhis2_cut(struct arena *a, const char *s, size_t max); /* to max UTF-16 units, as Java counts */

/* ---- metadata (catalogue.c, units.c, resolve.c) ------------------------------------------------------------------- */

struct thing {
    const char *id, *name, *code; /* NULL when absent */
    bool all;                     /* a role that holds the authority ALL */
};
struct things {
    struct thing *list;
    size_t count;
};
bool things_have(const struct things *s, const char *id);
bool things_equal(const struct things *a, const struct things *b); /* as sets of ids */
CHECKED enum result things_add(struct task *t, struct things *s, const struct thing *one); /* once each */
CHECKED enum result things_read(struct task *t, const json_t *array, struct things *out_r);

struct catalogue;
/* Borrowed for the arena's life; read again when older than metadata_life, or than `at_most_us` when that is above 0. */
CHECKED enum result dhis2_catalogue(struct task *t, int64_t at_most_us, const struct catalogue **out_r);
/* How many roles or groups are called so (2 means two or more). */
size_t catalogue_find(const struct catalogue *c, enum grant_kind k, enum grant_by by, const char *ref,
                      struct thing *out_r);
/* GET of a list: path with fields; used for roles and groups and by the probe for canIssue. */
CHECKED enum result dhis2_list(struct task *t, const char *path, const char *member, struct things *out_r);
CHECKED enum result dhis2_unit(struct task *t, enum grant_by by, const char *ref, struct thing *out_r);

/* memory.c: a bounded table of answers with a life; the newer entry takes the place of an older one. */
struct memory *memory_new(size_t slots, int64_t life_us);
void memory_free(struct memory *m);
bool memory_get(struct memory *m, struct arena *a, const char *key, const char **text_r, bool *flag_r);
void memory_put(struct memory *m, const char *key, const char *text, bool flag);

/* ---- users (user.c, plan.c) ------------------------------------------------------------------------------------- */

#define UNIT_SETS 3
struct user {
    const char *id, *username, *open_id, *first_name, *surname, *email, *phone, *expiry;
    bool disabled, external, all;
    struct things roles, groups, units[UNIT_SETS];
};
extern const char *const dhis2_unit_fields[UNIT_SETS]; /* organisationUnits, … */
CHECKED enum result dhis2_user_read(struct task *t, const json_t *j, struct user *out_r);
/* The one user with this openId: enabled, or else disabled. *found_r false: none. */
CHECKED enum result dhis2_user_by_open_id(struct task *t, const char *open_id, struct user *out_r, bool *found_r);
CHECKED enum result dhis2_username_taken(struct task *t, const char *username, const char **by_uid_r);

struct wanted {
    struct things roles, groups, units[UNIT_SETS];
};
/* The grants as ids; what `u` (may be NULL) holds already needs no look-up. */
CHECKED enum result dhis2_resolve(struct task *t, const struct grants *g, const struct user *u, struct wanted *out_r);

struct plan {
    json_t *patch;  /* array of operations, all but the groups; empty: nothing */
    json_t *groups; /* array of one operation, or empty */
    bool rights;    /* roles, org units, disabled or externalAuth differ */
    bool profile;   /* names, mail or phone differ */
    struct things missing_groups;
};
CHECKED enum result dhis2_plan(struct task *t, const struct account_wish *w, const struct wanted *g,
                               const struct user *u, struct plan *out_r);
CHECKED enum result dhis2_create_body(struct task *t, const struct account_wish *w, const struct wanted *g,
                                      const char *username, json_t **out_r);

#endif
