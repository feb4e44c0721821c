/* Faults, the arena and the bounded buffer: what they give, where they stop, what is wiped and in which order. */
#include "unit.h"

/* ---- faults --------------------------------------------------------------------------------------- */

static void test_fault_names_who_and_why(void **state)
{
    (void)state;
    struct fault f = {0};
    assert_result(RESULT_DENIED, FAULT_OAUTH(&f, RESULT_DENIED, "access_denied", "%s is %d", "x", 7));
    assert_string_equal(f.detail, "x is 7");
    assert_string_equal(f.oauth_error, "access_denied");
    assert_string_equal(f.where, "test_fault_names_who_and_why");
    assert_int_equal(f.result, RESULT_DENIED);
    assert_result(RESULT_INVALID, FAULT(&f, RESULT_INVALID, "again"));
    assert_null(f.oauth_error);
    assert_result(RESULT_INVALID, FAULT(NULL, RESULT_INVALID, "nobody listens"));
}

static void test_fault_may_quote_itself(void **state)
{
    (void)state;
    struct fault f = {0};
    (void)FAULT(&f, RESULT_INTERNAL, "disk full");
    (void)FAULT(&f, RESULT_INTERNAL, "writing the key: %s", f.detail);
    assert_string_equal(f.detail, "writing the key: disk full");
}

static void test_fault_is_cut_between_characters(void **state)
{
    (void)state;
    struct fault f = {0};
    for (size_t blanks = 0; blanks < 4; blanks++) {
        char text[400];
        memset(text, ' ', blanks);
        for (size_t i = 0; i < 90; i++)
            memcpy(text + blanks + 3 * i, "\xe2\x82\xac", 4); /* EURO SIGN */
        (void)FAULT(&f, RESULT_INTERNAL, "%s", text);
        assert_true(text_is_utf8(f.detail, strlen(f.detail)));
        assert_in_range(strlen(f.detail), sizeof f.detail - 4, sizeof f.detail - 1);
    }
}

static enum result two_steps(struct fault *f, enum result first)
{
    TRY(first);
    return FAULT(f, RESULT_CONFLICT, "second step");
}

static void test_try_stops_at_the_first_refusal(void **state)
{
    (void)state;
    struct fault f = {0};
    assert_result(RESULT_TIMEOUT, two_steps(&f, RESULT_TIMEOUT));
    assert_result(RESULT_CONFLICT, two_steps(&f, RESULT_OK));
}

static void test_result_names_differ(void **state)
{
    (void)state;
    for (int a = RESULT_OK; a <= RESULT_INTERNAL; a++)
        for (int b = a + 1; b <= RESULT_INTERNAL; b++)
            assert_string_not_equal(result_name((enum result)a), result_name((enum result)b));
    assert_string_equal(result_name((enum result)99), "unknown");
}

/* ---- arena ---------------------------------------------------------------------------------------- */

static void test_arena_gives_zeroed_aligned_memory(void **state)
{
    (void)state;
    CLEANUP(arena) struct arena *a = arena_new(1 << 20);
    for (size_t n = 0; n < 3000; n += 37) {
        unsigned char *p = arena_alloc(a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xaa, n);
    }
}

static void test_arena_stops_at_its_maximum(void **state)
{
    (void)state;
    CLEANUP(arena) struct arena *a = arena_new(1024);
    assert_null(arena_alloc(a, 1025));
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - 15));
    assert_non_null(arena_alloc(a, 1008));
    assert_non_null(arena_alloc(a, 16));
    assert_null(arena_alloc(a, 1));
    assert_null(arena_alloc(a, 0));
    assert_null(arena_strdup(a, "x"));
    assert_null(arena_printf(a, "%d", 1));
}

static void test_arena_texts(void **state)
{
    (void)state;
    CLEANUP(arena) struct arena *a = arena_new(1 << 16);
    assert_string_equal(arena_strdup(a, "word"), "word");
    assert_string_equal(arena_strndup(a, "word", 2), "wo");
    assert_string_equal(arena_strndup(a, "word", 0), "");
    assert_string_equal(arena_printf(a, "%s-%03d", "a", 7), "a-007");
    assert_null(arena_strdup(a, NULL));
    assert_null(arena_strndup(a, "x", SIZE_MAX));
    char *many[500]; /* small ones after a large one: the block being filled is not lost */
    assert_non_null(arena_alloc(a, 20000));
    for (size_t i = 0; i < COUNT_OF(many); i++)
        many[i] = arena_printf(a, "%zu", i);
    for (size_t i = 0; i < COUNT_OF(many); i++)
        assert_int_equal(strtoul(many[i], NULL, 10), i);
}

static char order[8];

static void note(void *p)
{
    size_t n = strlen(order);
    order[n] = *(char *)p;
}

static void test_arena_defers_last_one_first(void **state)
{
    (void)state;
    static char a_[] = "a", b_[] = "b", c_[] = "c";
    memset(order, 0, sizeof order);
    struct arena *a = arena_new(200);
    assert_true(arena_defer(a, note, a_));
    assert_true(arena_defer(a, note, b_));
    assert_non_null(arena_alloc(a, 200 - 8 - 2 * 32));
    assert_string_equal(order, "");
    assert_false(arena_defer(a, note, c_)); /* no room: runs at once */
    assert_string_equal(order, "c");
    arena_free(a);
    assert_string_equal(order, "cba");
    arena_free(NULL);
}

static void test_arena_owns_json(void **state)
{
    (void)state;
    json_t *j = json_object();
    {
        CLEANUP(arena) struct arena *a = arena_new(4096);
        json_incref(j);
        assert_ptr_equal(arena_json(a, j), j);
        assert_int_equal(j->refcount, 2);
        assert_null(arena_json(a, NULL));
    }
    assert_int_equal(j->refcount, 1);
    CLEANUP(arena) struct arena *full = arena_new(0);
    json_incref(j);
    assert_null(arena_json(full, j));
    assert_int_equal(j->refcount, 1);
    cleanup_json(&j);
    assert_null(j);
}

/* ---- buffer --------------------------------------------------------------------------------------- */

static void test_buf_grows_and_ends_with_nul(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        buf_printf(&b, "%d", i % 10);
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 10000);
    assert_false(b.failed);
    assert_memory_equal(b.data, "0123456789", 10);
    assert_memory_equal(b.data + 9990, "0123456789", 11);
    buf_add(&b, "\0x", 2);
    assert_int_equal(b.len, 10002);
}

static void test_buf_holds_exactly_its_maximum(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf b;
    buf_init(&b, 5);
    buf_text(&b, "12345");
    assert_false(b.failed);
    buf_add(&b, "", 0);
    assert_false(b.failed);
    buf_text(&b, "6");
    assert_true(b.failed);
    assert_string_equal(b.data, "12345");
    assert_null(buf_take(&b));
    assert_int_equal(b.len, 0);
}

static void test_buf_stays_failed(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf b;
    buf_init(&b, 4);
    buf_printf(&b, "%s", "too long");
    assert_true(b.failed);
    buf_text(&b, "x");
    assert_int_equal(b.len, 0);
    buf_free(&b);
    buf_text(&b, "x");
    assert_string_equal(b.data, "x");
}

static void test_buf_take_hands_over(void **state)
{
    (void)state;
    CLEANUP(buf) struct buf b;
    buf_init(&b, 10);
    CLEANUP(free) char *empty = buf_take(&b);
    assert_string_equal(empty, "");
    buf_text(&b, "abc");
    buf_text(&b, NULL);
    CLEANUP(free) char *abc = buf_take(&b);
    assert_string_equal(abc, "abc");
    assert_null(b.data);
    buf_text(&b, "de");
    assert_string_equal(b.data, "de");
}

static void test_bytes_of(void **state)
{
    (void)state;
    assert_int_equal(bytes_of("abc").len, 3);
    assert_int_equal(bytes_of(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_names_who_and_why),
        cmocka_unit_test(test_fault_may_quote_itself),
        cmocka_unit_test(test_fault_is_cut_between_characters),
        cmocka_unit_test(test_try_stops_at_the_first_refusal),
        cmocka_unit_test(test_result_names_differ),
        cmocka_unit_test(test_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(test_arena_stops_at_its_maximum),
        cmocka_unit_test(test_arena_texts),
        cmocka_unit_test(test_arena_defers_last_one_first),
        cmocka_unit_test(test_arena_owns_json),
        cmocka_unit_test(test_buf_grows_and_ends_with_nul),
        cmocka_unit_test(test_buf_holds_exactly_its_maximum),
        cmocka_unit_test(test_buf_stays_failed),
        cmocka_unit_test(test_buf_take_hands_over),
        cmocka_unit_test(test_bytes_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
