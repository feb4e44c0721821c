/* What does a request say in its headers? Handlers call these; front/ filled the lists (names in lower case). */
#include "private.h"

#include <string.h>
#include <strings.h>

const char *request_header(const struct request *rq, const char *lower_case_name)
{
    return param_get(&rq->headers, lower_case_name);
}

/* RFC 9110 §11.6.2: credentials = auth-scheme [ 1*SP ( token68 / ... ) ]. The field is a singleton: with two of them
 * nobody can tell which one a proxy looked at, so neither counts. */
const char *request_authorization(const struct request *rq, const char *scheme)
{
    const char *field = request_header(rq, "authorization");
    size_t n = strlen(scheme);
    if (field == NULL || GUARD(authorization_once, param_times(&rq->headers, "authorization") != 1))
        return NULL;
    if (strncasecmp(field, scheme, n) != 0 || field[n] != ' ')
        return NULL;
    const char *value = field + n + strspn(field + n, " ");
    return *value == '\0' ? NULL : value;
}

static const char HOST_PREFIX[] = "__Host-";

/* On https only the prefixed name counts: a sibling host or a page on http can plant a plain cookie, never a __Host-
 * one (RFC 6265bis §4.1.3.2). */
const char *request_cookie(const struct request *rq, const char *name)
{
    for (size_t i = 0; i < rq->cookies.count; i++) {
        const char *got = rq->cookies.list[i].name;
        bool prefixed = text_has_prefix(got, HOST_PREFIX);
        if (GUARD(host_cookie, rq->secure && !prefixed))
            continue;
        if (strcmp(got + (rq->secure && prefixed ? sizeof HOST_PREFIX - 1 : 0), name) == 0)
            return rq->cookies.list[i].value;
    }
    return NULL;
}

/* SameSite=Lax, not Strict: the browser comes back from the ID provider by a cross-site redirect and must bring the
 * cookie of its login along. */
void reply_cookie(struct reply *r, const struct request *rq, const char *name, const char *value, int64_t max_age)
{
    if (value == NULL || max_age == 0)
        value = "";
    if (!token_name_ok(name, strlen(name)) || !cookie_value_ok(value, strlen(value))) {
        log_event(LEVEL_ERROR, "web.cookie.refused", "name", name, NULL);
        return;
    }
    const char *age = max_age < 0 ? "" : arena_printf(r->arena, "; Max-Age=%lld", (long long)max_age);
    const char *line = arena_printf(r->arena, "%s%s=%s; Path=/%s; HttpOnly; SameSite=Lax%s", rq->secure ? HOST_PREFIX : "",
                                    name, value, age == NULL ? "" : age, rq->secure ? "; Secure" : "");
    if (line != NULL)
        reply_header_add(r, "Set-Cookie", line);
}
