/* The HTTP client: one outbound call on the calling thread's own curl handle. Called by upstream, dhis2 and doctor from
 * the worker pools. The handle stays with the thread, and with it the open connections: reuse is worth twelve times per
 * login. Nothing comes from the environment (proxy, netrc), no cookie is kept, no redirect followed, and what comes
 * back is bounded in size and time. What the answer holds is collected in http_answer.c. */
#include "http_private.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 5000
#define TIMEOUT_MS 10000
#define MAX_BODY (1024 * 1024)

static pthread_key_t handle_key;
static pthread_once_t handle_once = PTHREAD_ONCE_INIT;
static bool handle_key_ok;

static void cleanup_slist(struct curl_slist **l)
{
    curl_slist_free_all(*l);
}

/* ---- the thread's handle -------------------------------------------------------------------------- */

static void handle_end(void *h)
{
    curl_easy_cleanup(h);
}

static void handle_key_make(void)
{
    handle_key_ok = pthread_key_create(&handle_key, handle_end) == 0;
}

static CURL *handle_get(void)
{
    pthread_once(&handle_once, handle_key_make);
    if (!handle_key_ok)
        return NULL;
    CURL *h = pthread_getspecific(handle_key);
    if (h != NULL)
        return h;
    h = curl_easy_init();
    if (h != NULL && pthread_setspecific(handle_key, h) != 0) {
        curl_easy_cleanup(h);
        h = NULL;
    }
    return h;
}

enum result http_global_init(struct fault *f)
{
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wipe_free, wipe_realloc, strdup, calloc) != CURLE_OK)
        return FAULT(f, RESULT_INTERNAL, "libcurl cannot be initialised");
    return RESULT_OK;
}

/* ---- the request ---------------------------------------------------------------------------------- */

static bool is_method(const char *m)
{
    static const char *const METHODS[] = {"GET", "POST", "PATCH", "PUT", "DELETE"};
    for (size_t i = 0; i < COUNT_OF(METHODS); i++)
        if (text_equal(m, METHODS[i]))
            return true;
    return false;
}

/* RFC 9110 §5.1, §5.5: a name is a token; a control character in a value would begin another header. */
static bool header_ok(const struct http_header *h)
{
    static const char TOKEN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    if (h->value == NULL || h->name[0] == '\0' || h->name[strspn(h->name, TOKEN)] != '\0')
        return false;
    for (const char *c = h->value; *c != '\0'; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

static bool slist_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = line == NULL ? NULL : curl_slist_append(*list, line);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

/* "Expect:" alone stops libcurl from waiting for 100 Continue before bodies over 1 MiB; many servers never send it.
 * libcurl wants "Name;" for a header with an empty value. */
static enum result make_headers(struct fault *f, struct arena *a, const struct http_request *rq,
                                struct curl_slist **list_r)
{
    if (!slist_add(list_r, "Expect:"))
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    for (const struct http_header *h = rq->headers; h != NULL && h->name != NULL; h++) {
        if (!header_ok(h))
            return FAULT(f, RESULT_INVALID, "a header of our request holds what no header may");
        char *line = h->value[0] == '\0' ? arena_printf(a, "%s;", h->name)
                                         : arena_printf(a, "%s: %s", h->name, h->value);
        if (!slist_add(list_r, line))
            return FAULT(f, RESULT_INTERNAL, "out of memory");
    }
    return RESULT_OK;
}

/* Each of these returns libcurl's first refusal; OR-ing the codes is enough to know that there was one. */
static unsigned set_method(CURL *h, const struct http_request *rq)
{
    if (text_equal(rq->method, "GET"))
        return (unsigned)curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
    unsigned rc = 0;
    if (rq->body != NULL || text_equal(rq->method, "POST")) {
        curl_off_t len = rq->body == NULL ? 0 : (curl_off_t)rq->body_len;
        rc |= (unsigned)curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, len);
        rc |= (unsigned)curl_easy_setopt(h, CURLOPT_POSTFIELDS, rq->body == NULL ? "" : rq->body);
    }
    if (!text_equal(rq->method, "POST"))
        rc |= (unsigned)curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, rq->method);
    return rc;
}

/* A `ca_file` replaces the system's authorities: without clearing the folder Debian's libcurl would trust both. */
static unsigned set_security(CURL *h, const struct http_request *rq)
{
    unsigned rc = 0;
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    if (rq->ca_file != NULL) {
        rc |= (unsigned)curl_easy_setopt(h, CURLOPT_CAINFO, rq->ca_file);
        rc |= (unsigned)curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    }
    return rc;
}

/* An empty CURLOPT_PROXY and CURLOPT_NOPROXY keep libcurl from looking into http_proxy and no_proxy. */
static unsigned set_network(CURL *h, const struct http_request *rq)
{
    long family = text_equal(rq->ip_family, "ipv4")   ? CURL_IPRESOLVE_V4
                  : text_equal(rq->ip_family, "ipv6") ? CURL_IPRESOLVE_V6
                                                      : CURL_IPRESOLVE_WHATEVER;
    unsigned rc = 0;
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_PROXY, rq->proxy == NULL ? "" : rq->proxy);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_NOPROXY, "");
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_IPRESOLVE, family);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_USERAGENT, "idbridge");
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    return rc;
}

static long connect_timeout(const struct http_request *rq)
{
    return rq->connect_timeout_ms > 0 ? rq->connect_timeout_ms : CONNECT_TIMEOUT_MS;
}

static long whole_timeout(const struct http_request *rq)
{
    return rq->timeout_ms > 0 ? rq->timeout_ms : TIMEOUT_MS;
}

static unsigned set_limits(CURL *h, const struct http_request *rq, struct http_answer *answer)
{
    unsigned rc = 0;
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout(rq));
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, whole_timeout(rq));
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)answer->body->max);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, http_answer_body);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_WRITEDATA, answer);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, http_answer_header);
    rc |= (unsigned)curl_easy_setopt(h, CURLOPT_HEADERDATA, answer);
    return rc;
}

/* ---- what went wrong ------------------------------------------------------------------------------ */

static enum result fault_timeout(struct fault *f, CURL *h, const char *origin, const struct http_request *rq)
{
    curl_off_t sent_after = 0; /* stays 0 until connection and TLS are up */
    (void)curl_easy_getinfo(h, CURLINFO_PRETRANSFER_TIME_T, &sent_after);
    long whole = whole_timeout(rq), connecting = connect_timeout(rq) < whole ? connect_timeout(rq) : whole;
    if (sent_after == 0)
        return FAULT(f, RESULT_TIMEOUT, "%s: no connection within %ld ms", origin, connecting);
    return FAULT(f, RESULT_TIMEOUT, "%s: no complete answer within %ld ms", origin, whole);
}

static enum result fault_connect(struct fault *f, CURL *h, const char *origin)
{
    long code = 0;
    char text[96];
    (void)curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &code);
    const char *why = code == 0 ? "no address answers" : strerror_r((int)code, text, sizeof text);
    return FAULT(f, RESULT_UNAVAILABLE, "%s: could not connect (%s)", origin, why);
}

/* libcurl's own sentence may quote the URL, so only its fixed text per code is used, except for TLS, where the
 * sentence ("self-signed certificate") is what the administrator needs and quotes certificate facts only. */
static enum result fault_of(struct fault *f, CURL *h, CURLcode rc, const char *origin, const struct http_request *rq,
                            const struct http_answer *answer, const char *tls)
{
    if (answer->problem != NULL)
        return FAULT(f, answer->out_of_memory ? RESULT_INTERNAL : RESULT_UNAVAILABLE, "%s: %s", origin,
                     answer->problem);
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return fault_timeout(f, h, origin, rq);
    case CURLE_COULDNT_CONNECT:
        return fault_connect(f, h, origin);
    case CURLE_FILESIZE_EXCEEDED:
        return FAULT(f, RESULT_UNAVAILABLE, "%s: the answer is larger than %zu bytes", origin, answer->body->max);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return FAULT(f, RESULT_UNAVAILABLE, "%s: TLS: %s", origin, tls[0] == '\0' ? curl_easy_strerror(rc) : tls);
    case CURLE_OUT_OF_MEMORY:
        return FAULT(f, RESULT_INTERNAL, "%s: out of memory", origin);
    default:
        return FAULT(f, RESULT_UNAVAILABLE, "%s: %s", origin, curl_easy_strerror(rc));
    }
}

/* ---- the call ------------------------------------------------------------------------------------- */

static enum result run(struct fault *f, CURL *h, const struct http_request *rq, struct curl_slist *headers,
                       const char *origin, struct http_answer *answer)
{
    char tls[CURL_ERROR_SIZE] = "";
    unsigned refused = set_security(h, rq) | set_network(h, rq) | set_limits(h, rq, answer) | set_method(h, rq);
    refused |= (unsigned)curl_easy_setopt(h, CURLOPT_URL, rq->url);
    refused |= (unsigned)curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    refused |= (unsigned)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, tls);
    if (refused != 0)
        return FAULT(f, RESULT_INTERNAL, "%s: libcurl refuses an option", origin);
    CURLcode rc = curl_easy_perform(h);
    (void)curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL); /* it is on this stack */
    if (rc != CURLE_OK)
        return fault_of(f, h, rc, origin, rq, answer, tls);
    (void)curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &answer->response->status);
    return RESULT_OK;
}

enum result http_fetch(struct fault *f, struct arena *a, const struct http_request *rq, struct http_response *out_r)
{
    struct url_parts u;
    *out_r = (struct http_response){.content_type = "", .body = ""};
    if (!is_method(rq->method))
        return FAULT(f, RESULT_INVALID, "unknown HTTP method");
    TRY(url_parse(f, a, rq->url, &u));
    char *origin = arena_printf(a, "%s://%s:%d", u.scheme, u.host, u.port);
    NEED(f, origin);
    CURL *h = handle_get();
    NEED(f, h);
    CLEANUP(slist) struct curl_slist *headers = NULL;
    TRY(make_headers(f, a, rq, &headers));

    CLEANUP(buf) struct buf body;
    buf_init(&body, rq->max_body > 0 ? rq->max_body : MAX_BODY);
    struct http_answer answer = {.arena = a, .response = out_r, .body = &body};
    int64_t began = clock_monotonic_us();
    enum result r = run(f, h, rq, headers, origin, &answer);
    curl_easy_reset(h); /* no pointer into this call stays behind; connections, TLS sessions and DNS cache do */
    if (r != RESULT_OK)
        *out_r = (struct http_response){.content_type = "", .body = ""};
    out_r->took_us = clock_monotonic_us() - began;
    TRY(r);
    return http_answer_finish(f, &answer);
}
