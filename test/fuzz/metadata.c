/* An ID provider's discovery document: read_metadata, which is private to its file and is therefore compiled in here. What
 * is taken over belongs to the configured issuer and is https, or http on loopback where the issuer itself is. */
#include "../../broker/upstream/metadata.c" /* NOLINT(bugprone-suspicious-include): see above */
#include "fuzz.h"

static void check_endpoint(struct arena *a, const char *url, bool loopback_issuer)
{
    struct url_parts u;
    struct fault f = {0};

    if (url == NULL)
        return;
    MUST(fuzz_accepted(url_parse(&f, a, url, &u)));
    MUST(strcmp(u.scheme, "https") == 0 || (loopback_issuer && url_is_loopback(&u)));
}

static void check(const struct metadata *m, const struct provider *p, bool loopback)
{
    struct arena *a = fuzz_arena();

    MUST(m->authorization_endpoint != NULL && m->token_endpoint != NULL && m->jwks_uri != NULL);
    MUST(m->userinfo_endpoint != NULL || strcmp(p->userinfo, "none") == 0);
    const char *const urls[] = {m->authorization_endpoint, m->token_endpoint, m->jwks_uri, m->userinfo_endpoint,
                                m->end_session_endpoint};
    for (size_t i = 0; i < COUNT_OF(urls); i++)
        check_endpoint(a, urls[i], loopback);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct provider providers[] = {{.issuer = "https://issuer.example", .userinfo = "jwt"},
                                         {.issuer = "http://127.0.0.1:8088", .userinfo = "none"}};
    struct fault f = {0};
    json_t *j;

    for (size_t i = 0; i < COUNT_OF(providers); i++) {
        struct metadata m = {.arena = fuzz_arena()};
        if (fuzz_accepted(json_parse(&f, m.arena, (const char *)data, size, METADATA_MAX, &j)) &&
            fuzz_accepted(read_metadata(&f, &m, &providers[i], j)))
            check(&m, &providers[i], i == 1);
        arena_free(m.arena);
    }
    return 0;
}
