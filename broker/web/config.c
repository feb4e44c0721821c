/* What may the operator say about the pages? The keys of [pages], and their one use at start. */
#include "private.h"

#include <string.h>

const struct config_key web_config_keys[] = {
    {.section = "pages", .key = "ministry", .type = CONFIG_TEXT,
     .help = "The name at the top of every page: the ministry or agency that answers for the sign-in."},
    {.section = "pages", .key = "contact", .type = CONFIG_TEXT,
     .help = "The line at the foot of every page: where a health worker finds help, with a telephone number."},
    {.section = "pages", .key = "mark", .type = CONFIG_TEXT,
     .help = "One to four letters in the mark beside the name, such as MOH; without it the mark is a shield."},
    {.section = "pages", .key = "languages", .type = CONFIG_LIST,
     .help = "The languages to offer, such as \"en fr\"; without it all of them. English is always there."},
    {.section = NULL},
};

enum result web_setup(struct fault *f, const struct config *c)
{
    char *const *languages = config_list(c, "pages", NULL, "languages");
    if (config_has(c, "pages", NULL, "languages") && languages != NULL)
        TRY(messages_offer(f, languages));
    pages_setup(config_text(c, "pages", NULL, "ministry"), config_text(c, "pages", NULL, "contact"));
    pages_mark(config_text(c, "pages", NULL, "mark"));
    return RESULT_OK;
}
