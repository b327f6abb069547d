/* SPDX-License-Identifier: MIT */
/* Interning, counters, full tables, threads; and the table of lock waits, which works in the same way. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "prof/bounded.h"
#include "prof/sampler.h"
#include "prof/sitetab.h"
#include "prof/waittab.h"

static struct hs_rows rows;
static struct hs_meta meta;
static uint64_t meta_bytes;
static struct hs_sitetab sites;
static struct hs_waittab waits;

static int set_up(void **state)
{
	memset(&rows, 0, sizeof(rows));
	assert_true(hs_rows_init(&rows, 40));
	hs_meta_init(&meta, NULL, &meta_bytes);
	assert_true(hs_sitetab_init(&sites, &rows, &meta, NULL));
	hs_waittab_init(&waits, &rows, &meta, NULL);
	return 0;
}

static int tear_down(void **state)
{
	hs_rows_done(&rows);
	return 0;
}

static size_t stack_of(uint64_t seed, uint64_t *pcs)
{
	size_t n = 1 + seed % 20;

	for (size_t i = 0; i < n; i++)
		pcs[i] = 0x400000 + seed * 4096 + i * 16;
	return n;
}

static void same_stack_same_row(void **state)
{
	uint64_t pcs[HS_SITE_FRAMES_MAX];
	uint32_t first[500];

	for (uint64_t i = 0; i < 500; i++) {
		size_t n = stack_of(i, pcs);

		first[i] = hs_sitetab_intern(&sites, pcs, n, i % 2, 100 + i);
		assert_int_equal(first[i], i + 1);
	}
	for (uint64_t i = 0; i < 500; i++) {
		size_t n = stack_of(i, pcs);
		const struct heapspy_site *row = &rows.sites[first[i]];

		assert_int_equal(hs_sitetab_intern(&sites, pcs, n, i % 2, 1), first[i]);
		assert_int_equal(row->n_frames, n);
		assert_int_equal(row->flags, i % 2 ? HEAPSPY_SITE_TRUNCATED : 0);
		assert_int_equal(row->first_ns, 100 + i);
		assert_memory_equal(&rows.frames[row->frame], pcs, n * sizeof(*pcs));
	}
	assert_int_equal(rows.header->tables[HEAPSPY_T_SITES - 1].count, 501);
	assert_int_equal(rows.header->tables[HEAPSPY_T_FRAMES - 1].count, sites.n_frames);
	assert_int_equal(rows.header->lost_stacks, 0);
}

static void differences_count(void **state)
{
	uint64_t a[3] = {1, 2, 3}, b[3] = {1, 3, 2};
	uint32_t site = hs_sitetab_intern(&sites, a, 3, false, 1);

	assert_int_not_equal(site, hs_sitetab_intern(&sites, b, 3, false, 1));
	assert_int_not_equal(site, hs_sitetab_intern(&sites, a, 2, false, 1));
	assert_int_not_equal(site, hs_sitetab_intern(&sites, a, 3, true, 1));
	assert_int_equal(hs_sitetab_intern(&sites, a, 0, true, 1), HS_SITE_UNKNOWN);
	assert_int_equal(rows.sites[HS_SITE_UNKNOWN].n_frames, 0);
}

static void long_stack_is_cut(void **state)
{
	uint64_t pcs[HS_SITE_FRAMES_MAX + 10];
	uint32_t site;

	for (size_t i = 0; i < hs_array_size(pcs); i++)
		pcs[i] = i + 1;
	site = hs_sitetab_intern(&sites, pcs, hs_array_size(pcs), false, 1);
	assert_int_equal(rows.sites[site].n_frames, HS_SITE_FRAMES_MAX);
	assert_int_equal(rows.sites[site].flags, HEAPSPY_SITE_TRUNCATED);
}

static void counters_cancel_out(void **state)
{
	uint64_t pcs[1] = {0x1234};
	uint32_t site = hs_sitetab_intern(&sites, pcs, 1, false, 5);
	const struct heapspy_site *row = &rows.sites[site];

	for (uint64_t i = 0; i < 1000; i++)
		hs_sitetab_count_alloc(&sites, site, i * 7, 524288, 10 + i);
	assert_int_equal(row->last_ns, 1009);
	assert_true(row->alloc_bytes > 999 * 524288 && row->alloc_var > 0);
	for (uint64_t i = 0; i < 1000; i++)
		hs_sitetab_count_free(&sites, site, i * 7, 524288, 10 + i, 10 + i + (i < 10 ? 999999 : 1500000), i < 4);
	assert_int_equal(row->alloc_bytes, row->freed_bytes);
	assert_int_equal(row->alloc_objects_k, row->freed_objects_k);
	assert_int_equal(row->n_alloc_samples, 1000);
	assert_int_equal(row->n_free_samples, 1000);
	assert_int_equal(row->n_temporary, 10);
	assert_int_equal(row->n_remote, 4);
	assert_int_equal(row->lifetimes[10], 10);  /* 2^19 .. 2^20 ns */
	assert_int_equal(row->lifetimes[11], 990); /* 2^20 .. 2^21 ns */
	hs_sitetab_count_free(&sites, site, 1, 1, 0, 3, false);
	hs_sitetab_count_free(&sites, site, 1, 1, 0, UINT64_MAX / 2, false);
	hs_sitetab_count_free(&sites, site, 1, 1, 50, 40, false); /* a clock that went back */
	assert_int_equal(row->lifetimes[0], 2);
	assert_int_equal(row->lifetimes[HEAPSPY_LIFE_HIST - 1], 1);
}

static void growth_cancels_out(void **state)
{
	uint64_t pcs[1] = {0x4321};
	uint32_t site = hs_sitetab_intern(&sites, pcs, 1, false, 5);
	const struct heapspy_site *row = &rows.sites[site];

	hs_sitetab_count_alloc(&sites, site, 100, 524288, 10);
	for (uint64_t n = 100; n < 1000000; n *= 3)
		hs_sitetab_count_grown(&sites, site, n, 3 * n, 524288);
	assert_int_equal(row->n_alloc_samples - row->n_free_samples, 1);
	/* what is left is one sample of the last size */
	assert_int_equal(row->alloc_bytes - row->freed_bytes, hs_sampler_estimate(1968300, 524288).bytes);
	assert_int_equal(row->n_temporary, 0);
	hs_sitetab_count_free(&sites, site, 1968300, 524288, 10, 20, false);
	assert_int_equal(row->alloc_bytes, row->freed_bytes);
	assert_int_equal(row->alloc_objects_k, row->freed_objects_k);
}

static void full_table_is_counted(void **state)
{
	uint64_t pcs[HS_SITE_FRAMES_MAX];
	uint64_t capacity = rows.tables[HEAPSPY_T_SITES - 1].capacity;

	for (uint64_t i = 1; i < capacity; i++) {
		pcs[0] = i;
		assert_int_equal(hs_sitetab_intern(&sites, pcs, 1, false, 1), i);
	}
	for (uint64_t i = 0; i < 5; i++) {
		pcs[0] = capacity + i;
		assert_int_equal(hs_sitetab_intern(&sites, pcs, 1, false, 1), HS_SITE_UNKNOWN);
	}
	assert_int_equal(rows.header->lost_stacks, 5);
	pcs[0] = 77;
	assert_int_equal(hs_sitetab_intern(&sites, pcs, 1, false, 1), 77);
	assert_int_equal(rows.header->tables[HEAPSPY_T_SITES - 1].count, capacity);
}

static void full_frames_are_counted(void **state)
{
	uint64_t pcs[HS_SITE_FRAMES_MAX] = {0};
	uint64_t fit = rows.tables[HEAPSPY_T_FRAMES - 1].capacity / HS_SITE_FRAMES_MAX;

	for (uint64_t i = 0; i < fit + 3; i++) {
		pcs[0] = i + 1;
		assert_int_equal(hs_sitetab_intern(&sites, pcs, HS_SITE_FRAMES_MAX, false, 1),
				 i < fit ? i + 1 : HS_SITE_UNKNOWN);
	}
	assert_int_equal(rows.header->lost_stacks, 3);
	assert_int_equal(sites.n_frames, fit * HS_SITE_FRAMES_MAX);
}

/* The holder never lets go (longjmp out of a handler): nobody hangs. */
static void held_lock_does_not_hang(void **state)
{
	uint64_t pcs[2] = {5, 6};
	uint32_t known = hs_sitetab_intern(&sites, pcs, 1, false, 1);

	assert_true(hs_bounded_lock(&sites.lock));
	assert_int_equal(hs_sitetab_intern(&sites, pcs, 1, false, 1), known);
	assert_int_equal(hs_sitetab_intern(&sites, pcs, 2, false, 1), HS_SITE_UNKNOWN);
	assert_int_equal(rows.header->lost_stacks, 1);
	assert_false(hs_sitetab_fork_prepare(&sites));
	hs_sitetab_fork_parent(&sites, false);
	hs_lock_unlock(&sites.lock);
	assert_true(hs_sitetab_fork_prepare(&sites));
	hs_sitetab_fork_child(&sites, true);
	assert_int_not_equal(hs_sitetab_intern(&sites, pcs, 2, false, 1), HS_SITE_UNKNOWN);
}

enum { THREADS = 4, STACKS = 3000, ROUNDS = 12000 };

static void *intern_many(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	uint64_t pcs[HS_SITE_FRAMES_MAX];

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t which = (i * 7919 + seed * 1000) % STACKS;
		size_t n = stack_of(which, pcs);
		uint32_t site = hs_sitetab_intern(&sites, pcs, n, false, i);

		hs_sitetab_count_alloc(&sites, site, 64, 524288, i);
		hs_sitetab_count_free(&sites, site, 64, 524288, i, i + 5, seed == 0);
		hs_waittab_add(&waits, which % 50, site % 20, 1, 100 + which, 100 + which);
	}
	return NULL;
}

static void threads_agree(void **state)
{
	pthread_t threads[THREADS];
	uint64_t samples = 0, frees = 0, n_waits = 0, expected_frames = 0, pcs[HS_SITE_FRAMES_MAX];

	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, intern_many, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(rows.header->lost_stacks + STACKS >= sites.n_sites - 1);
	if (rows.header->lost_stacks == 0)
		assert_int_equal(sites.n_sites, STACKS + 1);
	for (uint32_t i = 0; i < sites.n_sites; i++) {
		samples += rows.sites[i].n_alloc_samples;
		frees += rows.sites[i].n_free_samples;
		assert_int_equal(rows.sites[i].alloc_bytes, rows.sites[i].freed_bytes);
	}
	assert_int_equal(samples, THREADS * ROUNDS);
	assert_int_equal(frees, THREADS * ROUNDS);
	for (uint64_t i = 0; i < STACKS; i++)
		expected_frames += stack_of(i, pcs);
	if (rows.header->lost_stacks == 0)
		assert_int_equal(sites.n_frames, expected_frames);
	for (uint32_t i = 0; i < waits.n; i++)
		n_waits += rows.waiters[i].n_waits;
	assert_int_equal(n_waits + rows.header->lost_waiters, THREADS * ROUNDS);
}

static void waits_add_up(void **state)
{
	hs_waittab_add(&waits, 0, 0, 1, 500, 500);
	hs_waittab_add(&waits, 0, 0, 2, 900, 700);
	hs_waittab_add(&waits, 0, 0, 1, 10, 10);
	hs_waittab_add(&waits, UINT32_MAX, UINT32_MAX, 1, 3, 3);
	assert_int_equal(rows.header->tables[HEAPSPY_T_WAITERS - 1].count, 2);
	assert_int_equal(rows.waiters[0].n_waits, 4);
	assert_int_equal(rows.waiters[0].wait_ns, 1410);
	assert_int_equal(rows.waiters[0].max_wait_ns, 700);
	assert_int_equal(rows.waiters[1].lock, UINT32_MAX);
	for (uint32_t i = 0; i < rows.tables[HEAPSPY_T_WAITERS - 1].capacity + 10; i++)
		hs_waittab_add(&waits, 1, i, 1, 1, 1);
	assert_int_equal(rows.header->lost_waiters, 12);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(same_stack_same_row),     WITH(differences_count),	      WITH(long_stack_is_cut),
		WITH(counters_cancel_out),     WITH(full_table_is_counted),   WITH(full_frames_are_counted),
		WITH(held_lock_does_not_hang), WITH(threads_agree),	      WITH(waits_add_up),
		WITH(growth_cancels_out),
	};

	return cmocka_run_group_tests_name("prof_sitetab", tests, NULL, NULL);
}
