/* What does the bridge say, in which language? The catalogue of messages.S is parsed once at start and read-only after;
 * every page text is looked up here. A key that a translation lacks is answered in English, one that English lacks (a
 * unit test forbids it) by the key itself. */
#include "private.h"

#include <string.h>

enum { LANGUAGES_MAX = 16, CATALOGUE_BYTES_MAX = 256 * 1024 };

static struct language {
    const char *name;
    json_t *texts;
    bool rtl, reviewed;
} languages[LANGUAGES_MAX];
static const char *names[LANGUAGES_MAX]; /* those that are offered, English first */
static size_t language_count, name_count;

static enum result catalogue_load(struct fault *f, struct arena *a, const struct catalogue_file *file)
{
    json_t *texts = NULL;
    TRY(json_parse(f, a, file->start, (size_t)(file->end - file->start), CATALOGUE_BYTES_MAX, &texts));
    const json_t *meta = json_object_get(texts, "_meta");
    const char *dir = json_text(meta, "dir");
    if (!text_equal(dir, "ltr") && !text_equal(dir, "rtl"))
        return FAULT(f, RESULT_INTERNAL, "messages/%s.json: _meta.dir is neither ltr nor rtl", file->language);
    if (language_count == LANGUAGES_MAX)
        return FAULT(f, RESULT_INTERNAL, "more than %d languages", LANGUAGES_MAX);
    names[language_count] = file->language;
    languages[language_count++] = (struct language){file->language, json_incref(texts), text_equal(dir, "rtl"),
                                                    json_is_true(json_object_get(meta, "reviewed"))};
    name_count = language_count;
    return RESULT_OK;
}

enum result messages_load(struct fault *f)
{
    messages_free();
    for (const struct catalogue_file *file = catalogue_files; file->language != NULL; file++) {
        CLEANUP(arena) struct arena *a = arena_new(2 * CATALOGUE_BYTES_MAX);
        NEED(f, a);
        TRY(catalogue_load(f, a, file));
    }
    return RESULT_OK;
}

void messages_free(void)
{
    for (size_t i = 0; i < language_count; i++)
        json_decref(languages[i].texts);
    language_count = name_count = 0;
}

static const struct language *language_find(const char *name)
{
    for (size_t i = 0; i < language_count; i++)
        if (text_equal(languages[i].name, name))
            return &languages[i];
    return NULL;
}

/* English stays, whatever the list says: it is what everything falls back to. */
enum result messages_offer(struct fault *f, char *const *wanted)
{
    name_count = language_count == 0 ? 0 : 1;
    for (; *wanted != NULL; wanted++) {
        const struct language *l = language_find(*wanted);
        if (l == NULL)
            return FAULT(f, RESULT_INVALID, "[pages] languages: there are no texts in %s", *wanted);
        bool there = false;
        for (size_t i = 0; i < name_count; i++)
            there = there || names[i] == l->name;
        if (!there)
            names[name_count++] = l->name;
    }
    return RESULT_OK;
}

size_t messages_languages(const char *const **out_r)
{
    *out_r = names;
    return name_count;
}

const char *message_text(const char *language, const char *key)
{
    const struct language *l = language_find(language);
    const char *text = l == NULL ? NULL : json_text(l->texts, key);
    if (text == NULL && language_count > 0)
        text = json_text(languages[0].texts, key);
    return text == NULL ? key : text;
}

bool message_known(const char *language, const char *key)
{
    const struct language *l = language_find(language);
    return l != NULL && json_text(l->texts, key) != NULL;
}

bool message_rtl(const char *language)
{
    const struct language *l = language_find(language);
    return l != NULL && l->rtl;
}

bool message_reviewed(const char *language)
{
    const struct language *l = language_find(language);
    return l != NULL && l->reviewed;
}

/* ---- placeholders ----------------------------------------------------------------------------------------- */

bool bytes_equal_text(struct bytes b, const char *s)
{
    return strlen(s) == b.len && memcmp(s, b.data, b.len) == 0;
}

const char *message_next(const char *text, struct bytes *literal_r, struct bytes *name_r)
{
    *name_r = (struct bytes){(const unsigned char *)"", 0};
    if (*text == '\0')
        return NULL;
    const char *open = strchr(text, '{'), *close = open == NULL ? NULL : strchr(open, '}');
    if (close == NULL || close == open + 1) { /* a lone brace, or {}: plain text */
        *literal_r = bytes_of(text);
        return text + strlen(text);
    }
    *literal_r = (struct bytes){(const unsigned char *)text, (size_t)(open - text)};
    *name_r = (struct bytes){(const unsigned char *)open + 1, (size_t)(close - open - 1)};
    return close + 1;
}

static const char *arg_value(const struct param *args, struct bytes name)
{
    for (; args != NULL && args->name != NULL; args++)
        if (bytes_equal_text(name, args->name))
            return args->value;
    return NULL;
}

/* A placeholder nobody filled stays as it is: better a visible {seconds} than a sentence with a hole. */
char *message_fill(struct arena *a, const char *text, const struct param *args)
{
    struct bytes literal, name;
    CLEANUP(buf) struct buf b;
    buf_init(&b, 16 * 1024);
    buf_text(&b, "");
    for (const char *at = text; (at = message_next(at, &literal, &name)) != NULL;) {
        buf_add(&b, literal.data, literal.len);
        const char *value = arg_value(args, name);
        if (value != NULL)
            buf_text(&b, value);
        else if (name.len > 0)
            buf_printf(&b, "{%.*s}", (int)name.len, (const char *)name.data);
    }
    return b.failed ? NULL : arena_strndup(a, b.data == NULL ? "" : b.data, b.len);
}
