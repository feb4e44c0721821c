/* bind: is this the person's password, and what does the server say about the account? Called by login through
 * directory_bind, and by connection.c for the service account. RFC 4513 §5.1; the password policy control is
 * draft-behera-ldap-password-policy §6; Active Directory says it in the diagnostic text ("data 52e").
 *
 * A right password proves the person also when it has expired or must be changed; whether that is enough is the caller's
 * question (linking: yes, it asks who somebody is, once; a login by that password: policy.c). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { ANY = DIRECTORY_OPENLDAP | DIRECTORY_AD | DIRECTORY_389DS, BEHERA = DIRECTORY_OPENLDAP | DIRECTORY_389DS };
enum { POLICY_ANY = -2 };

/* The first row that fits is the answer. Servers differ in what they check first: AD and OpenLDAP say "expired" and "must
 * change" only to who knows the password; locked and 389-ds' inactivated are said to anybody, so they prove nothing. */
static const struct bind_fact {
    unsigned types;
    int code;
    int policy;
    const char *text; /* part of the diagnostic; NULL: any */
    enum account_status status;
} bind_facts[] = {
    {BEHERA, LDAP_SUCCESS, PP_changeAfterReset, NULL, ACCOUNT_MUST_CHANGE},
    {BEHERA, LDAP_SUCCESS, PP_passwordExpired, NULL, ACCOUNT_PASSWORD_EXPIRED},
    {ANY, LDAP_SUCCESS, POLICY_ANY, NULL, ACCOUNT_OK},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 532,", ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 773,", ACCOUNT_MUST_CHANGE},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 533,", ACCOUNT_DISABLED},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 701,", ACCOUNT_EXPIRED},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 775,", ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 530,", ACCOUNT_LOGON_HOURS},
    {DIRECTORY_AD, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "data 531,", ACCOUNT_LOGON_HOURS}, /* not from this station */
    {BEHERA, LDAP_INVALID_CREDENTIALS, PP_passwordExpired, NULL, ACCOUNT_PASSWORD_EXPIRED},
    {BEHERA, LDAP_INVALID_CREDENTIALS, PP_changeAfterReset, NULL, ACCOUNT_MUST_CHANGE},
    {BEHERA, LDAP_INVALID_CREDENTIALS, PP_accountLocked, NULL, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_389DS, LDAP_INVALID_CREDENTIALS, POLICY_ANY, "password expired", ACCOUNT_PASSWORD_EXPIRED},
    {DIRECTORY_389DS, LDAP_CONSTRAINT_VIOLATION, POLICY_ANY, NULL, ACCOUNT_LOCKED_BY_PASSWORDS},
    {DIRECTORY_389DS, LDAP_UNWILLING_TO_PERFORM, POLICY_ANY, "inactivated", ACCOUNT_DISABLED},
    {ANY, LDAP_INVALID_CREDENTIALS, POLICY_ANY, NULL, ACCOUNT_WRONG_PASSWORD},
    {ANY, LDAP_INAPPROPRIATE_AUTH, POLICY_ANY, NULL, ACCOUNT_WRONG_PASSWORD}, /* the entry has no password */
    {ANY, LDAP_NO_SUCH_OBJECT, POLICY_ANY, NULL, ACCOUNT_WRONG_PASSWORD},
};

/* False: the code says nothing about the account (busy, TLS wanted, ...). */
bool dir_bind_status(enum directory_type type, const struct bind_answer *answer, enum account_status *out_r)
{
    for (size_t i = 0; i < COUNT_OF(bind_facts); i++) {
        const struct bind_fact *b = &bind_facts[i];
        if ((b->types & type) == 0 || b->code != answer->code)
            continue;
        if (b->policy != POLICY_ANY && b->policy != answer->policy)
            continue;
        if (b->text != NULL && (answer->diagnostic == NULL || strcasestr(answer->diagnostic, b->text) == NULL))
            continue;
        *out_r = b->status;
        return true;
    }
    return false;
}

/* A control of more than a few bytes is no password policy response (CVE-2026-9801 was one of gigabytes). False: what it says
 * cannot be read. */
static bool read_policy(LDAP *ld, LDAPControl **controls, int *out_r)
{
    LDAPPasswordPolicyError error = PP_noError;
    ber_int_t expire = 0, grace = 0;
    LDAPControl *c = controls == NULL ? NULL : ldap_control_find(LDAP_CONTROL_PASSWORDPOLICYRESPONSE, controls, NULL);
    *out_r = POLICY_NONE;
    if (c == NULL)
        return true;
    if (c->ldctl_value.bv_len > 64 || ldap_parse_passwordpolicy_control(ld, c, &expire, &grace, &error) != LDAP_SUCCESS)
        return false;
    *out_r = error == PP_noError ? POLICY_NONE : (int)error;
    return true;
}

static enum result read_answer(struct fault *f, struct arena *a, struct connection *c, LDAPMessage *m,
                               struct bind_answer *out_r)
{
    CLEANUP(ldapcontrols) LDAPControl **controls = NULL;
    char *diagnostic = NULL;
    int code = ldap_parse_result(c->ld, m, &out_r->code, NULL, &diagnostic, NULL, &controls, 0);
    out_r->diagnostic = arena_strdup(a, diagnostic == NULL ? "" : diagnostic);
    ldap_memfree(diagnostic);
    if (code != LDAP_SUCCESS)
        return dir_fault(f, c, code, "bind");
    NEED(f, out_r->diagnostic);
    /* A refusal stands without it; a success might be "must change". */
    if (!read_policy(c->ld, controls, &out_r->policy) && out_r->code == LDAP_SUCCESS) {
        c->spent = true;
        return FAULT(f, RESULT_UNAVAILABLE, "bind: the server's password policy response cannot be read");
    }
    return RESULT_OK;
}

/* One simple bind with the password policy control. The answer is the server's, right or wrong. */
enum result dir_bind_send(struct fault *f, struct arena *a, struct connection *c, const char *dn,
                          struct berval password, struct bind_answer *out_r)
{
    CLEANUP(ldapcontrol) LDAPControl *policy = NULL;
    CLEANUP(ldapmsg) LDAPMessage *m = NULL;
    int id = -1, code = ldap_create_passwordpolicy_control(c->ld, &policy);
    LDAPControl *controls[] = {policy, NULL};
    *out_r = (struct bind_answer){.code = LDAP_OTHER, .policy = POLICY_NONE, .diagnostic = ""};
    if (code == LDAP_SUCCESS)
        code = ldap_sasl_bind(c->ld, dn, LDAP_SASL_SIMPLE, &password, controls, NULL, &id);
    if (code != LDAP_SUCCESS)
        return dir_fault(f, c, code, "bind");
    int64_t us = c->directory->search_timeout_us;
    struct timeval limit = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    int kind = ldap_result(c->ld, id, LDAP_MSG_ALL, &limit, &m);
    if (kind == 0)
        return dir_fault(f, c, LDAP_TIMEOUT, "bind");
    if (kind < 0)
        return dir_fault(f, c, LDAP_SERVER_DOWN, "bind");
    return read_answer(f, a, c, m, out_r);
}

struct bind_question {
    struct arena *arena;
    const char *dn;
    struct berval password;
    enum account_status *out_r;
    unsigned sent;
};

static enum result bind_person(struct fault *f, struct connection *c, void *arg)
{
    struct bind_question *q = arg;
    struct bind_answer answer;
    /* A second time, for the first connection may have been one that the server had closed; never a third: a server may
     * count each as a bad password and lock the account. */
    c->committed = q->sent++ > 0;
    TRY(dir_bind_send(f, q->arena, c, q->dn, q->password, &answer));
    /* A session that must first change its password answers nothing else; and some servers close after a refusal. */
    bool plain = answer.policy == POLICY_NONE &&
                 (answer.code == LDAP_SUCCESS || answer.code == LDAP_INVALID_CREDENTIALS);
    if (!dir_bind_status(c->directory->type, &answer, q->out_r))
        return dir_fault(f, c, answer.code, "bind");
    c->spent = !plain;
    return RESULT_OK;
}

enum result directory_bind(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                           const char *dn, const char *password, enum account_status *out_r)
{
    struct directory *one = dir_find(d, directory, strlen(directory));
    size_t len = strlen(password);
    if (one == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no [directory] of that name is configured");
    /* RFC 4513 §5.1.2: a name with an empty password is an unauthenticated bind, and many servers say success; §5.1.1:
     * an empty name is an anonymous one. Neither proves anybody. */
    if (len == 0 || dn[0] == '\0')
        return FAULT(f, RESULT_INVALID, "empty %s", len == 0 ? "password" : "name");
    if (len > DIR_PASSWORD_MAX)
        return FAULT(f, RESULT_INVALID, "password longer than %d bytes", DIR_PASSWORD_MAX);
    struct berval secret = {len, malloc(len + 1)};
    NEED(f, secret.bv_val);
    memcpy(secret.bv_val, password, len + 1);
    struct bind_question q = {a, dn, secret, out_r, 0};
    enum result r = dir_run(f, one, HANDLE_USER, bind_person, &q);
    wipe(secret.bv_val, len);
    free(secret.bv_val);
    return r;
}

/* A name nobody can have: 128 random bits. The server looks for it, finds nothing and locks nobody. */
enum result directory_bind_nobody(struct fault *f, struct arena *a, struct directories *d, const char *directory,
                                  const char *password)
{
    const struct directory *one = dir_find(d, directory, strlen(directory));
    enum account_status ignored;
    if (one == NULL)
        return FAULT(f, RESULT_NOT_FOUND, "no [directory] of that name is configured");
    const char *dn = arena_printf(a, "cn=%s,%s", random_id(a, 16), one->people_base);
    NEED(f, dn);
    return directory_bind(f, a, d, directory, dn, password, &ignored);
}
