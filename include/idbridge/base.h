/* base: what has no domain words: results, memory, strings, encodings, time, random, sealing, log,
 * configuration, snapshots, metrics, pools and the HTTP client. Every other folder stands on it and it
 * includes none of them. */
#ifndef IDBRIDGE_BASE_H
#define IDBRIDGE_BASE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CHECKED __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* ---- results and faults --------------------------------------------------------------------------- */

enum result {
    RESULT_OK = 0,
    RESULT_INVALID,     /* what came in is not acceptable: the caller's fault */
    RESULT_DENIED,      /* well-formed, and refused */
    RESULT_NOT_FOUND,
    RESULT_CONFLICT,    /* collides with what is stored, or was used already */
    RESULT_UNAVAILABLE, /* a dependency did not answer, or answered rubbish */
    RESULT_TIMEOUT,     /* a dependency did not answer in time */
    RESULT_OVERLOADED,  /* a queue of ours is full: try later */
    RESULT_INTERNAL     /* out of memory, disk, a bug */
};

/* Why something failed. `detail` goes to the log, never to a person; `oauth_error` is the RFC 6749 code an
 * application may see, or NULL; `where` is the function that said so. Holds no secret and no name. */
struct fault {
    enum result result;
    const char *oauth_error;
    const char *where;
    char detail[160];
};

const char *result_name(enum result r);
enum result fault_set(struct fault *f, enum result r, const char *oauth_error, const char *where, const char *fmt, ...)
    PRINTF(5, 6);

/* Written so that whoever reads one file, a static analyser too, sees that what is returned is r. */
#define FAULT(f, r, ...) FAULT_OAUTH(f, r, NULL, __VA_ARGS__)
#define FAULT_OAUTH(f, r, code, ...)                                                                                   \
    __extension__({                                                                                                    \
        const enum result fault_result_ = (r);                                                                         \
        (void)fault_set((f), fault_result_, (code), __func__, __VA_ARGS__);                                            \
        fault_result_;                                                                                                 \
    })
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        enum result try_result_ = (expr);                                                                              \
        if (try_result_ != RESULT_OK)                                                                                  \
            return try_result_;                                                                                        \
    } while (0)
#define NEED(f, p)                                                                                                     \
    do {                                                                                                               \
        if ((p) == NULL)                                                                                               \
            return FAULT((f), RESULT_INTERNAL, "out of memory");                                                       \
    } while (0)

/* A refusal that keeps an attack out: a condition, or a call that returns an enum result. It means what stands in it; with
 * -DMUTANT_<name> it never refuses, and `make mutants` sees the test that test/flow/attacks/attacks.py names go red. */
#define GUARD(name, refuses) GUARD_EXPAND(MUTANT_##name, refuses)
#define GUARD_EXPAND(flag, refuses) GUARD_CHOOSE(flag, refuses)
#define GUARD_CHOOSE(flag, refuses) GUARD_PICK(GUARD_OFF_##flag((refuses) && false), (refuses), 0)
#define GUARD_OFF_1(never) 0, (never)
#define GUARD_PICK(...) GUARD_SECOND(__VA_ARGS__)
#define GUARD_SECOND(first, second, ...) second

/* CLEANUP(json) json_t *j = ...; runs cleanup_json(&j) when the scope ends. Folders add their own kinds. */
#define CLEANUP(kind) __attribute__((cleanup(cleanup_##kind)))
void cleanup_json(json_t **j);
void cleanup_free(void *pp);
void cleanup_file(FILE **f);

/* ---- memory --------------------------------------------------------------------------------------- */

/* One arena per request; everything in it lives until arena_free, which first runs the deferred cleanups, last
 * one first. All of these return NULL when memory is out or `max_bytes` would be passed. Memory is zeroed. */
struct arena;
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
bool arena_defer(struct arena *a, void (*fn)(void *), void *p); /* false: fn was run at once, p is gone */
json_t *arena_json(struct arena *a, json_t *owned);            /* takes the reference; NULL in, NULL out */
void cleanup_arena(struct arena **a);

/* Bytes that somebody else owns. */
struct bytes {
    const unsigned char *data;
    size_t len;
};
struct bytes bytes_of(const char *s);

/* A growable buffer that never passes `max`; after a refusal `failed` stays set and adds do nothing, so a run of
 * adds needs one check at the end. `data` is always NUL-terminated once anything was added. */
struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};
void buf_init(struct buf *b, size_t max);
void buf_add(struct buf *b, const void *data, size_t n);
void buf_text(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
char *buf_take(struct buf *b); /* yours now (free); NULL when failed; b is empty after */
void buf_free(struct buf *b);
void cleanup_buf(struct buf *b);

/* ---- text and encodings --------------------------------------------------------------------------- */

bool text_equal(const char *a, const char *b);                 /* NULL equals nothing */
bool text_equal_secret(const char *a, const char *b);          /* constant time in the shorter one */
bool text_has_prefix(const char *s, const char *prefix);
bool text_has_word(const char *space_separated, const char *word); /* RFC 6749 scope lists */
bool text_listed(char *const *list, const char *word);             /* NULL-ended, as config_list gives it; either may be NULL */
bool text_is_utf8(const char *s, size_t n);
/* Splits on any of `separators`, drops empty parts; parts live in the arena; a NULL ends the array. NULL: memory. */
char **text_split(struct arena *a, const char *s, const char *separators, size_t *count_r);

/* RFC 4648 §5 without padding. Decoding is strict: no padding, no blanks, no stray bits. */
char *base64url_encode(struct arena *a, const void *data, size_t n);
CHECKED enum result base64url_decode(struct fault *f, struct arena *a, const char *s, size_t n, struct bytes *out_r);
char *base64_encode(struct arena *a, const void *data, size_t n); /* RFC 4648 §4, padded: HTTP Basic */
CHECKED enum result base64_decode(struct fault *f, struct arena *a, const char *s, size_t n, struct bytes *out_r);
char *hex_encode(struct arena *a, const void *data, size_t n);
char *percent_encode(struct arena *a, const char *s); /* RFC 3986 unreserved stay */
char *form_encode(struct arena *a, const char *s);    /* application/x-www-form-urlencoded: blank becomes + */
/* `form`: + is a blank. Refuses %00, a broken %xx, and what is not UTF-8 afterwards. */
CHECKED enum result percent_decode(struct fault *f, struct arena *a, const char *s, size_t n, bool form, char **out_r);
/* Appends "&name=value", both form-encoded; no & when the buffer is empty. NULL value: nothing. */
void form_add(struct buf *b, const char *name, const char *value);

/* Strict JSON: UTF-8, no duplicate members (RFC 8725 §2.4), nothing after the value, at most `max` bytes. */
CHECKED enum result json_parse(struct fault *f, struct arena *a, const char *s, size_t n, size_t max, json_t **out_r);
const char *json_text(const json_t *object, const char *key); /* borrowed; NULL when absent, no string, or holds NUL */
bool json_integer_at(const json_t *object, const char *key, int64_t *out_r); /* also 1.7e9 written as a real */
bool json_holds_text(const json_t *string_or_array, const char *s);           /* aud-like members */
char *json_compact(struct arena *a, const json_t *j);

/* ---- time, random, digests, sealing --------------------------------------------------------------- */

int64_t clock_now(void);         /* seconds since 1970, UTC */
int64_t clock_now_ms(void);      /* the same in milliseconds */
int64_t clock_monotonic_us(void);/* for durations only */
char *clock_text(struct arena *a, int64_t seconds); /* 2026-11-22T19:43:00Z */

CHECKED enum result random_bytes(struct fault *f, void *out, size_t n);
/* "K7QM-3XHT": 40 random bits that can be read over a telephone (Crockford's base32: no I, L, O, U). NULL as random_id. */
char *random_code(struct arena *a);
char *random_id(struct arena *a, size_t bytes); /* base64url of that many random bytes; NULL: no entropy or memory */

void sha256(const void *data, size_t n, unsigned char out[32]);
char *sha256_base64url(struct arena *a, const char *s); /* PKCE S256, ath, kid helpers */
void hmac_sha256(struct bytes key, const void *data, size_t n, unsigned char out[32]);

/* The master key (32 random bytes in a file or systemd credential) and what is derived from it by HKDF-SHA-256
 * with `purpose` as info. Sealing is AES-256-GCM with a random 96-bit nonce: nonce|ciphertext|tag. */
struct master;
CHECKED enum result master_create(struct fault *f, const char *path, unsigned mode); /* refuses to overwrite */
CHECKED enum result master_load(struct fault *f, const char *path, struct master **out_r);
void master_free(struct master *m);
CHECKED enum result seal(struct fault *f, struct arena *a, const struct master *m, const char *purpose, const char *aad,
                         struct bytes plain, struct bytes *sealed_r);
CHECKED enum result unseal(struct fault *f, struct arena *a, const struct master *m, const char *purpose,
                           const char *aad, struct bytes sealed, struct bytes *plain_r);
/* HMAC-SHA-256 under a key derived for `purpose`: client secrets, subjects in logs. base64url of it. */
char *keyed_hash(struct arena *a, const struct master *m, const char *purpose, const char *value);
void wipe(void *p, size_t n);
/* free() and realloc() for libraries that take them: what is given up is wiped. OpenSSL's are set at once, before its first use. */
void wipe_free(void *p);
void *wipe_realloc(void *p, size_t n);
CHECKED enum result wipe_openssl(struct fault *f);

/* ---- log ------------------------------------------------------------------------------------------ */

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
void log_setup(enum level least, FILE *to); /* default: INFO to stderr */
/* One logfmt line: level, event, then (key, value) pairs of const char *, ended by NULL. A NULL value prints as
 * nothing at all. Values are quoted and escaped when needed; one write per line. */
void log_event(enum level l, const char *event, ...) __attribute__((sentinel));
void log_fault(enum level l, const char *event, const struct fault *f);

/* ---- configuration -------------------------------------------------------------------------------- */

enum config_type {
    CONFIG_TEXT,
    CONFIG_INT,
    CONFIG_BOOL,     /* on/off, yes/no, true/false */
    CONFIG_DURATION, /* 30, 30s, 10m, 8h, 7d: kept in seconds */
    CONFIG_LIST,     /* blank-separated */
    CONFIG_PATH,     /* relative paths are taken from the configuration file's folder */
    CONFIG_URL,      /* http or https, with a host, no fragment */
    CONFIG_CHOICE    /* one of `choices`, blank-separated */
};
enum config_need { CONFIG_OPTIONAL, CONFIG_REQUIRED };

/* One row per key. `section` is the bare word; a section that may repeat with a name ([upstream national-id]) has
 * `named` set. `fallback` NULL: no default. `help` is one plain sentence; it becomes the man page. */
struct config_key {
    const char *section;
    bool named;
    const char *key;
    enum config_type type;
    enum config_need need;
    const char *fallback;
    const char *choices;
    long long min, max; /* INT and DURATION; both 0: any */
    const char *help;
};

struct config;
/* `tables`: NULL-ended array of tables, each ended by a row with section NULL. On RESULT_INVALID `errors` holds one
 * "FILE:LINE: ..." sentence per line: unknown section, unknown key (with the nearest known one), duplicate, bad
 * value, missing required key. */
CHECKED enum result config_load(struct fault *f, const char *path, const struct config_key *const *tables,
                                struct buf *errors, struct config **out_r);
void config_free(struct config *c);
/* The names of a named section in file order, e.g. of "upstream". Borrowed. */
size_t config_names(const struct config *c, const char *section, const char *const **names_r);
bool config_has(const struct config *c, const char *section, const char *name, const char *key); /* set in the file */
/* `name` is NULL for plain sections. A key that is in no table is a bug and aborts. */
const char *config_text(const struct config *c, const char *section, const char *name, const char *key);
long long config_number(const struct config *c, const char *section, const char *name, const char *key); /* INT, DURATION */
bool config_flag(const struct config *c, const char *section, const char *name, const char *key);
char *const *config_list(const struct config *c, const char *section, const char *name, const char *key); /* NULL-ended */
/* The first line of the file that a PATH key names, at most 4,094 bytes; secret_free wipes it. RESULT_INVALID names the
 * key when it is not set or the file cannot be read. */
CHECKED enum result config_secret(struct fault *f, const struct config *c, const char *section, const char *name,
                                  const char *key, char **out_r);
void secret_free(char *secret);
/* Whether the file of key ca_file, where the section sets one, can be read and holds a certificate (PEM). */
CHECKED enum result config_certificates(struct fault *f, const struct config *c, const char *section, const char *name);
/* Prints a commented example file made of the tables. */
void config_example(const struct config_key *const *tables, FILE *to);

/* ---- snapshots ------------------------------------------------------------------------------------ */

/* An immutable value with an atomic count. A job borrows one for its life; the last release frees it. */
struct snapshot;
struct snapshot_slot;
struct snapshot *snapshot_new(void *value, void (*free_value)(void *)); /* count 1; NULL: value was freed */
void *snapshot_value(const struct snapshot *s);
void snapshot_release(struct snapshot *s);
struct snapshot_slot *snapshot_slot_new(void);
void snapshot_slot_free(struct snapshot_slot *slot);
void snapshot_slot_set(struct snapshot_slot *slot, struct snapshot *s); /* takes s */
struct snapshot *snapshot_slot_borrow(struct snapshot_slot *slot);      /* NULL when never set; release it */
/* Borrows for the arena's life; returns the value or NULL. */
void *snapshot_slot_value(struct snapshot_slot *slot, struct arena *a);

/* ---- metrics -------------------------------------------------------------------------------------- */

/* Counters and gauges in Prometheus text form. `labels` is ready text such as `reason="expired"` made of our own
 * words only (never of input), or NULL. At most 512 series; more are counted as dropped. */
void metric_add(const char *name, const char *labels, double n);
void metric_set(const char *name, const char *labels, double value);
void metric_observe_ms(const char *name, const char *labels, double ms); /* histogram with fixed buckets */
void metrics_render(struct buf *to);
void metrics_help(const char *name, const char *help); /* once, at start */

/* ---- sandbox --------------------------------------------------------------------------------------- */

/* Landlock: from now on this thread and those it starts read only /etc, /usr, the resolver's files and `readable`, and
 * write only `writable` (files or folders; both NULL-ended). *entered_r false with RESULT_OK: the kernel has none. */
CHECKED enum result sandbox_enter(struct fault *f, const char *const *readable, const char *const *writable,
                                  bool *entered_r);
/* Calls `each` with every path the configuration names, and with the folder of the file itself. */
void config_each_path(const struct config *c, void (*each)(void *arg, const char *path), void *arg);

/* ---- pools ---------------------------------------------------------------------------------------- */

struct job {
    struct job *next;
    void (*run)(struct job *);
    int64_t queued_us; /* filled by pool_submit */
};
struct pool;
struct pool *pool_new(const char *name, unsigned threads, unsigned queue_max);
const char *pool_name(const struct pool *p);
CHECKED enum result pool_submit(struct pool *p, struct job *j); /* RESULT_OVERLOADED: full or stopping; j is untouched */
unsigned pool_waiting(const struct pool *p);
void pool_stop(struct pool *p); /* runs what is queued, joins the threads; p stays: later submits are refused */
void pool_free(struct pool *p); /* stops it first; nobody may submit any more */

/* ---- HTTP client ---------------------------------------------------------------------------------- */

/* One outbound call on the calling thread's own kept curl handle (connections stay open between calls). Redirects are
 * never followed (RFC 9700 §4.12: a 307 would resend credentials), only http and https are spoken. */
struct http_header {
    const char *name, *value;
};
struct http_request {
    const char *method; /* GET, POST, PATCH, PUT, DELETE */
    const char *url;
    const struct http_header *headers; /* ended by a NULL name */
    const char *body;                  /* NULL: none */
    size_t body_len;
    long connect_timeout_ms, timeout_ms; /* 0: 5,000 and 10,000 */
    size_t max_body;                     /* of the answer; 0: 1 MiB */
    const char *ca_file, *proxy;         /* NULL: the system's; no proxy */
    const char *ip_family;               /* "any" (or NULL), "ipv4", "ipv6" */
};
struct http_response {
    long status;
    const char *content_type; /* without parameters, lower case; "" when none */
    const char *body;         /* NUL-terminated copy in the arena */
    size_t body_len;
    const char *date;          /* Date header, or NULL: doctor compares clocks */
    const char *etag, *location, *www_authenticate, *retry_after; /* or NULL */
    const char *dpop_nonce;
    int64_t took_us;
};
/* RESULT_OK whatever the status; RESULT_TIMEOUT, RESULT_UNAVAILABLE (refused, DNS, TLS, too large) otherwise. The
 * fault names host and reason, never the query or a header. */
CHECKED enum result http_fetch(struct fault *f, struct arena *a, const struct http_request *rq, struct http_response *out_r);
CHECKED enum result http_global_init(struct fault *f); /* once in main, before threads */
/* Hands one plain-text UTF-8 message to smtp://HOST:PORT. Refuses line breaks in addresses and subject. */
CHECKED enum result mail_send(struct fault *f, const char *smtp_url, const char *from, const char *to, const char *subject,
                              const char *text);
/* Splits an absolute http(s) URL; parts in the arena. */
struct url_parts {
    const char *scheme, *host, *path, *query;
    int port;
};
CHECKED enum result url_parse(struct fault *f, struct arena *a, const char *url, struct url_parts *out_r);
bool url_is_loopback(const struct url_parts *u);

#endif
