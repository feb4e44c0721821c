/* What does the bridge say, in which language? A file of messages.S is parsed when its language is first spoken (all of
 * them took a third of the time to start) and read-only after; every page text is looked up here. A key that a
 * translation lacks is answered in English, one that English lacks (a unit test forbids it) by the key itself. */
#include "private.h"

#include <stdatomic.h>
#include <string.h>

enum { LANGUAGES_MAX = 16, CATALOGUE_BYTES_MAX = 256 * 1024 };

static struct language {
    const struct catalogue_file *file;
    _Atomic(json_t *) texts; /* NULL: not spoken yet */
} languages[LANGUAGES_MAX];
static const char *names[LANGUAGES_MAX]; /* those that are offered, English first */
static size_t language_count, name_count;

static enum result catalogue_parse(struct fault *f, const struct catalogue_file *file, json_t **out_r)
{
    CLEANUP(arena) struct arena *a = arena_new(2 * CATALOGUE_BYTES_MAX);
    json_t *texts = NULL;
    NEED(f, a);
    TRY(json_parse(f, a, file->start, (size_t)(file->end - file->start), CATALOGUE_BYTES_MAX, &texts));
    const char *dir = json_text(json_object_get(texts, "_meta"), "dir");
    if (!text_equal(dir, "ltr") && !text_equal(dir, "rtl"))
        return FAULT(f, RESULT_INTERNAL, "messages/%s.json: _meta.dir is neither ltr nor rtl", file->language);
    *out_r = json_incref(texts);
    return RESULT_OK;
}

/* Two threads may parse the same file at once; one of the two copies stays. */
static const json_t *texts_of(struct language *l)
{
    json_t *mine = NULL, *there = l == NULL ? NULL : atomic_load(&l->texts);
    struct fault f = {0};
    if (l == NULL || there != NULL)
        return there;
    if (catalogue_parse(&f, l->file, &mine) != RESULT_OK) {
        log_fault(LEVEL_ERROR, "messages", &f);
        return NULL;
    }
    if (atomic_compare_exchange_strong(&l->texts, &there, mine))
        return mine;
    json_decref(mine);
    return there;
}

enum result messages_load(struct fault *f)
{
    messages_free();
    for (const struct catalogue_file *file = catalogue_files; file->language != NULL; file++) {
        if (language_count == LANGUAGES_MAX)
            return FAULT(f, RESULT_INTERNAL, "more than %d languages", LANGUAGES_MAX);
        names[language_count] = file->language;
        languages[language_count++].file = file;
    }
    name_count = language_count;
    return RESULT_OK;
}

void messages_free(void)
{
    for (size_t i = 0; i < language_count; i++)
        json_decref(atomic_exchange(&languages[i].texts, NULL));
    language_count = name_count = 0;
}

static struct language *language_find(const char *name)
{
    for (size_t i = 0; i < language_count; i++)
        if (text_equal(languages[i].file->language, name))
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
            there = there || names[i] == l->file->language;
        if (!there)
            names[name_count++] = l->file->language;
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
    const char *text = json_text(texts_of(language_find(language)), key);
    if (text == NULL && language_count > 0)
        text = json_text(texts_of(&languages[0]), key);
    return text == NULL ? key : text;
}

bool message_known(const char *language, const char *key)
{
    return json_text(texts_of(language_find(language)), key) != NULL;
}

static const json_t *meta_of(const char *language)
{
    return json_object_get(texts_of(language_find(language)), "_meta");
}

bool message_rtl(const char *language)
{
    return text_equal(json_text(meta_of(language), "dir"), "rtl");
}

bool message_reviewed(const char *language)
{
    return json_is_true(json_object_get(meta_of(language), "reviewed"));
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
