/* Private to broker/store: what audit.c (adding) and audit_read.c (reading, verifying) share. */
#ifndef IDBRIDGE_STORE_AUDIT_H
#define IDBRIDGE_STORE_AUDIT_H

#include "db.h"

enum { AUDIT_HASH = 32, AUDIT_DETAIL_MAX = 16384 };

/* A row as it lies in the table; everything here is under the hash. */
struct audit_stored {
    int64_t seq, time;
    const char *event, *outcome, *actor, *subject, *ref; /* subject and ref as keyed hashes, or NULL */
    struct bytes payload;
};
CHECKED enum result audit_hash(struct fault *f, const unsigned char before[AUDIT_HASH], const struct audit_stored *row,
                               unsigned char out_r[AUDIT_HASH]);

/* Keyed hashes: rows are found by person or reference code without either standing in the file. */
CHECKED enum result audit_name(struct fault *f, struct store_view *v, struct arena *a, const char *purpose,
                               const char *value, const char **out_r);
#define AUDIT_SUBJECT "store audit subject"
#define AUDIT_REF "store audit ref"

/* The sealing purpose of a row's payload; `subject` as stored, NULL: no subject. RESULT_NOT_FOUND: key erased. */
CHECKED enum result audit_purpose(struct fault *f, struct store_view *v, struct arena *a, const char *subject,
                                  const char **out_r);

#endif
