/* Private to admin/: apart from private.h, because <grp.h> and directory.h both name a struct group. */
#ifndef ADMIN_PRIVILEGE_H
#define ADMIN_PRIVILEGE_H

#include <stdbool.h>

bool privilege_become_owner(const char *folder); /* false: could not */
/* `init` as root. A folder that it `made` goes to the static user idbridge where there is one; the folder's owner may read
 * the key file (root, its group, 0640) and a configuration that is root's (its group). false: could not. */
bool privilege_settle(const char *folder, bool made, const char *key_file, const char *config_file);

#endif
