/* liboauth2.c: a value that travels through a browser and that only we can read or make: the upstream `state`, and what
 * a form carries from one page to the next. The only file that sees liboauth2; called by login/ and provider/.
 *
 * Two of its functions are used: oauth2_jose_jwt_encrypt and oauth2_jose_jwt_decrypt (compact JWE, dir, A256GCM, with
 * an HS256 JWS inside). Nothing they judge is believed: our gate looks at the header first, so that the sender cannot
 * choose another algorithm, and purpose and expiry are claims inside that we check. Compiles with 1.4 and 2. */
#include "jose.h"

#include <oauth2/jose.h>
#include <oauth2/log.h>
#include <oauth2/mem.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_MAX_BYTES = 16 * 1024 };

/* Its messages may hold what it works on: only the place is kept. */
static void sink(oauth2_log_sink_t *self, const char *file, unsigned long line, const char *function,
                 oauth2_log_level_t level, const char *msg)
{
    (void)self;
    (void)line;
    (void)msg;
    const char *base = file != NULL ? strrchr(file, '/') : NULL;
    if (level <= OAUTH2_LOG_WARN)
        log_event(LEVEL_DEBUG, "liboauth2", "file", base != NULL ? base + 1 : file, "function", function, NULL);
}

static oauth2_log_t *quiet_log(void)
{
    oauth2_log_sink_t *to = oauth2_log_sink_create(OAUTH2_LOG_WARN, sink, NULL);

    return to != NULL ? oauth2_log_init(OAUTH2_LOG_WARN, to) : NULL;
}

/* One key per purpose: what was made for one page opens in no other. */
static char *secret_for(struct arena *a, const struct master *m, const char *purpose)
{
    return keyed_hash(a, m, "token state", purpose);
}

enum result token_seal_state(struct fault *f, struct arena *a, const struct master *m, const char *purpose,
                             const json_t *state, int64_t expires, const char **out_r)
{
    char *secret = secret_for(a, m, purpose), *sealed = NULL;
    json_t *inside = arena_json(a, json_pack("{s:s, s:I, s:O}", "purpose", purpose, "exp", (json_int_t)expires, "state",
                                             (json_t *)(uintptr_t)state));

    NEED(f, secret);
    NEED(f, inside);
    oauth2_log_t *log = quiet_log();
    NEED(f, log);
    bool ok = oauth2_jose_jwt_encrypt(log, secret, inside, &sealed);
    oauth2_log_free(log);
    wipe(secret, strlen(secret));
    *out_r = ok && sealed != NULL ? arena_strdup(a, sealed) : NULL;
    oauth2_mem_free(sealed);
    if (!ok)
        return FAULT(f, RESULT_INTERNAL, "liboauth2 cannot seal");
    NEED(f, *out_r);
    return strlen(*out_r) <= STATE_MAX_BYTES ? RESULT_OK
                                             : FAULT(f, RESULT_INTERNAL, "the state is too large to travel");
}

/* The header is ours: dir, A256GCM, nothing more, and nothing wrapped. Without this the sender could choose a key wrap,
 * and cjose's has written past its buffer (CVE-2026-53938). */
static enum result admit(struct fault *f, struct arena *a, const char *text)
{
    const struct jose_enc *enc = jose_enc_find("A256GCM");
    struct compact c;

    NEED(f, text);
    TRY(compact_read(f, a, text, strlen(text), STATE_MAX_BYTES, &c));
    if (c.count != 5 || json_object_size(c.header) != 2 || !text_equal(c.alg, "dir") ||
        !text_equal(json_text(c.header, "enc"), enc->name))
        return FAULT(f, RESULT_INVALID, "no sealed state of ours");
    if (c.raw[1].len != 0 || c.raw[2].len != enc->iv_len || c.raw[4].len != enc->tag_len)
        return FAULT(f, RESULT_INVALID, "no sealed state of ours: wrong sizes");
    return RESULT_OK;
}

static enum result judge(struct fault *f, const json_t *inside, const char *purpose, int64_t now, json_t **out_r)
{
    json_t *state = json_object_get(inside, "state");
    int64_t expires = 0;

    if (!text_equal(json_text(inside, "purpose"), purpose) || !json_integer_at(inside, "exp", &expires) ||
        state == NULL)
        return FAULT(f, RESULT_INVALID, "no sealed state for this purpose");
    if (GUARD(state_expiry, now >= expires))
        return FAULT(f, RESULT_TIMEOUT, "the sealed state expired %lld s ago", (long long)(now - expires));
    *out_r = state;
    return RESULT_OK;
}

enum result token_open_state(struct fault *f, struct arena *a, const struct master *m, const char *purpose,
                             const char *text, int64_t now, json_t **out_r)
{
    json_t *inside = NULL;

    TRY(admit(f, a, text));
    char *secret = secret_for(a, m, purpose);
    NEED(f, secret);
    oauth2_log_t *log = quiet_log();
    NEED(f, log);
    bool ok = oauth2_jose_jwt_decrypt(log, secret, text, &inside);
    oauth2_log_free(log);
    wipe(secret, strlen(secret));
    inside = arena_json(a, inside);
    if (!ok || inside == NULL)
        return FAULT(f, RESULT_INVALID, "the sealed state does not open");
    return judge(f, inside, purpose, now, out_r);
}
