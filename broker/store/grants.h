/* Private to broker/store: what codes.c, refresh.c and families.c share about a grant. */
#ifndef IDBRIDGE_STORE_GRANTS_H
#define IDBRIDGE_STORE_GRANTS_H

#include "db.h"

/* The columns of `code` and `refresh` that are a struct grant, without the sealed `data`. */
#define GRANT_COLUMNS                                                                                                  \
    "client_id, person_id, session_id, redirect_uri, scope, nonce, code_challenge, family, created, expires"
enum { GRANT_FIELDS = 10 };
extern const struct field grant_fields[GRANT_FIELDS];

/* `data` is sealed for `purpose` and bound to the hash of the row. */
CHECKED enum result grant_insert(struct fault *f, struct store_view *v, const char *sql, const char *purpose,
                                 const char *hash, const struct grant *g);
CHECKED enum result grant_read(struct fault *f, struct statement *st, struct arena *a, const char *purpose,
                               const char *hash, struct grant *out_r);

/* Enters the grant's family, or makes it live on; RESULT_DENIED when it was revoked. */
CHECKED enum result family_enter(struct fault *f, struct store_view *v, const struct grant *g);

#endif
