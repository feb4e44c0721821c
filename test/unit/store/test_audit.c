/* The audit chain: rows come back, any change shows, an erased person is gone and the chain still fits. */
#include "rig.h"

static void add(struct rig *rig, const char *event, const char *subject, const char *ref)
{
    struct audit row = {.event = event, .subject = subject, .actor = "bridge", .outcome = "ok",
                        .detail = "{\"org\":\"Kigali\"}", .ref = ref};
    OK(store_audit_add(F, rig_begin(rig), &row));
    rig_commit(rig);
}

static void five(struct rig *rig)
{
    static const char *const subjects[] = {"p1", NULL, "p2", "p1", "p2"};
    static const char *const refs[] = {"AB-1", "AB-2", NULL, "AB-4", "AB-5"};
    for (size_t i = 0; i < COUNT_OF(subjects); i++)
        add(rig, "login", subjects[i], refs[i]);
}

struct seen {
    int count;
    struct audit_row rows[8];
};

static enum result see(void *arg, const struct audit_row *r)
{
    struct seen *s = arg;
    s->rows[s->count++] = *r;
    return RESULT_OK;
}

static enum result verify(struct rig *rig, int64_t *rows_r, int64_t *bad_r)
{
    return store_audit_verify(F, rig_reader(rig), rows_r, bad_r);
}

static void rows_come_back(void **state)
{
    struct rig *rig = *state;
    struct seen all = {0}, later = {0};
    int64_t rows, bad;
    OK(verify(rig, &rows, &bad)); /* an empty chain fits */
    assert_int_equal(rows, 0);
    five(rig);
    OK(store_audit_each(F, rig_reader(rig), rig->arena, 0, see, &all));
    assert_int_equal(all.count, 5);
    assert_int_equal(all.rows[0].seq, 1);
    assert_string_equal(all.rows[0].event, "login");
    assert_string_equal(all.rows[0].actor, "bridge");
    assert_string_equal(all.rows[0].outcome, "ok");
    assert_string_equal(all.rows[0].subject, "p1");
    assert_string_equal(all.rows[0].detail, "{\"org\":\"Kigali\"}");
    assert_string_equal(all.rows[0].ref, "AB-1");
    assert_true(all.rows[0].time > 1700000000);
    assert_null(all.rows[1].subject);
    assert_string_equal(all.rows[1].detail, "{\"org\":\"Kigali\"}");
    assert_null(all.rows[2].ref);
    OK(store_audit_each(F, rig_reader(rig), rig->arena, 3, see, &later));
    assert_int_equal(later.count, 2);
    OK(verify(rig, &rows, &bad));
    assert_int_equal(rows, 5);
    assert_int_equal(bad, 0);
}

static void found_by_person_or_reference(void **state)
{
    struct rig *rig = *state;
    struct seen person = {0}, ref = {0}, none = {0};
    five(rig);
    OK(store_audit_find(F, rig_reader(rig), rig->arena, "p1", NULL, see, &person));
    assert_int_equal(person.count, 2);
    assert_int_equal(person.rows[1].seq, 4);
    OK(store_audit_find(F, rig_reader(rig), rig->arena, NULL, "AB-5", see, &ref));
    assert_int_equal(ref.count, 1);
    assert_string_equal(ref.rows[0].subject, "p2");
    OK(store_audit_find(F, rig_reader(rig), rig->arena, NULL, "AB-9", see, &none));
    assert_int_equal(none.count, 0);
    REFUSED(store_audit_find(F, rig_reader(rig), rig->arena, "p1", "AB-5", see, &none), RESULT_INVALID);
    REFUSED(store_audit_find(F, rig_reader(rig), rig->arena, NULL, NULL, see, &none), RESULT_INVALID);
}

static void every_column_is_under_the_hash(void **state)
{
    struct rig *rig = *state;
    static const char *const tampers[] = {
        "UPDATE audit SET event = 'logout' WHERE seq = 3", "UPDATE audit SET outcome = 'no' WHERE seq = 3",
        "UPDATE audit SET actor = 'x' WHERE seq = 3", "UPDATE audit SET time = time + 1 WHERE seq = 3",
        "UPDATE audit SET subject = NULL WHERE seq = 3", "UPDATE audit SET ref = 'x' WHERE seq = 3",
        "UPDATE audit SET payload = x'00' WHERE seq = 3", "UPDATE audit SET hash = zeroblob(32) WHERE seq = 3",
        "UPDATE audit SET hash = x'00' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3",
        "UPDATE audit SET seq = 99 WHERE seq = 3",
        /* length in front of each text: what moves from one column to the next shows */
        "UPDATE audit SET event = 'logi', outcome = 'nok' WHERE seq = 3",
    };
    five(rig);
    for (size_t i = 0; i < COUNT_OF(tampers); i++) {
        int64_t rows, bad;
        rig_sql(rig, "CREATE TABLE kept AS SELECT * FROM audit");
        rig_sql(rig, tampers[i]);
        REFUSED(verify(rig, &rows, &bad), RESULT_CONFLICT);
        assert_int_equal(bad, 3);
        assert_int_equal(rows, 2);
        rig_sql(rig, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DROP TABLE kept");
        OK(verify(rig, &rows, &bad));
    }
}

static void a_cut_tail_shows_against_a_checkpoint(void **state)
{
    struct rig *rig = *state;
    int64_t seq, rows, bad;
    const char *head, *again;
    REFUSED(store_audit_hash(F, rig_reader(rig), rig->arena, 0, &seq, &head), RESULT_NOT_FOUND);
    five(rig);
    OK(store_audit_hash(F, rig_reader(rig), rig->arena, 0, &seq, &head));
    assert_int_equal(seq, 5);
    assert_int_equal(strlen(head), 43);
    add(rig, "login", NULL, NULL);
    OK(store_audit_hash(F, rig_reader(rig), rig->arena, 5, &seq, &again));
    assert_string_equal(head, again);
    rig_sql(rig, "DELETE FROM audit WHERE seq > 4");
    OK(verify(rig, &rows, &bad)); /* the chain alone cannot know */
    REFUSED(store_audit_hash(F, rig_reader(rig), rig->arena, 5, &seq, &again), RESULT_NOT_FOUND);
    add(rig, "forged", NULL, NULL);
    OK(store_audit_hash(F, rig_reader(rig), rig->arena, 5, &seq, &again));
    assert_string_not_equal(head, again);
}

static void an_erased_person_is_gone_and_the_chain_fits(void **state)
{
    struct rig *rig = *state;
    struct seen all = {0};
    int64_t rows, bad;
    five(rig);
    OK(store_audit_erase(F, rig_begin(rig), "p1"));
    rig_commit(rig);
    add(rig, "login", "p1", NULL); /* the same person again: a new key, which opens nothing old */
    OK(store_audit_each(F, rig_reader(rig), rig->arena, 0, see, &all));
    assert_int_equal(all.count, 6);
    assert_null(all.rows[0].subject);
    assert_null(all.rows[0].detail);
    assert_null(all.rows[0].ref);
    assert_string_equal(all.rows[0].event, "login");
    assert_string_equal(all.rows[2].subject, "p2");
    assert_string_equal(all.rows[5].subject, "p1");
    OK(verify(rig, &rows, &bad));
    assert_int_equal(rows, 6);
    REFUSED(store_audit_erase(F, rig_begin(rig), "nobody"), RESULT_NOT_FOUND);
    rig_commit(rig);
}

static void adding_refuses(void **state)
{
    struct rig *rig = *state;
    struct audit row = {.event = "login", .actor = "bridge", .outcome = "ok", .detail = "\xff"};
    char *large = arena_alloc(rig->arena, 20000);
    REFUSED(store_audit_add(F, rig_reader(rig), &row), RESULT_INTERNAL);
    struct store_view *v = rig_begin(rig);
    REFUSED(store_audit_add(F, v, &row), RESULT_INVALID);
    memset(large, 'x', 19999);
    row.detail = large;
    REFUSED(store_audit_add(F, v, &row), RESULT_INVALID);
    row.detail = NULL, row.outcome = NULL;
    REFUSED(store_audit_add(F, v, &row), RESULT_INVALID);
    rig_commit(rig);
}

/* Constant memory: 3,000 rows of 2 KB would not fit the arena that one row gets. */
static void a_long_chain(void **state)
{
    struct rig *rig = *state;
    int64_t rows, bad;
    char detail[2000];
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    struct audit row = {.event = "login", .actor = "bridge", .outcome = "ok", .detail = detail};
    struct store_view *v = rig_begin(rig);
    for (int i = 0; i < 3000; i++)
        OK(store_audit_add(F, v, &row));
    rig_commit(rig);
    OK(verify(rig, &rows, &bad));
    assert_int_equal(rows, 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back), TEST(found_by_person_or_reference), TEST(every_column_is_under_the_hash),
        TEST(a_cut_tail_shows_against_a_checkpoint), TEST(an_erased_person_is_gone_and_the_chain_fits),
        TEST(adding_refuses), TEST(a_long_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
