/* Runs one fuzz target over files, without libFuzzer: what gcc's ASan build does with the corpora. Every argument is a
 * file or a folder of files; prints how many inputs there were. A target that is not content aborts. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { INPUT_MAX = 1 << 20 };

#pragma weak LLVMFuzzerInitialize

static unsigned replay_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *all = malloc(INPUT_MAX);
    MUST(in != NULL && all != NULL);
    size_t n = fread(all, 1, INPUT_MAX, in);
    MUST(!ferror(in) && n < INPUT_MAX);
    (void)fclose(in);
    uint8_t *exact = malloc(n == 0 ? 1 : n); /* to the byte: reading past the input must be seen */
    MUST(exact != NULL);
    memcpy(exact, all, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    free(all);
    return 1;
}

static unsigned replay(const char *path)
{
    struct stat st;
    struct dirent **names = NULL;
    unsigned inputs = 0;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode))
        return replay_file(path);
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inside[4096];
        int n = snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name);
        MUST(n > 0 && (size_t)n < sizeof inside);
        if (names[i]->d_name[0] != '.')
            inputs += replay(inside);
        free(names[i]);
    }
    free(names);
    return inputs;
}

int main(int argc, char **argv)
{
    unsigned inputs = 0;
    if (LLVMFuzzerInitialize != NULL)
        (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        inputs += replay(argv[i]);
    printf("%u inputs\n", inputs);
    return inputs > 0 ? 0 : 2;
}
