/* Several processes on one store: the command line beside a busy daemon, kill -9, two starts at once. Children are
 * forked while this process has no connection open (SQLite's locks do not survive a fork) and open their own. */
#include "rig.h"

#include <signal.h>

enum { FAR = 2000000000, COMMANDS = 40, LOAD_THREADS = 4 };

static enum result add_value(struct fault *f, struct store_view *v, void *arg)
{
    return store_once(f, v, "value", arg, FAR);
}

static enum result add_number(struct rig *rig, const char *who, long n)
{
    char value[64];
    snprintf(value, sizeof value, "%s %ld", who, n);
    return store_transaction(F, rig->store, add_value, value);
}

/* The child's exit status tells; it never returns into cmocka. */
static pid_t start(struct rig *rig, int (*body)(struct rig *rig, int fd), int fd)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(rig, fd));
    return pid;
}

static int end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- the command line beside the daemon --------------------------------------------------------------- */

static int run_commands(struct rig *rig, int fd)
{
    char go;
    if (store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store) != RESULT_OK || read(fd, &go, 1) != 1)
        return 2;
    for (long i = 0; i < COMMANDS; i++) {
        int64_t before = clock_monotonic_us();
        if (add_number(rig, "command", i) != RESULT_OK)
            return 3;
        if (clock_monotonic_us() - before > 3000000)
            return 4;
    }
    store_close(rig->store);
    return 0;
}

struct load {
    struct rig rig; /* a fault of its own */
    int number;
    atomic_bool *stop;
    long done;
};

static void *load(void *arg)
{
    struct load *l = arg;
    char who[32];
    snprintf(who, sizeof who, "load %d", l->number);
    while (!atomic_load(l->stop) && add_number(&l->rig, who, l->done) == RESULT_OK)
        l->done++;
    return NULL;
}

static void a_command_gets_its_turn_beside_a_busy_daemon(void **state)
{
    struct rig *rig = *state;
    struct load loads[LOAD_THREADS];
    pthread_t threads[LOAD_THREADS];
    atomic_bool stop = false;
    int go[2];
    long total = 0;
    assert_int_equal(pipe(go), 0);
    rig_close(rig);
    pid_t pid = start(rig, run_commands, go[0]);
    rig_open(rig);
    OK(store_writer_start(F, rig->store, 1000));
    for (int i = 0; i < LOAD_THREADS; i++) {
        loads[i] = (struct load){.rig = *rig, .number = i, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, load, &loads[i]), 0);
    }
    assert_int_equal(write(go[1], "x", 1), 1);
    int status = end(pid);
    atomic_store(&stop, true);
    for (int i = 0; i < LOAD_THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(loads[i].rig.fault.result, RESULT_OK);
        total += loads[i].done;
    }
    assert_int_equal(status, 0);
    assert_true(total > 0);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM once"), total + COMMANDS);
    close(go[0]), close(go[1]);
}

/* A command that hangs inside its transaction costs the daemon's writes, in words and in bounded time, and no more. */
static int hang(struct rig *rig, int fd)
{
    sqlite3 *db;
    if (connection_open(F, rig_path(rig, "idbridge.db"), SQLITE_OPEN_READWRITE, &db) != RESULT_OK ||
        connection_exec(F, db, "BEGIN IMMEDIATE") != RESULT_OK || write(fd, "x", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void a_hanging_command(void **state)
{
    struct rig *rig = *state;
    int ready[2];
    char go;
    assert_int_equal(pipe(ready), 0);
    rig_close(rig);
    pid_t pid = start(rig, hang, ready[1]);
    assert_int_equal(read(ready[0], &go, 1), 1);
    rig_open(rig);
    sqlite3_busy_timeout(rig->store->write.db, 50);
    REFUSED(add_number(rig, "a", 1), RESULT_UNAVAILABLE);
    kill(pid, SIGKILL);
    assert_int_equal(end(pid), 128 + SIGKILL);
    OK(add_number(rig, "a", 1));
    close(ready[0]), close(ready[1]);
}

/* ---- kill -9 ------------------------------------------------------------------------------------------ */

static int write_until_killed(struct rig *rig, int fd)
{
    if (store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store) != RESULT_OK ||
        store_writer_start(F, rig->store, 100) != RESULT_OK)
        return 2;
    for (long n = 0;; n++) {
        if (add_number(rig, "answered", n) != RESULT_OK || write(fd, &n, sizeof n) != sizeof n)
            return 3;
    }
}

static long last_answered(int fd)
{
    long n = -1, last = -1;
    while (read(fd, &n, sizeof n) == sizeof n)
        last = n;
    return last;
}

static void nothing_that_was_answered_is_lost(void **state)
{
    struct rig *rig = *state;
    for (int round = 0; round < 10; round++) {
        int answers[2];
        assert_int_equal(pipe(answers), 0);
        rig_close(rig);
        pid_t pid = start(rig, write_until_killed, answers[1]);
        close(answers[1]);
        usleep((useconds_t)(20000 + 13000 * round));
        kill(pid, SIGKILL);
        assert_int_equal(end(pid), 128 + SIGKILL);
        long last = last_answered(answers[0]);
        close(answers[0]);
        rig_open(rig);
        assert_int_equal(rig_number(rig, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
        for (long n = 0; n <= last; n++)
            REFUSED(add_number(rig, "answered", n), RESULT_CONFLICT); /* it is there */
        assert_in_range(rig_number(rig, "SELECT count(*) FROM once"), last + 1, last + 2);
        rig_sql(rig, "DELETE FROM once");
    }
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static int create(struct rig *rig, int fd)
{
    (void)fd;
    snprintf(rig->state, sizeof rig->state, "%s/both", rig->folder);
    if (store_open(F, rig->state, STORE_CREATE, rig->master, &rig->store) != RESULT_OK) {
        fprintf(stderr, "create: %s\n", rig->fault.detail);
        return 2;
    }
    enum result r = add_number(rig, "creator", getpid());
    store_close(rig->store);
    return r == RESULT_OK ? 0 : 3;
}

static void four_first_starts_at_once(void **state)
{
    struct rig *rig = *state;
    pid_t pids[4];
    rig_close(rig);
    for (size_t i = 0; i < 4; i++)
        pids[i] = start(rig, create, -1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(end(pids[i]), 0);
    snprintf(rig->state, sizeof rig->state, "%s/both", rig->folder);
    rig_open(rig);
    assert_int_equal(rig_number(rig, "SELECT count(*) FROM once"), 4);
}

static int hold_open(struct rig *rig, int fd)
{
    if (store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store) != RESULT_OK || write(fd, "x", 1) != 1)
        return 2;
    for (;;)
        pause();
}

static void restore_needs_the_store_alone(void **state)
{
    struct rig *rig = *state;
    int ready[2], alone;
    char go;
    const char *copy = rig_path(rig, "copy");
    OK(store_backup(F, rig->store, copy));
    assert_int_equal(pipe(ready), 0);
    rig_close(rig);
    pid_t pid = start(rig, hold_open, ready[1]);
    assert_int_equal(read(ready[0], &go, 1), 1);
    REFUSED(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"), RESULT_CONFLICT);
    assert_non_null(strstr(rig->fault.detail, "in use"));
    rig_open(rig); /* a second process may open it meanwhile */
    rig_close(rig);
    kill(pid, SIGKILL);
    end(pid);
    OK(folder_lock(F, rig->state, true, &alone)); /* as restore does */
    REFUSED(store_open(F, rig->state, STORE_OPEN, rig->master, &rig->store), RESULT_UNAVAILABLE);
    close(alone);
    OK(store_restore(F, rig->state, copy, rig->master, "cli uid=4711"));
    close(ready[0]), close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_gets_its_turn_beside_a_busy_daemon), TEST(a_hanging_command),
        TEST(nothing_that_was_answered_is_lost), TEST(four_first_starts_at_once), TEST(restore_needs_the_store_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
