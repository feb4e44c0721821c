/* support.h: what the tests of token/ share: an arena per test, keys made once, and ready policies. Each test program
 * includes it once. */
#ifndef TEST_TOKEN_SUPPORT_H
#define TEST_TOKEN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <idbridge/token.h>

#define assert_ok(expr)                                                                                                \
    do {                                                                                                               \
        struct fault *f_ = &fault;                                                                                     \
        enum result r_ = (expr);                                                                                       \
        if (r_ != RESULT_OK)                                                                                           \
            fail_msg("%s: %s (%s: %s)", #expr, result_name(r_), f_->where != NULL ? f_->where : "?", f_->detail);      \
    } while (0)
#define assert_result(expected, expr) assert_string_equal(result_name(expected), result_name(expr))

static struct fault fault;
static struct arena *arena;

__attribute__((unused)) static int setup_arena(void **state)
{
    (void)state;
    fault = (struct fault){0};
    arena = arena_new(8 * 1024 * 1024);
    return arena == NULL;
}

__attribute__((unused)) static int free_test_arena(void **state)
{
    (void)state;
    arena_free(arena);
    arena = NULL;
    return 0;
}
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_arena, free_test_arena)

/* A pair of one algorithm: the private key to sign with, the public ones as a relying party holds them. */
struct pair {
    const char *kid, *private_jwk, *public_jwk;
    struct token_private *private_key;
    struct token_keys *keys;
};

__attribute__((unused)) static struct pair make_pair(const char *alg)
{
    struct pair p = {0};

    assert_ok(token_generate(&fault, arena, alg, NULL, &p.kid, &p.private_jwk, &p.public_jwk));
    assert_ok(token_private_parse(&fault, p.private_jwk, NULL, &p.private_key));
    assert_ok(token_keys_parse_one(&fault, p.public_jwk, strlen(p.public_jwk), &p.keys));
    return p;
}

__attribute__((unused)) static void free_pair(struct pair *p)
{
    token_private_free(p->private_key);
    token_keys_free(p->keys);
}

__attribute__((unused)) static const char *signed_with(const struct token_private *k, const char *typ,
                                                       const char *claims)
{
    const char *jws = NULL;
    json_t *j = arena_json(arena, json_loads(claims, 0, NULL));

    assert_non_null(j);
    assert_ok(token_sign(&fault, arena, k, typ, false, j, &jws));
    return jws;
}

/* Any text as a base64url part. */
__attribute__((unused)) static const char *part(const char *text)
{
    char *s = base64url_encode(arena, text, strlen(text));

    assert_non_null(s);
    return s;
}

__attribute__((unused)) static enum result verify(const char *jws, const struct token_keys *keys,
                                                  const char *const *algs, enum token_fault *why)
{
    const struct token_policy policy = {.algs = algs};
    struct token_parts parts;

    return token_verify(&fault, arena, jws, strlen(jws), keys, &policy, &parts, why);
}

#define ALGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define assert_refused(jws, keys, algs, expected_why)                                                                  \
    do {                                                                                                               \
        enum token_fault why_ = TOKEN_OK;                                                                              \
        assert_result(RESULT_DENIED, verify((jws), (keys), (algs), &why_));                                            \
        assert_int_equal((expected_why), why_);                                                                        \
    } while (0)
#define assert_verified(jws, keys, algs)                                                                               \
    do {                                                                                                               \
        enum token_fault why_ = TOKEN_OK;                                                                              \
        assert_ok(verify((jws), (keys), (algs), &why_));                                                               \
    } while (0)

#endif
