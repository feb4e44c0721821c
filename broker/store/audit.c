/* Who did what? One row per act, added in the same transaction as the act. A row holds the SHA-256 of the row before
 * it, of its own plain columns and of its sealed payload, so that a changed, removed or inserted row shows.
 *
 * The payload (subject, detail, reference code) is sealed under a key of its subject: HKDF(master key, random secret of
 * the subject). Erasing the secret makes the payload unreadable for good, while the hash, taken over the sealed bytes,
 * still fits. A backup made before still holds the secret: docs/operate.md tells how long backups are kept. */
#include "audit.h"

#include <endian.h>
#include <string.h>

/* ---- the chain ------------------------------------------------------------------------------------- */

static void add_number(struct buf *b, int64_t n)
{
    uint64_t big = htobe64((uint64_t)n);
    buf_add(b, &big, sizeof big);
}

/* With its length in front: no two rows make the same bytes. NULL differs from "". */
static void add_text(struct buf *b, const char *s)
{
    add_number(b, s == NULL ? -1 : (int64_t)strlen(s));
    if (s != NULL)
        buf_text(b, s);
}

enum result audit_hash(struct fault *f, const unsigned char before[AUDIT_HASH], const struct audit_stored *row,
                       unsigned char out_r[AUDIT_HASH])
{
    const char *const texts[] = {row->event, row->outcome, row->actor, row->subject, row->ref};
    unsigned char payload[AUDIT_HASH];
    CLEANUP(buf) struct buf b;
    buf_init(&b, ROW_MAX);
    buf_add(&b, before, AUDIT_HASH);
    add_number(&b, row->seq);
    add_number(&b, row->time);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        add_text(&b, texts[i]);
    sha256(row->payload.data, row->payload.len, payload);
    buf_add(&b, payload, sizeof payload);
    if (b.failed)
        return FAULT(f, RESULT_INVALID, "an audit row is too large");
    sha256(b.data, b.len, out_r);
    return RESULT_OK;
}

/* Inside the transaction, so that two writers cannot chain to the same row. */
static enum result read_head(struct fault *f, struct store_view *v, int64_t *seq_r, unsigned char hash_r[AUDIT_HASH])
{
    CLEANUP(statement) struct statement st = {0};
    *seq_r = 0;
    memset(hash_r, 0, AUDIT_HASH);
    TRY(statement_open(f, v, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &st));
    enum result r = statement_row(f, &st);
    if (r == RESULT_NOT_FOUND)
        return RESULT_OK;
    TRY(r);
    *seq_r = get_int(&st);
    struct bytes hash = get_bytes(&st);
    if (hash.len != AUDIT_HASH)
        return FAULT(f, RESULT_INTERNAL, "the audit chain's head is damaged");
    memcpy(hash_r, hash.data, AUDIT_HASH);
    return RESULT_OK;
}

/* ---- subjects -------------------------------------------------------------------------------------- */

enum result audit_name(struct fault *f, struct store_view *v, struct arena *a, const char *purpose, const char *value,
                       const char **out_r)
{
    *out_r = NULL;
    if (value == NULL)
        return RESULT_OK;
    *out_r = keyed_hash(a, v->store->master, purpose, value);
    NEED(f, *out_r);
    return RESULT_OK;
}

#define SECRET "store audit key"

static enum result find_secret(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                               const char **out_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT sealed FROM audit_subject_key WHERE subject = ?", &st));
    put_text(&st, subject);
    TRY(statement_row(f, &st));
    return get_sealed(f, &st, a, SECRET, subject, out_r);
}

static enum result make_secret(struct fault *f, struct store_view *v, struct arena *a, const char *subject)
{
    CLEANUP(statement) struct statement st = {0};
    unsigned char secret[32];
    TRY(random_bytes(f, secret, sizeof secret));
    const char *text = hex_encode(a, secret, sizeof secret);
    wipe(secret, sizeof secret);
    NEED(f, text);
    TRY(statement_open(f, v, "INSERT INTO audit_subject_key(subject, sealed) VALUES(?, ?)", &st));
    put_text(&st, subject);
    TRY(put_sealed(f, &st, a, SECRET, subject, text));
    return statement_run(f, &st);
}

/* In hex the purpose passes the 63 bytes up to which base keeps derived keys in memory: thousands of subjects must
 * not fill that table, and an erased key must not live on in it. */
enum result audit_purpose(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                          const char **out_r)
{
    const char *secret;
    *out_r = "store audit";
    if (subject == NULL)
        return RESULT_OK;
    TRY(find_secret(f, v, a, subject, &secret));
    *out_r = arena_printf(a, "store audit of %s", secret);
    NEED(f, *out_r);
    return RESULT_OK;
}

static enum result purpose_made(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                                const char **out_r)
{
    enum result r = audit_purpose(f, v, a, subject, out_r);
    if (r != RESULT_NOT_FOUND)
        return r;
    TRY(make_secret(f, v, a, subject));
    return audit_purpose(f, v, a, subject, out_r);
}

enum result store_audit_erase(struct fault *f, struct store_view *v, const char *subject)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    CLEANUP(statement) struct statement st = {0};
    const char *name;
    NEED(f, a);
    TRY(audit_name(f, v, a, AUDIT_SUBJECT, subject, &name));
    TRY(statement_open(f, v, "DELETE FROM audit_subject_key WHERE subject = ?", &st));
    put_text(&st, name);
    return statement_run_one(f, &st);
}

/* ---- adding ---------------------------------------------------------------------------------------- */

static enum result payload_of(struct fault *f, struct arena *a, const struct audit *row, const char **out_r)
{
    if (row->detail != NULL && strlen(row->detail) > AUDIT_DETAIL_MAX)
        return FAULT(f, RESULT_INVALID, "an audit detail is longer than %d bytes", AUDIT_DETAIL_MAX);
    CLEANUP(json) json_t *j = json_pack("{s:s*, s:s*, s:s*}", "subject", row->subject, "detail", row->detail, "ref",
                                        row->ref);
    if (j == NULL)
        return FAULT(f, RESULT_INVALID, "an audit row is not UTF-8");
    *out_r = json_compact(a, j);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* Bound to its place in the chain: a payload moved to another row does not open. */
static enum result seal_payload(struct fault *f, struct store_view *v, struct arena *a, const struct audit *row,
                                struct audit_stored *out_r)
{
    const char *purpose, *text = NULL, *aad = arena_printf(a, "%lld", (long long)out_r->seq);
    NEED(f, aad);
    TRY(payload_of(f, a, row, &text));
    TRY(purpose_made(f, v, a, out_r->subject, &purpose));
    return seal(f, a, v->store->master, purpose, aad, bytes_of(text), &out_r->payload);
}

static enum result insert(struct fault *f, struct store_view *v, const struct audit_stored *row,
                          const unsigned char hash[AUDIT_HASH])
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "INSERT INTO audit(seq, time, event, outcome, actor, subject, ref, payload, hash)"
                             " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", &st));
    put_int(&st, row->seq);
    put_int(&st, row->time);
    put_text(&st, row->event);
    put_text(&st, row->outcome);
    put_text(&st, row->actor);
    put_text(&st, row->subject);
    put_text(&st, row->ref);
    put_bytes(&st, row->payload);
    put_bytes(&st, (struct bytes){hash, AUDIT_HASH});
    return statement_run(f, &st);
}

enum result store_audit_add(struct fault *f, struct store_view *v, const struct audit *row)
{
    CLEANUP(arena) struct arena *a = arena_new(ROW_MAX);
    unsigned char before[AUDIT_HASH], hash[AUDIT_HASH];
    struct audit_stored s = {.time = clock_now(), .event = row->event, .outcome = row->outcome, .actor = row->actor};
    NEED(f, a);
    if (!v->writing)
        return FAULT(f, RESULT_INTERNAL, "a write outside a transaction");
    TRY(read_head(f, v, &s.seq, before));
    s.seq++;
    TRY(audit_name(f, v, a, AUDIT_SUBJECT, row->subject, &s.subject));
    TRY(audit_name(f, v, a, AUDIT_REF, row->ref, &s.ref));
    TRY(seal_payload(f, v, a, row, &s));
    TRY(audit_hash(f, before, &s, hash));
    return insert(f, v, &s, hash);
}
