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

/* A folder that was there keeps its owner: systemd-tmpfiles made it, or an administrator who wants another user. */
bool privilege_settle(const char *folder, bool made, const char *key_file, const char *config_file)
{
    struct stat st;
    if (geteuid() != 0)
        return true;
    const struct passwd *service = getpwnam("idbridge");
    if (made && service != NULL && chown(folder, service->pw_uid, service->pw_gid) != 0)
        return false;
    if (stat(folder, &st) != 0)
        return false;
    gid_t reader = st.st_uid != 0 ? st.st_gid : service != NULL ? service->pw_gid : 0;
    /* a configuration that root wrote is root's alone, and the daemon is not root */
    if (stat(config_file, &st) != 0 || (st.st_uid == 0 && reader != 0 && chown(config_file, 0, reader) != 0))
        return false;
    return chown(key_file, 0, reader) == 0 && chmod(key_file, 0640) == 0;
}
