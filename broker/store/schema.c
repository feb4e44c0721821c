/* What is kept, and how does an older store become one of today? One SQL text per schema version, applied in order
 * and never changed once released; PRAGMA user_version says how many were applied. Forward only, after an automatic
 * backup; a store that a newer program wrote is refused.
 *
 * STRICT tables; WITHOUT ROWID where rows are small and looked up by their key; an index for every way a row is looked
 * up, so that no lookup walks. Columns of type BLOB named `data`, `sealed`, `private_jwk`, ... hold AES-256-GCM. */
#include "db.h"

#include <string.h>

static const char version_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE client(client_id TEXT PRIMARY KEY, name TEXT, profile TEXT NOT NULL, dhis2 TEXT,"
    "  auth_method TEXT NOT NULL, secret_hash TEXT, jwks TEXT, jwks_uri TEXT, redirect_uris TEXT,"
    "  post_logout_redirect_uris TEXT, scopes TEXT, grant_types TEXT, audience TEXT, sso TEXT, upstream TEXT,"
    "  acr_values TEXT, require_pkce INTEGER NOT NULL, disabled INTEGER NOT NULL, created INTEGER NOT NULL) STRICT;"

    "CREATE TABLE link(iss TEXT NOT NULL, sub TEXT NOT NULL, upstream TEXT NOT NULL, person_key TEXT NOT NULL,"
    "  person_id TEXT NOT NULL, method TEXT NOT NULL, state TEXT NOT NULL CHECK(state IN ('active', 'pending')),"
    "  created INTEGER NOT NULL, last_used INTEGER NOT NULL, dn BLOB, claims BLOB, PRIMARY KEY(iss, sub)) STRICT;"
    "CREATE INDEX link_person_key ON link(person_key);"
    "CREATE INDEX link_person_id ON link(person_id);"

    /* A family is one login at one application: its code and every refresh token that came from it. */
    "CREATE TABLE family(family TEXT PRIMARY KEY, client_id TEXT NOT NULL, person_id TEXT, session_id TEXT,"
    "  revoked INTEGER NOT NULL DEFAULT 0, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX family_person ON family(person_id) WHERE person_id IS NOT NULL;"
    "CREATE INDEX family_session ON family(session_id) WHERE session_id IS NOT NULL;"
    "CREATE INDEX family_expires ON family(expires);"
    "CREATE TABLE code(hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, person_id TEXT, session_id TEXT,"
    "  redirect_uri TEXT, scope TEXT, nonce TEXT, code_challenge TEXT, family TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER, data BLOB) STRICT;"
    "CREATE INDEX code_family ON code(family);"
    "CREATE INDEX code_expires ON code(expires);"
    "CREATE TABLE refresh(hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, person_id TEXT, session_id TEXT,"
    "  redirect_uri TEXT, scope TEXT, nonce TEXT, code_challenge TEXT, family TEXT NOT NULL,"
    "  created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER, next_hash TEXT, next_text BLOB,"
    "  data BLOB) STRICT;"
    "CREATE INDEX refresh_family ON refresh(family);"
    "CREATE INDEX refresh_expires ON refresh(expires);"
    "CREATE TABLE session(id_hash TEXT PRIMARY KEY, person_id TEXT, created INTEGER NOT NULL,"
    "  last_seen INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB) STRICT;"
    "CREATE INDEX session_person ON session(person_id) WHERE person_id IS NOT NULL;"
    "CREATE INDEX session_expires ON session(expires);"

    "CREATE TABLE once(kind TEXT NOT NULL, value BLOB NOT NULL, expires INTEGER NOT NULL,"
    "  PRIMARY KEY(kind, value)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX once_expires ON once(expires);"
    "CREATE TABLE attempt(key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires INTEGER NOT NULL)"
    "  STRICT, WITHOUT ROWID;"
    "CREATE INDEX attempt_expires ON attempt(expires);"

    "CREATE TABLE person(person_key TEXT PRIMARY KEY, seen INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
    "CREATE INDEX person_seen ON person(seen);"
    "CREATE TABLE held(person_id TEXT NOT NULL, dhis2 TEXT NOT NULL, changed INTEGER NOT NULL, data BLOB NOT NULL,"
    "  PRIMARY KEY(person_id, dhis2)) STRICT;"

    "CREATE TABLE key(kid TEXT PRIMARY KEY, use TEXT NOT NULL, alg TEXT NOT NULL, public_jwk TEXT NOT NULL,"
    "  state TEXT NOT NULL, created INTEGER NOT NULL, active_from INTEGER NOT NULL, retire_at INTEGER NOT NULL,"
    "  private_jwk BLOB) STRICT;"
    "CREATE INDEX key_use ON key(use, created);"
    "CREATE TABLE rule(name TEXT PRIMARY KEY, text TEXT NOT NULL, changed INTEGER NOT NULL) STRICT;"

    /* The triggers see every writer, the command line in its own process too. */
    "CREATE TABLE revision(one INTEGER PRIMARY KEY CHECK(one = 1), number INTEGER NOT NULL) STRICT;"
    "INSERT INTO revision VALUES(1, 1);"
    "CREATE TRIGGER client_added AFTER INSERT ON client BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER client_changed AFTER UPDATE ON client BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER client_removed AFTER DELETE ON client BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER key_added AFTER INSERT ON key BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER key_changed AFTER UPDATE ON key BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER key_removed AFTER DELETE ON key BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER rule_added AFTER INSERT ON rule BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER rule_changed AFTER UPDATE ON rule BEGIN UPDATE revision SET number = number + 1; END;"
    "CREATE TRIGGER rule_removed AFTER DELETE ON rule BEGIN UPDATE revision SET number = number + 1; END;"

    "CREATE TABLE audit(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, event TEXT NOT NULL, outcome TEXT NOT NULL,"
    "  actor TEXT NOT NULL, subject TEXT, ref TEXT, payload BLOB NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE INDEX audit_subject ON audit(subject) WHERE subject IS NOT NULL;"
    "CREATE INDEX audit_ref ON audit(ref) WHERE ref IS NOT NULL;"
    "CREATE TABLE audit_subject_key(subject TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;";

const char *const schema_migrations[] = {version_1};
const int schema_migration_count = (int)COUNT_OF(schema_migrations);

int store_schema_version(void)
{
    return schema_migration_count;
}

/* Is this ours, and not from the future? An empty file is version 0. */
enum result schema_check(struct fault *f, sqlite3 *db, int count, int64_t *version_r)
{
    int64_t application;
    TRY(connection_number(f, db, "PRAGMA user_version", version_r));
    TRY(connection_number(f, db, "PRAGMA application_id", &application));
    if (*version_r > 0 && application != SCHEMA_APPLICATION_ID)
        return FAULT(f, RESULT_INVALID, "this database is not an idbridge store");
    if (*version_r > count)
        return FAULT(f, RESULT_INVALID,
                     "the store has schema %lld, this program knows up to %d: install the newer idbridge again",
                     (long long)*version_r, count);
    return RESULT_OK;
}

static enum result set_version(struct fault *f, sqlite3 *db, int64_t version)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %lld; PRAGMA application_id = %d", (long long)version,
             SCHEMA_APPLICATION_ID);
    return connection_exec(f, db, sql);
}

/* Inside BEGIN IMMEDIATE: two programs may start at once, the second finds nothing left to do. */
static enum result apply(struct fault *f, sqlite3 *db, const char *const *migrations, int count)
{
    int64_t version;
    TRY(schema_check(f, db, count, &version));
    for (; version < count; version++) {
        TRY(connection_exec(f, db, migrations[version]));
        TRY(set_version(f, db, version + 1));
    }
    return RESULT_OK;
}

static enum result back_up_first(struct fault *f, sqlite3 *db, const char *path, int count)
{
    char file[PATH_ROOM], first[32], more[32];
    (void)snprintf(first, sizeof first, ".before-%d", count);
    (void)snprintf(more, sizeof more, ".before-%d.", count);
    TRY(folder_free_name(f, path, first, more, file));
    TRY(backup_copy(f, db, file));
    log_event(LEVEL_INFO, "store.migrate", "backup", file, NULL);
    return RESULT_OK;
}

enum result schema_migrate(struct fault *f, sqlite3 *db, const char *path, const char *const *migrations, int count)
{
    int64_t version;
    TRY(schema_check(f, db, count, &version));
    if (version == count)
        return RESULT_OK;
    if (version > 0 && path != NULL)
        TRY(back_up_first(f, db, path, count));
    TRY(connection_exec(f, db, "BEGIN IMMEDIATE"));
    struct fault ignored = {0};
    enum result r = apply(f, db, migrations, count);
    if (r == RESULT_OK)
        r = connection_exec(f, db, "COMMIT");
    if (r != RESULT_OK && !sqlite3_get_autocommit(db) && connection_exec(&ignored, db, "ROLLBACK") != RESULT_OK)
        log_fault(LEVEL_ERROR, "store.migrate", &ignored);
    return r;
}
