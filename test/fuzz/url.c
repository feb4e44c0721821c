/* Absolute URLs: http or https, a host, no user name, no fragment; put together again the parts are the same URL. */
#include "fuzz.h"

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check(struct arena *a, const struct url_parts *u)
{
    struct fault f = {0};
    struct url_parts again;

    MUST(strcmp(u->scheme, "http") == 0 || strcmp(u->scheme, "https") == 0);
    MUST(u->host != NULL && u->host[0] != '\0' && u->port > 0 && u->port <= 65535);
    MUST(u->path != NULL && u->path[0] == '/');
    for (const char *c = u->host; *c != '\0'; c++)
        MUST(*c > ' ' && strchr("/?#@\\", *c) == NULL && !(*c >= 'A' && *c <= 'Z'));
    const char *text = arena_printf(a, "%s://%s:%d%s%s%s", u->scheme, u->host, u->port, u->path, u->query == NULL ? "" : "?",
                                    u->query == NULL ? "" : u->query);
    MUST(text != NULL);
    if (!fuzz_accepted(url_parse(&f, a, text, &again))) {
        MUST(strlen(text) > 8000); /* only the port that was not written may have made it too long */
        return;
    }
    MUST(same(u->scheme, again.scheme) && same(u->host, again.host) && u->port == again.port);
    MUST(same(u->path, again.path) && same(u->query, again.query));
    MUST(url_is_loopback(u) == url_is_loopback(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct fault f = {0};
    struct url_parts u;
    char *text = fuzz_text(data, size);

    if (fuzz_accepted(url_parse(&f, a, text, &u)))
        check(a, &u);
    free(text);
    arena_free(a);
    return 0;
}
