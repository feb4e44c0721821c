/* Does a login wait for the resolver? getaddrinfo is replaced here by one that can be made to hang and to fail; resolve.c is
 * compiled in, so that a test can make what it knows older. */
#include "../../../broker/directory/resolve.c"
#include "support.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <time.h>

/* ---- the resolver of this test: says `answer`, or hangs while `hang` is set */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t go;
    bool hang, fail;
    const char *answer[3];
    int asked, ended;
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .go = PTHREAD_COND_INITIALIZER};

static struct addrinfo *made_of(const char *address)
{
    struct addrinfo *ai = calloc(1, sizeof *ai + sizeof(struct sockaddr_in));
    struct sockaddr_in *at = (struct sockaddr_in *)(void *)(ai + 1);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(389)};
    assert_int_equal(inet_pton(AF_INET, address, &at->sin_addr), 1);
    ai->ai_family = AF_INET;
    ai->ai_addr = (struct sockaddr *)at;
    ai->ai_addrlen = sizeof *at;
    return ai;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    struct in_addr literal;
    (void)service;
    if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
        if (inet_pton(AF_INET, host, &literal) != 1)
            return EAI_NONAME;
        *out = made_of(host);
        return 0;
    }
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    while (resolver.hang)
        pthread_cond_wait(&resolver.go, &resolver.lock);
    bool fail = resolver.fail;
    *out = NULL;
    for (size_t i = COUNT_OF(resolver.answer); !fail && i-- > 0;)
        if (resolver.answer[i] != NULL) {
            struct addrinfo *one = made_of(resolver.answer[i]);
            one->ai_next = *out;
            *out = one;
        }
    resolver.ended++;
    pthread_mutex_unlock(&resolver.lock);
    return fail ? EAI_AGAIN : 0;
}

void freeaddrinfo(struct addrinfo *ai)
{
    for (struct addrinfo *next; ai != NULL; ai = next) {
        next = ai->ai_next;
        free(ai);
    }
}

static void says(const char *first, const char *second, bool fail)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.answer[0] = first;
    resolver.answer[1] = second;
    resolver.fail = fail;
    pthread_mutex_unlock(&resolver.lock);
}

static void hangs(bool hang)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hang = hang;
    pthread_cond_broadcast(&resolver.go);
    pthread_mutex_unlock(&resolver.lock);
}

static int count_of(const int *which)
{
    pthread_mutex_lock(&resolver.lock);
    int n = *which;
    pthread_mutex_unlock(&resolver.lock);
    return n;
}

static void wait_answered(int ended)
{
    for (int i = 0; i < 1000 && count_of(&resolver.ended) < ended; i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(count_of(&resolver.ended) >= ended);
}

/* ---- what a test asks */

static void grow_older(struct endpoint *e, int64_t seconds)
{
    pthread_mutex_lock(&e->lock);
    e->resolved_us -= seconds * 1000000;
    e->tried_us -= seconds * 1000000;
    pthread_mutex_unlock(&e->lock);
}

static void wait_taken_over(struct endpoint *e)
{
    pthread_mutex_lock(&e->lock);
    while (e->resolving)
        pthread_cond_wait(&e->changed, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

static struct endpoint *endpoint_of(const char *host)
{
    struct fault f = {0};
    struct endpoint *e = NULL;
    assert_int_equal(dir_endpoint_new(&f, host, 389, &e), RESULT_OK);
    return e;
}

static enum result first_of(struct endpoint *e, int64_t wait_us, const char *want, int64_t *took_us_r)
{
    struct fault f = {0};
    struct address list[DIR_ADDRESSES_MAX];
    char text[64] = "";
    size_t count = 0;
    int64_t start = clock_monotonic_us();
    enum result r = dir_endpoint_addresses(&f, e, "ldap://x", wait_us, list, &count);
    *took_us_r = clock_monotonic_us() - start;
    if (r != RESULT_OK)
        return r;
    assert_non_null(inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)&list[0].at)->sin_addr, text, sizeof text));
    assert_string_equal(text, want);
    return r;
}

/* A resolver that hangs costs who asks first the time he gave, not the resolver's; when it answers at last that counts. */
static void the_first_wait_is_bounded(void **state)
{
    struct endpoint *e = endpoint_of("dc1.example");
    int64_t took = 0;
    (void)state;
    says("10.0.0.1", NULL, false);
    hangs(true);
    assert_int_equal(first_of(e, 200000, "", &took), RESULT_TIMEOUT);
    assert_in_range(took, 190000, 5000000);
    int asked = count_of(&resolver.asked), ended = count_of(&resolver.ended);
    assert_int_equal(first_of(e, 1000, "", &took), RESULT_TIMEOUT);
    assert_int_equal(count_of(&resolver.asked), asked); /* one question at a time */
    hangs(false);
    wait_answered(ended + 1);
    assert_int_equal(first_of(e, 5000000, "10.0.0.1", &took), RESULT_OK);
    dir_endpoint_release(e);
}

static void nothing_is_known(void **state)
{
    struct endpoint *e = endpoint_of("nowhere.example");
    int64_t took = 0;
    (void)state;
    says(NULL, NULL, true);
    assert_int_equal(first_of(e, 5000000, "", &took), RESULT_UNAVAILABLE);
    says("10.0.0.7", NULL, false); /* it is asked again by the next who needs it */
    assert_int_equal(first_of(e, 5000000, "10.0.0.7", &took), RESULT_OK);
    dir_endpoint_release(e);
}

static void an_address_asks_nobody(void **state)
{
    struct endpoint *e = endpoint_of("127.0.0.9");
    int asked = count_of(&resolver.asked);
    int64_t took = 0;
    (void)state;
    hangs(true);
    assert_int_equal(first_of(e, 0, "127.0.0.9", &took), RESULT_OK);
    assert_int_equal(count_of(&resolver.asked), asked);
    hangs(false);
    dir_endpoint_release(e);
}

/* An hour later: the old addresses at once while the resolver hangs or fails, the new ones once it has answered. */
static void old_addresses_serve_meanwhile(void **state)
{
    struct endpoint *e = endpoint_of("dc2.example");
    int64_t took = 0;
    (void)state;
    says("10.0.0.1", NULL, false);
    assert_int_equal(first_of(e, 5000000, "10.0.0.1", &took), RESULT_OK);
    grow_older(e, 120);
    says("10.0.0.2", NULL, false);
    hangs(true);
    assert_int_equal(first_of(e, 5000000, "10.0.0.1", &took), RESULT_OK);
    assert_in_range(took, 0, 1000000);
    says(NULL, NULL, true);
    hangs(false);
    wait_taken_over(e);
    assert_int_equal(first_of(e, 5000000, "10.0.0.1", &took), RESULT_OK); /* it failed: nothing changes */
    grow_older(e, 10);
    says("10.0.0.2", NULL, false);
    assert_int_equal(first_of(e, 5000000, "10.0.0.1", &took), RESULT_OK);
    wait_taken_over(e);
    assert_int_equal(first_of(e, 0, "10.0.0.2", &took), RESULT_OK);
    dir_endpoint_release(e);
}

/* The address that answered stays in front as long as the name has it. */
static void the_one_that_answers_comes_first(void **state)
{
    struct endpoint *e = endpoint_of("dc3.example");
    struct fault f = {0};
    struct address list[DIR_ADDRESSES_MAX];
    size_t count = 0;
    int64_t took = 0;
    (void)state;
    says("10.0.0.1", "10.0.0.2", false);
    assert_int_equal(dir_endpoint_addresses(&f, e, "ldap://x", 5000000, list, &count), RESULT_OK);
    assert_int_equal(count, 2);
    dir_endpoint_answers(e, &list[1]);
    assert_int_equal(first_of(e, 0, "10.0.0.2", &took), RESULT_OK);
    grow_older(e, 120);
    assert_int_equal(first_of(e, 0, "10.0.0.2", &took), RESULT_OK);
    wait_taken_over(e);
    assert_int_equal(first_of(e, 0, "10.0.0.2", &took), RESULT_OK);
    dir_endpoint_release(e);
}

/* A reload need not wait for a resolver that hangs. */
static void given_up_while_it_hangs(void **state)
{
    struct endpoint *e = endpoint_of("dc4.example");
    int64_t took = 0;
    (void)state;
    says("10.0.0.1", NULL, false);
    hangs(true);
    int ended = count_of(&resolver.ended);
    assert_int_equal(first_of(e, 1000, "", &took), RESULT_TIMEOUT);
    int64_t start = clock_monotonic_us();
    dir_endpoint_release(e);
    assert_in_range(clock_monotonic_us() - start, 0, 1000000);
    hangs(false);
    wait_answered(ended + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_wait_is_bounded),        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(an_address_asks_nobody),           cmocka_unit_test(old_addresses_serve_meanwhile),
        cmocka_unit_test(the_one_that_answers_comes_first), cmocka_unit_test(given_up_while_it_hangs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
