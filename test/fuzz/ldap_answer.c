/* The bytes of a directory server on the wire: the input is its answer to one search, read by libldap as the daemon reads
 * it, then by dir_entries. A server that means harm, or a broken one, must not get further than an error. */
#include "../../broker/directory/internal.h"
#include "fuzz.h"

#include <openldap.h>
#include <sanitizer/lsan_interface.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 10 };

static void read_answer(LDAP *ld, int id)
{
    struct arena *a = fuzz_arena();
    struct timeval wait = {.tv_sec = 0, .tv_usec = 1000};
    struct entries entries;
    struct fault f = {0};
    CLEANUP(ldapmsg) LDAPMessage *m = NULL;

    int kind = ldap_result(ld, id, LDAP_MSG_ALL, &wait, &m);
    __lsan_enable();
    if (kind > 0 && fuzz_accepted(dir_entries(&f, a, ld, m, &entries)))
        for (size_t i = 0; i < entries.count; i++) {
            const struct entry *e = &entries.list[i];
            MUST(e->dn != NULL);
            for (size_t k = 0; k < e->count; k++)
                MUST(dir_attribute(e, e->attributes[k].name) != NULL);
            (void)dir_text(e, "cn");
        }
    arena_free(a);
    __lsan_disable();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char cn[] = "cn", *wanted[] = {cn, NULL};
    int ends[2], id = -1, version = LDAP_VERSION3;
    LDAP *ld = NULL;
    ber_len_t most = DIR_MESSAGE_MAX;

    /* libldap 2.5 loses the request of a broken answer, and a message numbered 0. That ends with the connection, and we
     * close it; leaks are looked for in our part alone. */
    __lsan_disable();
    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    MUST(ldap_init_fd(ends[0], LDAP_PROTO_TCP, NULL, &ld) == LDAP_SUCCESS);
    (void)ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
    (void)ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    Sockbuf *sb = NULL;
    if (ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) == LDAP_SUCCESS)
        (void)ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most);
    MUST(ldap_search_ext(ld, "", LDAP_SCOPE_BASE, "(cn=x)", wanted, 0, NULL, NULL, NULL, 0, &id) == LDAP_SUCCESS);
    if (size <= ANSWER_MAX) /* what the socket takes at once */
        MUST(write(ends[1], data, size) == (ssize_t)size);
    (void)shutdown(ends[1], SHUT_WR); /* what is missing will not come */
    read_answer(ld, id);
    (void)ldap_destroy(ld);
    __lsan_enable();
    close(ends[1]);
    return 0;
}
