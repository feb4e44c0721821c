/* waiting: condition variables whose deadlines are times of clock_monotonic_us, so that a clock that is set does not make
 * anybody wait for an hour. Used by pool.c, health.c and resolve.c. pthread_condattr_setclock(3). */
#include "server.h"

#include <time.h>

bool dir_condition_init(pthread_cond_t *c)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return false;
    bool made = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 && pthread_cond_init(c, &monotonic) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return made;
}

void dir_condition_wait(pthread_cond_t *c, pthread_mutex_t *lock, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};
    (void)pthread_cond_timedwait(c, lock, &until);
}
