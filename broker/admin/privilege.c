/* The command line becomes the user who owns the state folder before it opens the store, so that nothing in there ever
 * belongs to root. Who typed it stays in the audit. */
#include "privilege.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

bool privilege_become_owner(const char *folder)
{
    struct stat st;
    if (geteuid() != 0 || stat(folder, &st) != 0 || st.st_uid == 0)
        return true;
    const struct passwd *pw = getpwuid(st.st_uid);
    return (pw == NULL ? setgroups(0, NULL) : initgroups(pw->pw_name, st.st_gid)) == 0 && setgid(st.st_gid) == 0 &&
           setuid(st.st_uid) == 0;
}

bool privilege_give_to_service(const char *folder, const char *key_file)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam("idbridge") : NULL;
    if (pw == NULL)
        return true;
    return chown(key_file, 0, pw->pw_gid) == 0 && chmod(key_file, 0640) == 0 && chown(folder, pw->pw_uid, pw->pw_gid) == 0;
}
