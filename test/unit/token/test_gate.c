/* test_gate.c: forged tokens that other libraries have let in, one test each, named after what it prevents (the CVE in
 * the comment), each beside a twin that is accepted. */
#include "support.h"

#include <cjose/cjose.h>

static struct pair rsa, ec;

static int make_keys(void **state)
{
    setup_arena(state);
    rsa = make_pair("RS256");
    ec = make_pair("ES256");
    return 0;
}

static int drop_keys(void **state)
{
    free_pair(&rsa);
    free_pair(&ec);
    return free_test_arena(state);
}

/* A token whose header we choose freely, signed with the RSA private key by bare cjose: what an attacker who holds a
 * valid signature for odd headers could send. */
static const char *signed_header(const struct pair *p, const char *header, const char *payload)
{
    cjose_err err = {0};
    cjose_jwk_t *jwk = cjose_jwk_import(p->private_jwk, strlen(p->private_jwk), &err);
    json_t *h = json_loads(header, 0, NULL);
    const char *text = NULL;

    assert_non_null(jwk);
    assert_non_null(h);
    cjose_jws_t *jws = cjose_jws_sign(jwk, (cjose_header_t *)h, (const uint8_t *)payload, strlen(payload), &err);
    assert_non_null(jws);
    assert_true(cjose_jws_export(jws, &text, &err));
    char *kept = arena_strdup(arena, text);
    cjose_jws_release(jws);
    cjose_jwk_release(jwk);
    json_decref(h);
    return kept;
}

static const char *rsa_header(const char *more)
{
    return signed_header(&rsa, arena_printf(arena, "{\"alg\":\"RS256\"%s}", more), "{\"sub\":\"x\"}");
}

/* CVE-2015-9235, CVE-2022-29217: "none" in any spelling, with and without a signature. */
static void alg_none_is_refused(void **state)
{
    (void)state;
    static const char *const spellings[] = {"none", "None", "NONE", "nOnE", "", "null", "HS256 ", "rs256"};

    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        const char *head = part(arena_printf(arena, "{\"alg\":\"%s\"}", spellings[i]));
        assert_refused(arena_printf(arena, "%s.%s.", head, part("{\"sub\":\"x\"}")), rsa.keys,
                       ALGS("RS256", "none", "None", ""), TOKEN_ALG);
        assert_refused(arena_printf(arena, "%s.%s.AAAA", head, part("{}")), rsa.keys, ALGS("RS256"), TOKEN_ALG);
    }
    assert_refused(arena_printf(arena, "%s.%s.AAAA", part("{}"), part("{}")), rsa.keys, ALGS("RS256"), TOKEN_ALG);
    assert_refused(arena_printf(arena, "%s.%s.AAAA", part("{\"alg\":[\"RS256\"]}"), part("{}")), rsa.keys,
                   ALGS("RS256"), TOKEN_MALFORMED);
    assert_verified(rsa_header(""), rsa.keys, ALGS("RS256"));
}

/* CVE-2016-10555, CVE-2026-44699: HS256 keyed with the public key, as PEM-like text or as modulus; the RSA JWK has no
 * alg of its own. */
static void public_key_is_no_hmac_secret(void **state)
{
    (void)state;
    json_t *jwk = arena_json(arena, json_loads(rsa.public_jwk, 0, NULL));
    struct token_keys *bare = NULL;
    cjose_err err = {0};
    struct bytes n;

    json_object_del(jwk, "alg");
    json_object_del(jwk, "kid");
    char *text = json_compact(arena, jwk);
    assert_ok(token_keys_parse_one(&fault, text, strlen(text), &bare));
    assert_ok(base64url_decode(&fault, arena, json_text(jwk, "n"), strlen(json_text(jwk, "n")), &n));
    cjose_jwk_t *secrets[] = {cjose_jwk_create_oct_spec(n.data, n.len, &err),
                              cjose_jwk_create_oct_spec((const uint8_t *)text, strlen(text), &err)};
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        cjose_header_t *h = cjose_header_new(&err);
        const char *forged = NULL;
        assert_true(cjose_header_set(h, "alg", "HS256", &err));
        cjose_jws_t *jws = cjose_jws_sign(secrets[i], h, (const uint8_t *)"{}", 2, &err);
        assert_true(cjose_jws_export(jws, &forged, &err));
        assert_refused(forged, bare, ALGS("RS256", "HS256"), TOKEN_NO_KEY);
        assert_refused(forged, bare, ALGS("RS256"), TOKEN_ALG);
        cjose_jws_release(jws);
        cjose_header_release(h);
        cjose_jwk_release(secrets[i]);
    }
    assert_verified(rsa_header(""), bare, ALGS("RS256", "HS256"));
    token_keys_free(bare);
}

/* CVE-2018-0114, CVE-2026-27962, CVE-2026-34240: the sender's own key in the header, or where to fetch it. */
static void key_in_the_header_is_refused(void **state)
{
    (void)state;
    const char *jwk = rsa.public_jwk;

    assert_refused(rsa_header(arena_printf(arena, ",\"jwk\":%s", jwk)), rsa.keys, ALGS("RS256"), TOKEN_HEADER);
    assert_refused(rsa_header(",\"jku\":\"https://evil.example/jwks\""), rsa.keys, ALGS("RS256"), TOKEN_HEADER);
    assert_refused(rsa_header(",\"x5u\":\"https://evil.example/x5\""), rsa.keys, ALGS("RS256"), TOKEN_HEADER);
    /* x5c and x5t only name a key: they are not read, and the signature still has to fit one of ours. */
    assert_verified(rsa_header(",\"x5c\":[\"AAAA\"],\"x5t\":\"AAAA\""), rsa.keys, ALGS("RS256"));
    assert_refused(signed_header(&rsa, "{\"alg\":\"RS256\",\"x5c\":[\"AAAA\"]}", "{}"), ec.keys, ALGS("RS256"),
                   TOKEN_NO_KEY);
}

/* GHSA-9ggr-2464-2j32: an extension marked critical is not skipped over. */
static void critical_extensions_are_refused(void **state)
{
    (void)state;
    static const char *const members[] = {",\"crit\":[\"exp\"],\"exp\":1",     ",\"crit\":[]",   ",\"crit\":\"b64\"",
                                          ",\"crit\":[\"b64\"],\"b64\":false", ",\"b64\":false", ",\"b64\":true"};

    for (size_t i = 0; i < COUNT_OF(members); i++)
        assert_refused(rsa_header(members[i]), rsa.keys, ALGS("RS256"), TOKEN_HEADER);
    assert_verified(rsa_header(",\"unknown\":1"), rsa.keys, ALGS("RS256"));
}

/* CVE-2024-28176, CVE-2024-28180. */
static void compression_is_refused(void **state)
{
    (void)state;
    assert_refused(rsa_header(",\"zip\":\"DEF\""), rsa.keys, ALGS("RS256"), TOKEN_HEADER);
}

/* CVE-2022-21449: r = s = 0, and other numbers no signature has; also a signature that is too long or in DER. */
static void psychic_signature_is_refused(void **state)
{
    (void)state;
    const char *good = signed_header(&ec, "{\"alg\":\"ES256\"}", "{}");
    const char *body = arena_printf(arena, "%s.%s", part("{\"alg\":\"ES256\"}"), part("{}"));
    unsigned char zero[64] = {0}, ones[64], longer[66] = {0};

    memset(ones, 0xff, sizeof ones);
    assert_refused(arena_printf(arena, "%s.%s", body, base64url_encode(arena, zero, 64)), ec.keys, ALGS("ES256"),
                   TOKEN_SIGNATURE);
    assert_refused(arena_printf(arena, "%s.%s", body, base64url_encode(arena, ones, 64)), ec.keys, ALGS("ES256"),
                   TOKEN_SIGNATURE);
    assert_refused(arena_printf(arena, "%s.%s", body, base64url_encode(arena, longer, 66)), ec.keys, ALGS("ES256"),
                   TOKEN_SIGNATURE);
    assert_refused(arena_printf(arena, "%s.", body), ec.keys, ALGS("ES256"), TOKEN_SIGNATURE);
    assert_verified(good, ec.keys, ALGS("ES256"));
}

/* CVE-2020-15216's class, a parser differential: two readers see two different members. */
static void duplicate_members_are_refused(void **state)
{
    (void)state;
    const char *sig = strrchr(rsa_header(""), '.') + 1;
    const char *twice = part("{\"alg\":\"RS256\",\"alg\":\"none\"}");
    struct token_parts parts;

    assert_refused(arena_printf(arena, "%s.%s.%s", twice, part("{}"), sig), rsa.keys, ALGS("RS256"), TOKEN_MALFORMED);
    /* In the payload the signature is judged, but the claims are withheld. */
    const char *jws = signed_header(&rsa, "{\"alg\":\"RS256\"}", "{\"sub\":\"a\",\"sub\":\"b\"}");
    const struct token_policy policy = {.algs = ALGS("RS256")};
    const struct token_expect nothing = {0};
    enum token_fault why;
    assert_ok(token_verify(&fault, arena, jws, strlen(jws), rsa.keys, &policy, &parts, &why));
    assert_null(parts.claims);
    assert_result(RESULT_DENIED, token_claims_check(&fault, parts.claims, &nothing));
}

/* RFC 7515 §2: base64url without padding, line breaks or other characters; nothing in the unused bits. */
static void loose_base64_is_refused(void **state)
{
    (void)state;
    const char *good = rsa_header("");
    const char *first_dot = strchr(good, '.'), *last_dot = strrchr(good, '.');
    const char *const bad[] = {
        arena_printf(arena, "%s=", good),
        arena_printf(arena, " %s", good),
        arena_printf(arena, "%s\n", good),
        arena_printf(arena, "%.*s=%s", (int)(first_dot - good), good, first_dot),
        arena_printf(arena, "%.*s==%s", (int)(last_dot - good), good, last_dot),
        arena_printf(arena, "%.*s?%s", (int)(last_dot - good), good, last_dot),
        arena_printf(arena, "%.*s.A%s", (int)(first_dot - good), good, last_dot),
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(bad[i], rsa.keys, ALGS("RS256"), TOKEN_MALFORMED);
    assert_verified(good, rsa.keys, ALGS("RS256"));
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    const char *good = rsa_header("");
    const char *const bad[] = {"",
                               ".",
                               "..",
                               "...",
                               "....",
                               ".....",
                               "a.b",
                               "{\"payload\":\"\"}",
                               arena_printf(arena, "%s.", good),
                               arena_printf(arena, "%s.a.b", good),
                               arena_printf(arena, "%s.%s.AAAA", part("[]"), part("{}")),
                               arena_printf(arena, "%s.%s.AAAA", part("\"RS256\""), part("{}")),
                               arena_printf(arena, "%s.%s.AAAA", part("{\"alg\":\"RS256\"} x"), part("{}"))};

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(bad[i], rsa.keys, ALGS("RS256"), TOKEN_MALFORMED);
}

static void oversized_tokens_are_refused_before_parsing(void **state)
{
    (void)state;
    const char *good = rsa_header("");
    const struct token_policy small = {.algs = ALGS("RS256"), .max_bytes = strlen(good) - 1};
    const struct token_policy enough = {.algs = ALGS("RS256"), .max_bytes = strlen(good)};
    char *huge = arena_alloc(arena, 20 * 1024 + 1);
    struct token_parts parts;
    enum token_fault why;

    memset(huge, 'A', 20 * 1024);
    assert_refused(huge, rsa.keys, ALGS("RS256"), TOKEN_MALFORMED);
    assert_non_null(strstr(fault.detail, "longer than"));
    assert_result(RESULT_DENIED, token_verify(&fault, arena, good, strlen(good), rsa.keys, &small, &parts, &why));
    assert_int_equal(TOKEN_MALFORMED, why);
    assert_ok(token_verify(&fault, arena, good, strlen(good), rsa.keys, &enough, &parts, &why));
}

/* RFC 8725 §3.11: one kind of token does not pass for another. */
static void typ_is_held_to(void **state)
{
    (void)state;
    static const struct {
        const char *header, *typ;
        bool require, good;
    } rows[] = {
        {",\"typ\":\"at+jwt\"", "at+jwt", true, true},
        {",\"typ\":\"application/AT+JWT\"", "at+jwt", true, true},
        {",\"typ\":\"JWT\"", "at+jwt", false, false},
        {"", "at+jwt", false, true},
        {"", "at+jwt", true, false},
        {",\"typ\":\"\"", "at+jwt", false, false},
        {",\"typ\":\"at+jwt \"", "at+jwt", false, false},
        {",\"typ\":\"anything\"", NULL, true, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *jws = rsa_header(rows[i].header);
        const char *const typs[] = {rows[i].typ, NULL};
        const struct token_policy policy = {
            .algs = ALGS("RS256"), .typs = rows[i].typ != NULL ? typs : NULL, .require_typ = rows[i].require};
        struct token_parts parts;
        enum token_fault why;
        enum result r = token_verify(&fault, arena, jws, strlen(jws), rsa.keys, &policy, &parts, &why);
        assert_result(rows[i].good ? RESULT_OK : RESULT_DENIED, r);
        assert_int_equal(rows[i].good ? TOKEN_OK : TOKEN_HEADER, why);
    }
    assert_refused(rsa_header(",\"typ\":1"), rsa.keys, ALGS("RS256"), TOKEN_MALFORMED);
}

static void policy_and_key_choose_the_alg(void **state)
{
    (void)state;
    const char *ps = signed_header(&rsa, "{\"alg\":\"PS256\"}", "{}");
    const char *of_kid = signed_header(&rsa, arena_printf(arena, "{\"alg\":\"PS256\",\"kid\":\"%s\"}", rsa.kid), "{}");

    assert_refused(ps, rsa.keys, ALGS("RS256"), TOKEN_ALG);              /* not in the allow-list */
    assert_refused(ps, rsa.keys, ALGS("PS256"), TOKEN_NO_KEY);           /* the key says RS256 */
    assert_refused(of_kid, rsa.keys, ALGS("PS256", "RS256"), TOKEN_ALG); /* the key of this kid says RS256 */
    assert_refused(rsa_header(""), ec.keys, ALGS("RS256", "ES256"), TOKEN_NO_KEY);
}

static void policy_without_algs_is_a_bug(void **state)
{
    (void)state;
    const char *good = rsa_header("");
    const struct token_policy none = {.algs = NULL}, empty = {.algs = (const char *const[]){NULL}};
    struct token_parts parts;
    enum token_fault why;

    assert_result(RESULT_INTERNAL, token_verify(&fault, arena, good, strlen(good), rsa.keys, &none, &parts, &why));
    assert_result(RESULT_INTERNAL, token_verify(&fault, arena, good, strlen(good), rsa.keys, &empty, &parts, &why));
}

static void every_flipped_bit_of_the_signed_part_counts(void **state)
{
    (void)state;
    const char *good = signed_header(&ec, "{\"alg\":\"ES256\"}", "{\"sub\":\"x\",\"admin\":false}");
    enum token_fault why;

    for (size_t i = 0; good[i] != '\0'; i++) {
        char *bad = arena_strdup(arena, good);
        bad[i] = bad[i] == 'A' ? 'B' : bad[i] == '.' ? 'A' : 'A';
        assert_result(RESULT_DENIED, verify(bad, ec.keys, ALGS("ES256"), &why));
        assert_int_not_equal(TOKEN_OK, why);
    }
}

static void peek_judges_nothing(void **state)
{
    (void)state;
    const char *jws = arena_printf(arena, "%s.%s.AAAA", part("{\"alg\":\"none\"}"), part("{\"iss\":\"https://idp\"}"));
    struct token_parts parts;

    assert_ok(token_peek(&fault, arena, jws, strlen(jws), &parts));
    assert_string_equal("none", parts.alg);
    assert_string_equal("https://idp", json_text(parts.claims, "iss"));
    assert_result(RESULT_INVALID, token_peek(&fault, arena, "a.b", 3, &parts));
    jws = arena_printf(arena, "%s.%s.AAAA", part("{\"alg\":\"none\"}"), part("no json"));
    assert_ok(token_peek(&fault, arena, jws, strlen(jws), &parts));
    assert_null(parts.claims);
    assert_int_equal(7, parts.payload.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define KEYS_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_keys, drop_keys)
        KEYS_TEST(alg_none_is_refused),
        KEYS_TEST(public_key_is_no_hmac_secret),
        KEYS_TEST(key_in_the_header_is_refused),
        KEYS_TEST(critical_extensions_are_refused),
        KEYS_TEST(compression_is_refused),
        KEYS_TEST(psychic_signature_is_refused),
        KEYS_TEST(duplicate_members_are_refused),
        KEYS_TEST(loose_base64_is_refused),
        KEYS_TEST(wrong_shapes_are_refused),
        KEYS_TEST(oversized_tokens_are_refused_before_parsing),
        KEYS_TEST(typ_is_held_to),
        KEYS_TEST(policy_and_key_choose_the_alg),
        KEYS_TEST(policy_without_algs_is_a_bug),
        KEYS_TEST(every_flipped_bit_of_the_signed_part_counts),
        KEYS_TEST(peek_judges_nothing),
    };
    return cmocka_run_group_tests_name("token: gate", tests, NULL, NULL);
}
