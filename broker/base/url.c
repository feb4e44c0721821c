/* Absolute http and https URLs, split by libcurl's parser, so that what we check is what libcurl will call. Called by
 * config (CONFIG_URL), http, web and upstream. Stricter than libcurl: no blanks or control characters, no backslash,
 * no user name, no fragment, exactly two slashes. */
#include "internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 8192
#define HOST_AND_PORT "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_[]:"

static void cleanup_handle(CURLU **u)
{
    curl_url_cleanup(*u);
}

static enum result check_characters(struct fault *f, const char *url)
{
    for (const char *c = url; *c != '\0'; c++) {
        if (c - url >= URL_MAX)
            return FAULT(f, RESULT_INVALID, "URL longer than %d bytes", URL_MAX);
        if (*c <= ' ' || *c == 0x7f || strchr("\\\"<>^`{|}", *c) != NULL || (unsigned char)*c >= 0x80)
            return FAULT(f, RESULT_INVALID, "URL holds a character that must be percent-encoded");
        if (*c == '#')
            return FAULT(f, RESULT_INVALID, "URL has a fragment");
    }
    size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0)
        return FAULT(f, RESULT_INVALID, "URL begins with neither http:// nor https://");
    if (strchr("/?:", url[scheme]) != NULL) /* also the end: strchr finds the NUL */
        return FAULT(f, RESULT_INVALID, "URL has no host");
    /* RFC 1123 §2.1 and IPv6 in brackets. libcurl undoes percent-encoding in a host, after it has looked whether the host
     * is an address: http://%31%32%37.1/ would not look like the loopback it is. */
    if (strspn(url + scheme, HOST_AND_PORT) < strcspn(url + scheme, "/?"))
        return FAULT(f, RESULT_INVALID, "URL: a host holds letters, digits, dots and dashes");
    return RESULT_OK;
}

/* *out_r stays NULL when the URL has no such part. */
static enum result part(struct fault *f, struct arena *a, CURLU *u, CURLUPart what, unsigned flags, char **out_r)
{
    char *text = NULL;
    *out_r = NULL;
    CURLUcode rc = curl_url_get(u, what, &text, flags);
    if (what == CURLUPART_QUERY && rc == CURLUE_NO_QUERY)
        return RESULT_OK;
    if (rc == CURLUE_OUT_OF_MEMORY)
        return FAULT(f, RESULT_INTERNAL, "out of memory");
    if (rc != CURLUE_OK)
        return FAULT(f, RESULT_INVALID, "URL: %s", curl_url_strerror(rc));
    *out_r = arena_strdup(a, text);
    curl_free(text);
    NEED(f, *out_r);
    return RESULT_OK;
}

static void lower(char *s)
{
    for (; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* The host is in lower case; an IPv6 address keeps its brackets. The path is "/" when there is none, not normalised;
 * the query is NULL when there is none. The port is the scheme's when none is given. */
enum result url_parse(struct fault *f, struct arena *a, const char *url, struct url_parts *out_r)
{
    char *scheme, *host, *port, *path, *query;
    *out_r = (struct url_parts){0};
    NEED(f, url); /* callers hand over what arena_printf gave */
    TRY(check_characters(f, url));
    __attribute__((cleanup(cleanup_handle))) CURLU *u = curl_url();
    NEED(f, u);
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
    if (rc != CURLUE_OK)
        return FAULT(f, rc == CURLUE_OUT_OF_MEMORY ? RESULT_INTERNAL : RESULT_INVALID, "URL: %s",
                     curl_url_strerror(rc));
    TRY(part(f, a, u, CURLUPART_SCHEME, 0, &scheme));
    TRY(part(f, a, u, CURLUPART_HOST, 0, &host));
    TRY(part(f, a, u, CURLUPART_PORT, CURLU_DEFAULT_PORT, &port));
    TRY(part(f, a, u, CURLUPART_PATH, 0, &path));
    TRY(part(f, a, u, CURLUPART_QUERY, 0, &query));
    long number = port == NULL ? 0 : strtol(port, NULL, 10);
    if (number < 1 || number > 65535)
        return FAULT(f, RESULT_INVALID, "URL: port out of range");
    lower(scheme);
    lower(host);
    *out_r = (struct url_parts){scheme, host, path, query, (int)number};
    return RESULT_OK;
}

/* RFC 8252 §8.3 and our rule for plain http: 127.0.0.0/8, [::1] and the name localhost (RFC 6761 §6.3). */
bool url_is_loopback(const struct url_parts *u)
{
    struct in_addr v4;
    struct in6_addr v6;
    char bare[64];
    if (u->host == NULL)
        return false;
    if (strcmp(u->host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, u->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    size_t n = strlen(u->host);
    if (n < 4 || n >= sizeof bare || u->host[0] != '[' || u->host[n - 1] != ']')
        return false;
    memcpy(bare, u->host + 1, n - 2);
    bare[n - 2] = '\0';
    return inet_pton(AF_INET6, bare, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
