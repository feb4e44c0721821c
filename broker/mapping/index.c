/* Finds the rules that can concern a person without looking at the others: every rule is filed under the values of its
 * first condition (groups before attributes before claims), so the cost of a decision follows the person's groups and not
 * the number of rules. */
#include "private.h"

#include <string.h>

static char *lower(char *to, const char *from)
{
    for (; *from != '\0'; from++)
        *to++ = (char)(*from >= 'A' && *from <= 'Z' ? *from + 32 : *from);
    return to;
}

char *index_key(struct arena *a, char kind, const char *name, const char *value)
{
    size_t named = name == NULL ? 0 : strlen(name) + 1;
    char *key = arena_alloc(a, 2 + named + strlen(value) + 1), *end = key;
    if (key == NULL)
        return NULL;
    *end++ = kind;
    *end++ = ':';
    if (name != NULL) {
        end = lower(end, name);
        *end++ = '=';
    }
    *lower(end, value) = '\0';
    return key;
}

/* Eight bytes a step: DNs are long, and a person may be in hundreds of groups. No defence against chosen values: rules
 * come from administrators. */
static uint64_t hash(const char *s)
{
    const uint64_t odd = 0x9e3779b97f4a7c15ULL;
    size_t n = strlen(s);
    uint64_t h = n * odd, word;
    for (; n >= sizeof(word); s += sizeof(word), n -= sizeof(word)) {
        memcpy(&word, s, sizeof(word));
        h = (h ^ word) * odd;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, s, n);
    h = (h ^ word) * odd;
    return h ^ h >> 32;
}

static struct index_entry *find(const struct mapping *m, const char *key)
{
    size_t mask = m->table_size - 1, i = (size_t)hash(key) & mask;
    while (m->table[i].key != NULL && strcmp(m->table[i].key, key) != 0)
        i = (i + 1) & mask;
    return &m->table[i];
}

static enum result file_rule(struct fault *f, struct mapping *m, const char *key, unsigned rule)
{
    struct index_entry *e = find(m, key);
    if (e->count == e->room) {
        unsigned room = e->room == 0 ? 2 : e->room * 2;
        unsigned *more = arena_alloc(m->arena, room * sizeof(*more));
        NEED(f, more);
        if (e->count > 0)
            memcpy(more, e->rules, e->count * sizeof(*more));
        e->rules = more;
        e->room = room;
    }
    e->key = key;
    e->rules[e->count++] = rule;
    return RESULT_OK;
}

bool index_ref_key(char *out, size_t n, const char *dhis2, enum grant_kind k, enum grant_by by, const char *ref)
{
    int len = snprintf(out, n, "r:%d:%d:%s:%s", (int)k, (int)by, dhis2 == NULL ? "" : dhis2, ref);
    return len > 0 && (size_t)len < n;
}

bool index_knows(const struct mapping *m, const char *key)
{
    return find(m, key)->key != NULL;
}

/* What a rule gives is filed too: whether any rule could give a group is asked for every group an account is in. */
static enum result file_refs(struct fault *f, struct mapping *m, unsigned rule)
{
    const struct rule *r = &m->rules[rule];
    char key[INDEX_REF_KEY];
    bool templated = false;
    for (size_t g = 0; g < r->give_count; g++) {
        templated |= strchr(r->give[g].ref, '{') != NULL;
        if (!index_ref_key(key, sizeof(key), r->dhis2, r->give[g].kind, r->give[g].by, r->give[g].ref))
            continue;
        char *kept = arena_strdup(m->arena, key);
        NEED(f, kept);
        TRY(file_rule(f, m, kept, rule));
    }
    if (templated)
        m->templated[m->templated_count++] = rule;
    return RESULT_OK;
}

enum result index_build(struct fault *f, struct mapping *m)
{
    size_t values = 0;
    for (size_t i = 0; i < m->count; i++)
        values += m->rules[i].give_count + (m->rules[i].when_count == 0 ? 0 : m->rules[i].when[0].count);
    for (m->table_size = 16; m->table_size < values * 2;)
        m->table_size *= 2;
    m->table = arena_alloc(m->arena, m->table_size * sizeof(*m->table));
    m->always = arena_alloc(m->arena, (m->count + 1) * sizeof(*m->always));
    NEED(f, m->table);
    m->templated = arena_alloc(m->arena, (m->count + 1) * sizeof(*m->templated));
    NEED(f, m->always);
    NEED(f, m->templated);
    for (unsigned i = 0; i < m->count; i++) {
        const struct rule *r = &m->rules[i];
        if (r->when_count == 0)
            m->always[m->always_count++] = i;
        for (size_t v = 0; r->when_count > 0 && v < r->when[0].count; v++) {
            char *key = index_key(m->arena, r->when[0].kind, r->when[0].name, r->when[0].values[v]);
            NEED(f, key);
            if (r->when[0].kind == 'g')
                *(strchr(r->when[0].values[v], '=') != NULL ? &m->by_dn : &m->by_name) = true;
            TRY(file_rule(f, m, key, i));
        }
        TRY(file_refs(f, m, i));
    }
    return RESULT_OK;
}

void index_mark(const struct mapping *m, const char *key, uint64_t *marks)
{
    const struct index_entry *e = find(m, key);
    for (unsigned i = 0; e->key != NULL && i < e->count; i++)
        marks[e->rules[i] / 64] |= 1ULL << (e->rules[i] % 64);
}
