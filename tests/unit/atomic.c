/* SPDX-License-Identifier: MIT */
/* atomic - what each operation returns, and that a sequence counter shows torn rows. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "model.h"

static void test_operations(void **state)
{
	uint64_t x = 5, expected = 5;

	assert_int_equal(hs_add_relaxed(&x, 2), 5); /* the old value */
	assert_int_equal(hs_sub_relaxed(&x, 1), 7);
	assert_int_equal(hs_load_relaxed(&x), 6);
	assert_false(hs_cas_acquire(&x, &expected, 9));
	assert_int_equal(expected, 6); /* what was found */
	assert_true(hs_cas_release(&x, &expected, 9));
	assert_int_equal(hs_xchg_seq_cst(&x, 10), 9);
	assert_int_equal(hs_xchg_acquire(&x, 11), 10);
	assert_int_equal(hs_xchg_release(&x, 12), 11);
	hs_store_release(&x, 13);
	assert_int_equal(hs_load_acquire(&x), 13);
	hs_store_seq_cst(&x, 14);
	assert_int_equal(hs_load_seq_cst(&x), 14);
	hs_bump(&x, 3);
	assert_int_equal(hs_peek(&x), 17);
	hs_bump(&x, -1u + (uint64_t)0); /* 32 bits of minus one: a 64-bit counter does not wrap by it */
	assert_int_equal(hs_peek(&x), 17 + (uint64_t)UINT32_MAX);
	hs_poke(&x, 1);
	assert_int_equal(x, 1);
}

/* ---- sequence counter ---- */

struct seq_row {
	uint64_t seq, a, b;
};

static uint32_t xstop;

static void *write_rows(void *arg)
{
	struct seq_row *row = arg;

	for (uint64_t i = 1; hs_load_relaxed(&xstop) == 0; i++) {
		hs_seq_begin(&row->seq);
		hs_store_relaxed(&row->a, i);
		hs_store_relaxed(&row->b, ~i);
		hs_seq_end(&row->seq);
	}
	return NULL;
}

static void test_sequence(void **state)
{
	static struct seq_row row = {.b = UINT64_MAX};
	unsigned good = 0, rounds = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, write_rows, &row), 0);
	while ((good < 20000 && rounds < 100000000) || good == 0) {
		uint64_t before = hs_load_acquire(&row.seq), a, b;

		/* acquire loads keep the order without a fence, which TSan does not know */
		a = hs_load_acquire(&row.a);
		b = hs_load_acquire(&row.b);
		rounds++;
		if (before % 2 != 0 || hs_load_relaxed(&row.seq) != before)
			continue;
		must(a == ~b);
		good++;
	}
	hs_store_relaxed(&xstop, 1);
	pthread_join(thread, NULL);
	assert_int_equal(row.seq % 2, 0);
}

/* ---- exactness of read-modify-write ---- */

static uint64_t xsum;

static void *add(void *arg)
{
	for (unsigned i = 0; i < 50000; i++)
		hs_add_relaxed(&xsum, 1);
	return NULL;
}

static void test_sum(void **state)
{
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(xsum, 200000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operations),
		cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
