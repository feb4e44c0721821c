/* What do nested groups cost when all of it is known: 1,000 groups, ten deep, each in five others, from the edge cache? Called
 * by run.py, which reads the JSON it prints: CPU microseconds of one resolution on one thread's own clock, the median of
 * rounds. No server: whoever is asked here ends the program. */
#include "../../broker/directory/groups.h"

#include <stdlib.h>
#include <time.h>

enum { LEVELS = 10, WIDTH = 100, PARENTS = 5, ROUNDS = 41 };

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct edge group_at(struct arena *a, int level, int n)
{
    const char *dn = arena_printf(a, "cn=programme-%d-team-%d,ou=groups,ou=health,dc=health,dc=example", level, n % WIDTH);
    return (struct edge){dn, dn, arena_printf(a, "programme-%d-team-%d", level, n % WIDTH)};
}

static void fill(struct arena *a, struct edges *e)
{
    for (int level = 0; level < LEVELS; level++)
        for (int n = 0; n < WIDTH; n++) {
            struct edge parents[PARENTS];
            for (int p = 0; p < PARENTS; p++)
                parents[p] = group_at(a, level + 1, n + p * p);
            edges_keep(e, group_at(a, level, n).dn, parents, level + 1 < LEVELS ? PARENTS : 0, 1);
        }
}

static double resolve(const struct directory *d, const struct edge *direct)
{
    double start = cpu_us();
    struct fault f = {0};
    struct arena *a = arena_new(4u << 20); /* as much as a login has */
    struct group_set s = {.arena = a, .directory = d, .oldest_us = 1};
    enum result r = RESULT_OK;
    for (int i = 0; i < WIDTH && r == RESULT_OK; i++)
        r = group_add(&f, &s, &direct[i], true);
    if (r == RESULT_OK)
        r = groups_follow(&f, &s);
    if (r != RESULT_OK || s.count != LEVELS * WIDTH) {
        (void)fprintf(stderr, "%zu groups: %s\n", s.count, f.detail);
        exit(1);
    }
    arena_free(a);
    return cpu_us() - start;
}

static int by_size(const void *a, const void *b)
{
    const double *l = a, *r = b;
    return *l < *r ? -1 : *l > *r;
}

int main(void)
{
    double took[ROUNDS];
    struct edge direct[WIDTH];
    struct arena *a = arena_new(16u << 20);
    struct directory d = {.member_attribute = "member", .edges = edges_new(16u << 20), .clock_us = clock_monotonic_us};
    fill(a, d.edges);
    for (int i = 0; i < WIDTH; i++)
        direct[i] = group_at(a, 0, i);
    for (size_t i = 0; i < ROUNDS; i++)
        took[i] = resolve(&d, direct);
    qsort(took, ROUNDS, sizeof(double), by_size);
    (void)printf("{\"name\": \"nested groups\", \"cpu_us\": %.2f}\n", took[ROUNDS / 2]);
    edges_free(d.edges);
    arena_free(a);
    return 0;
}
