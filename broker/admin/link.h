/* Private to the files of `idbridge link`: link.c (single links), link_person.c (whose they are),
 * link_list.c (lists and what dangles), link_import.c (many at once, out of
 * link_table.c). */
#ifndef ADMIN_LINK_H
#define ADMIN_LINK_H

#include "private.h"

/* login_find_entry; RESULT_NOT_FOUND unless it is exactly one. */
CHECKED enum result link_find_entry(struct admin *ad, const char *directory, const char *login, struct person *out_r);

/* In a transaction: stores `l` with its audit row. l->person_id NULL: the entry's own, or a new one; given: refused when
 * the entry or that person has another. An entry that is linked takes a second identity only when `second` or its person
 * id is given. *there_r: exactly this link was there before and nothing was written. */
CHECKED enum result link_place(struct fault *f, struct store_view *v, struct admin *ad, struct link *l, bool second, bool *there_r);
/* link_person.c. l->person_id is filled in. */
CHECKED enum result link_person_choose(struct fault *f, struct store_view *v, struct admin *ad, struct link *l, bool second);
/* The entry is `person_id` and no more `own`, where it is another one (or NULL). RESULT_CONFLICT: somebody signed in as that. */
CHECKED enum result link_person_instead(struct fault *f, struct store_view *v, struct admin *ad, const char *own,
                                        const char *person_id, const char *person_key);
CHECKED enum result link_audit(struct admin *ad, struct store_view *v, const char *event, const struct link *l);
/* The name of the [upstream] with that issuer; NULL: there is none. */
const char *link_upstream_of(const struct bridge *b, const char *iss);

/* link_table.c: a file of people as administrators have it, row by row. CSV (RFC 4180) with a header line, separated by
 * commas, semicolons or tabs; or one JSON object a line. `each` gets the row as an object of texts, empty ones left out. */
CHECKED enum result link_table(struct fault *f, struct arena *a, const char *text, size_t len,
                               enum result (*each)(void *arg, size_t line, const json_t *row), void *arg);

int link_list(int argc, char **argv);
int link_import(int argc, char **argv);

#endif
