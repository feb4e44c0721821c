/* The master key file: one line of text, 32 random bytes as base64url (what we write) or 64 hex digits (what
 * `openssl rand -hex 32` writes), in a file of mode 0640 root:idbridge or a systemd credential. Called by `idbridge
 * init` and at start. In memory the key lives in pages of its own that are not swapped and not dumped. */
#include "master.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHERS 07

struct pages {
    struct master master;
    struct derived_keys derived;
};

/* ---- making it ------------------------------------------------------------------------------------ */

static bool write_all(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, s, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        s += k;
        n -= (size_t)k;
    }
    return true;
}

/* The name itself is durable only when the folder is. */
static bool sync_folder(const char *path)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static enum result write_key(struct fault *f, int fd, unsigned mode)
{
    unsigned char key[MASTER_KEY];
    CLEANUP(arena) struct arena *a = arena_new(1024);
    TRY(random_bytes(f, key, sizeof key));
    char *text = base64url_encode(a, key, sizeof key);
    wipe(key, sizeof key);
    char *line = text == NULL ? NULL : arena_printf(a, "%s\n", text);
    NEED(f, line);
    if (fchmod(fd, (mode_t)mode) != 0 || !write_all(fd, line, strlen(line)) || fsync(fd) != 0)
        return FAULT(f, RESULT_INTERNAL, "master key file cannot be written: %s", strerror(errno));
    return RESULT_OK;
}

enum result master_create(struct fault *f, const char *path, unsigned mode)
{
    if ((mode & OTHERS) != 0 || (mode & ~0777u) != 0)
        return FAULT(f, RESULT_INVALID, "a master key file of mode %04o would be open to everybody", mode);
    NEED(f, path); /* callers hand over what arena_printf gave */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return FAULT(f, RESULT_CONFLICT, "%s is there already; a master key is never overwritten", path);
    if (fd < 0)
        return FAULT(f, RESULT_INTERNAL, "%s cannot be created: %s", path, strerror(errno));
    enum result r = write_key(f, fd, mode);
    if (close(fd) != 0 && r == RESULT_OK)
        r = FAULT(f, RESULT_INTERNAL, "%s cannot be written: %s", path, strerror(errno));
    if (r == RESULT_OK && !sync_folder(path))
        r = FAULT(f, RESULT_INTERNAL, "the folder of %s cannot be synced", path);
    if (r != RESULT_OK)
        (void)unlink(path); /* half a key is worse than none */
    return r;
}

/* ---- reading it ----------------------------------------------------------------------------------- */

static enum result check_file(struct fault *f, const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return FAULT(f, RESULT_INVALID, "%s is not a regular file", path);
    if ((st.st_mode & OTHERS) != 0)
        return FAULT(f, RESULT_DENIED, "%s holds the master key and is open to everybody (mode %04o): chmod o= it",
                     path, (unsigned)(st.st_mode & 07777));
    return RESULT_OK;
}

static bool decode_hex(const char *s, unsigned char key[MASTER_KEY])
{
    size_t len = 0;
    return strspn(s, "0123456789abcdefABCDEF") == MASTER_KEY * 2 &&
           OPENSSL_hexstr2buf_ex(key, MASTER_KEY, &len, s, '\0') == 1 && len == MASTER_KEY;
}

/* RESULT_INVALID: not 43 characters of a key. */
static enum result decode_base64url(const char *s, size_t n, unsigned char key[MASTER_KEY])
{
    struct bytes b;
    CLEANUP(arena) struct arena *a = arena_new(1024);
    TRY(base64url_decode(NULL, a, s, n, &b));
    if (b.len != MASTER_KEY)
        return RESULT_INVALID;
    memcpy(key, b.data, MASTER_KEY);
    return RESULT_OK;
}

static enum result decode_key(struct fault *f, const char *path, char *line, unsigned char key[MASTER_KEY])
{
    size_t n = strcspn(line, "\r\n");
    bool one_line = line[n + strspn(line + n, "\r\n")] == '\0';
    line[n] = '\0';
    enum result r = RESULT_INVALID;
    if (one_line && n == MASTER_KEY * 2)
        r = decode_hex(line, key) ? RESULT_OK : RESULT_INVALID;
    else if (one_line)
        r = decode_base64url(line, n, key);
    if (r == RESULT_INVALID)
        return FAULT(f, r, "%s holds no master key: one line of 43 base64url characters or 64 hex digits", path);
    return r == RESULT_OK ? r : FAULT(f, r, "out of memory");
}

static enum result read_key(struct fault *f, const char *path, unsigned char key[MASTER_KEY])
{
    char line[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang the start */
    if (fd < 0 && errno == ENOENT)
        return FAULT(f, RESULT_NOT_FOUND, "%s does not exist: `idbridge init` makes the master key", path);
    if (fd < 0)
        return FAULT(f, RESULT_DENIED, "%s cannot be opened: %s", path, strerror(errno));
    enum result r = check_file(f, path, fd);
    ssize_t n = r == RESULT_OK ? read(fd, line, sizeof line - 1) : 0;
    (void)close(fd);
    if (r == RESULT_OK && n < 0)
        r = FAULT(f, RESULT_INTERNAL, "%s cannot be read: %s", path, strerror(errno));
    if (r == RESULT_OK) {
        line[n] = '\0';
        r = decode_key(f, path, line, key);
    }
    wipe(line, sizeof line);
    return r;
}

/* Locking is best effort: RLIMIT_MEMLOCK may be 0 in a container, and then we start all the same. */
static struct master *pages_new(void)
{
    // cppcheck-suppress invalidFunctionArg ; mmap(2): -1 where there is no file, "for portability"
    struct pages *p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    (void)mlock(p, sizeof *p);
    (void)madvise(p, sizeof *p, MADV_DONTDUMP);
    if (pthread_mutex_init(&p->derived.lock, NULL) != 0) {
        (void)munmap(p, sizeof *p);
        return NULL;
    }
    p->master.derived = &p->derived;
    return &p->master;
}

enum result master_load(struct fault *f, const char *path, struct master **out_r)
{
    *out_r = NULL;
    struct master *m = pages_new();
    NEED(f, m);
    enum result r = read_key(f, path, m->key);
    if (r == RESULT_OK)
        *out_r = m;
    else
        master_free(m);
    return r;
}

void master_free(struct master *m)
{
    if (m == NULL)
        return;
    struct pages *p = (struct pages *)(void *)m; /* its first member */
    pthread_mutex_destroy(&p->derived.lock);
    wipe(p, sizeof *p);
    (void)munmap(p, sizeof *p);
}
