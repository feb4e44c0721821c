/* store: what the bridge remembers. One interface; SQLite stands behind it and nothing outside the folder knows.
 *
 * Writing: everything is written inside a transaction. The daemon has ONE writer thread that commits many queued
 * jobs together (WAL, synchronous FULL), each under its own savepoint; the command line runs one transaction at a
 * time (BEGIN IMMEDIATE). Reading: any thread, on its own connection, outside transactions (`store_reader`) or
 * inside one. So every function takes a `struct store_view`: a transaction or this thread's reader. */
#ifndef IDBRIDGE_STORE_H
#define IDBRIDGE_STORE_H

#include <idbridge/base.h>

extern const struct config_key store_config_keys[]; /* [store] */

struct store;
struct store_view;

/* ---- opening, migrating, backing up ---------------------------------------------------------------- */

enum store_open_mode { STORE_CREATE, STORE_OPEN };
/* `folder` holds idbridge.db. Refuses a schema newer than this program; an older one is migrated forward after an
 * automatic backup beside it (idbridge.db.before-N). */
CHECKED enum result store_open(struct fault *f, const char *folder, enum store_open_mode mode, const struct master *m,
                               struct store **out_r);
void store_close(struct store *s); /* commits what is queued first */
int store_schema_version(void);
const struct master *store_master(const struct store *s);

/* Online copy into `file` (must not exist). Restore: checks the copy (integrity, schema not newer), puts it in place
 * while nothing has the store open, revokes codes, sessions and refresh tokens, writes an audit row that marks it. */
CHECKED enum result store_backup(struct fault *f, struct store *s, const char *file);
CHECKED enum result store_restore(struct fault *f, const char *folder, const char *file, const struct master *m,
                                 const char *actor);
CHECKED enum result store_writable(struct fault *f, struct store *s); /* /readyz */

/* ---- transactions ---------------------------------------------------------------------------------- */

/* A write job. `run` is called on the writer thread inside the transaction; when it does not return RESULT_OK its
 * savepoint is rolled back. `done` is called on the writer thread AFTER the commit (or with the fault when `run` or
 * the commit failed): it must be quick, e.g. submit the next job. The struct belongs to the caller until done. */
struct store_write {
    struct store_write *next;
    enum result (*run)(struct fault *f, struct store_view *v, void *arg);
    void (*done)(struct store_write *w);
    void *arg;
    struct fault fault; /* result of it all */
};
CHECKED enum result store_writer_start(struct fault *f, struct store *s, unsigned queue_max);
CHECKED enum result store_submit(struct store *s, struct store_write *w); /* RESULT_OVERLOADED */
/* The same, waiting: command line, tests, rare paths. Works with and without the writer thread. */
CHECKED enum result store_transaction(struct fault *f, struct store *s,
                                      enum result (*run)(struct fault *f, struct store_view *v, void *arg), void *arg);
/* Inside `run`: what the job wrote so far is committed even when the job refuses afterwards (an audit row about the
 * refusal, a revocation). */
CHECKED enum result store_keep(struct fault *f, struct store_view *v);
/* This thread's read connection; stays the store's. NULL only when it cannot be opened (f is set). */
struct store_view *store_reader(struct fault *f, struct store *s);

/* Rows read into structs live in the arena that is passed. Times are seconds since 1970. "Not found" is
 * RESULT_NOT_FOUND. Lists: `each` is called per row and stops the walk by returning anything but RESULT_OK, which the
 * walk then returns. Lists also take a NULL arena: each row then lives only during its call (long lists in constant
 * memory). */

/* ---- clients: the applications that trust us ------------------------------------------------------- */

struct client {
    const char *client_id, *name;
    const char *profile;          /* dhis2 | rfc9068 | route */
    const char *dhis2;            /* name of the [dhis2 x] instance it writes to, or NULL */
    const char *auth_method;      /* client_secret_basic | client_secret_post | private_key_jwt | none */
    const char *secret_hash;      /* keyed_hash of the secret, or NULL */
    const char *jwks;             /* JSON text of its public keys, or NULL */
    const char *jwks_uri;         /* or NULL */
    const char *redirect_uris;    /* JSON array text, exact strings */
    const char *post_logout_redirect_uris; /* JSON array text */
    const char *scopes;           /* blank-separated, what it may ask */
    const char *grant_types;      /* blank-separated: authorization_code refresh_token client_credentials */
    const char *audience;         /* aud of access tokens; NULL: client_id */
    const char *sso;              /* never | ask | silent */
    const char *upstream;         /* default [upstream x], or NULL: the only or first one */
    const char *acr_values;       /* required acr, blank-separated, or NULL */
    bool require_pkce, disabled;
    int64_t created;
};
CHECKED enum result store_client_put(struct fault *f, struct store_view *v, const struct client *c); /* by client_id */
CHECKED enum result store_client_get(struct fault *f, struct store_view *v, struct arena *a, const char *client_id,
                                     struct client *out_r);
CHECKED enum result store_client_remove(struct fault *f, struct store_view *v, const char *client_id);
CHECKED enum result store_client_each(struct fault *f, struct store_view *v, struct arena *a,
                                      enum result (*each)(void *arg, const struct client *c), void *arg);

/* ---- links: which identity is which person --------------------------------------------------------- */

/* `person_key` is the directory's stable id: "directory-name:entryUUID" or objectGUID in hex. `person_id` is the
 * random id made at the first link of a person; it is DHIS2's openId and the sub of our own tokens; a second
 * identity of the same person shares it. `claims` is JSON text of what the ID provider proved at the last sign-in and
 * mapping may use. */
#define LINK_DIRECTORY "directory:" /* upstream and iss of an identity that is the entry itself: login by its password */
struct link {
    const char *upstream, *iss, *sub;
    const char *person_key, *person_id;
    const char *dn;     /* where the entry was last seen; a hint only */
    const char *claims; /* JSON object text */
    const char *method; /* password | search | admin | import | directory */
    const char *state;  /* active | pending (an administrator must approve) */
    int64_t created, last_used;
};
CHECKED enum result store_link_get(struct fault *f, struct store_view *v, struct arena *a, const char *iss,
                                   const char *sub, struct link *out_r);
/* RESULT_CONFLICT when (iss, sub) is linked already. */
CHECKED enum result store_link_add(struct fault *f, struct store_view *v, const struct link *l);
CHECKED enum result store_link_touch(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                                     const char *claims, const char *dn, int64_t now);
CHECKED enum result store_link_move(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                                    const char *person_key, const char *person_id, const char *dn);
CHECKED enum result store_link_set_state(struct fault *f, struct store_view *v, const char *iss, const char *sub,
                                         const char *state);
CHECKED enum result store_link_remove(struct fault *f, struct store_view *v, const char *iss, const char *sub);
/* The person id of a directory entry: of its links, else the one it had before its last link was removed or moved.
 * RESULT_NOT_FOUND: it never was linked. *linked_r: to an identity
 * of an ID provider, now. */
CHECKED enum result store_link_person(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                                      const char **person_id_r, bool *linked_r);
/* A person who has another entry now (hired anew) keeps the person id: all links of it go to that entry, but for the one
 * that is the old entry itself. RESULT_NOT_FOUND: nobody has that id. */
CHECKED enum result store_link_follow(struct fault *f, struct store_view *v, const char *person_id, const char *person_key);
/* An id nobody ever signed in with gives way: its links and the entry are of `person_id` now. */
CHECKED enum result store_link_rename(struct fault *f, struct store_view *v, const char *from, const char *person_id,
                                      const char *person_key);
/* person_key NULL: all; else those of one person. */
CHECKED enum result store_link_each(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                                    enum result (*each)(void *arg, const struct link *l), void *arg);
CHECKED enum result store_link_by_person_id(struct fault *f, struct store_view *v, struct arena *a,
                                            const char *person_id, struct link *out_r);

/* ---- codes, refresh tokens, sessions, one-time values ---------------------------------------------- */

/* What a login produced and a token is made of; kept with code, refresh token and session. `data` is sealed at rest. */
struct grant {
    const char *client_id, *person_id;
    const char *session_id;      /* hash, or NULL */
    const char *redirect_uri, *scope, *nonce, *code_challenge; /* code only; NULL when none */
    const char *data;            /* JSON object text: acr, amr, auth_time, upstream, iss, sub, name, claims… */
    const char *family;          /* id shared by a code and all refresh tokens that came from it */
    int64_t created, expires;
};
/* Codes and refresh tokens are stored as SHA-256 of the value; the caller passes that hash (base64url). */
/* client_id and family are required; RESULT_DENIED when the family is revoked. */
CHECKED enum result store_code_add(struct fault *f, struct store_view *v, const char *hash, const struct grant *g);
/* Atomic single use, by the client it was made for; to any other it is unknown and stays as it was. A second redeem is
 * RESULT_CONFLICT with *family_r set so that descendants can be revoked (the used code is remembered until it would have
 * expired plus an hour); expired or unknown is RESULT_NOT_FOUND. */
CHECKED enum result store_code_redeem(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                                      const char *client_id, int64_t now, struct grant *out_r, const char **family_r);
CHECKED enum result store_refresh_add(struct fault *f, struct store_view *v, const char *hash, const struct grant *g);
/* Also a token that was used up already (a retry asks too); never one of a revoked family. */
CHECKED enum result store_refresh_peek(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                                       int64_t now, struct grant *out_r);
/* Rotation: `hash` is used up and `next_hash` takes its place with `next_sealed` (the new token's own text, so that a
 * retry within `grace_s` gets the same successor instead of a revoked family: answers get lost on bad networks).
 * RESULT_OK: rotated. RESULT_CONFLICT with *successor_r set: retry within the grace, give the same answer.
 * RESULT_DENIED: reuse, the whole family is revoked by this call, and stays revoked when the job refuses (store_keep).
 * RESULT_NOT_FOUND: unknown, expired or revoked. `*out_r` is filled in the first three cases (without data when
 * denied); its `created` stays the time of the login, its `expires` is the new token's. Which client it belongs to is
 * the caller's question: peek first, in the same transaction. */
CHECKED enum result store_refresh_rotate(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                                         const char *next_hash, const char *next_text, int64_t now, int64_t next_expires,
                                         int64_t grace_s, struct grant *out_r, const char **successor_r);
/* Family, session or person: everything that descends from it, sessions included. Any may be NULL. A family is
 * remembered for an hour after its last token expired: no access token may live longer than that. */
CHECKED enum result store_revoke(struct fault *f, struct store_view *v, const char *family, const char *session_id,
                                 const char *person_id);
CHECKED enum result store_family_revoked(struct fault *f, struct store_view *v, const char *family, bool *out_r);

struct session {
    const char *id_hash, *person_id;
    const char *data; /* JSON object text, sealed at rest: upstream, iss, sub, acr, auth_time, display name */
    int64_t created, last_seen, expires;
};
CHECKED enum result store_session_add(struct fault *f, struct store_view *v, const struct session *s);
/* RESULT_NOT_FOUND when unknown, past `expires`, or idle for more than idle_s. */
CHECKED enum result store_session_get(struct fault *f, struct store_view *v, struct arena *a, const char *id_hash,
                                      int64_t now, int64_t idle_s, struct session *out_r);
CHECKED enum result store_session_touch(struct fault *f, struct store_view *v, const char *id_hash, int64_t now);
CHECKED enum result store_session_remove(struct fault *f, struct store_view *v, const char *id_hash);

/* What may happen once until `expires`: client assertion jti, used state. RESULT_CONFLICT: it happened. */
CHECKED enum result store_once(struct fault *f, struct store_view *v, const char *kind, const char *value,
                               int64_t expires);
CHECKED enum result store_once_seen(struct fault *f, struct store_view *v, const char *kind, const char *value,
                                    bool *seen_r); /* reads only */
/* A counter that guards a password: adds one and tells how many there were within the window (this one included),
 * before anything is verified (CVE-2024-4629, CVE-2023-47111). */
CHECKED enum result store_attempt(struct fault *f, struct store_view *v, const char *key, int64_t now, int64_t window_s,
                                  int64_t *count_r);
/* One of them was no wrong password after all: it is taken back. */
CHECKED enum result store_attempt_return(struct fault *f, struct store_view *v, const char *key);
CHECKED enum result store_attempt_clear(struct fault *f, struct store_view *v, const char *key);
/* Deletes what expired, at most 10,000 rows of a kind in one call; called by the daemon every minute or so. */
CHECKED enum result store_expire(struct fault *f, struct store_view *v, int64_t now);

/* ---- persons as last seen, grants as last given ---------------------------------------------------- */

/* The last good person, sealed, for grace while the directory is down. */
CHECKED enum result store_person_put(struct fault *f, struct store_view *v, const char *person_key, const char *data,
                                     int64_t now);
CHECKED enum result store_person_get(struct fault *f, struct store_view *v, struct arena *a, const char *person_key,
                                     const char **data_r, int64_t *seen_r);
/* Forgets persons not seen since `before` (at most 10,000 in one call). */
CHECKED enum result store_person_remove(struct fault *f, struct store_view *v, const char *person_key);
CHECKED enum result store_person_expire(struct fault *f, struct store_view *v, int64_t before);
/* What a person holds in one DHIS2: JSON array text of {kind,id,rule,since}; sealed. */
CHECKED enum result store_held_put(struct fault *f, struct store_view *v, const char *person_id, const char *dhis2,
                                   const char *data, int64_t now);
CHECKED enum result store_held_get(struct fault *f, struct store_view *v, struct arena *a, const char *person_id,
                                   const char *dhis2, const char **data_r);

/* ---- signing keys, settings, rules ----------------------------------------------------------------- */

struct key_row {
    const char *kid;
    const char *use;     /* "sign" for our own tokens, "upstream:NAME" for a client key at an ID provider */
    const char *alg;     /* RS256, PS256, ES256, RSA-OAEP-256 */
    const char *private_jwk; /* JSON text, sealed at rest; NULL when it was exported public only */
    const char *public_jwk;  /* JSON text */
    const char *state;   /* next | active | retiring | retired */
    int64_t created, active_from, retire_at; /* 0: not decided */
};
CHECKED enum result store_key_put(struct fault *f, struct store_view *v, const struct key_row *k);
CHECKED enum result store_key_each(struct fault *f, struct store_view *v, struct arena *a, const char *use,
                                   enum result (*each)(void *arg, const struct key_row *k), void *arg); /* use NULL: all */
CHECKED enum result store_key_remove(struct fault *f, struct store_view *v, const char *kid);

CHECKED enum result store_setting_put(struct fault *f, struct store_view *v, const char *name, const char *value);
CHECKED enum result store_setting_get(struct fault *f, struct store_view *v, struct arena *a, const char *name,
                                      const char **value_r);

/* Mapping rules, in evaluation order (by name). `text` is JSON as mapping/ writes it. `revision` of the rule set grows
 * with every change, so readers know when to load it anew. */
struct rule_row {
    const char *name, *text;
    int64_t changed;
};
CHECKED enum result store_rule_put(struct fault *f, struct store_view *v, const struct rule_row *r);
CHECKED enum result store_rule_remove(struct fault *f, struct store_view *v, const char *name);
CHECKED enum result store_rule_each(struct fault *f, struct store_view *v, struct arena *a,
                                    enum result (*each)(void *arg, const struct rule_row *r), void *arg);
/* Grows by every committed change of clients, keys or rules, also one made by the command line in another process. */
CHECKED enum result store_revision(struct fault *f, struct store_view *v, int64_t *out_r);

/* ---- audit ----------------------------------------------------------------------------------------- */

/* One row per act, in the same transaction as the act. A hash chain: each row chains the hash of its payload; the
 * payload is sealed under a key of its subject, so that erasing that key erases the person and `verify` still passes. */
struct audit {
    const char *event;   /* login, login.refused, link.add, client.add, key.rotate, restore… */
    const char *subject; /* person_id, or NULL */
    const char *actor;   /* "cli uid=1000", "bridge", client_id */
    const char *outcome; /* ok, or the reason code */
    const char *detail;  /* JSON object text, or NULL; no secrets */
    const char *ref;     /* the reference code shown to the person, or NULL */
};
struct audit_row {
    int64_t seq, time;
    const char *event, *subject, *actor, *outcome, *detail, *ref; /* detail NULL when erased */
};
CHECKED enum result store_audit_add(struct fault *f, struct store_view *v, const struct audit *row);
CHECKED enum result store_audit_each(struct fault *f, struct store_view *v, struct arena *a, int64_t after_seq,
                                     enum result (*each)(void *arg, const struct audit_row *r), void *arg);
/* The rows of one subject (person_id), or those with one reference code; exactly one of the two is given. */
CHECKED enum result store_audit_find(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                                     const char *ref, enum result (*each)(void *arg, const struct audit_row *r),
                                     void *arg);
/* Erases a subject's key: its rows stay, who it was and the details are gone. RESULT_NOT_FOUND: it has no key. */
CHECKED enum result store_audit_erase(struct fault *f, struct store_view *v, const char *subject);
/* Number and hash (base64url) of one row, 0: the newest. For signed checkpoints. */
CHECKED enum result store_audit_hash(struct fault *f, struct store_view *v, struct arena *a, int64_t seq,
                                     int64_t *seq_r, const char **hash_r);
/* Walks the chain; RESULT_CONFLICT with *bad_seq_r at the first row that does not fit. */
CHECKED enum result store_audit_verify(struct fault *f, struct store_view *v, int64_t *rows_r, int64_t *bad_seq_r);

#endif
