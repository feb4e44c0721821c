/* Clock, randomness, digests and sealing. Vectors: FIPS 180-4 examples, RFC 4231 (HMAC), RFC 7636 appendix B (PKCE);
 * the keyed hash was computed with Python's hmac module. */
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/idbridge-unit-XXXXXX";
static char key_path[64];

static int group_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(key_path, sizeof key_path, "%s/master", folder);
    return 0;
}

static int group_down(void **state)
{
    (void)state;
    (void)unlink(key_path);
    return rmdir(folder);
}

static int arena_up(void **state)
{
    *state = arena_new(1 << 20);
    return *state == NULL;
}

static int arena_down(void **state)
{
    arena_free(*state);
    (void)unlink(key_path);
    return 0;
}

static void write_key(const char *text, mode_t mode)
{
    (void)unlink(key_path);
    CLEANUP(file) FILE *out = fopen(key_path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fchmod(fileno(out), mode), 0);
}

static const char KNOWN[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"; /* bytes 0 to 31 */
static const char KNOWN_HEX[] = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n";

static struct master *load_known(void)
{
    struct master *m;
    write_key(KNOWN, 0600);
    assert_result(RESULT_OK, master_load(NULL, key_path, &m));
    return m;
}

/* ---- clock ---------------------------------------------------------------------------------------- */

static void test_clock(void **state)
{
    int64_t s = clock_now(), ms = clock_now_ms(), us = clock_monotonic_us();
    assert_true(s > 1700000000);
    assert_true(ms / 1000 - s <= 1);
    assert_true(clock_monotonic_us() >= us);
    assert_string_equal(clock_text(*state, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_text(*state, 1795376580), "2026-11-22T19:43:00Z");
    assert_string_equal(clock_text(*state, -1), "1969-12-31T23:59:59Z");
    assert_null(clock_text(*state, INT64_MAX));
    assert_null(clock_text(*state, INT64_C(253402300800))); /* the year 10000 */
}

/* ---- random and digests --------------------------------------------------------------------------- */

static void test_random(void **state)
{
    unsigned char a[32] = {0}, b[32] = {0}, zero[32] = {0};
    assert_result(RESULT_OK, random_bytes(NULL, a, sizeof a));
    assert_result(RESULT_OK, random_bytes(NULL, b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    assert_memory_not_equal(a, zero, sizeof a);
    CLEANUP(free) unsigned char *large = calloc(1, 200000);
    assert_result(RESULT_OK, random_bytes(NULL, large, 200000));
    assert_memory_not_equal(large + 199968, zero, 32);
    assert_int_equal(strlen(random_id(*state, 32)), 43);
    assert_int_equal(strlen(random_id(*state, 16)), 22);
    assert_string_not_equal(random_id(*state, 16), random_id(*state, 16));
    assert_null(random_id(*state, 65));
    const char *code = random_code(*state);
    assert_int_equal(strlen(code), 9);
    assert_int_equal(strspn(code, "0123456789ABCDEFGHJKMNPQRSTVWXYZ-"), 9);
    assert_int_equal(strcspn(code, "-"), 4);
    assert_string_not_equal(code, random_code(*state));
}

static void test_sha256(void **state)
{
    unsigned char d[32];
    sha256("abc", 3, d);
    assert_string_equal(hex_encode(*state, d, 32), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(NULL, 0, d);
    assert_string_equal(hex_encode(*state, d, 32), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_string_equal(sha256_base64url(*state, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
                        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_null(sha256_base64url(*state, NULL));
}

static void test_hmac(void **state)
{
    unsigned char d[32], key[131];
    hmac_sha256(bytes_of("Jefe"), "what do ya want for nothing?", 28, d);
    assert_string_equal(hex_encode(*state, d, 32), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key); /* longer than a block: test case 6 */
    hmac_sha256((struct bytes){key, sizeof key}, "Test Using Larger Than Block-Size Key - Hash Key First", 54, d);
    assert_string_equal(hex_encode(*state, d, 32), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256((struct bytes){NULL, 0}, NULL, 0, d);
    assert_string_equal(hex_encode(*state, d, 32), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_wipe(void **state)
{
    (void)state;
    unsigned char p[8] = "secret", zero[8] = {0};
    wipe(p, sizeof p);
    assert_memory_equal(p, zero, sizeof p);
    wipe(NULL, 5);
}

/* ---- the master key file -------------------------------------------------------------------------- */

static void test_master_create_and_load(void **state)
{
    (void)state;
    struct fault f;
    struct stat st;
    struct master *m;
    assert_result(RESULT_OK, master_create(&f, key_path, 0640));
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_size, 44);
    assert_result(RESULT_CONFLICT, master_create(&f, key_path, 0640));
    assert_result(RESULT_OK, master_load(&f, key_path, &m));
    master_free(m);
    master_free(NULL);
}

static void test_master_create_refuses(void **state)
{
    (void)state;
    struct fault f;
    assert_result(RESULT_INVALID, master_create(&f, key_path, 0644));
    assert_result(RESULT_INVALID, master_create(&f, key_path, 04640));
    assert_int_equal(access(key_path, F_OK), -1);
    assert_result(RESULT_INTERNAL, master_create(&f, "/nonexistent-folder/master", 0600));
    assert_int_equal(symlink("/tmp/elsewhere", key_path), 0);
    assert_result(RESULT_CONFLICT, master_create(&f, key_path, 0600));
}

static void test_master_load_refuses(void **state)
{
    (void)state;
    struct fault f;
    struct master *m;
    assert_result(RESULT_NOT_FOUND, master_load(&f, key_path, &m));
    assert_null(m);
    assert_result(RESULT_INVALID, master_load(&f, folder, &m));
    static const mode_t OPEN[] = {0644, 0604, 0602, 0601};
    for (size_t i = 0; i < COUNT_OF(OPEN); i++) {
        write_key(KNOWN, OPEN[i]);
        assert_result(RESULT_DENIED, master_load(&f, key_path, &m));
        assert_non_null(strstr(f.detail, "open to everybody"));
    }
    static const char *const BAD[] = {"", "\n", "short", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\nmore"};
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        write_key(BAD[i], 0600);
        assert_result(RESULT_INVALID, master_load(&f, key_path, &m));
        assert_null(m);
        assert_null(strstr(f.detail, "AAECAwQF"));
    }
}

static void test_hex_and_base64url_are_the_same_key(void **state)
{
    struct master *a = load_known(), *b;
    write_key(KNOWN_HEX, 0600);
    assert_result(RESULT_OK, master_load(NULL, key_path, &b));
    assert_string_equal(keyed_hash(*state, a, "client-secret", "s3cret"), "_Eya-K1TYY_B7AvxQatEIcNbm99skhiRaeuA6ZYKX9Y");
    assert_string_equal(keyed_hash(*state, b, "client-secret", "s3cret"), "_Eya-K1TYY_B7AvxQatEIcNbm99skhiRaeuA6ZYKX9Y");
    assert_string_not_equal(keyed_hash(*state, a, "subject", "s3cret"), keyed_hash(*state, a, "client-secret", "s3cret"));
    assert_string_not_equal(keyed_hash(*state, a, "subject", "a"), keyed_hash(*state, a, "subject", "b"));
    assert_null(keyed_hash(*state, a, "subject", NULL));
    master_free(a);
    master_free(b);
}

/* ---- sealing -------------------------------------------------------------------------------------- */

static void test_seal_round_trip(void **state)
{
    struct master *m = load_known();
    struct bytes sealed, again, plain;
    CLEANUP(free) char *large = calloc(1, 100001);
    memset(large, 'x', 100000);
    const char *const TEXTS[] = {"", "a", "exactly sixteen!", large};
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        assert_result(RESULT_OK, seal(NULL, *state, m, "state", "aad", bytes_of(TEXTS[i]), &sealed));
        assert_int_equal(sealed.len, 12 + strlen(TEXTS[i]) + 16);
        assert_result(RESULT_OK, seal(NULL, *state, m, "state", "aad", bytes_of(TEXTS[i]), &again));
        assert_memory_not_equal(sealed.data, again.data, 12); /* never the same nonce */
        assert_result(RESULT_OK, unseal(NULL, *state, m, "state", "aad", sealed, &plain));
        assert_int_equal(plain.len, strlen(TEXTS[i]));
        assert_string_equal((const char *)plain.data, TEXTS[i]);
    }
    assert_result(RESULT_OK, seal(NULL, *state, m, "state", NULL, bytes_of("x"), &sealed));
    assert_result(RESULT_OK, unseal(NULL, *state, m, "state", "", sealed, &plain));
    master_free(m);
}

static void test_unseal_refuses_any_change(void **state)
{
    struct master *m = load_known();
    struct bytes sealed, plain;
    struct fault f;
    assert_result(RESULT_OK, seal(&f, *state, m, "state", "aad", bytes_of("attack at dawn"), &sealed));
    unsigned char copy[64];
    assert_true(sealed.len <= sizeof copy);
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        memcpy(copy, sealed.data, sealed.len);
        copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_result(RESULT_INVALID, unseal(&f, *state, m, "state", "aad", (struct bytes){copy, sealed.len}, &plain));
        assert_null(plain.data);
    }
    for (size_t n = 0; n < sealed.len; n++)
        assert_result(RESULT_INVALID, unseal(&f, *state, m, "state", "aad", (struct bytes){sealed.data, n}, &plain));
    assert_result(RESULT_INVALID, unseal(&f, *state, m, "other", "aad", sealed, &plain));
    assert_result(RESULT_INVALID, unseal(&f, *state, m, "state", "aaD", sealed, &plain));
    assert_result(RESULT_INVALID, unseal(&f, *state, m, "state", NULL, sealed, &plain));
    master_free(m);
}

static void test_seal_limits(void **state)
{
    struct master *m = load_known();
    struct bytes sealed, plain;
    struct fault f;
    CLEANUP(arena) struct arena *small = arena_new(32);
    assert_result(RESULT_INTERNAL, seal(&f, small, m, "state", NULL, bytes_of("more than thirty-two bytes of it"), &sealed));
    assert_result(RESULT_INVALID, seal(&f, *state, m, "state", NULL, (struct bytes){(const unsigned char *)"x", (size_t)1 << 40}, &sealed));
    char purpose[300];
    memset(purpose, 'p', sizeof purpose - 1);
    purpose[sizeof purpose - 1] = '\0';
    assert_result(RESULT_INTERNAL, seal(&f, *state, m, purpose, NULL, bytes_of("x"), &sealed));
    for (int i = 0; i < 100; i++) { /* more purposes than are kept */
        char *p = arena_printf(*state, "purpose-%d", i);
        assert_result(RESULT_OK, seal(&f, *state, m, p, NULL, bytes_of("x"), &sealed));
        assert_result(RESULT_OK, unseal(&f, *state, m, p, NULL, sealed, &plain));
        assert_result(RESULT_INVALID, unseal(&f, *state, m, "purpose", NULL, sealed, &plain));
    }
    master_free(m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, arena_up, arena_down)
    const struct CMUnitTest tests[] = {
        T(test_clock), T(test_random), T(test_sha256), T(test_hmac), T(test_wipe), T(test_master_create_and_load),
        T(test_master_create_refuses), T(test_master_load_refuses), T(test_hex_and_base64url_are_the_same_key),
        T(test_seal_round_trip), T(test_unseal_refuses_any_change), T(test_seal_limits),
    };
    return cmocka_run_group_tests(tests, group_up, group_down);
}
