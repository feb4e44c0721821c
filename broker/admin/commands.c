/* Every subcommand with one line. `serve`, `help` and `version` are main's. */
#include "private.h"

const struct command admin_commands[] = {
    {"init", admin_init, "make master key, store and signing keys on a new machine, and say what to back up", "init"},
    {"config", admin_config_cmd, "check the configuration, or print an example with every key", NULL},
    {"doctor", admin_doctor, "try each ID provider, directory and DHIS2 and say what is wrong", "doctor"},
    {"client", admin_client, "add, list and remove applications; prints the dhis.conf lines", NULL},
    {"map", admin_map, "add, list, show, remove, export and apply mapping rules", NULL},
    {"explain", admin_explain, "what a person gets in DHIS2, rule by rule, without writing anything", "explain [--dhis2 NAME] [--json] PERSON   (a login name, a person id, or \"ISS SUB\")"},
    {"directory", admin_directory, "show what a directory says of a person and why, test its servers", NULL},
    {"link", admin_link, "list, add, move, approve and remove links between identities and people", NULL},
    {"key", admin_key, "list, rotate, retire, import and export signing keys", NULL},
    {"upstream", admin_upstream, "the key and redirect URI to register at an ID provider", NULL},
    {"token", admin_token, "inspect, verify or decrypt a token from standard input", NULL},
    {"audit", admin_audit_cmd, "list the audit trail or verify its chain", NULL},
    {"backup", admin_backup, "copy the store while the bridge runs", "backup FILE"},
    {"restore", admin_restore, "put a backup in place and revoke what it would bring back", "restore FILE"},
    {NULL, NULL, NULL, NULL},
};
