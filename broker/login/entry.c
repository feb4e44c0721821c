/* Which entry does a login name mean that an administrator types? Asked by `idbridge explain` and `idbridge link`. People are
 * linked to one directory, [link] directory; whoever asks about somebody may mean another one. */
#include "private.h"

#include <string.h>

const char *login_directory(const struct bridge *b)
{
    const char *const *names;
    const char *configured = config_text(b->config, "link", NULL, "directory");
    if (configured != NULL)
        return configured;
    return directories_names(b->directories, &names) > 0 ? names[0] : "";
}

const char *login_directory_of(const struct exchange *x)
{
    const char *own = x->directory != NULL ? x->directory : login_password_directory(x->upstream);
    return own != NULL ? own : login_directory(x->bridge);
}

enum result login_find_entry(struct fault *f, struct arena *a, const struct bridge *b, const char *directory, const char *login,
                             struct person *out_r)
{
    const char *const *names, *first = directory != NULL ? directory : login_directory(b);
    size_t n = directories_names(b->directories, &names);
    TRY(directory_by_login(f, a, b->directories, first, login, out_r));
    for (size_t i = 0; directory == NULL && out_r->status == ACCOUNT_UNKNOWN && i < n; i++)
        if (strcmp(names[i], first) != 0)
            TRY(directory_by_login(f, a, b->directories, names[i], login, out_r));
    return RESULT_OK;
}
