/* Private to login/. state.c carries a login while the browser is away, link.c asks for the directory password,
 * proof.c checks it,
 * password.c signs in with it where offer.c says so, session.c remembers a browser, tail.c holds the steps that every way of signing in ends with. */
#ifndef LOGIN_PRIVATE_H
#define LOGIN_PRIVATE_H

#include <idbridge/login.h>

#define LINK_CLAIMS_MAX (256u << 10)
#define LOGIN_LIFE_S 600      /* from the click to the callback */
#define LOGIN_COOKIES_MAX 4   /* open logins in one browser; the oldest is dropped */
#define LOGIN_COOKIE "idb-login-"
#define LOGIN_PARAM_MAX 2000  /* bytes of one parameter of an application: the whole must fit a cookie */

/* state.c: one login in one cookie, sealed; the upstream `state` carries only its id and is sealed too. */
CHECKED enum result state_start(struct exchange *x, struct login *l);  /* cookie set, l->rq and l->transaction filled */
CHECKED enum result state_find(struct exchange *x, const char *state, struct login *l, const char **reason_r);
CHECKED enum result state_of_cookie(struct exchange *x, const char *transaction, struct login *l);
size_t state_open_logins(struct exchange *x, const char *upstream, struct login *out, size_t max);
void state_end(struct exchange *x, const struct login *l);
json_t *state_to_json(struct arena *a, const struct login *l);
CHECKED enum result state_from_json(struct fault *f, struct arena *a, const json_t *j, struct login *l);

/* again.c: a way on. NULL: there is none. */
const char *again_restart(struct exchange *x, const struct login *l); /* the request of this cookie once more */
const char *again_other(struct exchange *x, const struct login *l);   /* the same, and somebody else signs in */
const char *again_same_page(struct exchange *x);
const char *again_application(struct exchange *x, const char *client_id); /* where the application begins; in a step only */
bool again_finished(struct exchange *x, const char *transaction);     /* that login was completed before */
CHECKED enum result again_used(struct exchange *x, const char *client_id); /* the page that says so; RESULT_OK */

/* What a route's work points at: the login, and what the steps agreed on. */
struct work {
    struct login l; /* the first member: login_work() hands out a pointer to it */
    bool ask_password;       /* nobody is linked: show the form */
    bool self_link;          /* the person proved the directory password just now */
    const char *link_method; /* password | search */
    const char *code;        /* the ID provider's */
    const char *user, *password;
    const char *form_state;
    bool wrong;              /* show the form again */
    void (*form)(struct exchange *x, const struct work *w); /* which form that is */
    enum account_status said; /* of the bind */
};

/* stations.c: the policy per account status; *reason_r names the refusal. by_password: the person signs in with the
 * directory's own password. */
CHECKED enum result login_check_status(struct fault *f, const struct bridge *b, const struct person *p, bool by_password,
                                       const char **reason_r);

/* reasons.c, refusals.c */
const struct reason *reason_at(size_t i); /* NULL past the last row */
void refusals_count(size_t reason);
void refusals_note(const char *code); /* counts one, in metric and audit */
void refusals_person(const struct exchange *x, const struct login *l, const char *reason); /* nothing for the unknown */

/* held.c: what the person held before this sign-in (account station) and, in a transaction, holds from now on */
struct held {
    const struct mapping *rules;
    const char *dhis2;
    json_t *before; /* array, or NULL */
};
CHECKED enum result held_load(struct fault *f, struct arena *a, struct bridge *b, const struct login *l, struct held *h);
int64_t held_since(const struct held *h, const struct granted *g); /* 0: not held before */
bool held_could_give(void *held, enum grant_kind k, enum grant_by by, const char *ref);
CHECKED enum result held_record(struct fault *f, struct exchange *x, const struct login *l);

/* grace.c: the last answer of a directory no server of which can be reached; *f stays as it is when none applies. */
CHECKED enum result grace_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l);
/* The directory answered and the login ends here: that answer is the last one now. Nobody waits for the write. */
void grace_answered(struct bridge *b, struct arena *a, const struct login *l, bool refused);

/* proof.c: is this the password of that account? Steps of both forms that ask for one; `wrong` shows the form again. */
bool proof_complete(const struct work *w); /* something is typed, and not too much */
char *proof_key(struct exchange *x, const char *kind, const char *value);
CHECKED enum result proof_count(struct exchange *x, const char *kind, const char *value);
CHECKED enum result proof_find(struct exchange *x);
CHECKED enum result proof_count_account(struct exchange *x);
CHECKED enum result proof_bind(struct exchange *x);

/* offer.c, password.c: login by a directory's password. login_begin shows its form. */
CHECKED enum result offer_check(struct fault *f, const struct config *c, const char *directory);
const char *offer_address_key(struct arena *a, const char *address); /* what tries from there count for */
CHECKED enum result password_begin(struct exchange *x, struct login *l);
CHECKED enum result password_claims(struct fault *f, struct store_view *v, struct arena *a, struct login *l);
extern const struct step password_steps[];

/* explain_link.c: {"links": [...], "former_person_id", "refused"}, and in words */
CHECKED enum result explain_links(struct fault *f, struct arena *a, struct store_view *v, const struct login *l,
                                  const char *reason, json_t **out_r);
void explain_links_print(FILE *to, const struct login *l, const json_t *told);

/* link.c */
CHECKED enum result link_page(struct exchange *x, struct work *w);
extern const struct step link_steps[];
CHECKED enum result link_match(struct exchange *x); /* [link] match, for a link by password and by search */

/* tail.c: steps shared by callback and link */
CHECKED enum result tail_load_link(struct exchange *x);
CHECKED enum result tail_store_link(struct exchange *x);
bool tail_link_needed(const struct exchange *x);
bool tail_open(const struct exchange *x); /* no form is to be shown */
bool tail_form_needed(const struct exchange *x);
/* Ends the exchange with the page of `reason` unless r is OK; RESULT_OK either way: the step was done. */
enum result login_stop(struct exchange *x, enum result r, const char *reason);

#endif
