/* ring.h: what ring.c (reading our signing keys) and tend.c (their life) share: the rows of the store and the words of
 * their `state`. */
#ifndef TOKEN_RING_H
#define TOKEN_RING_H

#include "jose.h"

#include <stdlib.h>

#define KEY_USE_SIGN "sign"
#define KEY_NEXT "next"
#define KEY_ACTIVE "active"
#define KEY_RETIRING "retiring"
#define KEY_RETIRED "retired"

extern const char *const ring_algs[3]; /* RS256, ES256, NULL */

enum { RING_ROWS_MAX = 128 };
struct ring_rows {
    size_t count;
    struct key_row row[RING_ROWS_MAX]; /* oldest first */
};
CHECKED enum result ring_rows_read(struct fault *f, struct store_view *v, struct arena *a, struct ring_rows *out_r);

#endif
