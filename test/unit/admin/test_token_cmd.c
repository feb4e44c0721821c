/* test_token_cmd.c: what `idbridge token` says and which status it ends with, run in this process with standard input
 * and output put on files. */
#include <idbridge/admin.h>
#include <idbridge/token.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[32];
static struct arena *arena;
static struct fault fault;
static struct token_private *key;
static const char *jwk_file, *jwks_file, *private_file;
static char *output;

static const char *write_file(const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(0, fclose(f));
    return path;
}

static int make_keys(void **state)
{
    (void)state;
    const char *kid, *private_jwk, *public_jwk;

    memcpy(folder, "/tmp/idbridge-token-XXXXXX", 27);
    assert_non_null(mkdtemp(folder));
    arena = arena_new(16 * 1024 * 1024);
    assert_int_equal(RESULT_OK, token_generate(&fault, arena, "ES256", NULL, &kid, &private_jwk, &public_jwk));
    assert_int_equal(RESULT_OK, token_private_parse(&fault, private_jwk, NULL, &key));
    jwk_file = write_file("jwk", public_jwk);
    private_file = write_file("private", private_jwk);
    jwks_file = write_file("jwks", arena_printf(arena, "{\"keys\":[%s]}", public_jwk));
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int drop_keys(void **state)
{
    (void)state;
    token_private_free(key);
    arena_free(arena);
    return nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

static char *read_back(const char *path)
{
    CLEANUP(file) FILE *f = fopen(path, "r");
    char *text = arena_alloc(arena, 64 * 1024);

    assert_non_null(f);
    assert_non_null(text);
    text[fread(text, 1, 64 * 1024 - 1, f)] = '\0';
    return text;
}

/* Runs `token WORDS...` with this on standard input; the exit status; both outputs in `output`. */
static int run(const char *input, const char *words)
{
    const char *in = write_file("in", input), *out = write_file("out", "");
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    size_t n = 0;
    char **parts = text_split(arena, arena_printf(arena, "token %s", words), " ", &n);

    fflush(NULL);
    assert_non_null(freopen(in, "r", stdin));
    FILE *to = fopen(out, "a");
    assert_non_null(to);
    assert_true(dup2(fileno(to), STDOUT_FILENO) >= 0 && dup2(fileno(to), STDERR_FILENO) >= 0);
    int status = admin_token((int)n, parts);
    fflush(NULL);
    assert_true(dup2(kept_out, STDOUT_FILENO) >= 0 && dup2(kept_err, STDERR_FILENO) >= 0);
    close(kept_out);
    close(kept_err);
    fclose(to);
    output = read_back(out);
    return status;
}

static const char *signed_claims(const char *claims)
{
    json_t *j = arena_json(arena, json_loads(claims, 0, NULL));
    const char *jws = NULL;

    assert_non_null(j);
    assert_int_equal(RESULT_OK, token_sign(&fault, arena, key, "JWT", false, j, &jws));
    return jws;
}

#define GOOD_CLAIMS "{\"iss\":\"https://us\",\"aud\":\"them\",\"exp\":4000000000}"

static void a_good_token_is_good(void **state)
{
    (void)state;
    const char *jws = signed_claims(GOOD_CLAIMS);

    assert_int_equal(0, run(jws, arena_printf(arena, "verify --jwks %s", jwks_file)));
    assert_non_null(strstr(output, "good: ES256"));
    assert_int_equal(0, run(jws, arena_printf(arena, "verify --jwks %s", jwk_file)));
    assert_int_equal(
        0,
        run(arena_printf(arena, " \n%s\r\n", jws),
            arena_printf(arena, "verify --jwks %s --issuer https://us --audience them --alg RS256,ES256", jwks_file)));
}

static void each_reason_is_said(void **state)
{
    (void)state;
    const char *good = signed_claims(GOOD_CLAIMS),
               *spoilt = arena_printf(arena, "%.*sAAAA", (int)strlen(good) - 4, good);
    const struct {
        const char *token, *options, *reason;
    } rows[] = {
        {good, "--issuer https://other", "iss"},
        {good, "--audience other", "aud"},
        {good, "--alg RS256", "allow-list"},
        {spoilt, "", "signature"},
        {"", "", "no token"},
        {"AAAA.AAAA", "", "2 parts"},
        {signed_claims("{\"exp\":1}"), "", "expired"},
        {signed_claims("{\"iss\":\"https://us\"}"), "", "exp is missing"},
        {signed_claims("{\"exp\":4000000000,\"nbf\":3999999999}"), "", "valid only in"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(1, run(rows[i].token, arena_printf(arena, "verify --jwks %s %s", jwks_file, rows[i].options)));
        if (strstr(output, rows[i].reason) == NULL)
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, output, rows[i].reason);
    }
    assert_int_equal(1, run(good, arena_printf(arena, "verify --jwks %s/none", folder)));
    assert_non_null(strstr(output, "cannot be opened"));
    assert_int_equal(1, run(good, arena_printf(arena, "verify --jwks %s", write_file("empty", "{\"keys\":[]}"))));
    assert_non_null(strstr(output, "no usable key"));
}

static void signature_only_looks_at_no_claim(void **state)
{
    (void)state;
    const char *expired = signed_claims("{\"exp\":1}");

    assert_int_equal(0, run(expired, arena_printf(arena, "verify --signature-only --jwks %s", jwks_file)));
    assert_non_null(strstr(output, "no claim was looked at"));
}

static void inspect_shows_and_checks_nothing(void **state)
{
    (void)state;
    const char *jws = signed_claims("{\"sub\":\"x\",\"exp\":1}");

    assert_int_equal(0, run(arena_printf(arena, "%.*sAAAA", (int)strlen(jws) - 4, jws), "inspect"));
    assert_non_null(strstr(output, "\"sub\": \"x\""));
    assert_non_null(strstr(output, "1970-01-01T00:00:01Z"));
    assert_non_null(strstr(output, "nothing was checked"));
    assert_int_equal(1, run("garbage", "inspect"));
    assert_non_null(strstr(output, "refused"));
}

static void decrypt_opens_what_is_for_the_key(void **state)
{
    (void)state;
    /* RFC 7516 appendix A.3 (A128KW, A128CBC-HS256), key and token as printed there. */
    const char *path = write_file("kw", "{\"kty\":\"oct\",\"k\":\"GawgguFyGrWKav7AX4VKUg\"}");
    const char *jwe = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0."
                      "6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ."
                      "AxY8DCtDaGlsbGljb3RoZQ."
                      "KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY."
                      "U0m_YmjN04DJvceFICbCVQ";

    assert_int_equal(0, run(jwe, arena_printf(arena, "decrypt --key %s", path)));
    assert_string_equal("Live long and prosper.", output);
    assert_int_equal(0, run(jwe, "inspect"));
    assert_non_null(strstr(output, "encrypted"));
    assert_int_equal(1, run(jwe, arena_printf(arena, "decrypt --key %s", private_file)));
    assert_int_equal(1, run(signed_claims(GOOD_CLAIMS), arena_printf(arena, "decrypt --key %s", path)));
    assert_int_equal(1, run(arena_printf(arena, "%sA", jwe), arena_printf(arena, "decrypt --key %s", path)));
}

/* The first line says what is wrong, the usage follows. */
static void wrong_usage_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *words, *reason;
    } rows[] = {
        {"", "wants inspect"},
        {"unknown", "wants inspect"},
        {"verify", "needs --jwks"},
        {"decrypt", "needs --key"},
        {"inspect more", "standard input"},
        {"inspect --jwks x", "takes no --jwks"},
        {"inspect --signature-only", "takes no --signature-only"},
        {"decrypt --key x --issuer y", "takes no --issuer"},
        {"verify --key x", "takes no --key"},
        {"verify --jwks", "lacks its value"},
        {"verify --jwks x --jwks y", "twice"},
        {"verify --jwks x --alg ,", "names no algorithm"},
        {"verify --jwks x --alg RS256,none", "none is no signature algorithm"},
        {"verify --jwks x --signature-only --issuer y", "looks at no claim"},
        {"verify --jwks x --signature-only --audience y", "looks at no claim"},
        {"verify --unknown", "--unknown is no option"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(1, run("", rows[i].words));
        char *end = strchr(output, '\n');
        assert_non_null(end);
        assert_non_null(strstr(end, "usage"));
        *end = '\0';
        if (strncmp(output, "refused: ", 9) != 0 || strstr(output, rows[i].reason) == NULL)
            fail_msg("`%s`: \"%s\" does not say \"%s\"", rows[i].words, output, rows[i].reason);
    }
}

/* {"alg":"\u001b[2J\nrefused: no"}: a reason that quotes a header stays one line and plain text. */
static void a_reason_moves_no_cursor(void **state)
{
    (void)state;
    const char *jws = "eyJhbGciOiJcdTAwMWJbMkpcbnJlZnVzZWQ6IG5vIn0.e30.AAAA";

    assert_int_equal(1, run(jws, arena_printf(arena, "verify --jwks %s", jwks_file)));
    assert_null(strchr(output, '\x1b'));
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_token_is_good),
        cmocka_unit_test(each_reason_is_said),
        cmocka_unit_test(signature_only_looks_at_no_claim),
        cmocka_unit_test(inspect_shows_and_checks_nothing),
        cmocka_unit_test(decrypt_opens_what_is_for_the_key),
        cmocka_unit_test(wrong_usage_is_refused_with_its_reason),
        cmocka_unit_test(a_reason_moves_no_cursor),
    };
    return cmocka_run_group_tests_name("admin: token", tests, make_keys, drop_keys);
}
