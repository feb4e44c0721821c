/* [bridge], [session], [link]: who the bridge is, how long a browser stays signed in, how a person is linked; and of
 * [directory NAME] where its password is a way to sign in. */
#include "private.h"

#include <string.h>

#define SESSION(key, type, fallback, help) {"session", false, key, type, CONFIG_OPTIONAL, fallback, NULL, 0, 0, help}
#define PASSWORD(key, type, fallback, min, max, help) {"directory", true, key, type, CONFIG_OPTIONAL, fallback, NULL, min, max, help}
#define LINK(key, type, fallback, choices, help) {"link", false, key, type, CONFIG_OPTIONAL, fallback, choices, 0, 0, help}

const struct config_key login_config_keys[] = {
    {"bridge", false, "issuer", CONFIG_URL, CONFIG_REQUIRED, NULL, NULL, 0, 0,
     "The bridge's public address, e.g. https://id.health.example: the iss of every token. http only on loopback."},
    {"bridge", false, "master_key", CONFIG_PATH, CONFIG_OPTIONAL, "/etc/idbridge/master.key", NULL, 0, 0,
     "File with the key that seals secrets in the store; made by `idbridge init`. Back it up apart from the store."},
    {"bridge", false, "log_level", CONFIG_CHOICE, CONFIG_OPTIONAL, "info", "debug info warn error", 0, 0,
     "What is written to the journal."},
    {"bridge", false, "sandbox", CONFIG_BOOL, CONFIG_OPTIONAL, "on", NULL, 0, 0,
     "Shut the daemon in by Landlock: it reads what the configuration names and writes its state folder only."},
    SESSION("idle", CONFIG_DURATION, "30m", "A browser that did nothing for so long must sign in again."),
    SESSION("life", CONFIG_DURATION, "8h", "A browser must sign in again after so long, whatever it did."),
    LINK("method", CONFIG_LIST, "password",  NULL,
         "How a person who is not linked yet is found: password (asks for the directory password once), search (the "
         "directory's claim_filter), or neither: an administrator links with `idbridge link add`."),
    LINK("match", CONFIG_LIST, NULL, NULL,
         "What must agree between the national ID and the directory entry before a self-link counts: name birth_date."),
    LINK("approval", CONFIG_BOOL, "off", NULL, "A self-link waits until an administrator says `idbridge link approve`."),
    LINK("tries", CONFIG_INT, "5", NULL, "Wrong passwords for one account or one identity before the page refuses."),
    LINK("window", CONFIG_DURATION, "15m", NULL, "How long those tries are remembered."),
    LINK("directory", CONFIG_TEXT, NULL, NULL, "Which [directory x] people are linked to. Unset: the first one."),
    LINK("smtp", CONFIG_TEXT, NULL, NULL,
         "smtp://HOST:PORT that sends the note about a new link to the directory's e-mail address. Unset: no note."),
    LINK("mail_from", CONFIG_TEXT, NULL, NULL, "Sender of that note."),
    PASSWORD("password_login_clients", CONFIG_LIST, NULL, 0, 0,
             "Applications (client_id) whose people may sign in with the password of this directory instead of at an ID provider. "
             "Unset, and no networks either: nobody may."),
    PASSWORD("password_login_networks", CONFIG_LIST, NULL, 0, 0,
             "ADDRESS/BITS of the clinics' networks from which that is offered; with password_login_clients both must hold."),
    PASSWORD("password_login_label", CONFIG_TEXT, NULL, 0, 0, "What people call it. Unset: \"Password of your staff account\", translated."),
    PASSWORD("password_login_tries", CONFIG_INT, "100", 1, 1000000,
             "Wrong passwords from one address, on all accounts together, before that sign-in refuses it; remembered for [link] window."),
    PASSWORD("password_change_url", CONFIG_URL, NULL, 0, 0,
             "Where people change this directory's password: a link on the page that says it has expired or must be changed."),
    {NULL, false, NULL, CONFIG_TEXT, CONFIG_OPTIONAL, NULL, NULL, 0, 0, NULL},
};

static enum result only_words(struct fault *f, const struct config *c, const char *key, const char *words)
{
    for (char *const *w = config_list(c, "link", NULL, key); w != NULL && *w != NULL; w++)
        if (!text_has_word(words, *w))
            return FAULT(f, RESULT_INVALID, "[link] %s: there is no \"%.40s\" (known: %s)", key, *w, words);
    return RESULT_OK;
}

static bool has_claim_filter(const struct config *c, const char *const *names, size_t n, const char *directory)
{
    for (size_t i = 0; i < n; i++)
        if ((directory == NULL || text_equal(names[i], directory)) && config_text(c, "directory", names[i], "claim_filter") != NULL)
            return true;
    return false;
}

enum result login_config_check(struct fault *f, const struct config *c)
{
    const char *const *names, *directory = config_text(c, "link", NULL, "directory");
    size_t n = config_names(c, "directory", &names), i = 0;
    TRY(only_words(f, c, "method", "password search"));
    TRY(only_words(f, c, "match", "name birth_date"));
    for (size_t k = 0; k < n; k++) { /* an address is no proof of a person, whoever vouches for it (CVE-2026-9087) */
        const char *filter = config_text(c, "directory", names[k], "claim_filter");
        if (GUARD(search_email, filter != NULL && strstr(filter, "{claim.email}") != NULL))
            return FAULT(f, RESULT_INVALID, "[directory %.40s] claim_filter: people are never found by e-mail", names[k]);
    }
    if (text_listed(config_list(c, "link", NULL, "method"), "search") && n > 0 && !has_claim_filter(c, names, n, directory))
        return FAULT(f, RESULT_INVALID, "[link] method = search finds nobody: no [directory%s%.60s] has a claim_filter",
                     directory == NULL ? "" : " ", directory == NULL ? "" : directory);
    for (size_t k = 0; k < n; k++)
        TRY(offer_check(f, c, names[k]));
    while (directory != NULL && i < n && !text_equal(names[i], directory))
        i++;
    if (directory != NULL && i == n)
        return FAULT(f, RESULT_INVALID, "[link] directory: there is no [directory %.60s]", directory);
    return RESULT_OK;
}
