/* Makes one allocation fail (curl's torture test is the model). For the unit tests of `make torture` our library is linked
 * with ld's --wrap: what our code asks for comes here, what the test and the libraries ask for does not (no library promises
 * much when memory is out), and AddressSanitizer goes on seeing everything. jansson is the exception: it lets itself be
 * given other functions, and its objects are made in nearly every function of ours.
 *
 * FAILALLOC_AT=N: the N-th allocation fails, that one only. FAILALLOC_LIST=FILE: none fails; the number of every allocation
 * that comes from somewhere new, by its call stack, is written to FILE, one a line. Run by test/torture.py. */
#include <errno.h>
#include <execinfo.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 24, STACKS = 1 << 16, AFTERWARDS_S = 5 };
static atomic_ulong asked;
static unsigned long fail_at;
static FILE *list;
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

/* What one allocation does to a program shows soon; the tests that come later need not all be run each time. */
static void enough(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static bool fails(void)
{
    unsigned long number = atomic_fetch_add(&asked, 1) + 1;
    if (list != NULL)
        note(number);
    if (number != fail_at)
        return false;
    errno = ENOMEM;
    (void)signal(SIGALRM, enough);
    (void)alarm(AFTERWARDS_S);
    return true;
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
    fail_at = at == NULL ? 0 : strtoul(at, NULL, 10);
    list = path == NULL ? NULL : fopen(path, "we");
    json_set_alloc_funcs(__wrap_malloc, free);
}

__attribute__((destructor)) static void end(void)
{
    if (list != NULL)
        (void)fclose(list);
    list = NULL;
}
