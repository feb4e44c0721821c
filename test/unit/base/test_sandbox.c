/* sandbox: after it, a process reads and writes what was named and nothing else. Each case in a child of its own, for there
 * is no way back. */
#include <idbridge/base.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static char root[] = "/tmp/sandbox-XXXXXX";

static bool opens(const char *name, int flags)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* Exit status of the child: 0 right, else the number of the first thing that was wrong. */
static int child(void)
{
    char readable[128], writable[128];
    struct fault f = {0};
    bool entered;
    (void)snprintf(readable, sizeof(readable), "%s/read", root);
    (void)snprintf(writable, sizeof(writable), "%s/write", root);
    const char *const r[] = {readable, "/no/such/path", NULL}, *const w[] = {writable, NULL, NULL};
    if (sandbox_enter(&f, r, w, &entered) != RESULT_OK || !entered)
        return 1;
    if (!opens("read/file", O_RDONLY) || opens("read/file", O_WRONLY) || opens("read/new", O_WRONLY | O_CREAT))
        return 2;
    if (!opens("write/new", O_RDWR | O_CREAT | O_TRUNC) || unlinkat(AT_FDCWD, "x", 0) == 0)
        return 3;
    if (opens("other/file", O_RDONLY) || opens("new", O_WRONLY | O_CREAT))
        return 4;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? 5 : 0;
}

static void only_what_was_named_stays_open(void **state)
{
    (void)state;
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        print_message("skipped: this kernel has no Landlock\n");
        skip();
    }
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void make(const char *name, bool folder)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", root, name);
    if (folder)
        assert_int_equal(mkdir(path, 0700), 0);
    else
        assert_true(opens(name, O_WRONLY | O_CREAT));
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(root) == NULL)
        return 1;
    make("read", true);
    make("write", true);
    make("other", true);
    make("read/file", false);
    make("other/file", false);
    return 0;
}

static int teardown(void **state)
{
    char command[64];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_what_was_named_stays_open)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
