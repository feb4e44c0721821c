/* What do our own functions cost beside the bare work of the libraries? Called by run.py, which reads the JSON it prints:
 * CPU microseconds per operation. Bare and ours are measured in turn, round by round, on one thread's own CPU clock, and
 * the median counts: the machine's speed may drift, the ratio does not.
 *
 * Bare: EVP_DigestSign and EVP_DigestVerify of the same bytes with a key that is ready (EVP_DigestSign(3)). */
#include <idbridge/mapping.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, ROUND_US = 12000, RULES = 10000, GROUPS = 200 };

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != RESULT_OK) {                                                                                     \
            (void)fprintf(stderr, "%s: %s\n", #call, fault.detail);                                                    \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static struct fault fault;

/* ---- measuring ----------------------------------------------------------------------------------------- */

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

struct work {
    const char *name;
    void (*once)(void *arg);
    void *arg;
    double rounds[ROUNDS];
};

static double round_of(const struct work *w)
{
    double start = cpu_us(), now = start;
    unsigned n = 0;
    for (; now - start < ROUND_US; n++, now = cpu_us())
        w->once(w->arg);
    return (now - start) / n;
}

static int by_size(const void *a, const void *b)
{
    const double *l = a, *r = b;
    return *l < *r ? -1 : *l > *r;
}

/* Prints the median of every member of the group. */
static void measure(struct work *group, size_t n)
{
    for (size_t i = 0; i < n; i++)
        group[i].once(group[i].arg);
    for (size_t r = 0; r < ROUNDS; r++)
        for (size_t i = 0; i < n; i++)
            group[i].rounds[r] = round_of(&group[i]);
    for (size_t i = 0; i < n; i++) {
        qsort(group[i].rounds, ROUNDS, sizeof(double), by_size);
        (void)printf("{\"name\": \"%s\", \"cpu_us\": %.2f}\n", group[i].name, group[i].rounds[ROUNDS / 2]);
    }
}

/* ---- the bare signature ----------------------------------------------------------------------------------- */

struct bare {
    EVP_PKEY *key;
    unsigned char message[512], signature[512];
    size_t length;
};

static void bare_sign(void *arg)
{
    struct bare *b = arg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    b->length = sizeof b->signature;
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, b->key) != 1 ||
        EVP_DigestSign(ctx, b->signature, &b->length, b->message, sizeof b->message) != 1)
        exit(1);
    EVP_MD_CTX_free(ctx);
}

static void bare_verify(void *arg)
{
    struct bare *b = arg;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, b->key) != 1 ||
        EVP_DigestVerify(ctx, b->signature, b->length, b->message, sizeof b->message) != 1)
        exit(1);
    EVP_MD_CTX_free(ctx);
}

/* ---- a whole token ------------------------------------------------------------------------------------------ */

struct ours {
    struct token_private *key;
    struct token_keys *keys;
    json_t *claims;
    const char *alg;
    char token[4096];
};

static void token_once(void *arg)
{
    struct ours *o = arg;
    const char *jws;
    struct arena *a = arena_new(1u << 20);
    MUST(token_sign(&fault, a, o->key, "JWT", false, o->claims, &jws));
    (void)snprintf(o->token, sizeof o->token, "%s", jws);
    arena_free(a);
}

static void verify_once(void *arg)
{
    struct ours *o = arg;
    const char *algs[] = {o->alg, NULL};
    const struct token_policy policy = {.algs = algs};
    struct token_parts parts;
    enum token_fault why;
    struct arena *a = arena_new(1u << 20);
    MUST(token_verify(&fault, a, o->token, strlen(o->token), o->keys, &policy, &parts, &why));
    arena_free(a);
}

/* Everything before a key is touched: a token whose signature lacks bytes is refused as the gate's last act. */
static void gate_once(void *arg)
{
    struct ours *o = arg;
    const char *algs[] = {o->alg, NULL};
    const struct token_policy policy = {.algs = algs};
    struct token_parts parts;
    enum token_fault why;
    struct arena *a = arena_new(1u << 20);
    if (token_verify(&fault, a, o->token, strlen(o->token) - 4, o->keys, &policy, &parts, &why) == RESULT_OK)
        exit(1);
    arena_free(a);
}

static json_t *claims(size_t padding)
{
    char pad[2048] = "";
    memset(pad, 'x', padding);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:s}", "iss", "https://id.health.example", "aud",
                     "dhis2-login", "sub", "Q2hhbmdlIG1lIHNvb24hIQ", "client_id", "dhis2-login", "email",
                     "Q2hhbmdlIG1lIHNvb24hIQ", "jti", "c29tZXRoaW5nIHJhbmRvbQ", "scope", "openid email", "iat", 1790000000,
                     "nbf", 1790000000, "exp", 1790000300, "pad", pad);
}

static void tokens(struct arena *a, const char *alg, EVP_PKEY *key)
{
    const char *kid, *private_jwk, *public_jwk;
    char names[5][40];
    static const char *const what[] = {"bare sign", "token_sign", "bare verify", "token_verify", "gate 2 KB"};
    struct bare bare = {.key = key};
    struct ours ours = {.alg = alg, .claims = claims(0)};
    struct ours large = {.alg = alg, .claims = claims(1100)};
    MUST(token_generate(&fault, a, alg, NULL, &kid, &private_jwk, &public_jwk));
    MUST(token_private_parse(&fault, private_jwk, NULL, &ours.key));
    MUST(token_keys_parse_one(&fault, public_jwk, strlen(public_jwk), &ours.keys));
    large.key = ours.key;
    large.keys = ours.keys;
    token_once(&large);
    struct work group[] = {{.once = bare_sign, .arg = &bare}, {.once = token_once, .arg = &ours},
                           {.once = bare_verify, .arg = &bare}, {.once = verify_once, .arg = &ours},
                           {.once = gate_once, .arg = &large}};
    for (size_t i = 0; i < COUNT_OF(group); i++) {
        (void)snprintf(names[i], sizeof names[i], "%s %s", what[i], alg);
        group[i].name = names[i];
    }
    measure(group, COUNT_OF(group));
    token_keys_free(ours.keys);
    token_private_free(ours.key);
    json_decref(ours.claims);
    json_decref(large.claims);
    EVP_PKEY_free(key);
}

/* ---- a decision ----------------------------------------------------------------------------------------------- */

struct deciding {
    struct mapping *rules;
    struct person person;
};

static void decide_once(void *arg)
{
    struct deciding *d = arg;
    struct grants out;
    struct arena *a = arena_new(4u << 20);
    MUST(mapping_decide(&fault, a, d->rules, "hmis", &d->person, NULL, 1790000000, false, &out));
    if (out.count < GROUPS)
        exit(1);
    arena_free(a);
}

/* Every group has rules of its own; the person is in GROUPS of them. */
static enum result add_rules(struct fault *f, struct store_view *v, void *arg)
{
    unsigned count = *(unsigned *)arg;
    for (unsigned i = 0; i < count; i++) {
        char name[32], text[300];
        (void)snprintf(name, sizeof name, "rule-%05u", i);
        (void)snprintf(text, sizeof text, "{\"name\":\"%s\",\"when\":{\"groups\":[\"cn=group-%05u,ou=groups,dc=health,dc=example\"]},"
                       "\"give\":{\"roles\":[\"Role %u\"],\"org_units\":[\"code:{directory.departmentNumber}\"]}}", name, i, i);
        TRY(store_rule_put(f, v, &(struct rule_row){.name = name, .text = text}));
    }
    return RESULT_OK;
}

static void person_of(struct arena *a, unsigned rules, struct person *p)
{
    struct group *groups = arena_alloc(a, GROUPS * sizeof *groups);
    for (unsigned i = 0; i < GROUPS; i++)
        groups[i] = (struct group){.dn = arena_printf(a, "cn=group-%05u,ou=groups,dc=health,dc=example", i * (rules / GROUPS)),
                                   .name = arena_printf(a, "group-%05u", i * (rules / GROUPS)), .direct = true};
    *p = (struct person){.directory = "staff", .key = "staff:1", .groups = groups, .group_count = GROUPS,
                         .attributes = arena_json(a, json_pack("{s:[s]}", "departmentNumber", "EX-R1-D1-F1"))};
}

static void decisions(struct arena *a, const char *folder, unsigned rules, const char *name)
{
    struct deciding d;
    struct master *m;
    struct store *s;
    const char *state = arena_printf(a, "%s/rules-%u", folder, rules), *key = arena_printf(a, "%s/rules-%u.key", folder, rules);
    MUST(master_create(&fault, key, 0600));
    MUST(master_load(&fault, key, &m));
    MUST(store_open(&fault, state, STORE_CREATE, m, &s));
    MUST(store_transaction(&fault, s, add_rules, &rules));
    MUST(mapping_load(&fault, store_reader(&fault, s), &d.rules));
    person_of(a, rules, &d.person);
    measure(&(struct work){.name = name, .once = decide_once, .arg = &d}, 1);
    mapping_free(d.rules);
    store_close(s);
    master_free(m);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: inside FOLDER (an empty one, for its stores)\n");
        return 2;
    }
    struct arena *a = arena_new(16u << 20);
    tokens(a, "RS256", EVP_RSA_gen(2048));
    tokens(a, "ES256", EVP_EC_gen("P-256"));
    decisions(a, argv[1], GROUPS, "decide 200 rules");
    decisions(a, argv[1], RULES, "decide 10000 rules");
    arena_free(a);
    return 0;
}
