/* Strict JSON on jansson: parsing what strangers sent, and reading single members without surprises. Called by
 * token, upstream, dhis2 and whoever meets a JSON document. A document is an object or an array: nothing we speak
 * sends a bare number or string, and a claim set that is one must not pass. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* jansson 2.14 has a code for this and does not use it: where memory is out it sets no error at all, or one without a
 * code. Everything that is wrong with the input has a code. */
static bool is_out_of_memory(const json_error_t *e)
{
    return json_error_code(e) == json_error_unknown || json_error_code(e) == json_error_out_of_memory;
}

/* Our own words: jansson's text quotes the input ("near '...'"), which may be a name or a secret. */
static const char *problem(const json_error_t *e)
{
    switch (json_error_code(e)) {
    case json_error_stack_overflow:
        return "nested too deeply";
    case json_error_duplicate_key:
        return "a member appears twice";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_premature_end_of_input:
        return "cut off";
    case json_error_end_of_input_expected:
        return "something after the value";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "holds a NUL";
    case json_error_numeric_overflow:
        return "a number is out of range";
    default:
        return "not JSON";
    }
}

enum result json_parse(struct fault *f, struct arena *a, const char *s, size_t n, size_t max, json_t **out_r)
{
    *out_r = NULL;
    if (n > max)
        return FAULT(f, RESULT_INVALID, "JSON of %zu bytes, at most %zu are read", n, max);
    json_error_t e = {.text = ""};
    json_t *j = json_loadb(s == NULL ? "" : s, n, JSON_REJECT_DUPLICATES, &e);
    if (j == NULL) {
        if (is_out_of_memory(&e))
            return FAULT(f, RESULT_INTERNAL, "out of memory");
        return FAULT(f, RESULT_INVALID, "JSON: %s (line %d, column %d)", problem(&e), e.line, e.column);
    }
    *out_r = arena_json(a, j);
    NEED(f, *out_r);
    return RESULT_OK;
}

/* The C string of a JSON string, or NULL when there is none or when a NUL would cut it. */
static const char *text_of(const json_t *j)
{
    const char *s = json_string_value(j);
    return s != NULL && strlen(s) == json_string_length(j) ? s : NULL;
}

const char *json_text(const json_t *object, const char *key)
{
    return text_of(json_object_get(object, key));
}

/* RFC 7519 §2: a NumericDate may have a fraction; we take whole numbers, also written as 1.7e9, up to 2^53, beyond
 * which a double no longer tells neighbours apart. */
bool json_integer_at(const json_t *object, const char *key, int64_t *out_r)
{
    const json_t *j = json_object_get(object, key);
    if (json_is_integer(j)) {
        *out_r = json_integer_value(j);
        return true;
    }
    double d = json_is_real(j) ? json_real_value(j) : NAN;
    if (!(fabs(d) <= 9007199254740992.0) || trunc(d) != d)
        return false;
    *out_r = (int64_t)d;
    return true;
}

bool json_holds_text(const json_t *string_or_array, const char *s)
{
    if (!json_is_array(string_or_array))
        return text_equal(text_of(string_or_array), s);
    for (size_t i = 0; i < json_array_size(string_or_array); i++)
        if (text_equal(text_of(json_array_get(string_or_array, i)), s))
            return true;
    return false;
}

/* Most texts fit the stack: written once and copied once. */
char *json_compact(struct arena *a, const json_t *j)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    char room[4096];
    size_t n = json_dumpb(j, room, sizeof room, flags); /* 0: not JSON, or no memory */
    char *text = n == 0 ? NULL : arena_alloc(a, n + 1);
    if (text != NULL && n <= sizeof room)
        memcpy(text, room, n);
    else if (text != NULL && json_dumpb(j, text, n, flags) != n)
        text = NULL;
    wipe(room, n < sizeof room ? n : sizeof room);
    return text;
}
