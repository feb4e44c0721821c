/* Shuts the process in by Landlock (landlock(7)) once everything is open that must be: it may then read what is named and
 * write one folder, whatever a bug makes it try. Called by `serve` before its threads start; a kernel without Landlock is
 * told about in the log and is no reason not to run. */
#include <idbridge/base.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define READ_ALL (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_ALL                                                                                                      \
    (READ_ALL | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |           \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | TRUNCATE)
/* ABI 3; older headers do not have it */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define TRUNCATE LANDLOCK_ACCESS_FS_TRUNCATE
#define EVERYTHING_ABI1 ((1ULL << 13) - 1)

/* A path that is not there needs no rule. */
static enum result allow(struct fault *f, int ruleset, const char *path, uint64_t access, uint64_t handled)
{
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "cannot open a path to allow it");
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        access &= READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE;
    const struct landlock_path_beneath_attr rule = {.allowed_access = access & handled, .parent_fd = fd};
    long rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    (void)close(fd);
    return rc == 0 ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "landlock refused a rule: %s", strerror(errno));
}

static enum result add_rules(struct fault *f, int ruleset, uint64_t handled, const char *const *readable,
                             const char *const *writable)
{
    static const char *const always[] = {"/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/dev/urandom",
                                         "/dev/null", "/proc/self", "/sys/devices/system/cpu", NULL};
    for (size_t i = 0; always[i] != NULL; i++)
        TRY(allow(f, ruleset, always[i], READ_ALL, handled));
    for (; *readable != NULL; readable++)
        TRY(allow(f, ruleset, *readable, READ_ALL, handled));
    for (; *writable != NULL; writable++)
        TRY(allow(f, ruleset, *writable, WRITE_ALL, handled));
    return RESULT_OK;
}

enum result sandbox_enter(struct fault *f, const char *const *readable, const char *const *writable, bool *entered_r)
{
    *entered_r = false;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return RESULT_OK;
    uint64_t handled = EVERYTHING_ABI1 | (abi >= 3 ? TRUNCATE : 0);
    const struct landlock_ruleset_attr attr = {.handled_access_fs = handled};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (ruleset < 0)
        return RESULT_OK; /* switched off at boot */
    enum result r = add_rules(f, ruleset, handled, readable, writable);
    if (r == RESULT_OK && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0))
        r = FAULT(f, RESULT_INTERNAL, "landlock did not close: %s", strerror(errno));
    (void)close(ruleset);
    *entered_r = r == RESULT_OK;
    return r;
}
