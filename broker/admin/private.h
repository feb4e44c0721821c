/* Private to admin/: what every subcommand shares. */
#ifndef ADMIN_PRIVATE_H
#define ADMIN_PRIVATE_H

#include <getopt.h>
#include <idbridge/admin.h>

/* One command's surroundings; `b` is opened by admin_begin. */
struct admin {
    struct bridge b;
    struct arena *arena;
    struct fault fault;
    json_t *asked;  /* doctor: what was asked of the directory it looks at */
    char actor[32]; /* "cli uid=1000": who typed it, kept in the audit */
};
void admin_actor(char *to, size_t n); /* before the process becomes the owner of the state */
/* 0, or the exit status after a sentence on stderr. */
int admin_begin(struct admin *ad, bool dependencies);
int admin_end(struct admin *ad, enum result r); /* prints the fault; exit status */
int admin_usage(const char *text);              /* prints to stderr; 2 */

/* What a look at single keys does not tell: whether the daemon could start with it. */
CHECKED enum result admin_config_usable(struct fault *f, const struct config *c);
/* doubts.c: every ca_file that is set holds a certificate. */
CHECKED enum result admin_config_certificates(struct fault *f, const struct config *c);
/* What may be meant and is probably not; one line each on standard error. How many there are. */
size_t admin_config_doubts(const struct config *c, const char *path);
size_t admin_rule_doubts(const struct config *c, const char *rule_text);
bool admin_config_has_dhis2(const struct config *c, const char *name);

/* RESULT_NOT_FOUND of a row somebody named becomes "no such client: nope". */
CHECKED enum result admin_named(struct fault *f, enum result r, const char *what, const char *name);

/* directory.c: what doctor says about a directory, and what was asked meanwhile, one line each. */
CHECKED enum result admin_probe_directory(struct admin *ad, const char *name, struct buf *findings, json_t **asked_r);
void admin_print_asked(const json_t *asked);

/* "word SUBCOMMAND …": finds and runs one; prints what there is when it is unknown. */
struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand */
    const char *usage, *help;
};
int admin_dispatch(const char *word, const struct subcommand *table, int argc, char **argv);

/* Reads a whole file, "-" being standard input; at most `max` bytes. */
CHECKED enum result admin_read_file(struct admin *ad, const char *path, size_t max, char **text_r, size_t *n_r);
/* Adds to a JSON array, making it on the first call; for options that repeat. */
void admin_append(json_t **array, const char *value);
CHECKED enum result admin_audit(struct admin *ad, struct store_view *v, const char *event, const char *subject,
                                const char *outcome);

int admin_init(int argc, char **argv);
int admin_config_cmd(int argc, char **argv);
int admin_backup(int argc, char **argv);
int admin_restore(int argc, char **argv);
int admin_client(int argc, char **argv);
int admin_map(int argc, char **argv);
int admin_link(int argc, char **argv);
int admin_key(int argc, char **argv);
int admin_upstream(int argc, char **argv);
int admin_directory(int argc, char **argv);
int admin_doctor(int argc, char **argv);
int admin_explain(int argc, char **argv);
int admin_audit_cmd(int argc, char **argv);

#endif
