/* `idbridge doctor` for one ID provider: reads metadata and keys, compares clocks, and says in words what is wrong. */
#include "private.h"

#include <string.h>
#include <time.h>

#define CLOCK_TOLERANCE_S 10

static void clocks(const struct metadata *m, struct buf *out)
{
    struct tm tm = {0};
    const char *rest = m->date == NULL ? NULL : strptime(m->date, "%a, %d %b %Y %H:%M:%S", &tm);
    if (rest == NULL)
        return;
    long long differs = (long long)timegm(&tm) - clock_now();
    if (differs > CLOCK_TOLERANCE_S || differs < -CLOCK_TOLERANCE_S)
        buf_printf(out, "error: its clock differs from ours by %lld seconds: set both by NTP, tokens will look expired or early\n",
                   differs);
    else
        buf_printf(out, "ok: its clock agrees with ours (%+lld s)\n", differs);
}

enum result upstream_probe(struct fault *f, struct arena *a, struct upstreams *u, const char *name, struct buf *out)
{
    struct provider *p = provider_find(u, name);
    const struct metadata *m;
    struct token_parts parts;
    if (p == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no such ID provider");
    enum result r = metadata_get(f, a, p, &m);
    if (r != RESULT_OK) {
        buf_printf(out, "error: its metadata cannot be used: %s. Check issuer, discovery, ca_file, proxy and the network.\n", f->detail);
        return r;
    }
    buf_printf(out, "ok: metadata of %s\n", p->issuer);
    clocks(m, out);
    /* any token makes the keys be fetched; this one cannot verify */
    char *algs[] = {(char *)(uintptr_t) "RS256", NULL};
    struct fault why = {0};
    enum result checked = metadata_verify(&why, a, p, "eyJhbGciOiJSUzI1NiJ9.e30.AAAA", algs, &parts);
    const struct token_keys *keys = snapshot_slot_value(p->keys, a);
    if (keys == NULL || token_keys_count(keys) == 0) {
        buf_printf(out, "error: its key set cannot be used, no id_token will verify: %s\n", why.detail);
        r = FAULT(f, checked, "no keys");
    } else {
        buf_printf(out, "ok: %zu keys\n", token_keys_count(keys));
    }
    if (strcmp(p->auth_method, "private_key_jwt") == 0 && snapshot_slot_value(p->signer, a) == NULL) {
        buf_printf(out, "error: no client key: run `idbridge upstream key %s` and register the JWK it prints\n", p->name);
        r = FAULT(f, RESULT_INVALID, "no client key");
    }
    if (strcmp(p->userinfo, "jwe") == 0 && snapshot_slot_value(p->decrypter, a) == NULL) {
        buf_printf(out, "error: no decryption key: run `idbridge upstream key --encryption %s`\n", p->name);
        r = FAULT(f, RESULT_INVALID, "no decryption key");
    }
    if (m->end_session_endpoint == NULL)
        buf_text(out, "ok: it has no logout; the bridge's logout page says so to people\n");
    return r;
}
