/* login: the pipeline itself. identity -> person -> grants -> account as a table of steps; linking. A login runs it,
 * `idbridge explain` runs the same functions with a trace and without writes. */
#ifndef IDBRIDGE_LOGIN_H
#define IDBRIDGE_LOGIN_H

#include <idbridge/dhis2.h>
#include <idbridge/upstream.h>

extern const struct config_key login_config_keys[]; /* [bridge] [session] [link], password_… of [directory NAME] */
/* What a table cannot say: words of [link] lists, and a directory that exists. */
CHECKED enum result login_config_check(struct fault *f, const struct config *c);

/* Everything the daemon holds; made by main, read-only but for what the slots hand out. */
struct bridge {
    const struct config *config;
    struct store *store;
    const struct master *master;
    const char *issuer;            /* https://id.example.org, no trailing slash, or http on loopback */
    bool secure;
    struct upstreams *upstreams;
    struct directories *directories;
    struct dhis2s *dhis2s;
    struct snapshot_slot *ring;    /* struct token_ring */
    struct snapshot_slot *rules;   /* struct mapping */
    struct snapshot_slot *discovery; /* prebuilt bytes, provider/ */
    struct snapshot_slot *client_keys; /* provider/client_keys.c */
    struct limits *address_limits;
    _Atomic bool stopping;         /* SIGTERM: draining */
};

/* ---- how a login can end ------------------------------------------------------------------------------ */

/* One row per way: code (reason.<code> in the catalogue), HTTP status, sentence for the log. */
struct reason {
    const char *code;
    int status;
    const char *log;
    bool restart;   /* the page offers to start again */
};
const struct reason *login_reason(const char *code); /* never NULL: "internal" at worst */
/* Replies with the page of that reason and marks the exchange done; x->fault goes to the log with x->ref. `restart_url`
 * NULL: no link. */
void login_refuse(struct exchange *x, const char *code, const char *restart_url);
/* One audit row per reason for the refusals since the last call; main calls it every minute. In a transaction. */
CHECKED enum result login_audit_refusals(struct fault *f, struct store_view *v);
/* The reason code for a fault that has none of its own: overloaded, internal, … */
const char *login_reason_of(const struct fault *f);

/* ---- stations, used by login and explain ---------------------------------------------------------------- */

struct station_trace; /* where explain collects what was decided and how long it took; NULL in a login */

/* What one login carries from station to station; lives in the exchange's arena. */
struct login {
    /* in: what the application asked (sealed in the state while the browser is away) */
    const char *client_id, *redirect_uri, *scope, *state, *nonce, *code_challenge;
    const char *acr_values, *ui_locales, *prompt;
    const char *dhis2;               /* the client's instance, or NULL */
    int64_t max_age;
    const char *upstream;
    struct upstream_request rq;      /* our side's secrets */
    const char *transaction;         /* id of the cookie that binds it to this browser */
    int64_t started;
    /* stations */
    struct identity identity;
    struct link link;
    bool linked;
    struct person person;
    json_t *claims;                  /* kept with the link */
    struct grants grants;
    struct account account;
    bool want_trace;
    const char *session_id;          /* hash of the browser session that answers instead of the ID provider, or NULL */
    void *beside;                    /* what the caller's own steps keep (provider/ at a refresh) */
    /* how long each station took, microseconds, for the printed demo and explain */
    int64_t us_identity, us_person, us_grants, us_account;
};

/* person: by the link's key or, when not linked, by the claim filter. *reason_r: directory_down, person_…. The grace copy
 * answers for an unreachable directory where [directory x] grace allows it. RUN_DIRECTORY. */
CHECKED enum result login_person(struct fault *f, struct arena *a, struct bridge *b, struct login *l,
                                 const char **reason_r);
/* In the transaction that completes a login or refresh: what the directory said is its last answer from now on. */
CHECKED enum result login_keep_answer(struct fault *f, struct exchange *x, const struct login *l);
/* grants: pure. *reason_r: no_grants. */
CHECKED enum result login_grants(struct fault *f, struct arena *a, struct bridge *b, struct login *l,
                                 const char **reason_r);
/* account: RUN_DHIS2. *reason_r: dhis2_…. write false: plan only. */
CHECKED enum result login_account(struct fault *f, struct arena *a, struct bridge *b, struct login *l, bool write,
                                  const char **reason_r);

/* `idbridge explain PERSON`: PERSON is a login name, a person id, or "iss sub". Runs the stations above without writing and
 * prints one line per station and rule. */
CHECKED enum result login_explain(struct fault *f, struct arena *a, struct bridge *b, const char *person,
                                  const char *dhis2, bool json, FILE *to);

/* The directory people are linked to: [link] directory, or the first one; "" when there is none. */
const char *login_directory(const struct bridge *b);
/* Which directory the next step of this exchange asks: the linked entry's, the one whose password is asked for, or that. */
const char *login_directory_of(const struct exchange *x);
/* By login name, in `directory`, or (NULL) in the first directory that has it, login_directory before the others. */
CHECKED enum result login_find_entry(struct fault *f, struct arena *a, const struct bridge *b, const char *directory,
                                     const char *login, struct person *out_r);
/* What the audit keeps of a link, sealed: JSON text of its iss, sub and entry. NULL: out of memory. */
const char *login_link_detail(struct arena *a, const struct link *l);

/* ---- the web side ----------------------------------------------------------------------------------------- */

/* Begins a login: seals state, sets the transaction cookie, redirects to the ID provider. Called by provider/authorize
 * when no session answers. May need the upstream pool (metadata not cached): it is the run of a step. */
CHECKED enum result login_begin(struct exchange *x, struct login *l);

bool login_begin_waits(const struct exchange *x, const struct login *l); /* it fetches metadata: RUN_UPSTREAM */

/* ---- login by a directory's own password (offer.c) ------------------------------------------------------------ */

/* Such a login's `upstream` is "directory:NAME", as is its iss; its acr is this one (SAML 2.0 Authentication Context §3.4.6). */
#define LOGIN_PASSWORD_ACR "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
const char *login_password_directory(const char *upstream); /* NAME; NULL: an ID provider's */
const char *login_provider_label(const struct exchange *x, const char *upstream); /* what a person calls it */
/* May this application's people sign in so, from this request's address, with the acr that is asked for (NULL: any)? */
bool login_password_offered(const struct exchange *x, const struct client *c, const char *acr_values, const char *directory);
/* All that are, as upstream names; how many. */
size_t login_password_ways(const struct exchange *x, const struct client *c, const char *acr_values, const char **out, size_t max);
/* May a refresh token of that upstream go on? True for ID providers. */
bool login_password_kept(const struct bridge *b, const char *client_id, const char *upstream);
/* Words for explain and doctor: "offered to a b from 10.0.0.0/8". False: nowhere. */
bool login_password_describe(const struct bridge *b, const char *directory, struct buf *out);
void login_password_probe(struct bridge *b, struct arena *a, const char *directory, struct buf *findings);

/* What happens when a login is complete is the application's affair: provider/ sets this once at start. It runs as a
 * RUN_STORE step, in the transaction that also stores link use, session and audit row, and makes the reply (redirect with
 * a code). */
extern enum result (*login_complete)(struct exchange *x, struct login *l);

/* Routes of this folder: /callback/NAME, /link, /password, /restart. NULL-ended by name; made once from the configuration. */
CHECKED enum result login_routes(struct fault *f, const struct config *c, const struct route **out_r, size_t *count_r);

void login_routes_free(const struct route *routes);

/* ---- browser sessions --------------------------------------------------------------------------------------- */

/* The session of this browser, if any: cookie, store row, idle and absolute life. RESULT_NOT_FOUND otherwise. */
struct browser_session {
    const char *id_hash, *person_id, *upstream, *iss, *sub, *acr, *display_name;
    int64_t auth_time;
    json_t *data;
};
CHECKED enum result login_session(struct fault *f, struct exchange *x, struct browser_session *out_r);
/* In a transaction: a new session for this login; sets the cookie. */
CHECKED enum result login_session_start(struct exchange *x, struct login *l, const char **id_hash_r);
CHECKED enum result login_session_end(struct exchange *x, const char *id_hash);

/* ---- for a login that a session or a refresh token answers --------------------------------------------------- */

/* Makes x->work; the login in it is the caller's to fill. */
struct login *login_work(struct exchange *x);
/* Loads the link of (iss, sub) into l. */
CHECKED enum result login_load_link(struct fault *f, struct exchange *x, struct login *l, const char *iss,
                                    const char *sub, const char **reason_r);
/* The steps a callback ends with, for provider/'s own tables: link (RUN_CPU, refuses an unknown one), person
 * (RUN_DIRECTORY), grants (RUN_CPU), account (RUN_DHIS2, only when login_account_needed), complete (RUN_STORE). */
CHECKED enum result login_step_link(struct exchange *x);
CHECKED enum result login_step_person(struct exchange *x);
CHECKED enum result login_step_grants(struct exchange *x);
CHECKED enum result login_step_account(struct exchange *x);
bool login_account_needed(const struct exchange *x);
CHECKED enum result login_step_complete(struct exchange *x);
void login_failed(struct exchange *x); /* route.failed of every page */
#endif
