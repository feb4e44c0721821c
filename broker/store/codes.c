/* Authorization codes: was this one issued, and was it used? Written by provider/ at the end of a login, redeemed at
 * the token endpoint. RFC 6749 §4.1.2: "The client MUST NOT use the authorization code more than once. If an
 * authorization code is used more than once, the authorization server MUST deny the request and SHOULD revoke (when
 * possible) all tokens previously issued based on that authorization code." */
#include "grants.h"

#define PURPOSE "store code"

enum result store_code_add(struct fault *f, struct store_view *v, const char *hash, const struct grant *g)
{
    static const char sql[] =
        "INSERT INTO code(hash, " GRANT_COLUMNS ", data) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    return grant_insert(f, v, sql, PURPOSE, hash, g);
}

/* One statement decides, so of two redeems at once exactly one wins, on whatever connection they run. */
static enum result redeem(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                          const char *client_id, int64_t now, struct grant *out_r)
{
    static const char sql[] = "UPDATE code SET used = ? WHERE hash = ? AND client_id = ? AND used IS NULL AND expires > ?"
                              " RETURNING " GRANT_COLUMNS ", data";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open_brief(f, v, sql, &st));
    put_int(&st, now);
    put_text(&st, hash);
    put_text(&st, client_id);
    put_int(&st, now);
    TRY(statement_row(f, &st));
    TRY(grant_read(f, &st, a, PURPOSE, hash, out_r));
    return statement_run(f, &st);
}

static enum result used_before(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                               const char *client_id, int64_t now, struct grant *out_r)
{
    static const char sql[] = "SELECT " GRANT_COLUMNS ", NULL FROM code"
                              " WHERE hash = ? AND client_id = ? AND used IS NOT NULL AND expires > ?";
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, sql, &st));
    put_text(&st, hash);
    put_text(&st, client_id);
    put_int(&st, now - FORGET_S);
    TRY(statement_row(f, &st));
    return grant_read(f, &st, a, PURPOSE, hash, out_r);
}

enum result store_code_redeem(struct fault *f, struct store_view *v, struct arena *a, const char *hash,
                              const char *client_id, int64_t now, struct grant *out_r, const char **family_r)
{
    *out_r = (struct grant){0};
    *family_r = NULL;
    enum result r = redeem(f, v, a, hash, client_id, now, out_r);
    if (r != RESULT_NOT_FOUND)
        return r;
    r = used_before(f, v, a, hash, client_id, now, out_r);
    if (r == RESULT_NOT_FOUND)
        return FAULT(f, RESULT_NOT_FOUND, "code unknown or expired");
    TRY(r);
    *family_r = out_r->family;
    return FAULT(f, RESULT_CONFLICT, "code used a second time");
}
