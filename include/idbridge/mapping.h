/* mapping: what a person may do. Rules turn standing facts (directory groups and attributes, claims kept with the link,
 * time windows) into grants of DHIS2 roles, user groups and the three org-unit sets. acr and application never add a
 * grant, so a login and a sync compute the same. */
#ifndef IDBRIDGE_MAPPING_H
#define IDBRIDGE_MAPPING_H

#include <idbridge/directory.h>

enum grant_kind { GRANT_ROLE, GRANT_GROUP, GRANT_OU_CAPTURE, GRANT_OU_VIEW, GRANT_OU_SEARCH };
#define GRANT_KINDS 5
const char *grant_kind_name(enum grant_kind k); /* role, group, org-unit, view-org-unit, search-org-unit */

/* One thing given. `by` says how `ref` names it in DHIS2. */
enum grant_by { BY_NAME, BY_CODE, BY_UID };
struct granted {
    enum grant_kind kind;
    enum grant_by by;
    const char *ref;     /* template filled in */
    const char *rule;    /* the rule that gave it first, in rule order */
    int64_t until;       /* 0: no end */
};
struct grants {
    const struct granted *list; /* no two with the same kind, by and ref; sorted by kind, by, ref */
    size_t count;
    bool any_rule;       /* at least one rule matched */
    const char *trace;   /* JSON array text, one object per rule looked at, only when asked for */
};

/* Rule text (also the form of `map export` and `map apply`), one JSON object:
 * {"name":"nurses-r1","dhis2":"hmis","from":"2026-01-01","until":"2026-12-31",
 *  "when":{"groups":["cn=nurses,…" or "nurses"],"attributes":{"title":["Nurse"]},"claims":{"gender":["F"]}},
 *  "give":{"roles":["Clinic worker"],"groups":["code:NURSES"],"org_units":["code:{directory.departmentNumber}"],
 *          "view_org_units":["uid:ImspTQPwCqd"],"search_org_units":[]}}
 * All parts of `when` must hold; within a list one of the values is enough. A reference without prefix is a name. */
CHECKED enum result mapping_rule_check(struct fault *f, struct arena *a, const char *text, const char **normal_text_r,
                                       const char **name_r); /* RESULT_INVALID names the member that is wrong */

struct mapping; /* compiled rules, immutable; share through a snapshot */
CHECKED enum result mapping_load(struct fault *f, struct store_view *v, struct mapping **out_r);
void mapping_free(struct mapping *m);
size_t mapping_count(const struct mapping *m);
/* Every reference of one kind that a rule for that instance may give (NULL: any instance), templates as they stand. */
CHECKED enum result mapping_each_ref(const struct mapping *m, const char *dhis2, enum grant_kind k,
                                     enum result (*each)(void *arg, enum grant_by by, const char *ref), void *arg);
/* May some rule for that instance give this, to somebody? A template counts for whatever fits around its placeholders. */
bool mapping_could_give(const struct mapping *m, const char *dhis2, enum grant_kind k, enum grant_by by, const char *ref);
/* Pure: no I/O, no clock of its own. `claims` are those kept with the link, or NULL. Cost follows the person's groups,
 * not the number of rules. */
CHECKED enum result mapping_decide(struct fault *f, struct arena *a, const struct mapping *m, const char *dhis2,
                                   const struct person *p, const json_t *claims, int64_t now, bool trace,
                                   struct grants *out_r);
#endif
