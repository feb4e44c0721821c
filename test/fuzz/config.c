/* The configuration file: whatever is in it, either every required key has a value of its type, or each complaint names
 * file and line. Read through a file in memory; the tables are the daemon's own and
 * one with a key of every type. */
#include "fuzz.h"

#include <idbridge/admin.h>
#include <idbridge/front.h>

static const struct config_key plain_keys[] = {
    {.section = "try", .key = "address", .type = CONFIG_TEXT, .need = CONFIG_REQUIRED},
    {.section = "try", .key = "issuer", .type = CONFIG_URL},
    {.section = "try", .key = "workers", .type = CONFIG_INT, .fallback = "4", .min = 1, .max = 64},
    {.section = "try", .key = "life", .type = CONFIG_DURATION, .fallback = "8h", .min = 60, .max = 86400},
    {.section = "try", .key = "sso", .type = CONFIG_CHOICE, .choices = "never ask silent", .fallback = "never"},
    {.section = "try", .key = "key_file", .type = CONFIG_PATH},
    {.section = "try", .key = "strict", .type = CONFIG_BOOL, .fallback = "on"},
    {.section = "try", .key = "proxies", .type = CONFIG_LIST},
    {.section = NULL},
};
static const struct config_key *const tables[] = {
    plain_keys,           store_config_keys, web_config_keys,      token_config_keys, upstream_config_keys,
    directory_config_keys, dhis2_config_keys, provider_config_keys, front_config_keys, NULL};

/* "PATH:LINE: sentence", each on its own line. */
static void check_errors(const struct buf *errors, const char *path)
{
    MUST(errors->len > 0 && errors->data[errors->len - 1] == '\n');
    for (const char *line = errors->data; *line != '\0'; line = strchr(line, '\n') + 1) {
        MUST(text_has_prefix(line, path));
        line += strlen(path);
        MUST(line[0] == ':' && line[1] >= '0' && line[1] <= '9');
    }
}

static void check_config(const struct config *c)
{
    const char *const *names;
    long long workers = config_number(c, "try", NULL, "workers"), life = config_number(c, "try", NULL, "life");

    MUST(config_text(c, "try", NULL, "address")[0] != '\0');
    MUST(workers >= 1 && workers <= 64 && life >= 60 && life <= 86400);
    MUST(text_has_word("never ask silent", config_text(c, "try", NULL, "sso")));
    (void)config_flag(c, "try", NULL, "strict");
    (void)config_list(c, "try", NULL, "proxies");
    for (size_t i = 0, n = config_names(c, "upstream", &names); i < n; i++)
        MUST(names[i][0] != '\0' && config_text(c, "upstream", names[i], "issuer") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf) struct buf errors;
    struct fault f = {0};
    struct config *c = NULL;
    char path[64];
    int fd = fuzz_file(data, size, path);

    buf_init(&errors, 1u << 20);
    enum result r = config_load(&f, path, tables, &errors, &c);
    MUST(r == RESULT_OK || r == RESULT_INVALID);
    if (r == RESULT_OK)
        check_config(c);
    else
        check_errors(&errors, path);
    config_free(c);
    close(fd);
    return 0;
}
