/* What the files of this folder share: one configured directory, its servers and kept connections, and an entry as
 * read. The way of one question: directory.c -> pool.c (a connection) -> search.c, groups.c -> person.c, status.c. */
#ifndef IDBRIDGE_DIRECTORY_INTERNAL_H
#define IDBRIDGE_DIRECTORY_INTERNAL_H

#include <idbridge/directory.h>

#include "server.h"

#include <ldap.h>

enum {
    DIR_GROUPS_MAX = 2000,
    DIR_DEPTH_MAX = 10,
    DIR_LOGIN_MAX = 256,        /* bytes a person may type as a login name */
    DIR_PASSWORD_MAX = 1024,
    DIR_MESSAGE_MAX = 4 << 20,  /* bytes of one LDAP message we accept */
    DIR_PAGE = 500,
    DIR_SEARCHES_MAX = 16,      /* questions under way at once on one connection */
    DIR_ANSWER_MAX = 16 << 20,  /* bytes of all entries that answer one search */
    DIR_GROUP_TEXT_MAX = 4096   /* bytes of a group's DN, and of its name */
};

enum directory_type { DIRECTORY_OPENLDAP = 1, DIRECTORY_AD = 2, DIRECTORY_389DS = 4 }; /* bits: rows of tables name several */
enum group_mode { GROUPS_SEARCH, GROUPS_MEMBER_OF, GROUPS_TOKEN, GROUPS_IN_CHAIN };

struct connection {
    LDAP *ld;
    struct directory *directory;
    size_t server; /* index */
    int64_t opened_us, used_us;
    bool fresh;     /* opened for this operation, not taken from the kept ones */
    bool broken;    /* it failed: close it, and another may be tried */
    bool spent;     /* it did its work: close it all the same */
    bool committed; /* results were handed out: no second try on another server */
    struct connection *next;
};

/* Names of the attributes a person is made of. */
struct person_attributes {
    const char *id, *login, *given_name, *surname, *display_name, *mail, *phone, *birth_date;
    bool id_binary;
};

struct directory {
    const char *name;
    enum directory_type type;
    struct server servers[DIR_SERVERS_MAX];
    size_t server_count;
    bool starttls;
    const char *ca_file, *bind_dn; /* bind_dn NULL: anonymous, or EXTERNAL on ldapi and with a certificate of ours */
    const char *client_cert_file, *client_key_file; /* or NULL */
    struct berval bind_password;   /* wiped by directories_free */
    const char *people_base, *groups_base;
    const char *login_filter, *claim_filter, *person_filter;
    struct person_attributes names;
    char *const *mapped; /* attributes read for the mapping, NULL-ended */
    char **wanted;       /* all attributes of one person search, NULL-ended */
    enum group_mode group_mode;
    const char *member_attribute;
    bool member_is_login;     /* memberUid: members are login names, and no group is in a group */
    struct edges *edges;      /* group -> group, as it was at most group_cache_us ago; NULL: nothing is kept */
    int64_t group_cache_us;
    int64_t (*clock_us)(void); /* what that age is counted by: clock_monotonic_us, or a test's own */
    const char *disabled_attribute, *disabled_value;
    int64_t password_max_age; /* seconds; 0: not known */
    unsigned refused[2]; /* bit per status: [1] for logins by the directory's password */
    int64_t network_timeout_us, search_timeout_us, idle_us;
    unsigned pool_size;

    pthread_mutex_t lock; /* the servers' connections and health, and these: */
    struct waiter *waiting[HANDLE_KINDS]; /* for a connection, first come, first served */
    pthread_cond_t tended;                /* time for the probers */
    struct tls tls;
    int64_t refused_next_us; /* when a bind_dn that was refused may be tried again */
    bool stopping;
};

struct directories {
    struct arena *arena;
    struct directory *list;
    const char **names;
    size_t count;
};

/* ---- config.c, servers.c */
struct directory *dir_find(const struct directories *d, const char *name, size_t len);
/* Reads urls, starttls, ca_file and the client certificate of [directory NAME]. */
CHECKED enum result dir_servers(struct fault *f, struct arena *a, const struct config *c, struct directory *d);

/* ---- entry.c: an entry as it came */
struct attribute {
    const char *name;
    struct bytes *values; /* each NUL-terminated behind its end */
    size_t count;
};
struct entry {
    const char *dn;
    size_t dn_len;
    struct attribute *attributes;
    size_t count;
    size_t bytes; /* of all of it */
};
struct entries {
    struct entry *list;
    size_t count;
};
CHECKED enum result dir_entries(struct fault *f, struct arena *a, LDAP *ld, LDAPMessage *answer, struct entries *out_r);
const struct attribute *dir_attribute(const struct entry *e, const char *name);
const char *dir_text(const struct entry *e, const char *name); /* first value that is text; NULL: none */
bool dir_is_text(struct bytes value);
bool dir_dn_below(const char *normal_dn, const char *normal_base);
const char *dir_dn_first_value(struct arena *a, const char *dn); /* of its first RDN; the DN itself when it has none */

/* ---- filter.c: RFC 4515 */
char *dir_escape(struct arena *a, struct bytes value);
CHECKED enum result dir_filter_check(struct fault *f, const char *key, const char *filter, const char *placeholder);
CHECKED enum result dir_filter_fill(struct fault *f, struct arena *a, const char *filter, const char *login,
                                    const json_t *claims, char **out_r);

/* ---- dial.c, connection.c: one connection */
CHECKED enum result dir_dial(struct fault *f, const struct server *s, int64_t timeout_us, int *fd_r);
CHECKED enum result dir_connect(struct fault *f, struct directory *d, size_t server, int64_t timeout_us,
                                struct connection **out_r);
CHECKED enum result dir_bind_service(struct fault *f, struct connection *c);
void dir_close(struct connection *c);
/* Turns an LDAP result code into a fault; marks the connection broken when the code says that it, not the question, failed. */
enum result dir_fault(struct fault *f, struct connection *c, int code, const char *doing);
void cleanup_ldapmsg(LDAPMessage **m);
void cleanup_ldapcontrol(LDAPControl **c);
void cleanup_ldapcontrols(LDAPControl ***c);

/* ---- pool.c: which connection, and what to do when it fails */
/* Runs `op` on a connection; again on another server while the connection broke and nothing was handed out. */
CHECKED enum result dir_run(struct fault *f, struct directory *d, enum handle_kind kind,
                            enum result (*op)(struct fault *f, struct connection *c, void *arg), void *arg);
void dir_pool_free(struct directory *d);

/* ---- certificate.c: what is wrong with the server's certificate; NULL: nothing, or it cannot be seen */
const char *dir_probe_certificate(struct arena *a, const struct directory *d, const struct server *s);

/* ---- search.c */
struct search {
    const char *base, *filter;
    int scope;
    char *const *attributes;
    int limit;             /* 0: none of ours. With a limit a cut answer is an answer */
    size_t most;           /* more entries are a fault; 0: bounded by DIR_ANSWER_MAX alone */
    struct berval *cookie; /* paged (RFC 2696) when not NULL; empty afterwards: that was the last page */
};
/* RESULT_NOT_FOUND: there is no such base. */
CHECKED enum result dir_search(struct fault *f, struct arena *a, struct connection *c, const struct search *s,
                               struct entries *out_r);
/* Up to DIR_SEARCHES_MAX at once; out[i] answers list[i]. What the server will not say at once is asked page by page. */
CHECKED enum result dir_searches(struct fault *f, struct arena *a, struct connection *c, const struct search *list,
                                 size_t count, struct entries *out);

/* ---- ranged.c: all values of an attribute, also where Active Directory sends them 1,500 at a time. NULL: there is none */
CHECKED enum result dir_ranged(struct fault *f, struct arena *a, struct connection *c, const struct entry *e,
                               const char *name, const struct attribute **out_r);

/* ---- groups.c */
CHECKED enum result dir_groups(struct fault *f, struct arena *a, struct connection *c, const struct entry *person,
                               const struct group **out_r, size_t *count_r);

/* ---- person.c */
CHECKED enum result dir_person(struct fault *f, struct arena *a, const struct directory *d, const struct entry *e,
                               struct person *out_r);

/* ---- status.c, bind.c: what the servers' attributes and answers mean */
unsigned dir_status_holds(const struct directory *d, const struct entry *e, int64_t now); /* bit per status */
enum account_status dir_status_first(unsigned holds); /* the gravest of them; ACCOUNT_OK: none */
enum account_status dir_status(const struct directory *d, const struct entry *e, int64_t now);
size_t dir_status_attributes(enum directory_type type, const char **names, size_t max);
bool dir_time_parse(struct bytes value, int64_t *out_r); /* RFC 4517 §3.3.13 GeneralizedTime */

/* Each value that makes a status hold, gravest or not. */
void dir_status_each(const struct directory *d, const struct entry *e, int64_t now,
                     void (*each)(const char *attribute, struct bytes value, enum account_status status));

/* ---- trace.c: told to whoever watches this thread. `problem` NULL: it went well */
void dir_trace_connected(const struct directory *d, size_t server, int64_t started_us, const struct fault *problem);
void dir_trace_searched(const struct connection *c, const struct search *s, size_t entries, int64_t started_us,
                        const struct fault *problem);
void dir_trace_status(const struct directory *d, const struct entry *e, int64_t now);

/* ---- policy.c */
#define DIR_STATUS_WORDS                                                                                               \
    "disabled expired not_yet_valid locked_by_admin locked_by_passwords password_expired must_change logon_hours"
CHECKED enum result dir_policy(struct fault *f, const struct config *c, struct directory *d);

enum { POLICY_NONE = -1 };
struct bind_answer {
    int code;
    int policy; /* LDAPPasswordPolicyError, or POLICY_NONE */
    const char *diagnostic;
};
bool dir_bind_status(enum directory_type type, const struct bind_answer *answer, enum account_status *out_r);
CHECKED enum result dir_bind_send(struct fault *f, struct arena *a, struct connection *c, const char *dn,
                                  struct berval password, struct bind_answer *out_r);
#endif
