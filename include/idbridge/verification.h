/* verification: what a DHIS2 Route reaches. Today: the check that a route's credential, the user it names and the way
 * back all work (`/verification/ready`); the patient's verification builds on the same gate. */
#ifndef IDBRIDGE_VERIFICATION_H
#define IDBRIDGE_VERIFICATION_H

#include <idbridge/login.h>

extern const struct route verification_routes[]; /* ended by name NULL */
/* provider/ stands beside this folder, so main hands in how a bearer token is checked. */
extern enum result (*verification_bearer)(struct fault *f, struct exchange *x, const char *audience,
                                          const char **client_id_r, const char **dhis2_r);
#endif
