/* A file of people as a personnel office sends it: CSV of any country, or JSON lines. For each row: an object of texts that are
 * not empty, and a line number that rises. */
#include "../../broker/admin/link.h"
#include "fuzz.h"

struct rows {
    size_t count, line;
};

static enum result each(void *arg, size_t line, const json_t *row)
{
    struct rows *r = arg;
    const char *name;
    json_t *value;

    MUST(line > r->line || (line == r->line && r->count > 0)); /* a lone carriage return ends a row too */
    r->line = line;
    r->count++;
    MUST(json_is_object(row) && json_object_size(row) > 0);
    json_object_foreach((json_t *)(uintptr_t)row, name, value)
        MUST(json_string_length(value) > 0 && text_is_utf8(json_string_value(value), json_string_length(value)) &&
             json_text(row, name) != NULL);
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    struct rows rows = {0};
    char *text = malloc(size + 1); /* as admin_read_file gives it */

    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    bool read = fuzz_accepted(link_table(&f, a, text, size, each, &rows));
    MUST(read || f.detail[0] != '\0');
    free(text);
    arena_free(a);
    return 0;
}
