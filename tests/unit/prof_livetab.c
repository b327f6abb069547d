/* SPDX-License-Identifier: MIT */
/* Insert, remove, stale and lost samples, a million of them, threads, and the cost. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/sys.h"
#include "prof/bounded.h"
#include "prof/livetab.h"

#if HS_TSAN || defined(__SANITIZE_ADDRESS__)
#define MANY 100000u
#else
#define MANY 1000000u
#endif

static struct hs_rows rows;
static struct hs_meta meta;
static uint64_t meta_bytes;
static struct hs_livetab tab;

static int set_up(void **state)
{
	memset(&rows, 0, sizeof(rows));
	assert_true(hs_rows_init(&rows, 40));
	meta_bytes = 0;
	hs_meta_init(&meta, NULL, &meta_bytes);
	hs_livetab_init(&tab, &rows, &meta, NULL);
	return 0;
}

static int tear_down(void **state)
{
	hs_livetab_check(&tab);
	hs_rows_done(&rows);
	return 0;
}

static struct hs_live live_of(uint64_t i)
{
	return (struct hs_live){.size_bytes = i,
				.usable_bytes = i + 8,
				.interval_bytes = 524288,
				.birth_ns = i + 1,
				.site = (uint32_t)i % 1000,
				.thread = (uint32_t)i % 7};
}

static uintptr_t ptr_of(uint64_t i)
{
	return 0x7f0000000000 + i * 48;
}

static bool add(uint64_t i, uint32_t *ret_row, struct hs_live *ret_stale)
{
	struct hs_live live = live_of(i);
	struct hs_live_place place = {.span = 3, .tid = 4};

	return hs_livetab_insert(&tab, ptr_of(i), &live, &place, ret_row, ret_stale);
}

static void in_and_out(void **state)
{
	struct hs_live stale, got, want = live_of(9);
	uint32_t row;

	assert_false(hs_livetab_remove(&tab, ptr_of(9), &got));
	assert_true(add(9, &row, &stale));
	assert_int_equal(stale.birth_ns, 0);
	assert_int_equal(rows.samples[row].address, ptr_of(9));
	assert_int_equal(rows.samples[row].size_bytes, 9);
	assert_int_equal(rows.samples[row].usable_bytes, 17);
	assert_int_equal(rows.samples[row].interval_bytes, 524288);
	assert_int_equal(rows.samples[row].span, 3);
	assert_int_equal(rows.samples[row].tid, 4);
	assert_int_equal(rows.header->tables[HEAPSPY_T_SAMPLES - 1].count, 1);
	assert_true(hs_livetab_find(&tab, ptr_of(9), &got));
	assert_false(hs_livetab_remove(&tab, ptr_of(9) + 16, &got));
	memset(&got, 0, sizeof(got));
	assert_true(hs_livetab_remove(&tab, ptr_of(9), &got));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_int_equal(rows.samples[row].address, 0);
	assert_false(hs_livetab_find(&tab, ptr_of(9), &got));
	assert_int_equal(hs_livetab_count(&tab), 0);
}

static void rows_are_used_again(void **state)
{
	struct hs_live stale, got;
	uint32_t row;

	for (uint64_t i = 0; i < 10000; i++) {
		assert_true(add(i, &row, &stale));
		assert_true(row < 20);
		if (i >= 10)
			assert_true(hs_livetab_remove(&tab, ptr_of(i - 10), &got));
	}
	assert_true(meta_bytes < 128 << 10);
}

static void stale_sample_goes(void **state)
{
	struct hs_live stale;
	uint32_t first, second;

	assert_true(add(5, &first, &stale));
	assert_true(add(5, &second, &stale));
	assert_int_equal(stale.birth_ns, 6);
	assert_int_equal(rows.samples[first].address, 0);
	assert_int_equal(rows.samples[second].address, ptr_of(5));
	assert_int_equal(hs_livetab_count(&tab), 1);
}

/* Random order against a plain array, invariants after each thousand steps. */
static void like_a_model(void **state)
{
	enum { N = 4000, STEPS = 60000 };
	static bool present[N];
	struct hs_live stale, got;
	uint32_t row;

	memset(present, 0, sizeof(present));
	srand(1);
	for (int i = 0; i < STEPS; i++) {
		uint64_t which = (uint64_t)rand() % N;

		if (present[which]) {
			assert_true(hs_livetab_remove(&tab, ptr_of(which), &got));
			assert_int_equal(got.size_bytes, which);
		} else {
			assert_false(hs_livetab_remove(&tab, ptr_of(which), &got));
			assert_true(add(which, &row, &stale));
			assert_int_equal(stale.birth_ns, 0);
		}
		present[which] = !present[which];
		if (i % 1000 == 0)
			hs_livetab_check(&tab);
	}
}

static void a_million(void **state)
{
	uint64_t start = hs_now_ns(), middle, turn, end;
	struct hs_live stale, got;
	uint32_t row;

	for (uint64_t i = 0; i < MANY; i++)
		assert_true(add(i, &row, &stale));
	middle = hs_now_ns();
	hs_livetab_check(&tab);
	assert_int_equal(hs_livetab_count(&tab), MANY);
	turn = hs_now_ns();
	for (uint64_t i = 0; i < MANY; i++)
		assert_true(hs_livetab_remove(&tab, ptr_of(i * 7919 % MANY), &got));
	end = hs_now_ns();
	print_message("%u samples: insert %lu ns, remove %lu ns each, %lu KiB of tables\n", MANY,
		      (unsigned long)((middle - start) / MANY), (unsigned long)((end - turn) / MANY),
		      (unsigned long)(meta_bytes >> 10));
}

/* The usual case: some thousand live samples, one in and one out. */
static void steady_cost(void **state)
{
	enum { LIVE = 2000, N = 500000 };
	struct hs_live stale, got;
	uint64_t start;
	uint32_t row;

	for (uint64_t i = 0; i < LIVE; i++)
		assert_true(add(i, &row, &stale));
	start = hs_now_ns();
	for (uint64_t i = LIVE; i < N; i++) {
		(void)add(i, &row, &stale);
		(void)hs_livetab_remove(&tab, ptr_of(i - LIVE), &got);
	}
	print_message("%d live: insert and remove %lu ns\n", LIVE, (unsigned long)((hs_now_ns() - start) / (N - LIVE)));
}

static void full_table_is_counted(void **state)
{
	struct hs_live stale, got;
	uint32_t row;

	tab.capacity = 100;
	for (uint64_t i = 0; i < 103; i++)
		assert_true(add(i, &row, &stale) == (i < 100));
	assert_int_equal(rows.header->lost_samples, 3);
	assert_true(hs_livetab_remove(&tab, ptr_of(50), &got));
	assert_true(add(200, &row, &stale));
}

static void held_lock_does_not_hang(void **state)
{
	struct hs_live stale, got;
	uint32_t row;
	uint64_t prepared;

	assert_true(add(1, &row, &stale));
	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		assert_true(hs_bounded_lock(&tab.shards[i].lock));
	assert_false(add(2, &row, &stale));
	assert_false(hs_livetab_remove(&tab, ptr_of(1), &got));
	assert_int_equal(rows.header->lost_samples, 2);
	hs_lock_unlock(&tab.shards[3].lock);
	prepared = hs_livetab_fork_prepare(&tab);
	assert_true(prepared == 8);
	hs_livetab_fork_parent(&tab, prepared);
	for (unsigned i = 0; i < HS_LIVETAB_SHARDS; i++)
		if (i != 3)
			hs_lock_unlock(&tab.shards[i].lock);
	prepared = hs_livetab_fork_prepare(&tab);
	assert_true(prepared == UINT64_MAX);
	hs_livetab_fork_child(&tab, prepared);
	assert_true(add(2, &row, &stale));
	assert_true(hs_livetab_remove(&tab, ptr_of(1), &got));
}

enum { THREADS = 4, ROUNDS = 30000 };
static uint64_t xremoved, xadded;

/* Each thread adds addresses of its own; removes half of its own and, through a shared box, those of others. */
static uintptr_t xbox[64];

static void *churn(void *arg)
{
	uint64_t base = ((uintptr_t)arg + 1) << 32;
	struct hs_live stale, got;
	uint32_t row;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uintptr_t mine = base + i % 5000 * 16;
		uintptr_t other = 0;
		struct hs_live live = live_of(i);
		struct hs_live_place place = {0, 0};

		if (hs_livetab_remove(&tab, mine, &got))
			hs_add_relaxed(&xremoved, 1);
		if (!hs_livetab_insert(&tab, mine, &live, &place, &row, &stale))
			continue;
		hs_add_relaxed(&xadded, 1);
		other = __atomic_exchange_n(&xbox[i % 64], mine, __ATOMIC_ACQ_REL);
		if (other != 0 && other != mine && hs_livetab_remove(&tab, other, &got))
			hs_add_relaxed(&xremoved, 1);
	}
	return NULL;
}

static void threads_agree(void **state)
{
	pthread_t threads[THREADS];

	xadded = xremoved = 0;
	memset(xbox, 0, sizeof(xbox));
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (rows.header->lost_samples == 0)
		assert_int_equal(hs_livetab_count(&tab), xadded - xremoved);
	hs_livetab_check(&tab);
	print_message("threads: %lu added, %lu lost\n", (unsigned long)xadded, (unsigned long)rows.header->lost_samples);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(in_and_out),      WITH(rows_are_used_again),   WITH(stale_sample_goes),
		WITH(like_a_model),    WITH(a_million),		    WITH(steady_cost),
		WITH(full_table_is_counted), WITH(held_lock_does_not_hang), WITH(threads_agree),
	};

	return cmocka_run_group_tests_name("prof_livetab", tests, NULL, NULL);
}
