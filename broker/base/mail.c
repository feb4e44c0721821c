/* Hands one short note to the site's own mail server (RFC 5321 through libcurl). Called by login/ when a link was made;
 * failing to send stops nobody. */
#include <idbridge/base.h>

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#define MAIL_TIMEOUT_MS 10000L

static bool one_line(const char *s)
{
    return s != NULL && s[0] != '\0' && strpbrk(s, "\r\n<>") == NULL;
}

static enum result compose(struct fault *f, const char *from, const char *to, const char *subject, const char *text,
                           struct buf *out)
{
    CLEANUP(arena) struct arena *a = arena_new(64u << 10);
    char date[64];
    time_t now = (time_t)clock_now();
    struct tm tm;
    NEED(f, a);
    char *encoded = base64_encode(a, subject, strlen(subject)), *body = base64_encode(a, text, strlen(text));
    NEED(f, encoded);
    NEED(f, body);
    if (gmtime_r(&now, &tm) == NULL || strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
        return FAULT(f, RESULT_INTERNAL, "no date");
    buf_printf(out, "Date: %s\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: =?UTF-8?B?%s?=\r\nAuto-Submitted: auto-generated\r\n"
                    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n",
               date, from, to, encoded);
    for (size_t at = 0, n = strlen(body); at < n; at += 76) /* RFC 2045 §6.8 */
        buf_printf(out, "%.76s\r\n", body + at);
    return out->failed ? FAULT(f, RESULT_INTERNAL, "the message is too long") : RESULT_OK;
}

struct reading {
    const char *data;
    size_t left;
};
static size_t read_message(char *to, size_t size, size_t count, void *arg)
{
    struct reading *r = arg;
    size_t n = size * count < r->left ? size * count : r->left;
    memcpy(to, r->data, n);
    r->data += n;
    r->left -= n;
    return n;
}

enum result mail_send(struct fault *f, const char *smtp_url, const char *from, const char *to, const char *subject,
                      const char *text)
{
    if (!one_line(from) || !one_line(to) || !one_line(subject) || !text_has_prefix(smtp_url, "smtp"))
        return FAULT(f, RESULT_INVALID, "an address, the subject or the mail server's URL is not acceptable");
    CLEANUP(buf) struct buf message;
    buf_init(&message, 32u << 10);
    TRY(compose(f, from, to, subject, text, &message));
    CURL *c = curl_easy_init();
    NEED(f, c);
    struct curl_slist *rcpt = curl_slist_append(NULL, to);
    struct reading reading = {message.data, message.len};
    (void)curl_easy_setopt(c, CURLOPT_URL, smtp_url);
    (void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)curl_easy_setopt(c, CURLOPT_MAIL_FROM, from);
    (void)curl_easy_setopt(c, CURLOPT_MAIL_RCPT, rcpt);
    (void)curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(c, CURLOPT_READFUNCTION, read_message);
    (void)curl_easy_setopt(c, CURLOPT_READDATA, &reading);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, MAIL_TIMEOUT_MS);
    CURLcode rc = rcpt == NULL ? CURLE_OUT_OF_MEMORY : curl_easy_perform(c);
    curl_slist_free_all(rcpt);
    curl_easy_cleanup(c);
    return rc == CURLE_OK ? RESULT_OK : FAULT(f, RESULT_UNAVAILABLE, "the mail server did not take it: %s", curl_easy_strerror(rc));
}
