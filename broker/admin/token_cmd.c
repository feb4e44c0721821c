/* token_cmd.c: `idbridge token inspect|verify|decrypt`: is this token good, and if not, why? For an administrator with
 * a token in hand (from a log of theirs, a browser, an ID provider's support). The token is read from standard input so
 * that it stays out of the shell's history and the process list. Exit status: 0 good, 1 not, whatever the reason: it is the
 * first line on standard error. The checks are those of the daemon: token_verify, token_claims_check, token_decrypt. */
#include <idbridge/admin.h>
#include <idbridge/token.h>

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { TOKEN_READ_MAX = 256 * 1024, FILE_READ_MAX = 256 * 1024, ARENA_MAX = 16 * 1024 * 1024 };
enum { GOOD = 0, REFUSED = 1 };

static const char *const every_alg[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
                                        "ES384", "ES512", "HS256", "HS384", "HS512", NULL};
static const char *const every_jwe_alg[] = {
    "RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW", "A128KW", "A192KW",
    "A256KW",       "dir",      NULL};
static const char *const every_enc[] = {"A256GCM",       "A192GCM",       "A128GCM", "A128CBC-HS256",
                                        "A192CBC-HS384", "A256CBC-HS512", NULL};

struct options {
    const char *jwks, *key, *issuer, *audience;
    const char *const *algs;
    bool signature_only;
};

static void print_usage(FILE *to)
{
    (void)fputs(
        "usage: idbridge token inspect\n"
        "       idbridge token verify --jwks FILE [--issuer I] [--audience A] [--alg LIST] [--signature-only]\n"
        "       idbridge token decrypt --key FILE\n"
        "The token is read from standard input. verify: FILE is a JWKS or one JWK; LIST is separated by commas; the\n"
        "claims exp, nbf and iat are checked against this machine's clock, --signature-only looks at no claim.\n",
        to);
}

/* One line. It may quote a header that a stranger wrote: nothing in it moves the cursor. */
static int refused(const char *reason)
{
    (void)fputs("refused: ", stderr);
    for (const char *c = reason; *c != '\0'; c++)
        (void)fputc((unsigned char)*c < ' ' || *c == 0x7f ? '?' : *c, stderr);
    (void)fputc('\n', stderr);
    return REFUSED;
}

static int usage(const char *reason)
{
    (void)refused(reason);
    print_usage(stderr);
    return REFUSED;
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static enum result read_all(struct fault *f, struct arena *a, FILE *from, const char *what, size_t max, char **out_r,
                            size_t *len_r)
{
    char *text = arena_alloc(a, max + 2);

    NEED(f, text);
    size_t n = fread(text, 1, max + 1, from);
    if (ferror(from) || n > max)
        return FAULT(f, RESULT_INVALID, "%.100s cannot be read or is larger than %zu bytes", what, max);
    *out_r = text;
    *len_r = n;
    return RESULT_OK;
}

static enum result read_file(struct fault *f, struct arena *a, const char *path, char **out_r, size_t *len_r)
{
    CLEANUP(file) FILE *from = fopen(path, "re");

    if (from == NULL)
        return FAULT(f, RESULT_INVALID, "%.100s cannot be opened (%s)", path, strerrordesc_np(errno));
    return read_all(f, a, from, path, FILE_READ_MAX, out_r, len_r);
}

/* The token without the blanks and line ends that copying leaves around it. */
static enum result read_token(struct fault *f, struct arena *a, char **out_r, size_t *len_r)
{
    static const char blanks[] = " \t\r\n";
    char *text = NULL;
    size_t n = 0;

    TRY(read_all(f, a, stdin, "standard input", TOKEN_READ_MAX, &text, &n));
    while (n > 0 && memchr(blanks, text[n - 1], sizeof blanks - 1) != NULL)
        n--;
    while (n > 0 && memchr(blanks, *text, sizeof blanks - 1) != NULL) {
        text++;
        n--;
    }
    if (n == 0)
        return FAULT(f, RESULT_INVALID, "no token on standard input");
    *out_r = text;
    *len_r = n;
    return RESULT_OK;
}

/* ---- inspect ------------------------------------------------------------------------------------------ */

static void print_json(const char *title, const json_t *j)
{
    CLEANUP(free) char *text = j != NULL ? json_dumps(j, JSON_INDENT(2)) : NULL;

    printf("%s: %s\n", title, text != NULL ? text : "(no JSON object)");
}

static void print_times(struct arena *a, const json_t *claims)
{
    static const char *const names[] = {"iat", "nbf", "exp", "auth_time"};
    int64_t at = 0;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (json_integer_at(claims, names[i], &at))
            printf("%s: %s (%+lld s from now)\n", names[i], clock_text(a, at), (long long)(at - clock_now()));
}

static int inspect(struct arena *a, const struct options *o, const char *token, size_t n)
{
    struct fault f = {0};
    struct token_parts parts;

    (void)o;
    if (token_peek(&f, a, token, n, &parts) != RESULT_OK)
        return refused(f.detail);
    print_json("header", parts.header);
    if (token_looks_encrypted(token, n)) {
        puts("encrypted: the claims are inside; see `idbridge token decrypt`");
        return GOOD;
    }
    print_json("claims", parts.claims);
    print_times(a, parts.claims);
    puts("nothing was checked: see `idbridge token verify`");
    return GOOD;
}

/* ---- verify ------------------------------------------------------------------------------------------- */

static enum result read_keys(struct fault *f, struct arena *a, const char *path, struct token_keys **out_r)
{
    char *text = NULL;
    size_t n = 0;
    json_t *j = NULL;

    TRY(read_file(f, a, path, &text, &n));
    TRY(json_parse(f, a, text, n, FILE_READ_MAX, &j));
    if (json_object_get(j, "keys") != NULL)
        return token_keys_parse(f, text, n, out_r);
    return token_keys_parse_one(f, text, n, out_r);
}

static enum result check_claims(struct fault *f, const struct options *o, const json_t *claims)
{
    const struct token_expect e = {.iss = o->issuer, .aud = o->audience, .require_exp = true, .now = clock_now()};

    return o->signature_only ? RESULT_OK : token_claims_check(f, claims, &e);
}

static enum result verify_token(struct fault *f, struct arena *a, const struct options *o, const char *token, size_t n,
                                struct token_parts *parts)
{
    const struct token_policy policy = {.algs = o->algs, .max_bytes = TOKEN_READ_MAX};
    struct token_keys *keys = NULL;
    enum token_fault why;

    TRY(read_keys(f, a, o->jwks, &keys));
    enum result r = token_keys_count(keys) > 0 ? token_verify(f, a, token, n, keys, &policy, parts, &why)
                                               : FAULT(f, RESULT_INVALID, "no usable key in %.100s", o->jwks);
    token_keys_free(keys);
    TRY(r);
    return check_claims(f, o, parts->claims);
}

static int verify(struct arena *a, const struct options *o, const char *token, size_t n)
{
    struct fault f = {0};
    struct token_parts parts;

    if (verify_token(&f, a, o, token, n, &parts) != RESULT_OK)
        return refused(f.detail);
    printf("good: %s%s%s%s\n", parts.alg, parts.kid != NULL ? ", kid " : "", parts.kid != NULL ? parts.kid : "",
           o->signature_only ? ", the signature only: no claim was looked at" : "");
    return GOOD;
}

/* ---- decrypt ------------------------------------------------------------------------------------------ */

/* A key that names no alg serves the one of the header; one that does, only that. */
static enum result decrypt_with_file(struct fault *f, struct arena *a, const char *path, const char *token, size_t n,
                                     struct bytes *plain_r)
{
    struct token_parts parts;
    struct token_private *key = NULL;
    char *text = NULL;
    size_t len = 0;

    TRY(token_peek(f, a, token, n, &parts));
    if (!token_looks_encrypted(token, n) || parts.alg == NULL)
        return FAULT(f, RESULT_INVALID, "no compact JWE: not five parts, or no alg");
    TRY(read_file(f, a, path, &text, &len));
    enum result r = token_private_parse(f, text, parts.alg, &key);
    wipe(text, len);
    TRY(r);
    const struct token_private *const keys[] = {key};
    r = token_decrypt(f, a, token, n, keys, 1, every_jwe_alg, every_enc, plain_r, NULL);
    token_private_free(key);
    return r;
}

static int decrypt(struct arena *a, const struct options *o, const char *token, size_t n)
{
    struct fault f = {0};
    struct bytes plain = {0};

    if (decrypt_with_file(&f, a, o->key, token, n, &plain) != RESULT_OK)
        return refused(f.detail);
    if (plain.len > 0 && fwrite(plain.data, 1, plain.len, stdout) != plain.len)
        return REFUSED;
    return GOOD;
}

/* ---- dispatch ----------------------------------------------------------------------------------------- */

enum option_bit { JWKS = 1, KEY = 2, ISSUER = 4, AUDIENCE = 8, ALG = 16, SIGNATURE_ONLY = 32 };

static const struct subcommand {
    const char *name;
    int (*run)(struct arena *a, const struct options *o, const char *token, size_t n);
    unsigned takes, needs; /* option bits */
} subcommands[] = {
    {"inspect", inspect, 0, 0},
    {"verify", verify, JWKS | ISSUER | AUDIENCE | ALG | SIGNATURE_ONLY, JWKS},
    {"decrypt", decrypt, KEY, KEY},
};

static const struct option known[] = {
    {"jwks", required_argument, NULL, JWKS},
    {"key", required_argument, NULL, KEY},
    {"issuer", required_argument, NULL, ISSUER},
    {"audience", required_argument, NULL, AUDIENCE},
    {"alg", required_argument, NULL, ALG},
    {"signature-only", no_argument, NULL, SIGNATURE_ONLY},
    {NULL, 0, NULL, 0},
};

static bool is_alg(const char *name)
{
    for (size_t i = 0; every_alg[i] != NULL; i++)
        if (strcmp(every_alg[i], name) == 0)
            return true;
    return false;
}

static enum result read_algs(struct fault *f, struct arena *a, const char *text, struct options *o)
{
    size_t n = 0;
    char **list = text_split(a, text, ", ", &n);

    NEED(f, list);
    if (n == 0)
        return FAULT(f, RESULT_INVALID, "--alg names no algorithm");
    for (size_t i = 0; i < n; i++)
        if (!is_alg(list[i]))
            return FAULT(f, RESULT_INVALID, "--alg: %.24s is no signature algorithm we know", list[i]);
    o->algs = (const char *const *)list;
    return RESULT_OK;
}

/* Where the value of an option is kept. */
static const char **place_of(struct options *o, int option)
{
    return option == JWKS ? &o->jwks : option == KEY ? &o->key : option == ISSUER ? &o->issuer : &o->audience;
}

static enum result take(struct fault *f, struct arena *a, int option, struct options *o)
{
    if (option == ALG)
        return read_algs(f, a, optarg, o);
    if (option == SIGNATURE_ONLY)
        o->signature_only = true;
    else
        *place_of(o, option) = optarg;
    return RESULT_OK;
}

/* An option that would change nothing is refused: who gives --issuer wants the issuer looked at. */
static enum result read_options(struct fault *f, struct arena *a, const struct subcommand *s, int argc, char **argv,
                                struct options *o)
{
    unsigned seen = 0;
    int at = 0;

    optind = 0; /* glibc: start anew, whoever used getopt before */
    opterr = 0; /* the reason is one line, ours */
    for (int c; (c = getopt_long(argc, argv, "", known, &at)) != -1; seen |= (unsigned)c) {
        if (c == '?')
            return FAULT(f, RESULT_INVALID, "%.40s is no option, or lacks its value", argv[optind - 1]);
        if ((s->takes & (unsigned)c) == 0)
            return FAULT(f, RESULT_INVALID, "token %s takes no --%s", s->name, known[at].name);
        if ((seen & (unsigned)c) != 0)
            return FAULT(f, RESULT_INVALID, "--%s is given twice", known[at].name);
        TRY(take(f, a, c, o));
    }
    if (optind != argc)
        return FAULT(f, RESULT_INVALID, "%.40s: the token is read from standard input", argv[optind]);
    if ((seen & s->needs) != s->needs)
        return FAULT(f, RESULT_INVALID, "token %s needs %s FILE", s->name, s->needs == JWKS ? "--jwks" : "--key");
    if (o->signature_only && (seen & (ISSUER | AUDIENCE)) != 0)
        return FAULT(f, RESULT_INVALID, "--signature-only looks at no claim: not with --issuer or --audience");
    return RESULT_OK;
}

static int run(const struct subcommand *s, struct arena *a, int argc, char **argv)
{
    struct options o = {.algs = every_alg};
    struct fault f = {0};
    char *token = NULL;
    size_t n = 0;

    if (read_options(&f, a, s, argc, argv, &o) != RESULT_OK)
        return usage(f.detail);
    if (read_token(&f, a, &token, &n) != RESULT_OK)
        return refused(f.detail);
    return s->run(a, &o, token, n);
}

int admin_token(int argc, char **argv)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);

    if (a == NULL)
        return refused("out of memory");
    for (size_t i = 0; argc > 1 && i < COUNT_OF(subcommands); i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return run(&subcommands[i], a, argc - 1, argv + 1);
    if (argc < 2 || (strcmp(argv[1], "help") != 0 && strcmp(argv[1], "--help") != 0))
        return usage("token wants inspect, verify or decrypt");
    print_usage(stdout);
    return 0;
}
