/* What goes back? Headers, redirects, JSON and OAuth errors; pages are in page.c. Handlers fill a reply, front/ sends
 * it. RFC 9110, RFC 6749 §5.2, RFC 6750 §3, RFC 9700 §4.12. */
#include "private.h"

#include <string.h>
#include <strings.h>

void reply_init(struct reply *r, struct arena *a)
{
    *r = (struct reply){.arena = a, .status = 200, .body = ""};
}

/* A CR or LF in a value starts a second header, or a second response. Other control characters have no business in
 * one either (RFC 9110 §5.5). NUL ends a C string, so it cannot arrive here. */
static bool header_value_ok(const char *s)
{
    for (; *s != '\0'; s++)
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static struct param *header_find(struct reply *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return &r->headers[i];
    return NULL;
}

static bool header_set(struct reply *r, struct param *at, const char *name, const char *value)
{
    if (!token_name_ok(name, strlen(name)) || value == NULL || GUARD(header_value, !header_value_ok(value))) {
        log_event(LEVEL_ERROR, "web.header.refused", "reason", "characters", NULL);
        return false;
    }
    if (at == NULL && r->header_count == COUNT_OF(r->headers)) {
        log_event(LEVEL_ERROR, "web.header.refused", "reason", "too many", "name", name, NULL);
        return false;
    }
    struct param kept = {arena_strdup(r->arena, name), arena_strdup(r->arena, value)};
    if (kept.name == NULL || kept.value == NULL)
        return false;
    *(at == NULL ? &r->headers[r->header_count++] : at) = kept;
    return true;
}

void reply_header_add(struct reply *r, const char *name, const char *value)
{
    (void)header_set(r, NULL, name, value);
}

void reply_header(struct reply *r, const char *name, const char *value)
{
    (void)header_set(r, header_find(r, name), name, value);
}

static void reply_empty(struct reply *r, int status)
{
    r->status = status;
    r->content_type = NULL;
    r->body = "";
    r->body_len = 0;
}

/* RFC 6749 §5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field with a value of
 * "no-store" [...] as well as the "Pragma" response header field with a value of "no-cache"." */
void reply_json(struct reply *r, int status, const json_t *j)
{
    const char *text = json_compact(r->arena, j);
    reply_empty(r, text == NULL ? 500 : status);
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "Pragma", "no-cache");
    reply_header(r, "X-Content-Type-Options", "nosniff");
    if (text == NULL)
        return;
    r->content_type = "application/json";
    r->body = text;
    r->body_len = strlen(text);
}

/* RFC 9700 §4.12: 303 makes every browser follow with GET, so a password that was just posted is not sent on. */
void reply_redirect(struct reply *r, const char *url)
{
    bool kept = url != NULL && url[0] != '\0' && header_set(r, header_find(r, "Location"), "Location", url);
    reply_empty(r, kept ? 303 : 500);
    reply_header(r, "Cache-Control", "no-store");
    reply_header(r, "Referrer-Policy", "no-referrer"); /* this page's address may hold a code */
}

/* ---- OAuth errors ----------------------------------------------------------------------------------------- */

/* Which challenge goes with an error (RFC 6750 §3.1, RFC 9449 §7.1); any other 401 is a client that failed to
 * authenticate at the token endpoint, RFC 6749 §5.2: Basic. */
static const struct {
    const char *error, *scheme;
} challenges[] = {
    {"invalid_token", "Bearer"},
    {"insufficient_scope", "Bearer"},
    {"invalid_dpop_proof", "DPoP"},
    {"use_dpop_nonce", "DPoP"},
};

static const char *challenge_scheme(int status, const char *error)
{
    for (size_t i = 0; i < COUNT_OF(challenges); i++)
        if (text_equal(challenges[i].error, error))
            return challenges[i].scheme;
    return status == 401 ? "Basic" : NULL;
}

/* RFC 6749 §5.2: "Values for the "error_description" parameter MUST NOT include characters outside the set
 * %x20-21 / %x23-5B / %x5D-7E." The same set is safe inside a quoted string of a header. */
static const char *description_clean(struct arena *a, const char *s)
{
    char *clean = arena_strdup(a, s);
    for (char *at = clean; at != NULL && *at != '\0'; at++)
        if (*at < ' ' || *at > '~' || *at == '"' || *at == '\\')
            *at = '?';
    return clean;
}

static void challenge_add(struct reply *r, const char *scheme, const char *error, const char *description)
{
    const char *value;
    if (header_find(r, "WWW-Authenticate") != NULL) /* the handler knew better, e.g. nonce or scope */
        return;
    if (strcmp(scheme, "Basic") == 0)
        value = "Basic realm=\"idbridge\"";
    else if (description == NULL)
        value = arena_printf(r->arena, "%s error=\"%s\"", scheme, error);
    else
        value = arena_printf(r->arena, "%s error=\"%s\", error_description=\"%s\"", scheme, error, description);
    if (value != NULL)
        reply_header(r, "WWW-Authenticate", value);
}

void reply_oauth_error(struct reply *r, int status, const char *error, const char *description)
{
    const char *clean = description == NULL ? NULL : description_clean(r->arena, description);
    CLEANUP(json) json_t *j = json_object();
    if (j != NULL)
        (void)json_object_set_new(j, "error", json_string(error));
    if (j != NULL && clean != NULL)
        (void)json_object_set_new(j, "error_description", json_string(clean));
    reply_json(r, status, j);
    const char *scheme = challenge_scheme(status, error);
    if (scheme != NULL)
        challenge_add(r, scheme, error, clean);
}

/* ---- URLs ------------------------------------------------------------------------------------------------- */

/* RFC 6749 §3.1.2: a redirection URI may hold a query, "which MUST be retained when adding additional query
 * parameters", and has no fragment: one that is there is cut, for what is added behind it would never be sent. A blank
 * becomes %20, which form and URI decoders read alike. */
char *url_with(struct arena *a, const char *url, const struct param *params, size_t count)
{
    size_t base = strcspn(url, "#");
    CLEANUP(buf) struct buf b;
    buf_init(&b, 64 * 1024);
    buf_add(&b, url, base);
    bool query = memchr(url, '?', base) != NULL;
    for (size_t i = 0; i < count; i++) {
        if (params[i].value == NULL)
            continue;
        const char *name = percent_encode(a, params[i].name), *value = percent_encode(a, params[i].value);
        if (name == NULL || value == NULL)
            return NULL;
        char last = b.len > 0 ? b.data[b.len - 1] : '\0';
        buf_text(&b, !query ? "?" : last == '?' || last == '&' ? "" : "&");
        buf_printf(&b, "%s=%s", name, value);
        query = true;
    }
    return b.failed || b.data == NULL ? NULL : arena_strndup(a, b.data, b.len);
}
