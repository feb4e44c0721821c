/* What may a page of ours do in a browser, and where may it lead? The security headers of every page, and the rule for
 * addresses in links and forms. Content Security Policy Level 3; Fetch; RFC 9700 §4.16 (clickjacking). */
#include "private.h"

#include <pthread.h>
#include <string.h>

/* The header names the style sheet by its hash, so an injected <style> or style attribute stays dead. */
static char style_hash[64];
static pthread_once_t style_once = PTHREAD_ONCE_INIT;

static void style_hash_make(void)
{
    unsigned char digest[32];
    CLEANUP(arena) struct arena *a = arena_new(4096);
    sha256(page_style, strlen(page_style), digest);
    const char *text = a == NULL ? NULL : base64_encode(a, digest, sizeof digest);
    if (text != NULL)
        (void)snprintf(style_hash, sizeof style_hash, "%s", text);
}

static bool all_of(const char *s, size_t n, const char *allowed)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] == '\0' || strchr(allowed, s[i]) == NULL)
            return false;
    return n > 0;
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* The CSP source expression for an address: scheme://host:port of a web address; the scheme alone for an app's own one
 * (RFC 8252 §7.1: it holds a dot, which keeps javascript: and data: out) and for an IPv6 literal, which CSP cannot name.
 * NULL: none can be given. */
static const char *csp_source(struct arena *a, const char *url)
{
    const char *colon = strchr(url, ':');
    if (colon == NULL)
        return NULL;
    size_t scheme = (size_t)(colon - url);
    if (!all_of(url, scheme, LETTERS DIGITS "+-."))
        return NULL;
    if (memchr(url, '.', scheme) != NULL)
        return arena_strndup(a, url, scheme + 1);
    if (!text_has_prefix(url, "https://") && !text_has_prefix(url, "http://"))
        return NULL;
    size_t authority = strcspn(colon + 3, "/?#");
    if (colon[3] == '[')
        return arena_strndup(a, url, scheme + 1);
    if (!all_of(colon + 3, authority, LETTERS DIGITS "-.:"))
        return NULL;
    return arena_strndup(a, url, scheme + 3 + authority);
}

/* Browsers apply form-action to each redirect after a form was sent, so the application's origin must be in it. */
static const char *csp_form_action(struct arena *a, const char *urls)
{
    const char *sources = "'self'";
    size_t count = 0;
    char **list = urls == NULL ? NULL : text_split(a, urls, " ", &count);
    for (size_t i = 0; list != NULL && i < count; i++) {
        const char *source = csp_source(a, list[i]);
        if (source == NULL)
            log_event(LEVEL_WARN, "web.page.form_action", "reason", "not an origin", NULL);
        else if (sources != NULL)
            sources = arena_printf(a, "%s %s", sources, source);
    }
    return sources;
}

static const struct param fixed_headers[] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"}, /* the address may hold a code or a state */
    {"Cache-Control", "no-store"},      /* the back button on a shared tablet shows nothing */
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
};

void page_headers(struct exchange *x, const char *form_action)
{
    struct reply *r = x->reply;
    pthread_once(&style_once, style_hash_make);
    const char *targets = csp_form_action(r->arena, form_action);
    const char *csp = arena_printf(r->arena,
                                   "default-src 'none'; style-src 'sha256-%s'; form-action %s; frame-ancestors 'none'; "
                                   "base-uri 'none'",
                                   style_hash, targets == NULL ? "'self'" : targets);
    reply_header(r, "Content-Security-Policy", csp == NULL ? "default-src 'none'; frame-ancestors 'none'" : csp);
    for (size_t i = 0; i < COUNT_OF(fixed_headers); i++)
        reply_header(r, fixed_headers[i].name, fixed_headers[i].value);
}

/* Only what leads to a web address: absolute http(s), or a path of ours. "//host" and "/\host" are another host to a
 * browser, and it drops tabs and line breaks before it looks. */
bool page_url_ok(const char *url)
{
    if (url == NULL)
        return false;
    for (const char *s = url; *s != '\0'; s++)
        if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '\\')
            return false;
    if (url[0] == '/')
        return url[1] != '/';
    size_t scheme = text_has_prefix(url, "https://") ? 8 : text_has_prefix(url, "http://") ? 7 : 0;
    const char *host = url + scheme;
    return scheme != 0 && *host != '\0' && strchr("/?#", *host) == NULL;
}
