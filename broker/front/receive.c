/* What did this client ask? From libmicrohttpd's connection to a struct request: headers with names in lower case, query and
 * form as pairs, cookies, and the address that coarse limits key on. Called by http.c when a request is whole. */
#include "front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct collect {
    struct arena *arena;
    struct param *list;
    size_t count, max;
    bool failed;
};

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct collect *k = cls;
    char *low = k->count == k->max ? NULL : arena_strdup(k->arena, name);
    k->failed = low == NULL;
    if (k->failed)
        return MHD_NO;
    for (char *p = low; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    k->list[k->count++] = (struct param){low, value == NULL ? "" : value};
    return MHD_YES;
}

enum result front_read_headers(struct call *c)
{
    struct collect k = {.arena = c->arena, .max = 100};
    k.list = arena_alloc(c->arena, k.max * sizeof(*k.list));
    NEED(&c->x.fault, k.list);
    (void)MHD_get_connection_values(c->connection, MHD_HEADER_KIND, collect_header, &k);
    c->request.headers = (struct params){k.list, k.count};
    /* a header that was not looked at might be the second of its name */
    return GUARD(header_count, k.failed) ? FAULT(&c->x.fault, RESULT_INVALID, "more than %zu headers", k.max) : RESULT_OK;
}

/* Headers of one name are one list in their order (RFC 9110 §5.3): what the proxy wrote is in the last one. */
static const char *forwarded_for(const struct request *rq)
{
    const char *last = NULL;
    for (size_t i = 0; i < rq->headers.count; i++)
        if (strcmp(rq->headers.list[i].name, "x-forwarded-for") == 0)
            last = rq->headers.list[i].value;
    return last;
}

/* The address limits key on. X-Forwarded-For counts only from a listed proxy, and only its last entry. */
static const char *client_address(struct call *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char text[INET6_ADDRSTRLEN] = "unix";
    if (info != NULL && info->client_addr != NULL && info->client_addr->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr, text, sizeof(text));
    else if (info != NULL && info->client_addr != NULL && info->client_addr->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr, text,
                        sizeof(text));
    const char *forwarded = forwarded_for(&c->request);
    for (char *const *p = c->front->trusted_proxies; forwarded != NULL && p != NULL && *p != NULL; p++)
        if (!GUARD(trusted_proxies, strcmp(*p, text) != 0)) {
            const char *last = strrchr(forwarded, ',');
            last = last == NULL ? forwarded : last + 1;
            return last + strspn(last, " ");
        }
    return arena_strdup(c->arena, text);
}

static bool is_form(const char *type)
{
    static const char form[] = "application/x-www-form-urlencoded";
    return strncasecmp(type, form, sizeof form - 1) == 0 && strchr("; \t", type[sizeof form - 1]) != NULL;
}

enum result front_read_request(struct call *c, const char *method)
{
    struct request *rq = &c->request;
    struct fault *f = &c->x.fault;
    rq->method = method;
    rq->path = c->uri;
    rq->secure = c->front->bridge->secure;
    TRY(front_read_headers(c));
    rq->address = client_address(c);
    if (c->query != NULL)
        TRY(params_parse(f, c->arena, c->query, strlen(c->query), &rq->query));
    const char *cookie = request_header(rq, "cookie");
    if (cookie != NULL)
        cookies_parse(c->arena, cookie, &rq->cookies);
    rq->body = (struct bytes){(const unsigned char *)c->body.data, c->body.len};
    const char *type = request_header(rq, "content-type");
    if (type != NULL && is_form(type) && c->body.len > 0)
        TRY(params_parse(f, c->arena, c->body.data, c->body.len, &rq->form));
    return RESULT_OK;
}
