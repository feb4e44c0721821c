/* admin: the command line. */
#ifndef IDBRIDGE_ADMIN_H
#define IDBRIDGE_ADMIN_H

#include <idbridge/provider.h>
#include <idbridge/verification.h>

/* Every folder's table of configuration keys, NULL-ended: config check, the man page, the example file, serve. main
 * sets it, for front/ stands beside this folder. */
extern const struct config_key *const *admin_config_tables;
extern enum result (*admin_config_front)(struct fault *f, const struct config *c); /* front_config_check, for the same reason */

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's own name; exit status */
    const char *help;                  /* one line */
    const char *usage;                 /* of a command without subcommands; NULL: it prints its own */
};
extern const struct command admin_commands[]; /* ended by name NULL */
int admin_token(int argc, char **argv);

/* Loads the configuration as every command does: prints each error as "FILE:LINE: …". NULL: said why on stderr. */
struct config *admin_config(const char *path);
const char *admin_config_path(void); /* --config, IDBRIDGE_CONFIG or /etc/idbridge/idbridge.ini */
/* Opens what the daemon holds. `dependencies`: also upstreams, directories, dhis2s. 0 or an exit status. */
int admin_open(const char *config_path, bool dependencies, struct bridge *out_r);
void admin_close(struct bridge *b);
/* Reads the rules anew into b->rules. */
CHECKED enum result admin_load_rules(struct fault *f, struct bridge *b);
#endif
