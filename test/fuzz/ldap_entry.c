/* An entry as a directory server sent it: account status, times, the person made of it, and the copy kept for grace. The
 * first byte chooses the server's type; then one "attribute: value" a line, \0 standing for a NUL inside a value. */
#include "../../broker/directory/internal.h"
#include "fuzz.h"

#include <time.h>

enum { ATTRIBUTES_MAX = 32, NOW = 1800000000 };

/* "\0" becomes a NUL, so that values that are no text can be written in a text corpus. */
static struct bytes value_of(struct arena *a, const char *s)
{
    char *copy = arena_strdup(a, s), *to = copy;

    for (const char *from = copy; *from != '\0'; from++) {
        bool nul = from[0] == '\\' && from[1] == '0';
        from += nul;
        *to++ = *from;
        if (nul)
            to[-1] = '\0';
    }
    *to = '\0';
    return (struct bytes){(const unsigned char *)copy, (size_t)(to - copy)};
}

static void add_value(struct arena *a, struct entry *e, char *line)
{
    char *value = strstr(line, ": ");

    if (value == NULL)
        return;
    *value = '\0';
    struct attribute *at = (struct attribute *)(uintptr_t)dir_attribute(e, line);
    if (at == NULL && e->count == ATTRIBUTES_MAX)
        return;
    if (at == NULL) {
        at = &e->attributes[e->count++];
        *at = (struct attribute){.name = line, .values = arena_alloc(a, ATTRIBUTES_MAX * sizeof *at->values)};
    }
    if (at->count < ATTRIBUTES_MAX)
        at->values[at->count++] = value_of(a, value + 2);
}

/* What was read as a time is the same time when it is written in the one common form. */
static void check_time(struct arena *a, struct bytes value)
{
    int64_t t, again;
    struct tm tm;

    if (!dir_time_parse(value, &t))
        return;
    time_t seconds = (time_t)t;
    MUST(gmtime_r(&seconds, &tm) != NULL);
    if (tm.tm_year < -1900 || tm.tm_year > 8099)
        return;
    const char *text = arena_printf(a, "%04d%02d%02d%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                                    tm.tm_min, tm.tm_sec);
    MUST(text != NULL && dir_time_parse(bytes_of(text), &again) && again == t);
}

static void check_person(struct arena *a, const struct person *p)
{
    struct fault f = {0};
    struct person again;

    MUST(text_has_prefix(p->key, "staff:") && strlen(p->key) > 6);
    MUST(p->mail == NULL || text_is_utf8(p->mail, strlen(p->mail)));
    const char *json = person_to_json(a, p);
    MUST(json != NULL && fuzz_accepted(person_from_json(&f, a, json, &again)));
    MUST(strcmp(p->key, again.key) == 0 && p->status == again.status && again.from_grace);
    MUST(json_equal(p->attributes, again.attributes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum directory_type types[] = {DIRECTORY_OPENLDAP, DIRECTORY_AD, DIRECTORY_389DS};
    static char title[] = "title", type[] = "employeeType", *mapped[] = {title, type, NULL};
    struct directory d = {.name = "staff", .mapped = mapped, .disabled_attribute = "employeeType", .disabled_value = "gone",
                          .names = {.id = "id", .login = "uid", .given_name = "givenName", .surname = "sn", .mail = "mail",
                                    .display_name = "displayName", .phone = "phone", .birth_date = "birth"}};
    struct arena *a = fuzz_arena();
    struct entry e = {.dn = "uid=x,dc=example", .dn_len = 16};
    struct fault f = {0};
    struct person p;
    char *text = fuzz_text(data, size), *rest = NULL;

    d.type = types[size == 0 ? 0 : data[0] % COUNT_OF(types)];
    d.names.id_binary = d.type == DIRECTORY_AD;
    e.attributes = arena_alloc(a, ATTRIBUTES_MAX * sizeof *e.attributes);
    for (char *line = text; line != NULL; line = rest) {
        rest = fuzz_cut(line);
        add_value(a, &e, line);
    }
    for (size_t i = 0; i < e.count; i++)
        for (size_t k = 0; k < e.attributes[i].count; k++)
            check_time(a, e.attributes[i].values[k]);
    MUST(strcmp(account_status_name(dir_status(&d, &e, NOW)), "unknown") != 0);
    if (fuzz_accepted(dir_person(&f, a, &d, &e, &p)))
        check_person(a, &p);
    free(text);
    arena_free(a);
    return 0;
}
