/* roca.c: was this RSA modulus made by the smart-card generator of CVE-2017-15361 (ROCA)? Its primes have the form
 * k*M + (65537^a mod M) with M the product of the first primes, so the modulus lies, modulo each of these primes, in
 * the group that 65537 generates. A healthy modulus passes all rows by chance once in 2^27. Identity cards of some
 * states were made by it, which is why a bridge to national ID looks. Called by jwk.c. */
#include "jose.h"

#include <openssl/bn.h>

static const unsigned primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                  47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};

static bool in_group(unsigned residue, unsigned prime)
{
    unsigned power = 1;

    for (unsigned i = 0; i < prime; i++) {
        if (power == residue)
            return true;
        power = power * (65537 % prime) % prime;
    }
    return false;
}

bool rsa_is_roca(const struct bytes *modulus)
{
    BIGNUM *n = BN_bin2bn(modulus->data, (int)modulus->len, NULL);
    bool fits = true; /* out of memory counts as broken: nothing is let in unseen */

    for (size_t i = 0; n != NULL && fits && i < COUNT_OF(primes); i++)
        fits = in_group((unsigned)BN_mod_word(n, primes[i]), primes[i]);
    BN_free(n);
    return fits;
}
