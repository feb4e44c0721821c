/* Makes one allocation fail (curl's torture test is the model). For the unit tests of `make torture` our library is linked
 * with ld's --wrap: what our code asks for comes here, what the test and the libraries ask for does not (no library promises
 * much when memory is out), and AddressSanitizer goes on seeing everything. jansson is the exception: it lets itself be
 * given other functions, and its objects are made in nearly every function of ours.
 *
 * FAILALLOC_LIST=FILE: none fails; the number of every allocation that comes from somewhere new, by its call stack, is
 * written to FILE, one a line.
 * FAILALLOC_AT=N: the N-th allocation fails, that one only.
 * FAILALLOC_FORK=FOLDER: none fails here, but before each allocation that FOLDER/numbers names, in rising order, the program
 * forks: in the child it fails. The child writes to FOLDER/N.out, its wait status goes to FOLDER/N.status, and this one goes
 * on; so the way to the N-th allocation is gone once for all of them. Not while there are other threads.
 *
 * Run by test/torture.py. */
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FRAMES = 24, STACKS = 1 << 16, AFTERWARDS_CPU_MS = 400, AFTERWARDS_S = 30, EXIT_NO_END = 99 };
static atomic_ulong asked;
static unsigned long fail_at;
static FILE *list, *numbers;
static const char *folder;
static unsigned long fork_at; /* the next of `numbers` */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t stacks[STACKS]; /* hashes of those that were met; open addressing */

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static bool is_new(uint64_t hash)
{
    for (size_t i = 0; i < STACKS; i++) {
        uint64_t *at = &stacks[(hash + i) % STACKS];
        if (*at == hash)
            return false;
        if (*at == 0) {
            *at = hash;
            return true;
        }
    }
    return false; /* full */
}

static void note(unsigned long number)
{
    void *frames[FRAMES];
    uint64_t hash = 14695981039346656037u; /* FNV-1a over the return addresses */
    int n = backtrace(frames, FRAMES);
    for (int i = 0; i < n; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 1099511628211u;
    (void)pthread_mutex_lock(&list_lock);
    if (is_new(hash | 1))
        (void)fprintf(list, "%lu\n", number);
    (void)pthread_mutex_unlock(&list_lock);
}

/* ---- the failing one -------------------------------------------------------------------------------------- */

static void enough(int number)
{
    _exit(number == SIGALRM ? EXIT_NO_END : 0);
}

/* What one allocation does to a program shows soon; the tests that come later need not be run each time. */
static bool fail_now(void)
{
    const struct itimerval cpu = {.it_value = {.tv_usec = AFTERWARDS_CPU_MS * 1000}};
    (void)signal(SIGPROF, enough);
    (void)signal(SIGALRM, enough);
    (void)setitimer(ITIMER_PROF, &cpu, NULL);
    (void)alarm(AFTERWARDS_S);
    errno = ENOMEM;
    return true;
}

static bool has_threads(void)
{
    unsigned count = 0;
    DIR *d = opendir("/proc/self/task");
    for (const struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d))
        count += e->d_name[0] != '.';
    if (d != NULL)
        (void)closedir(d);
    return count != 1;
}

static void next_number(void)
{
    fork_at = 0;
    if (fscanf(numbers, "%lu", &fork_at) != 1)
        fork_at = 0;
}

static void write_status(unsigned long number, int status)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%lu.status", folder, number);
    FILE *out = fopen(path, "we");
    if (out != NULL) {
        (void)fprintf(out, "%d\n", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
        (void)fclose(out);
    }
}

/* true in the child, where this allocation fails. */
static bool fork_here(unsigned long number)
{
    char path[512];
    next_number();
    if (has_threads())
        return false;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)snprintf(path, sizeof path, "%s/%lu.out", folder, number);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        folder = NULL;
        return fail_now();
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child)
        write_status(number, status);
    return false;
}

static bool fails(void)
{
    unsigned long number = atomic_fetch_add(&asked, 1) + 1;
    if (list != NULL)
        note(number);
    if (folder != NULL && number == fork_at)
        return fork_here(number);
    return number == fail_at && fail_now();
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : malloc(n);
}
void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : realloc(p, n);
}
void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return fails() ? NULL : reallocarray(p, n, size);
}
char *__wrap_strdup(const char *s)
{
    return fails() ? NULL : strdup(s);
}
char *__wrap_strndup(const char *s, size_t n)
{
    return fails() ? NULL : strndup(s, n);
}

__attribute__((constructor)) static void start(void)
{
    const char *at = getenv("FAILALLOC_AT"), *path = getenv("FAILALLOC_LIST");
    char file[512];
    fail_at = at == NULL ? 0 : strtoul(at, NULL, 10);
    list = path == NULL ? NULL : fopen(path, "we");
    folder = getenv("FAILALLOC_FORK");
    if (folder != NULL) {
        (void)snprintf(file, sizeof file, "%s/numbers", folder);
        numbers = fopen(file, "re");
        if (numbers == NULL)
            abort();
        next_number();
    }
    json_set_alloc_funcs(__wrap_malloc, free);
}

__attribute__((destructor)) static void end(void)
{
    if (list != NULL)
        (void)fclose(list);
    list = NULL;
}
