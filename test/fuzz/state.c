/* The sealed state that travels through a browser, and the sealing under it: a text that is not exactly the one we made
 * never opens. The input is the text itself, or (after two bytes: where, little-endian) what is written over a genuine one. */
#include "fuzz.h"

#include <idbridge/token.h>

#include <unistd.h>

enum { NOW = 1800000000 };
static struct master *master;
static const char *genuine;      /* sealed state */
static struct bytes sealed;      /* sealed bytes */
static struct arena *kept;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char folder[] = "/tmp/idbridge-fuzz-XXXXXX";
    struct fault f = {0};

    (void)argc, (void)argv;
    kept = fuzz_arena();
    MUST(mkdtemp(folder) != NULL);
    const char *path = arena_printf(kept, "%s/master.key", folder);
    MUST(master_create(&f, path, 0600) == RESULT_OK && master_load(&f, path, &master) == RESULT_OK);
    MUST(unlink(path) == 0 && rmdir(folder) == 0);
    json_t *state = arena_json(kept, json_pack("{s:s}", "client_id", "hmis"));
    MUST(token_seal_state(&f, kept, master, "login-state", state, NOW + 600, &genuine) == RESULT_OK);
    MUST(seal(&f, kept, master, "person", "aad", bytes_of("a person"), &sealed) == RESULT_OK);
    return 0;
}

static void open_state(struct arena *a, const char *text)
{
    struct fault f = {0};
    json_t *state = NULL;
    bool opened = fuzz_accepted(token_open_state(&f, a, master, "login-state", text, NOW, &state));

    MUST(opened == (strcmp(text, genuine) == 0));
    MUST(!opened || strcmp(json_text(state, "client_id"), "hmis") == 0);
}

static void open_sealed(struct arena *a, const uint8_t *data, size_t n)
{
    struct fault f = {0};
    struct bytes plain;
    bool same = n == sealed.len && memcmp(data, sealed.data, n) == 0;

    MUST(fuzz_accepted(unseal(&f, a, master, "person", "aad", (struct bytes){data, n}, &plain)) == same);
}

/* A copy of `from` with `n` bytes from offset `at` on replaced. */
static uint8_t *patched(struct arena *a, const void *from, size_t len, const uint8_t *data, size_t n, size_t at)
{
    uint8_t *copy = (uint8_t *)arena_strndup(a, from, len);

    MUST(copy != NULL);
    at %= len;
    memcpy(copy + at, data, n < len - at ? n : len - at);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = fuzz_arena();
    char *text = fuzz_text(data, size);

    open_state(a, text);
    open_sealed(a, data, size);
    if (size >= 2) {
        size_t at = data[0] | (size_t)data[1] << 8;
        open_state(a, (const char *)patched(a, genuine, strlen(genuine), data + 2, size - 2, at));
        open_sealed(a, patched(a, sealed.data, sealed.len, data + 2, size - 2, at), sealed.len);
    }
    free(text);
    arena_free(a);
    return 0;
}
