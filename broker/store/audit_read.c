/* What was done, by whom, and has anybody changed the record? Called by `idbridge audit`. What a chain alone cannot
 * show is a cut tail: for that, store_audit_hash gives the hash of a row, main signs it as a checkpoint into the
 * journal, and an older checkpoint is compared with the row of its number. */
#include "audit.h"

#include <string.h>

#define COLUMNS "seq, time, event, outcome, actor, subject, ref, payload"

static const struct field fields[] = {
    FIELD(audit_stored, INT, seq),      FIELD(audit_stored, INT, time),   FIELD(audit_stored, TEXT, event),
    FIELD(audit_stored, TEXT, outcome), FIELD(audit_stored, TEXT, actor), FIELD(audit_stored, TEXT, subject),
    FIELD(audit_stored, TEXT, ref),
};

static enum result read_stored(struct fault *f, struct statement *st, struct arena *a, struct audit_stored *out_r)
{
    get_fields(st, fields, COUNT_OF(fields), a, out_r);
    out_r->payload = get_bytes(st);
    return statement_read(f, st);
}

/* ---- reading --------------------------------------------------------------------------------------- */

struct walk {
    struct store_view *view;
    enum result (*each)(void *arg, const struct audit_row *r);
    void *arg;
};

static enum result open_payload(struct fault *f, struct store_view *v, struct arena *a, const struct audit_stored *s,
                                struct audit_row *out_r)
{
    struct bytes plain;
    json_t *j;
    const char *purpose, *aad = arena_printf(a, "%lld", (long long)s->seq);
    NEED(f, aad);
    TRY(audit_purpose(f, v, a, s->subject, &purpose));
    TRY(unseal(f, a, v->store->master, purpose, aad, s->payload, &plain));
    TRY(json_parse(f, a, (const char *)plain.data, plain.len, ROW_MAX, &j));
    out_r->subject = json_text(j, "subject");
    out_r->detail = json_text(j, "detail");
    out_r->ref = json_text(j, "ref");
    return RESULT_OK;
}

/* A payload that does not open was erased (its subject may have a new key since); `verify` tells when it was
 * tampered with. What is left of the row is shown. */
static enum result row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    const struct walk *w = arg;
    struct audit_stored s;
    struct fault erased = {0};
    TRY(read_stored(f, st, a, &s));
    struct audit_row r = {.seq = s.seq, .time = s.time, .event = s.event, .actor = s.actor, .outcome = s.outcome};
    enum result opened = open_payload(&erased, w->view, a, &s, &r);
    if (opened == RESULT_INTERNAL) {
        *f = erased;
        return opened;
    }
    return w->each(w->arg, &r);
}

enum result store_audit_each(struct fault *f, struct store_view *v, struct arena *a, int64_t after_seq,
                             enum result (*each)(void *arg, const struct audit_row *r), void *arg)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT " COLUMNS " FROM audit WHERE seq > ? ORDER BY seq", &st));
    put_int(&st, after_seq);
    return statement_each(f, &st, a, row, &(struct walk){v, each, arg});
}

enum result store_audit_find(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                             const char *ref, enum result (*each)(void *arg, const struct audit_row *r), void *arg)
{
    static const char by_subject[] = "SELECT " COLUMNS " FROM audit WHERE subject = ? ORDER BY seq";
    static const char by_ref[] = "SELECT " COLUMNS " FROM audit WHERE ref = ? ORDER BY seq";
    CLEANUP(arena) struct arena *own = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *name;
    if ((subject == NULL) == (ref == NULL))
        return FAULT(f, RESULT_INVALID, "audit rows are found by subject or by reference code");
    TRY(audit_name(f, v, own, subject != NULL ? AUDIT_SUBJECT : AUDIT_REF, subject != NULL ? subject : ref, &name));
    TRY(statement_open(f, v, subject != NULL ? by_subject : by_ref, &st));
    put_text(&st, name);
    return statement_each(f, &st, a, row, &(struct walk){v, each, arg});
}

enum result store_audit_hash(struct fault *f, struct store_view *v, struct arena *a, int64_t seq, int64_t *seq_r,
                             const char **hash_r)
{
    static const char head[] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    static const char one[] = "SELECT seq, hash FROM audit WHERE seq = ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, seq == 0 ? head : one, &st));
    if (seq != 0)
        put_int(&st, seq);
    TRY(statement_row(f, &st));
    *seq_r = get_int(&st);
    struct bytes hash = get_bytes(&st);
    *hash_r = base64url_encode(a, hash.data, hash.len);
    NEED(f, *hash_r);
    return RESULT_OK;
}

/* ---- verifying ------------------------------------------------------------------------------------- */

struct chain {
    int64_t rows;
    unsigned char hash[AUDIT_HASH];
    bool broken;
};

static enum result check_row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    struct chain *c = arg;
    struct audit_stored s;
    unsigned char hash[AUDIT_HASH];
    TRY(read_stored(f, st, a, &s));
    struct bytes stored = get_bytes(st);
    TRY(audit_hash(f, c->hash, &s, hash));
    c->broken = s.seq != c->rows + 1 || stored.len != AUDIT_HASH || memcmp(stored.data, hash, AUDIT_HASH) != 0;
    if (c->broken)
        return FAULT(f, RESULT_CONFLICT, "audit row %lld does not fit the chain", (long long)s.seq);
    memcpy(c->hash, hash, AUDIT_HASH);
    c->rows++;
    return RESULT_OK;
}

enum result store_audit_verify(struct fault *f, struct store_view *v, int64_t *rows_r, int64_t *bad_seq_r)
{
    CLEANUP(statement) struct statement st = {0};
    struct chain c = {0};
    *bad_seq_r = 0;
    TRY(statement_open(f, v, "SELECT " COLUMNS ", hash FROM audit ORDER BY seq", &st));
    enum result r = statement_each(f, &st, NULL, check_row, &c);
    *rows_r = c.rows;
    if (c.broken)
        *bad_seq_r = c.rows + 1;
    return r;
}
