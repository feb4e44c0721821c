/* Which files does the state folder hold, with which rights, and who may use them at once?
 *   idbridge.db (-wal, -shm)   the database, 0600
 *   idbridge.lock              shared by every process that has the store open, alone for restore
 *   idbridge.turn              held by a command that waits for its turn to write (writer.c gives way to it), and
 *                              while a store is being set up
 * SQLite's own locks are POSIX locks, which any close() of the database file in this process would drop: so the
 * database file itself is never opened here once it exists. */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum result folder_path(struct fault *f, const char *folder, const char *between, const char *name, char *out_r)
{
    int n = snprintf(out_r, PATH_ROOM, "%s%s%s", folder, between, name);
    if (n < 0 || n >= PATH_ROOM)
        return FAULT(f, RESULT_INVALID, "the state folder's path is too long");
    return RESULT_OK;
}

enum result folder_make(struct fault *f, const char *folder)
{
    struct stat st;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return FAULT(f, RESULT_INVALID, "cannot create %s: %s", folder, strerror(errno));
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return FAULT(f, RESULT_INVALID, "%s is not a folder", folder);
    return RESULT_OK;
}

static enum result open_lock(struct fault *f, const char *folder, const char *name, int *fd_r)
{
    char path[PATH_ROOM];
    TRY(folder_path(f, folder, "/", name, path));
    *fd_r = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd_r < 0)
        return FAULT(f, errno == ENOENT ? RESULT_NOT_FOUND : RESULT_INVALID, "cannot open %s: %s", path,
                     strerror(errno));
    return RESULT_OK;
}

enum result folder_lock(struct fault *f, const char *folder, bool alone, int *fd_r)
{
    TRY(open_lock(f, folder, "idbridge.lock", fd_r));
    if (flock(*fd_r, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
        return RESULT_OK;
    close(*fd_r);
    *fd_r = -1;
    if (errno != EWOULDBLOCK)
        return FAULT(f, RESULT_INTERNAL, "cannot lock %s: %s", folder, strerror(errno));
    return alone ? FAULT(f, RESULT_CONFLICT, "the store is in use: stop idbridge first")
                 : FAULT(f, RESULT_UNAVAILABLE, "the store is being restored: try again when that is done");
}

enum result folder_turn(struct fault *f, const char *folder, int *fd_r)
{
    return open_lock(f, folder, "idbridge.turn", fd_r);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* True when the turn was taken within `ms`. Whoever does not get it goes on without: a process that was stopped while
 * it held the turn must not stop all others. */
bool turn_take(int fd, int ms)
{
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited++) {
        if (errno != EWOULDBLOCK || waited >= ms)
            return false;
        pause_ms(1);
    }
    return true;
}

void turn_leave(int fd)
{
    flock(fd, LOCK_UN);
}

enum result folder_create_file(struct fault *f, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return FAULT(f, errno == EEXIST ? RESULT_CONFLICT : RESULT_INVALID, "cannot create %s: %s", path,
                     strerror(errno));
    int rc = fchmod(fd, 0600); /* whatever the umask took away */
    if (close(fd) != 0 || rc != 0)
        return FAULT(f, RESULT_INTERNAL, "cannot create %s: %s", path, strerror(errno));
    return RESULT_OK;
}

static enum result sync_path(struct fault *f, const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    int rc = fd < 0 ? -1 : fsync(fd);
    int error = errno;
    if (fd >= 0)
        close(fd);
    return rc == 0 ? RESULT_OK : FAULT(f, RESULT_INTERNAL, "cannot sync %s: %s", path, strerror(error));
}

/* The file, and the folder entry that names it. Only for files that no connection of this process has open. */
enum result folder_sync(struct fault *f, const char *path)
{
    char parent[PATH_ROOM];
    TRY(sync_path(f, path, 0));
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    (void)snprintf(parent, sizeof parent, "%.*s", n, slash == NULL ? "." : path);
    return sync_path(f, parent, O_DIRECTORY);
}

/* path + first, or path + more2, more3, ...: nothing that was put aside before is overwritten. */
enum result folder_free_name(struct fault *f, const char *path, const char *first, const char *more, char *out_r)
{
    char end[64];
    TRY(folder_path(f, path, "", first, out_r));
    for (int n = 2; access(out_r, F_OK) == 0; n++) {
        if (n > 9999)
            return FAULT(f, RESULT_INTERNAL, "too many old copies beside %s", path);
        (void)snprintf(end, sizeof end, "%s%d", more, n);
        TRY(folder_path(f, path, "", end, out_r));
    }
    return RESULT_OK;
}
