/* What does a question to the directory cost through our pool, beside the same searches on a bare libldap handle? What do 64 who
 * ask at once over 8 connections wait, and does memory grow? Called by directory.py with a server running.
 *
 *     directory FILE cost        bare and ours in turn, round by round; the median of the rounds counts
 *     directory FILE many        64 threads; "ask stick w" halfway, when STICK is set; prints waits in ms
 *     directory FILE memory N    N questions; prints RSS after a tenth of them and at the end */
#include "../../broker/directory/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 21, PER_ROUND = 150, ASKERS = 64, CHECKS = 60 };

static struct directories *all;
static struct directory *d;
static const char LOGIN[] = "amina.diallo";

static void stop(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void open_directory(const char *path)
{
    const struct config_key *const tables[] = {directory_config_keys, NULL};
    struct config *c = NULL;
    struct fault f = {0};
    struct buf errors;
    buf_init(&errors, 4096);
    log_setup(LEVEL_ERROR, stderr);
    if (config_load(&f, path, tables, &errors, &c) != RESULT_OK || directories_new(&f, c, &all) != RESULT_OK)
        stop(f.detail, errors.data == NULL ? "" : errors.data);
    buf_free(&errors);
    config_free(c);
    d = dir_find(all, "staff", 5);
}

static double ours(bool groups)
{
    struct arena *a = arena_new(4 << 20);
    struct fault f = {0};
    struct person p = {0};
    int64_t start = clock_monotonic_us();
    enum result r = groups ? directory_by_login(&f, a, all, "staff", LOGIN, &p)
                           : directory_entry_by_login(&f, a, all, "staff", LOGIN, &p);
    int64_t took = clock_monotonic_us() - start;
    if (r != RESULT_OK || p.status != ACCOUNT_OK || (groups && p.group_count == 0))
        stop("a question", r == RESULT_OK ? "wrong answer" : f.detail);
    arena_free(a);
    return (double)took;
}

/* ---- bare: one handle that stays open, and libldap's own calls */

static LDAP *bare;
static char *person_dn;

static void open_bare(void)
{
    struct fault f = {0};
    struct connection *c = NULL;
    if (dir_connect(&f, d, 0, d->network_timeout_us, &c) != RESULT_OK || dir_bind_service(&f, c) != RESULT_OK)
        stop("bare handle", f.detail);
    bare = c->ld;
    free(c);
}

static void search_bare(const char *base, const char *filter, char *const *attributes, char **dn_r)
{
    LDAPMessage *answer = NULL;
    if (ldap_search_ext_s(bare, base, LDAP_SCOPE_SUBTREE, filter, (char **)(uintptr_t)attributes, 0, NULL, NULL, NULL, 0,
                          &answer) != LDAP_SUCCESS || ldap_count_entries(bare, answer) < 1)
        stop("bare search", filter);
    if (dn_r != NULL)
        *dn_r = ldap_get_dn(bare, ldap_first_entry(bare, answer));
    (void)ldap_msgfree(answer);
}

static double bare_question(bool groups)
{
    static char cn[] = "cn";
    char *const names[] = {cn, NULL};
    char filter[512];
    int64_t start = clock_monotonic_us();
    (void)snprintf(filter, sizeof filter, "(&(uid=%s)(objectClass=person))", LOGIN);
    search_bare(d->people_base, filter, d->wanted, person_dn == NULL ? &person_dn : NULL);
    if (groups) {
        (void)snprintf(filter, sizeof filter, "(%s=%s)", d->member_attribute, person_dn);
        search_bare(d->groups_base, filter, names, NULL);
    }
    return (double)(clock_monotonic_us() - start);
}

/* ---- measuring */

static int by_size(const void *a, const void *b)
{
    const double *l = a, *r = b;
    return *l < *r ? -1 : *l > *r;
}

static double round_of(double (*once)(bool), bool groups)
{
    double took[PER_ROUND];
    for (size_t i = 0; i < PER_ROUND; i++)
        took[i] = once(groups);
    qsort(took, PER_ROUND, sizeof took[0], by_size);
    return took[PER_ROUND / 2];
}

static void cost(const char *name, bool groups)
{
    double rounds[2][ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        rounds[0][i] = round_of(bare_question, groups);
        rounds[1][i] = round_of(ours, groups);
    }
    for (size_t which = 0; which < 2; which++)
        qsort(rounds[which], ROUNDS, sizeof rounds[which][0], by_size);
    (void)printf("{\"name\": \"%s\", \"bare_us\": %.1f, \"ours_us\": %.1f}\n", name, rounds[0][ROUNDS / 2], rounds[1][ROUNDS / 2]);
}

static void *keep_asking(void *arg)
{
    double *took = arg;
    for (size_t i = 0; i < CHECKS; i++)
        took[i] = ours(true) / 1000;
    return NULL;
}

static void many(void)
{
    static double took[ASKERS * CHECKS];
    pthread_t askers[ASKERS];
    char line[16];
    for (size_t i = 0; i < ASKERS; i++)
        if (pthread_create(&askers[i], NULL, keep_asking, &took[i * CHECKS]) != 0)
            stop("thread", "none to be had");
    (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    if (getenv("STICK") != NULL) {
        (void)printf("ask stick w\n");
        (void)fflush(stdout);
        if (fgets(line, sizeof line, stdin) == NULL)
            stop("ask", "no answer");
    }
    for (size_t i = 0; i < ASKERS; i++)
        (void)pthread_join(askers[i], NULL);
    size_t n = COUNT_OF(took), late = 0;
    qsort(took, n, sizeof took[0], by_size);
    while (late < n && took[n - 1 - late] >= (double)d->search_timeout_us / 1000)
        late++;
    (void)printf("{\"p50_ms\": %.1f, \"p99_ms\": %.1f, \"most_ms\": %.1f, \"stuck\": %zu}\n", took[(n - late) / 2],
                 took[(n - late) * 99 / 100], took[n - 1 - late], late);
}

static long rss_kb(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%ld %ld", &pages, &resident) != 2)
        stop("/proc/self/statm", "cannot be read");
    (void)fclose(f);
    return resident * 4;
}

static void memory(long n)
{
    long early = 0;
    for (long i = 0; i < n; i++) {
        (void)ours(true);
        if (i == n / 10)
            early = rss_kb();
    }
    (void)printf("{\"questions\": %ld, \"early_kb\": %ld, \"late_kb\": %ld}\n", n, early, rss_kb());
}

int main(int argc, char **argv)
{
    if (argc < 3)
        stop("usage", "directory FILE cost|many|memory [N]");
    open_directory(argv[1]);
    if (strcmp(argv[2], "cost") == 0) {
        open_bare();
        cost("the entry alone, one search", false);
        cost("entry and own groups, two searches", true);
        ldap_memfree(person_dn);
        (void)ldap_unbind_ext(bare, NULL, NULL);
    } else if (strcmp(argv[2], "many") == 0) {
        many();
    } else {
        memory(argc > 3 ? strtol(argv[3], NULL, 10) : 50000);
    }
    directories_free(all);
    return 0;
}
