/* Text on a page: nothing of a stranger becomes markup, whatever bytes it holds; cut text is still UTF-8. */
#include "../../broker/web/private.h"
#include "fuzz.h"

static void check(const char *html, size_t n)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

    MUST(text_is_utf8(html, n) && strlen(html) == n);
    MUST(strpbrk(html, "<>\"'") == NULL);
    for (const char *amp = strchr(html, '&'); amp != NULL; amp = strchr(amp + 1, '&')) {
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(entities); i++)
            known = known || text_has_prefix(amp, entities[i]);
        MUST(known);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf) struct buf whole;
    CLEANUP(buf) struct buf cut;
    char *text = fuzz_text(data, size);
    static const char open[] = "<bdi>", close[] = "</bdi>";
    const size_t around = sizeof open + sizeof close - 2;

    buf_init(&whole, 1u << 20);
    buf_init(&cut, 1u << 20);
    html_text(&whole, text);
    if (whole.data != NULL)
        check(whole.data, whole.len);
    html_foreign(&cut, text);
    MUST(cut.len >= around && text_has_prefix(cut.data, open) && strcmp(cut.data + cut.len - strlen(close), close) == 0);
    cut.data[cut.len - strlen(close)] = '\0';
    check(cut.data + strlen(open), cut.len - around);
    MUST(!whole.failed && !cut.failed);
    (void)page_url_ok(text);
    free(text);
    return 0;
}
