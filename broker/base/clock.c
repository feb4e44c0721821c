/* What time it is: the wall clock for tokens and records, the monotonic one for durations. Called by everybody. */
#include "internal.h"

#include <time.h>

int64_t clock_now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_now(void)
{
    return clock_now_ms() / 1000;
}

int64_t clock_monotonic_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* RFC 3339 in UTC. NULL: no memory, or a year that does not exist in it. */
char *clock_text(struct arena *a, int64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    char text[32];
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900)
        return NULL;
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                   tm.tm_hour, tm.tm_min, tm.tm_sec);
    return arena_strdup(a, text);
}
