/* What every fuzz target includes. A target is one file: it feeds bytes of a stranger to one parser and says, with MUST,
 * what has to hold for everything the parser lets through. libFuzzer calls LLVMFuzzerTestOneInput (`make fuzz`);
 * replay_main.c calls it with the files of test/fuzz/corpus where there is no clang. */
#ifndef IDBRIDGE_FUZZ_H
#define IDBRIDGE_FUZZ_H

#include <idbridge/base.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FUZZ_ENTRY __attribute__((visibility("default")))
FUZZ_ENTRY int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
FUZZ_ENTRY int LLVMFuzzerInitialize(int *argc, char ***argv); /* a target without one needs nothing prepared */

/* Not assert(): it must also hold, and stop the run, where NDEBUG is set. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The input as a C string, as a header or a file's line would arrive: what follows a NUL is not seen. It has a block of
 * its own, so that AddressSanitizer sees the first byte read behind it. Yours to free. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    size_t length = strnlen((const char *)data, size); /* strndup() would not do: under strict_string_checks ASan wants a NUL */
    char *s = malloc(length + 1);
    MUST(s != NULL);
    memcpy(s, data, length);
    s[length] = '\0';
    return s;
}

/* Cuts `s` at its first line break; the rest, or NULL. For targets that take several texts. */
static inline char *fuzz_cut(char *s)
{
    char *newline = strchr(s, '\n');
    if (newline != NULL)
        *newline++ = '\0';
    return newline;
}

/* A file that holds the input, in memory; close it. `path` is what opens it. */
static inline int fuzz_file(const void *data, size_t size, char path[64])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static inline struct arena *fuzz_arena(void)
{
    struct arena *a = arena_new(64u << 20);
    MUST(a != NULL);
    return a;
}

/* A parser may refuse, but never for lack of memory or by a bug: there is memory. */
static inline bool fuzz_accepted(enum result r)
{
    MUST(r != RESULT_INTERNAL);
    return r == RESULT_OK;
}

#endif
