/* What do the libraries alone take, on this machine, in this run? The floor under the budgets: a login cannot cost less than
 * the signatures, calls, searches and commits it is made of, nor the program weigh less than the libraries it is made of.
 * Called by run.py, which reads the JSON it prints: CPU microseconds of one operation on this thread's own clock (the median
 * of fifteen rounds), and megabytes of this process after each library was used once.
 *
 *     bare                                    loads the libraries and ends: the floor of a start
 *     bare FOLDER HTTP_URL LDAP_URI BASE DN PASSWORD
 *
 * No line of broker/ is linked: only what libcurl(3), ldap(3), sqlite3 and libmicrohttpd(3) do themselves. */
#include <cjose/cjose.h>
#include <curl/curl.h>
#include <ini.h>
#include <jansson.h>
#include <ldap.h>
#include <microhttpd.h>
#include <oauth2/jose.h>
#include <oauth2/log.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, PER_ROUND = 60 };

#define MUST(true_of_it)                                                                                               \
    do {                                                                                                               \
        if (!(true_of_it)) {                                                                                           \
            (void)fprintf(stderr, "bare: %s\n", #true_of_it);                                                          \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static double clock_us(clockid_t which)
{
    struct timespec t;
    (void)clock_gettime(which, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double *l = a, *r = b;
    return *l < *r ? -1 : *l > *r;
}

static void measure(const char *name, clockid_t which, void (*once)(void *), void *arg)
{
    double rounds[ROUNDS];
    once(arg);
    for (size_t r = 0; r < ROUNDS; r++) {
        double start = clock_us(which);
        for (int i = 0; i < PER_ROUND; i++)
            once(arg);
        rounds[r] = (clock_us(which) - start) / PER_ROUND;
    }
    qsort(rounds, ROUNDS, sizeof(double), by_size);
    (void)printf("{\"name\": \"%s\", \"cpu_us\": %.2f}\n", name, rounds[ROUNDS / 2]);
}

/* ---- a call: POST on a kept connection ---------------------------------------------------------------------- */

static size_t swallow(char *data, size_t size, size_t n, void *arg)
{
    (void)data, (void)arg;
    return size * n;
}

static CURL *call_ready(const char *url)
{
    CURL *h = curl_easy_init();
    MUST(h != NULL && curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
         curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, swallow) == CURLE_OK &&
         curl_easy_setopt(h, CURLOPT_POSTFIELDS, "a=b") == CURLE_OK &&
         curl_easy_setopt(h, CURLOPT_PROXY, "") == CURLE_OK);
    return h;
}

static void call_once(void *h)
{
    MUST(curl_easy_perform(h) == CURLE_OK);
}

/* ---- a search on a bound connection --------------------------------------------------------------------------- */

struct asked {
    LDAP *ld;
    const char *base;
};

static LDAP *search_ready(const char *uri, const char *dn, const char *password)
{
    LDAP *ld = NULL;
    int version = LDAP_VERSION3;
    struct berval secret = {strlen(password), (char *)(uintptr_t)password};
    MUST(ldap_initialize(&ld, uri) == LDAP_SUCCESS &&
         ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) == LDAP_OPT_SUCCESS &&
         ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL) == LDAP_SUCCESS);
    return ld;
}

static void search_once(void *arg)
{
    const struct asked *s = arg;
    char *attributes[] = {"uid", "cn", "mail", "entryUUID", NULL};
    LDAPMessage *found = NULL;
    MUST(ldap_search_ext_s(s->ld, s->base, LDAP_SCOPE_BASE, "(objectClass=*)", attributes, 0, NULL, NULL, NULL, 2,
                           &found) == LDAP_SUCCESS);
    ldap_msgfree(found);
}

/* ---- a commit of one row, not waiting for the disk ------------------------------------------------------------- */

static sqlite3_stmt *commit_ready(const char *folder)
{
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *insert;
    (void)snprintf(path, sizeof path, "%s/bare.db", folder);
    MUST(sqlite3_open(path, &db) == SQLITE_OK &&
         sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t(a TEXT PRIMARY KEY)",
                      NULL, NULL, NULL) == SQLITE_OK &&
         sqlite3_prepare_v2(db, "INSERT INTO t VALUES(hex(randomblob(16)))", -1, &insert, NULL) == SQLITE_OK);
    return insert;
}

static void commit_once(void *insert)
{
    MUST(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK);
}

/* ---- a hand-over to another thread and back --------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t turned;
    int turn; /* 0: this thread's, 1: the other's */
} ball = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void pass_to(int whose, int mine)
{
    pthread_mutex_lock(&ball.lock);
    ball.turn = whose;
    pthread_cond_signal(&ball.turned);
    while (ball.turn != mine)
        pthread_cond_wait(&ball.turned, &ball.lock);
    pthread_mutex_unlock(&ball.lock);
}

static void *other_thread(void *arg)
{
    (void)arg;
    for (;;)
        pass_to(0, 1);
    return NULL;
}

static void hand_over_twice(void *arg)
{
    (void)arg;
    pass_to(1, 0);
}

/* ---- megabytes ---------------------------------------------------------------------------------------------------- */

static enum MHD_Result nobody(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *size, void **state)
{
    (void)cls, (void)c, (void)url, (void)method, (void)version, (void)upload, (void)size, (void)state;
    return MHD_NO;
}

/* The rest of what a start needs: a token sealed and opened, a key that signs, an HTTP server that listens. */
static void use_the_others(void)
{
    oauth2_log_t *log = oauth2_log_init(OAUTH2_LOG_ERROR, NULL);
    json_t *claims = json_pack("{s:s}", "a", "b"), *opened = NULL;
    char *sealed = NULL;
    unsigned char signature[256];
    size_t n = sizeof signature;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    MUST(oauth2_jose_jwt_encrypt(log, "secret", claims, &sealed) &&
         oauth2_jose_jwt_decrypt(log, "secret", sealed, &opened));
    MUST(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, EVP_RSA_gen(2048)) == 1 &&
         EVP_DigestSign(c, signature, &n, (const unsigned char *)"a", 1) == 1);
    MUST(MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, nobody, NULL, MHD_OPTION_END) != NULL);
}

static void print_memory(void)
{
    char line[256];
    double resident = 0, own = 0, kb;
    FILE *f = fopen("/proc/self/smaps_rollup", "r"); /* proc(5) */
    MUST(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "Rss: %lf", &kb) == 1)
            resident = kb;
        if (sscanf(line, "Anonymous: %lf", &kb) == 1)
            own = kb;
    }
    (void)fclose(f);
    (void)printf("{\"name\": \"memory\", \"rss_mb\": %.2f, \"own_mb\": %.2f}\n", resident / 1024, own / 1024);
}

/* Takes their addresses, or the linker would leave the libraries out. */
static void *volatile linked[] = {(void *)ini_parse_stream, (void *)cjose_jws_import};

int main(int argc, char **argv)
{
    pthread_t other;
    if (argc != 7)
        return argc == 1 && linked[0] != NULL ? 0 : 2;
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    struct asked asked = {search_ready(argv[3], argv[5], argv[6]), argv[4]};
    CURL *call = call_ready(argv[2]);
    sqlite3_stmt *insert = commit_ready(argv[1]);
    call_once(call);
    search_once(&asked);
    commit_once(insert);
    use_the_others();
    print_memory();
    measure("call", CLOCK_THREAD_CPUTIME_ID, call_once, call);
    measure("search", CLOCK_THREAD_CPUTIME_ID, search_once, &asked);
    measure("commit", CLOCK_THREAD_CPUTIME_ID, commit_once, insert);
    MUST(pthread_create(&other, NULL, other_thread, NULL) == 0);
    measure("two hand-overs", CLOCK_PROCESS_CPUTIME_ID, hand_over_twice, NULL);
    return 0;
}
