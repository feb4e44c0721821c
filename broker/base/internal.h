/* What the files of base share among themselves and nobody else needs. */
#ifndef IDBRIDGE_BASE_INTERNAL_H
#define IDBRIDGE_BASE_INTERNAL_H

#include "idbridge/base.h"

/* Length of the well-formed UTF-8 sequence (RFC 3629) at `s`, at most `n` bytes away; 0 when there is none. */
size_t utf8_sequence(const unsigned char *s, size_t n);

#endif
