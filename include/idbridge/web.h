/* web: request, reply, cookies, forms, pages, the message catalogue, limits. No socket: front/ fills requests and sends
 * replies; handlers are testable without either. */
#ifndef IDBRIDGE_WEB_H
#define IDBRIDGE_WEB_H

#include <idbridge/token.h>

extern const struct config_key web_config_keys[]; /* [pages]: name of the ministry, contact line, languages, mark */
/* Applies [pages] once at start, after messages_load: pages_setup, pages_mark, messages_offer. */
CHECKED enum result web_setup(struct fault *f, const struct config *c);

/* ---- request ----------------------------------------------------------------------------------------- */

struct param {
    const char *name, *value; /* decoded, UTF-8, no NUL */
};
struct params {
    const struct param *list;
    size_t count;
};
struct request {
    const char *method, *path; /* path as sent: routes match it byte for byte, so %2e or // match nothing */
    struct params query, form; /* form: only with Content-Type application/x-www-form-urlencoded */
    struct params headers;     /* names in lower case */
    struct params cookies;
    struct bytes body;
    const char *address;       /* of the client, after [listen] trusted_proxies; for coarse limits and nothing else */
    bool secure;               /* the issuer is https: __Host- cookies with Secure */
};
/* Parses "a=b&c=d" (RFC 6749 app. B). At most 64 pairs; RESULT_INVALID on a broken escape. */
CHECKED enum result params_parse(struct fault *f, struct arena *a, const char *s, size_t n, struct params *out_r);
/* RFC 6265 Cookie header, at most 64 pairs; what does not parse is left out. */
void cookies_parse(struct arena *a, const char *header, struct params *out_r);
const char *param_get(const struct params *p, const char *name);      /* the first; NULL: none */
size_t param_times(const struct params *p, const char *name);
/* The name of a parameter that comes twice (RFC 6749 §3.1: must not), or NULL. */
const char *param_duplicate(const struct params *p);
const char *request_header(const struct request *rq, const char *lower_case_name);
/* Authorization: SCHEME value (scheme case-insensitive); NULL when another or none. */
const char *request_authorization(const struct request *rq, const char *scheme);

/* ---- reply ------------------------------------------------------------------------------------------- */

struct reply {
    struct arena *arena;
    int status;
    const char *content_type;
    const char *body;
    size_t body_len;
    struct param headers[24];
    size_t header_count;
};
void reply_init(struct reply *r, struct arena *a);
/* Refuses (drops and logs) names or values with CR, LF or NUL: response splitting. Replaces one of the same name. */
void reply_header(struct reply *r, const char *name, const char *value);
void reply_json(struct reply *r, int status, const json_t *j); /* Cache-Control: no-store */
/* 303 See Other (RFC 9700 §4.12), no body. `url` was registered or made by us. */
void reply_redirect(struct reply *r, const char *url);
/* RFC 6749 §5.2 {"error","error_description"}; 401 gets WWW-Authenticate with the scheme. */
void reply_oauth_error(struct reply *r, int status, const char *error, const char *description);
/* Adds query parameters to a URL; a query or none may be there already. */
char *url_with(struct arena *a, const char *url, const struct param *params, size_t count);
/* Set-Cookie: HttpOnly, SameSite=Lax, Path=/; `__Host-` prefix and Secure when the issuer is https. max_age (seconds)
 * 0: delete; below 0: until the browser closes. A value must be cookie-octets (base64url is). */
void reply_cookie(struct reply *r, const struct request *rq, const char *name, const char *value, int64_t max_age);
const char *request_cookie(const struct request *rq, const char *name); /* by its bare name, prefix as above */

/* ---- one request on its way through the pools ---------------------------------------------------------- */

/* RUN_CLIENT: calls to applications and the mail server, a small pool of their own. RUN_ANYWHERE: short and without the store, so it stays with the thread that ran the step before. */
enum where { RUN_CPU, RUN_STORE, RUN_UPSTREAM, RUN_DIRECTORY, RUN_DHIS2, RUN_CLIENT, RUN_ANYWHERE };

struct bridge; /* everything the daemon holds; defined in login.h */
struct route;
/* Owned by one thread at a time; moves with the job. */
struct exchange {
    struct arena *arena;
    const struct request *request;
    struct reply *reply;
    struct bridge *bridge;
    const struct route *route;
    void *work;              /* the route's own state */
    struct store_view *view; /* RUN_STORE: the transaction; RUN_CPU: this thread's reader or NULL; else NULL */
    const char *upstream;    /* which ID provider RUN_UPSTREAM steps talk to; for the log line, too */
    const char *dhis2;       /* which DHIS2 RUN_DHIS2 steps talk to; for the log line, too */
    const char *directory;   /* which directory RUN_DIRECTORY steps ask: that of the linked entry; NULL: login_directory_of */
    bool done;               /* the reply is complete: no further step */
    struct fault fault;
    const char *ref;         /* reference code of this request, for pages and log */
    const char *reason;      /* for the log line: reason code, or NULL */
    const char *subject;     /* for the log line: keyed hash, or NULL */
    const char *language;
    const char *application, *provider; /* what people call them, for pages; NULL: not known yet */
};
/* A step returns RESULT_OK and the next one follows (unless x->done), or fails: then the route's `failed` makes the reply.
 * A RUN_STORE step that fails is rolled back; one that returns OK is committed before the next step starts. */
struct step {
    const char *name;
    enum where where;
    enum result (*run)(struct exchange *x);
    bool (*needed)(const struct exchange *x); /* NULL: always; false: the step is passed over */
};
struct route {
    const char *method, *path;
    const char *name;         /* for log and metrics */
    const struct step *steps; /* ended by run NULL */
    void (*failed)(struct exchange *x); /* turns x->fault into a page or an OAuth error */
    size_t max_body;          /* 0: no body allowed */
};

/* ---- languages and messages ---------------------------------------------------------------------------- */

/* messages/<language>.json, compiled in: flat objects key -> text with {name} placeholders. en is complete; a key
 * missing elsewhere falls back to en. "_meta" members: name, dir (ltr|rtl), reviewed. */
CHECKED enum result messages_load(struct fault *f); /* once in main */
void messages_free(void);
size_t messages_languages(const char *const **out_r); /* those offered, English first */
/* Offers only these (NULL-ended) and English; RESULT_INVALID names one without texts. At start only. */
CHECKED enum result messages_offer(struct fault *f, char *const *wanted);
bool message_known(const char *language, const char *key); /* has a text of its own, no fallback */
bool message_reviewed(const char *language);               /* _meta.reviewed: somebody who speaks it has read it */
/* The best of ui_locales (BCP 47, blank-separated), then Accept-Language with q-values, then en. Either may be NULL. */
const char *language_choose(const char *ui_locales, const char *accept_language);
const char *message_text(const char *language, const char *key); /* never NULL: the key itself at worst */
bool message_rtl(const char *language);
/* Fills {name} from args (ended by NULL name). Not escaped: the page renderer does that. */
char *message_fill(struct arena *a, const char *text, const struct param *args);

/* ---- pages ---------------------------------------------------------------------------------------------- */

/* A page is a list of blocks; there is one renderer, and it escapes everything. No JavaScript; under 20 KiB; CSP, frame-
 * ancestors, Referrer-Policy, no-store are set here. */
enum block_kind {
    BLOCK_END,
    BLOCK_TEXT,     /* key: a paragraph */
    BLOCK_NOTICE,   /* key: a paragraph that stands out (role=alert) */
    BLOCK_FACT,     /* key: label; value: shown text (bdi) */
    BLOCK_LINK,     /* key: text; value: URL */
    BLOCK_FORM,     /* value: action; starts a POST form, BLOCK_FORM_END ends it */
    BLOCK_HIDDEN,   /* name, value */
    BLOCK_FIELD,    /* key: label; name; value: preset or NULL */
    BLOCK_PASSWORD, /* key: label; name */
    BLOCK_CHOICE,   /* a submit button; key: text; name, value: what it sends */
    BLOCK_BUTTON,   /* the primary submit button; key: text */
    BLOCK_FORM_END,
    BLOCK_REF       /* value: reference code, with the sentence that says what it is for */
};
struct block {
    enum block_kind kind;
    const char *key;   /* message key; BLOCK_CHOICE and BLOCK_LINK may give ready text in `text` instead */
    const char *text;
    const char *name, *value;
};
struct page {
    int status;
    const char *title;          /* message key */
    const struct block *blocks; /* ended by BLOCK_END */
    const struct param *args;   /* placeholders, ended by NULL name; or NULL */
    const char *form_action;    /* origin the forms may lead to after our redirect (CSP form-action), or NULL */
};
void page_reply(struct exchange *x, const struct page *p);
/* What every page shows: ministry's name and contact, set once from [pages]. Copies. */
void pages_setup(const char *ministry, const char *contact);
void pages_mark(const char *text); /* a few letters beside the name instead of the shield, or NULL */

/* ---- limits ------------------------------------------------------------------------------------------------ */

/* Token buckets in a fixed table: bounded memory, the stalest entry gives way. Thread-safe. */
struct limits;
struct limits *limits_new(size_t entries, double per_second, double burst);
void limits_free(struct limits *l);
bool limits_take(struct limits *l, const char *key, int64_t now_ms); /* false: over the limit */

#endif
