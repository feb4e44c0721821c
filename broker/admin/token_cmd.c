/* token_cmd.c: `idbridge token inspect|verify|decrypt`: is this token good, and if not, why? For an administrator with
 * a token in hand (from a log of theirs, a browser, an ID provider's support). The token is read from standard input so
 * that it stays out of the shell's history and the process list. Exit status: 0 good, 1 not (the reason on standard
 * error), 2 wrong usage. The checks are those of the daemon: token_verify, token_claims_check, token_decrypt. */
#include <idbridge/admin.h>
#include <idbridge/token.h>

#include <getopt.h>
#include <string.h>

enum { TOKEN_READ_MAX = 256 * 1024, FILE_READ_MAX = 256 * 1024, ARENA_MAX = 16 * 1024 * 1024 };
enum { GOOD = 0, REFUSED = 1, USAGE = 2 };

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
    (void)fputs("usage: idbridge token inspect\n"
          "       idbridge token verify --jwks FILE [--issuer I] [--audience A] [--alg LIST] [--signature-only]\n"
          "       idbridge token decrypt --key FILE\n"
          "The token is read from standard input. verify: FILE is a JWKS or one JWK; LIST is separated by commas; the\n"
          "claims exp, nbf and iat are checked against this machine's clock, --signature-only looks at no claim.\n",
          to);
}

static int usage(void)
{
    print_usage(stderr);
    return USAGE;
}

static int refused(const struct fault *f)
{
    fprintf(stderr, "refused: %s\n", f->detail);
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
        return FAULT(f, RESULT_INVALID, "%.100s cannot be opened", path);
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
        return refused(&f);
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
        return refused(&f);
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
        return refused(&f);
    if (plain.len > 0 && fwrite(plain.data, 1, plain.len, stdout) != plain.len)
        return REFUSED;
    return GOOD;
}

/* ---- dispatch ----------------------------------------------------------------------------------------- */

static const struct subcommand {
    const char *name;
    int (*run)(struct arena *a, const struct options *o, const char *token, size_t n);
    bool needs_jwks, needs_key;
} subcommands[] = {
    {"inspect", inspect, false, false},
    {"verify", verify, true, false},
    {"decrypt", decrypt, false, true},
};

static const char *const *read_list(struct arena *a, const char *text)
{
    size_t n = 0;
    char **list = text_split(a, text, ", ", &n);

    return n > 0 ? (const char *const *)list : NULL;
}

/* False: an option nobody knows, or one too many. */
static bool read_options(struct arena *a, int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"jwks", required_argument, NULL, 'j'},
        {"key", required_argument, NULL, 'k'},
        {"issuer", required_argument, NULL, 'i'},
        {"audience", required_argument, NULL, 'a'},
        {"alg", required_argument, NULL, 'g'},
        {"signature-only", no_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    int c;

    optind = 0; /* glibc: start anew, whoever used getopt before */
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'j')
            o->jwks = optarg;
        else if (c == 'k')
            o->key = optarg;
        else if (c == 'i')
            o->issuer = optarg;
        else if (c == 'a')
            o->audience = optarg;
        else if (c == 'g')
            o->algs = read_list(a, optarg);
        else if (c == 's')
            o->signature_only = true;
        else
            return false;
    }
    return optind == argc && o->algs != NULL;
}

static int run(const struct subcommand *s, struct arena *a, const struct options *o)
{
    struct fault f = {0};
    char *token = NULL;
    size_t n = 0;

    if ((s->needs_jwks && o->jwks == NULL) || (s->needs_key && o->key == NULL))
        return usage();
    if (read_token(&f, a, &token, &n) != RESULT_OK)
        return refused(&f);
    return s->run(a, o, token, n);
}

int admin_token(int argc, char **argv)
{
    CLEANUP(arena) struct arena *a = arena_new(ARENA_MAX);
    struct options o = {.algs = every_alg};

    for (size_t i = 0; a != NULL && argc > 1 && i < COUNT_OF(subcommands); i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return read_options(a, argc - 1, argv + 1, &o) ? run(&subcommands[i], a, &o) : usage();
    if (argc < 2 || (strcmp(argv[1], "help") != 0 && strcmp(argv[1], "--help") != 0))
        return usage();
    print_usage(stdout);
    return 0;
}
