/* The Cookie header (RFC 6265 §4.2.1): what comes out could be written into a Set-Cookie header as it is, so no value of
 * a stranger can end one cookie and begin another. */
#include "fuzz.h"

#include <idbridge/web.h>

static void check_pair(const struct param *p)
{
    MUST(p->name[0] != '\0');
    for (const char *c = p->name; *c != '\0'; c++)
        MUST(*c > ' ' && *c <= '~' && strchr("()<>@,;:\\\"/[]?={}", *c) == NULL);
    for (const char *c = p->value; *c != '\0'; c++)
        MUST(*c > ' ' && *c <= '~' && strchr("\",;\\", *c) == NULL);
}

static void check_again(struct arena *a, const struct params *p)
{
    const char *text = "";
    struct params again;

    for (size_t i = 0; i < p->count; i++) {
        check_pair(&p->list[i]);
        text = arena_printf(a, "%s%s%s=%s", text, i == 0 ? "" : "; ", p->list[i].name, p->list[i].value);
        MUST(text != NULL);
    }
    cookies_parse(a, text, &again);
    MUST(again.count == p->count);
    for (size_t i = 0; i < p->count; i++)
        MUST(strcmp(p->list[i].name, again.list[i].name) == 0 && strcmp(p->list[i].value, again.list[i].value) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    struct request rq = {.secure = true};
    char *header = fuzz_text(data, size < 8192 ? size : 8192);

    cookies_parse(a, header, &rq.cookies);
    MUST(rq.cookies.count <= 64);
    check_again(a, &rq.cookies);
    const char *mine = request_cookie(&rq, "login");
    MUST(mine == NULL || strstr(header, "__Host-login=") != NULL);
    free(header);
    arena_free(a);
    return 0;
}
