/* Private to admin/: apart from private.h, because <grp.h> and directory.h both name a struct group. */
#ifndef ADMIN_PRIVILEGE_H
#define ADMIN_PRIVILEGE_H

#include <stdbool.h>

bool privilege_become_owner(const char *folder); /* false: could not */
/* Root on a machine with the static user idbridge: the folder is hers, the key file root:idbridge 0640. */
bool privilege_give_to_service(const char *folder, const char *key_file);

#endif
