/* forget.c: what libldap frees is wiped first: the bytes of a bind hold a password, those of an entry a person. Called once
 * by main; ber_set_option(3), LBER_OPT_MEMORY_FNS. */
#include <idbridge/directory.h>

#include <lber.h>
#include <stdlib.h>

static void *get(ber_len_t n, void *ctx)
{
    (void)ctx;
    return malloc(n);
}

static void *get_zeroed(ber_len_t count, ber_len_t n, void *ctx)
{
    (void)ctx;
    return calloc(count, n);
}

static void *grow(void *p, ber_len_t n, void *ctx)
{
    (void)ctx;
    return wipe_realloc(p, n);
}

static void give_up(void *p, void *ctx)
{
    (void)ctx;
    wipe_free(p);
}

enum result directory_global_init(struct fault *f)
{
    BerMemoryFunctions functions = {get, get_zeroed, grow, give_up};
    if (ber_set_option(NULL, LBER_OPT_MEMORY_FNS, &functions) != LBER_OPT_SUCCESS)
        return FAULT(f, RESULT_INTERNAL, "libldap has allocated already");
    return RESULT_OK;
}
