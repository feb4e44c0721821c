/* Counters, gauges and histograms in the Prometheus text format 0.0.4. Called wherever something is worth counting;
 * front renders them on the second, loopback address. A fixed registry: names and labels are our own words, and should
 * that ever fail, memory does not grow; the surplus is counted. */
#include "internal.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#define SERIES_MAX 512
#define INDEX_SIZE 1024 /* a power of two, at most half full */
#define HELP_MAX 128

static const double BOUNDS_MS[] = {1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000};

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };
static const char *const KIND_NAMES[] = {"counter", "gauge", "histogram"};

struct series {
    char name[72];
    char labels[120];
    enum kind kind;
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t buckets[COUNT_OF(BOUNDS_MS)];
};

static struct {
    pthread_mutex_t lock;
    size_t count, help_count;
    uint64_t dropped;
    uint16_t index[INDEX_SIZE]; /* hash to number of the series + 1 */
    struct series series[SERIES_MAX];
    struct {
        const char *name, *help;
    } help[HELP_MAX];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- finding a series ----------------------------------------------------------------------------- */

static uint32_t fnv1a(uint32_t h, const char *s)
{
    for (; *s != '\0'; s++)
        h = (h ^ (unsigned char)*s) * UINT32_C(16777619);
    return h;
}

static struct series *series_add(uint16_t *slot, const char *name, const char *labels, enum kind kind)
{
    if (registry.count == SERIES_MAX || strlen(name) >= sizeof registry.series[0].name ||
        strlen(labels) >= sizeof registry.series[0].labels)
        return NULL;
    struct series *s = &registry.series[registry.count++];
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    (void)snprintf(s->labels, sizeof s->labels, "%s", labels);
    s->kind = kind;
    *slot = (uint16_t)registry.count;
    return s;
}

/* NULL: no room for another one. */
static struct series *series_get(const char *name, const char *labels, enum kind kind)
{
    uint32_t at = fnv1a(fnv1a(UINT32_C(2166136261), name) * 31, labels) % INDEX_SIZE;
    for (;; at = (at + 1) % INDEX_SIZE) {
        if (registry.index[at] == 0)
            return series_add(&registry.index[at], name, labels, kind);
        struct series *s = &registry.series[registry.index[at] - 1];
        if (strcmp(s->name, name) == 0 && strcmp(s->labels, labels) == 0)
            return s;
    }
}

/* ---- counting ------------------------------------------------------------------------------------- */

static void observe(struct series *s, double ms)
{
    for (size_t i = 0; i < COUNT_OF(BOUNDS_MS); i++)
        if (ms <= BOUNDS_MS[i])
            s->buckets[i]++;
    s->value += ms;
    s->count++;
}

/* `metric_add` also moves a gauge that metric_set made, e.g. by -1; a counter only grows. */
static bool update(struct series *s, enum kind kind, double n)
{
    if (s == NULL || !isfinite(n))
        return false;
    if (s->kind == KIND_GAUGE && kind == KIND_COUNTER) {
        s->value += n;
        return true;
    }
    if (s->kind != kind || (kind == KIND_COUNTER && n < 0))
        return false;
    if (kind == KIND_HISTOGRAM)
        observe(s, n);
    else
        s->value = kind == KIND_GAUGE ? n : s->value + n;
    return true;
}

static void record(const char *name, const char *labels, enum kind kind, double n)
{
    pthread_mutex_lock(&registry.lock);
    if (!update(series_get(name, labels == NULL ? "" : labels, kind), kind, n))
        registry.dropped++;
    pthread_mutex_unlock(&registry.lock);
}

void metric_add(const char *name, const char *labels, double n)
{
    record(name, labels, KIND_COUNTER, n);
}

void metric_set(const char *name, const char *labels, double value)
{
    record(name, labels, KIND_GAUGE, value);
}

void metric_observe_ms(const char *name, const char *labels, double ms)
{
    record(name, labels, KIND_HISTOGRAM, ms);
}

/* Both texts are kept by address. */
void metrics_help(const char *name, const char *help)
{
    pthread_mutex_lock(&registry.lock);
    if (registry.help_count < HELP_MAX) {
        registry.help[registry.help_count].name = name;
        registry.help[registry.help_count++].help = help;
    }
    pthread_mutex_unlock(&registry.lock);
}

/* ---- rendering ------------------------------------------------------------------------------------ */

static void render_head(struct buf *to, const struct series *s)
{
    for (size_t i = 0; i < registry.help_count; i++) {
        if (strcmp(registry.help[i].name, s->name) == 0) {
            buf_printf(to, "# HELP %s %s\n", s->name, registry.help[i].help);
            break;
        }
    }
    buf_printf(to, "# TYPE %s %s\n", s->name, KIND_NAMES[s->kind]);
}

static void render_histogram(struct buf *to, const struct series *s)
{
    const char *comma = s->labels[0] == '\0' ? "" : ",";
    const char *open = s->labels[0] == '\0' ? "" : "{", *close = s->labels[0] == '\0' ? "" : "}";
    for (size_t i = 0; i < COUNT_OF(BOUNDS_MS); i++)
        buf_printf(to, "%s_bucket{%s%sle=\"%g\"} %llu\n", s->name, s->labels, comma, BOUNDS_MS[i],
                   (unsigned long long)s->buckets[i]);
    buf_printf(to, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", s->name, s->labels, comma, (unsigned long long)s->count);
    buf_printf(to, "%s_sum%s%s%s %.15g\n", s->name, open, s->labels, close, s->value);
    buf_printf(to, "%s_count%s%s%s %llu\n", s->name, open, s->labels, close, (unsigned long long)s->count);
}

static void render_series(struct buf *to, const struct series *s)
{
    if (s->kind == KIND_HISTOGRAM)
        render_histogram(to, s);
    else if (s->labels[0] != '\0')
        buf_printf(to, "%s{%s} %.15g\n", s->name, s->labels, s->value);
    else
        buf_printf(to, "%s %.15g\n", s->name, s->value);
}

static bool seen_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(registry.series[k].name, registry.series[i].name) == 0)
            return true;
    return false;
}

/* "All lines for a given metric must be provided as one single group": so by name, in order of first use. */
void metrics_render(struct buf *to)
{
    pthread_mutex_lock(&registry.lock);
    for (size_t i = 0; i < registry.count; i++) {
        if (seen_before(i))
            continue;
        render_head(to, &registry.series[i]);
        for (size_t k = i; k < registry.count; k++)
            if (strcmp(registry.series[k].name, registry.series[i].name) == 0)
                render_series(to, &registry.series[k]);
    }
    buf_printf(to, "# HELP idbridge_metrics_dropped_total Updates of series that found no room or were misused.\n"
                   "# TYPE idbridge_metrics_dropped_total counter\nidbridge_metrics_dropped_total %llu\n",
               (unsigned long long)registry.dropped);
    pthread_mutex_unlock(&registry.lock);
}
