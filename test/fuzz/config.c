/* The configuration file: whatever is in it, either every required key has a value of its type, or each complaint names
 * file and line. Read through a file in memory; the tables are the daemon's own. */
#include "fuzz.h"

#include <idbridge/directory.h>
#include <idbridge/upstream.h>

#include <sys/mman.h>
#include <unistd.h>

static const struct config_key plain_keys[] = {
    {.section = "listen", .key = "address", .type = CONFIG_TEXT, .need = CONFIG_REQUIRED},
    {.section = "listen", .key = "issuer", .type = CONFIG_URL},
    {.section = "listen", .key = "workers", .type = CONFIG_INT, .fallback = "4", .min = 1, .max = 64},
    {.section = "listen", .key = "life", .type = CONFIG_DURATION, .fallback = "8h", .min = 60, .max = 86400},
    {.section = "listen", .key = "sso", .type = CONFIG_CHOICE, .choices = "never ask silent", .fallback = "never"},
    {.section = "listen", .key = "key_file", .type = CONFIG_PATH},
    {.section = "listen", .key = "strict", .type = CONFIG_BOOL, .fallback = "on"},
    {.section = "listen", .key = "proxies", .type = CONFIG_LIST},
    {.section = NULL},
};
static const struct config_key *const tables[] = {plain_keys,           web_config_keys,       token_config_keys,
                                                  upstream_config_keys, directory_config_keys, NULL};

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
    long long workers = config_number(c, "listen", NULL, "workers"), life = config_number(c, "listen", NULL, "life");

    MUST(config_text(c, "listen", NULL, "address")[0] != '\0');
    MUST(workers >= 1 && workers <= 64 && life >= 60 && life <= 86400);
    MUST(text_has_word("never ask silent", config_text(c, "listen", NULL, "sso")));
    (void)config_flag(c, "listen", NULL, "strict");
    (void)config_list(c, "listen", NULL, "proxies");
    for (size_t i = 0, n = config_names(c, "upstream", &names); i < n; i++)
        MUST(names[i][0] != '\0' && config_text(c, "upstream", names[i], "issuer") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf) struct buf errors;
    struct fault f = {0};
    struct config *c = NULL;
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);

    MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
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
