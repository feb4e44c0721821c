/* test_wycheproof_oaep.c: the 37 RSA-OAEP-256 ciphertexts of Wycheproof, on the one function that unwraps with it. A
 * JWE has no label (RFC 7518 §4.3), so those made with one must be refused by us, valid or not. */
#include "vectors.h"

#include "../../../broker/token/jose.h"

static EVP_PKEY *read_key(struct arena *a, const json_t *group)
{
    struct jwk k;
    EVP_PKEY *pkey = NULL;

    assert_ok(jwk_read(&fault, a, json_object_get(group, "privateKeyJwk"), true, &k));
    assert_ok(jwk_evp(&fault, &k, &pkey));
    return pkey;
}

static enum outcome run(const json_t *group, const json_t *test)
{
    CLEANUP(arena) struct arena *a = arena_new(1024 * 1024);
    CLEANUP(pkey) EVP_PKEY *pkey = read_key(a, group);
    struct bytes wrapped;
    unsigned char out[256];
    size_t len = sizeof out;

    wrapped.data = unhex(a, json_text(test, "ct"), &wrapped.len);
    bool fits = unwrap_rsa_oaep(pkey, "SHA256", wrapped, out, &len);
    if (text_equal(json_text(test, "label"), ""))
        assert_true(!fits || strcmp(json_text(test, "msg"), hex_encode(a, out, len)) == 0);
    else if (!fits)
        return UNSUPPORTED;
    else
        fail_msg("a ciphertext with a label was opened without it");
    return fits ? ACCEPTED : REFUSED;
}

static void wycheproof_oaep(void **state)
{
    (void)state;
    struct counts c = run_vectors("rsa_oaep_2048_sha256_mgf1sha256_test.json", run, NULL);

    assert_int_equal(37, c.valid + c.invalid);
    assert_int_equal(c.invalid, c.invalid_refused);
    assert_int_equal(18, c.valid);
    assert_int_equal(18, c.valid_accepted + c.valid_unsupported);
    assert_int_equal(8, c.valid_unsupported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wycheproof_oaep)};
    return cmocka_run_group_tests_name("token: wycheproof rsa-oaep-256", tests, NULL, NULL);
}
