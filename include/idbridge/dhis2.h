/* dhis2: make DHIS2 agree. Web API client, metadata cache, users: one account as it is and as it should be. */
#ifndef IDBRIDGE_DHIS2_H
#define IDBRIDGE_DHIS2_H

#include <idbridge/mapping.h>

extern const struct config_key dhis2_config_keys[]; /* [dhis2 NAME] */

struct dhis2s;
CHECKED enum result dhis2s_new(struct fault *f, const struct config *c, struct dhis2s **out_r);
void dhis2s_free(struct dhis2s *d);
size_t dhis2s_names(const struct dhis2s *d, const char *const **out_r);
bool dhis2s_has(const struct dhis2s *d, const char *name);
const char *dhis2_base_url(const struct dhis2s *d, const char *name);

/* What the account should be. `open_id` is the random person id; uid and username are made from it and from the
 * directory's login at creation and never changed after. */
struct account_wish {
    const char *open_id;
    const char *login;                    /* the directory's; made into a username DHIS2 accepts */
    const char *given_name, *surname, *mail, *phone; /* NULL: leave as it is */
    const struct grants *grants;
    /* May some rule give this user group? Then somebody whom none gives it any more is taken out of it ([dhis2 x]
     * managed_groups = rules). NULL: not known, nobody is taken out. Called for the groups the account is in. */
    bool (*could_give)(void *arg, enum grant_kind k, enum grant_by by, const char *ref);
    void *could_give_arg;
};
struct account {
    const char *uid, *username;
    bool created, changed, disabled;
    const char *patch;   /* JSON Patch text that was sent, or would be (explain); "[]" when DHIS2 agrees already */
};
/* Looks up by openId, creates or patches owned fields only (JSON Patch, op add), reads back and compares. Serialised per
 * person. `write` false: plans only (explain). RESULT_OK: DHIS2 agrees. Else *reason_r: dhis2_down, dhis2_conflict,
 * dhis2_refused, dhis2_protected; nothing half-made is left: a client-supplied uid makes every retry find the first try. */
CHECKED enum result dhis2_account_ensure(struct fault *f, struct arena *a, struct dhis2s *d, const char *name,
                                         const struct account_wish *w, bool write, struct account *out_r,
                                         const char **reason_r);
/* A Route's X-Forwarded-User: does that user exist and may work? RESULT_NOT_FOUND, or *enabled_r. */
CHECKED enum result dhis2_user_enabled(struct fault *f, struct arena *a, struct dhis2s *d, const char *name,
                                       const char *username, bool *enabled_r, const char **uid_r);
/* doctor: version, authorities, canIssue over all mapped roles, org units, clocks, session time-out. `m` may be NULL. */
CHECKED enum result dhis2_probe(struct fault *f, struct arena *a, struct dhis2s *d, const char *name,
                                const struct mapping *m, struct buf *findings);
#endif
