/* SPDX-License-Identifier: MIT */
/* The heap against a model: random histories through several tcaches, resizing, refusals, exhaustion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model.h"
#include "os/sys.h"
#include "os/vm.h"

#define MIB ((size_t)1 << 20)

static void test_sizes_and_alignment(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	struct model m;

	assert_non_null(t);
	model_init(&m, heap, 64, 1);
	for (size_t bytes = 0; bytes < 70000; bytes += bytes < 1100 ? 1 : 613) {
		for (size_t align = 16; align <= 8192; align *= 2)
			assert_true(model_alloc(&m, t, bytes, align, (bytes + align) % 3 == 0));
		model_free_all(&m, t);
	}
	for (size_t align = 16384; align <= 64 * MIB; align *= 2) {
		assert_true(model_alloc(&m, t, 100, align, true));
		assert_true(model_alloc(&m, t, 3 * MIB, align, false));
		model_check_heap(heap);
		model_check_exact(&m);
		model_free_all(&m, t);
	}
	model_check_exact(&m);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void random_step(struct model *m, struct hs_tcache **t, size_t n_t)
{
	struct hs_tcache *mine = t[model_random(m, n_t)];
	size_t what = model_random(m, 100), bias = m->n > m->cap * 3 / 4 ? 20 : 50;

	if (m->n == 0 || (what < bias && m->n < m->cap))
		must(model_alloc(m, mine, model_random_size(m, true), HS_SLOT_ALIGN, model_random(m, 8) == 0));
	else if (what < bias + 4 && m->n < m->cap)
		must(model_alloc(m, mine, model_random(m, 20000), (size_t)16 << model_random(m, 19), false));
	else if (what < bias + 10)
		must(model_resize(m, mine, model_random(m, m->n), 1 + model_random_size(m, true)));
	else
		model_free(m, mine, model_random(m, m->n));
	/* now and then a thread is idle, and now and then the arenas purge */
	if (model_random(m, 500) == 0)
		hs_tcache_tick(mine);
	if (model_random(m, 2000) == 0)
		hs_tcache_drain(mine);
	if (model_random(m, 3000) == 0)
		hs_heap_decay(m->heap, hs_now_ns(), true, &mine->waits);
}

static void property(uint64_t seed, uint32_t n_arenas, size_t n_t, size_t steps)
{
	struct hs_heap *heap = model_heap(n_arenas, seed % 3 == 0 ? 0 : 10000);
	struct hs_tcache *t[8];
	struct model m;

	for (size_t i = 0; i < n_t; i++)
		t[i] = hs_heap_attach(heap, (uint32_t)i + 1);
	model_init(&m, heap, 6000, seed);
	for (size_t i = 0; i < steps; i++) {
		random_step(&m, t, n_t);
		if (i % 4000 == 0) {
			model_check_heap(heap);
			model_check_contents(&m);
			model_check_exact(&m);
		}
	}
	/* everything through one tcache: most frees are remote */
	model_free_all(&m, t[0]);
	model_check_heap(heap);
	model_check_exact(&m);
	for (size_t i = 0; i < n_t; i++)
		hs_heap_detach(heap, t[i]);
	model_check_heap(heap);
	model_check_empty(heap);
	hs_heap_decay(heap, hs_now_ns(), true, &(struct hs_waited){0});
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		must(heap->arenas[i]->dirty.n_pages == 0);
	model_check_heap(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void test_property_one(void **state)
{
	property(1, 1, 1, MODEL_STEPS(60000));
}

static void test_property_shared_arena(void **state)
{
	property(2, 1, 4, MODEL_STEPS(80000));
	property(3, 1, 3, MODEL_STEPS(40000));
}

static void test_property_arenas(void **state)
{
	property(4, 4, 4, MODEL_STEPS(80000));
	property(5, 3, 8, MODEL_STEPS(80000));
}

static void test_zero(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	static const size_t sizes[] = {1, 24, 100, 4096, 32768, 32769, 200000, 3 * MIB, 33 * MIB};

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < hs_array_size(sizes); i++) {
			unsigned char *p = hs_heap_alloc(t, sizes[i], 16, true);

			assert_non_null(p);
			for (size_t k = 0; k < sizes[i]; k++)
				must(p[k] == 0);
			memset(p, 0xa5, sizes[i]);
			model_free_block(t, p);
		}
	}
	hs_heap_detach(heap, t);
	model_heap_drop(heap);
}

static void *resized(struct hs_tcache *t, void *p, size_t bytes)
{
	return hs_heap_resize(t, hs_pagemap_get(p), p, bytes);
}

static void test_resize_large(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	unsigned char *a = hs_heap_alloc(t, 100000, 16, false), *b;
	struct hs_span *s = hs_pagemap_get(a);

	model_fill(a, 100000, 7);
	assert_ptr_equal(resized(t, a, 300000), a); /* into the free pages behind it */
	assert_int_equal(hs_heap_usable(s, a), hs_pages_of(300000) * HS_PAGE_BYTES);
	assert_int_equal(s->row->bytes, hs_span_bytes(s));
	assert_int_equal(s->row->slot_bytes, hs_span_bytes(s));
	hs_heap_check(heap, t);
	assert_ptr_equal(resized(t, a, 50000), a);
	assert_int_equal(hs_span_bytes(s), hs_pages_of(50000) * HS_PAGE_BYTES);
	hs_heap_check(heap, t);
	for (size_t i = 0; i < 50000; i++) /* below 64 KiB each byte counts, but it was written as a longer block */
		if (i < 4096 || i % 4095 == 0)
			assert_true(i >= 4096 || a[i] == (unsigned char)((7 + i) * UINT64_C(0x9e3779b97f4a7c15) >> 56));
	/* the same size again changes nothing */
	assert_ptr_equal(resized(t, a, 50001), a);
	/* a neighbour in the way: refused and unchanged */
	b = hs_heap_alloc(t, 100000, 16, false);
	assert_true(b > a);
	assert_null(resized(t, a, MIB / 2));
	assert_int_equal(hs_span_bytes(s), hs_pages_of(50000) * HS_PAGE_BYTES);
	/* across the borders of large: a copy is due */
	assert_null(resized(t, a, 100));
	assert_null(resized(t, a, HS_HUGE_BYTES));
	/* the neighbour goes: its pages are dirty and serve */
	model_free_block(t, b);
	assert_ptr_equal(resized(t, a, 140000), a);
	hs_heap_check(heap, t);
	model_free_block(t, a);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_heap_drop(heap);
}

static void test_resize_small(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	void *p = hs_heap_alloc(t, 1000, 16, false);

	assert_ptr_equal(resized(t, p, 1024), p);
	assert_ptr_equal(resized(t, p, 513), p);
	assert_null(resized(t, p, 512));
	assert_null(resized(t, p, 1025));
	model_free_block(t, p);
	hs_heap_detach(heap, t);
	model_heap_drop(heap);
}

static void test_huge(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	struct model m;

	model_init(&m, heap, 8, 11);
	assert_true(model_alloc(&m, t, 40 * MIB, 16, true));
	assert_int_equal(heap->rows.arenas[0].huge_bytes, 40 * MIB);
	for (size_t i = 0; i < MODEL_STEPS(160); i++) {
		assert_true(model_resize(&m, t, model_random(&m, m.n), 16 * MIB + model_random(&m, 48 * MIB)));
		if (m.n < 4)
			assert_true(model_alloc(&m, t, 33 * MIB, 4 * MIB << model_random(&m, 4), i % 2 == 0));
		model_check_contents(&m);
		model_check_exact(&m);
		model_check_heap(heap);
	}
	model_free_all(&m, t);
	assert_int_equal(heap->rows.arenas[0].huge_bytes, 0);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void test_refusals(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4095, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,
				       PTRDIFF_MAX - 8191, (size_t)1 << 50};
	void *p = hs_heap_alloc(t, 40 * MIB, 16, false), *q = hs_heap_alloc(t, 40000, 16, false);

	for (unsigned i = 0; i < hs_array_size(sizes); i++) {
		assert_null(hs_heap_alloc(t, sizes[i], 16, false));
		assert_null(hs_heap_alloc(t, sizes[i], 4096, true));
		assert_null(hs_heap_alloc(t, sizes[i], 64 * MIB, false));
		assert_null(resized(t, p, sizes[i]));
		assert_null(resized(t, q, sizes[i]));
	}
	assert_null(hs_heap_alloc(t, 1, (size_t)1 << 63, false));
	assert_null(hs_heap_alloc(t, 1, (size_t)1 << 50, false));
	assert_int_equal(hs_heap_usable(hs_pagemap_get(p), p), 40 * MIB);
	hs_heap_check(heap, t);
	model_free_block(t, p);
	model_free_block(t, q);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_heap_drop(heap);
}

static void test_misuse(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *other = hs_heap_attach(heap, 2);
	char *small = hs_heap_alloc(t, 100, 16, false), *large = hs_heap_alloc(t, 100000, 16, false);
	struct hs_span *ss = hs_pagemap_get(small), *ls = hs_pagemap_get(large);
	enum hs_corruption what;

	assert_int_equal(hs_heap_usable(ss, small + 1), 0);
	assert_int_equal(hs_heap_usable(ss, small + 16), 0);
	assert_int_equal(hs_heap_usable(ls, large + 16), 0);
	model_corruption_begin();
	hs_heap_free(t, ss, small + 16);
	hs_heap_free(other, ss, small + 1);
	hs_heap_free(t, ls, large + 16);
	assert_int_equal(model_corruption_end(&what), 3);
	assert_int_equal(what, HS_BAD_POINTER);
	model_free_block(t, small);
	model_corruption_begin();
	hs_heap_free(t, ss, small);
	hs_heap_free(other, ss, small);
	assert_int_equal(model_corruption_end(&what), 2);
	assert_int_equal(what, HS_DOUBLE_FREE);
	model_free_block(t, large);
	model_corruption_begin();
	if (hs_pagemap_get(large) != NULL) /* merged with the pages before it, it is unknown, which the shim reports */
		hs_heap_free(t, hs_pagemap_get(large), large);
	else
		hs_on_corruption(HS_DOUBLE_FREE, large, NULL);
	assert_int_equal(model_corruption_end(&what), 1);
	hs_heap_check(heap, t);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, other);
	model_check_empty(heap);
	model_heap_drop(heap);
}

static void test_borrow(void **state)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *shared;
	struct hs_arena *arena = hs_heap_default_arena(heap);
	struct model m;

	model_init(&m, heap, 2000, 12);
	for (size_t i = 0; i < 20000; i++) {
		shared = hs_heap_borrow(heap, arena);
		assert_non_null(shared);
		random_step(&m, (struct hs_tcache *[]){shared, t}, 2);
		hs_heap_unborrow(arena);
	}
	shared = hs_heap_borrow(heap, arena);
	hs_tcache_check(shared);
	model_check_contents(&m);
	model_check_exact(&m);
	model_free_all(&m, shared);
	hs_tcache_drain(shared);
	hs_heap_unborrow(arena);
	hs_heap_detach(heap, t);
	assert_int_equal(heap->rows.arenas[0].n_threads, 0);
	assert_true(heap->rows.locks[2].n_acquired >= 20000);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void test_configure(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_heap_conf conf = {.n_arenas = 3, .decay_ms = 500, .thp = 2};
	struct hs_tcache *t[6];

	t[0] = hs_heap_attach(heap, 1);
	t[1] = hs_heap_attach(heap, 2);
	assert_int_equal(heap->xn_arenas, 1);
	hs_heap_configure(heap, &conf);
	assert_int_equal(heap->arenas[0]->decay.decay_ms, 500);
	for (unsigned i = 2; i < 6; i++)
		t[i] = hs_heap_attach(heap, i + 1);
	assert_int_equal(heap->xn_arenas, 3);
	assert_int_equal(heap->xn_threads, 6);
	for (unsigned i = 0; i < 3; i++) /* the emptiest arena is taken, so they fill evenly */
		assert_int_equal(heap->rows.arenas[i].n_threads, 2);
	for (unsigned i = 0; i < 6; i++)
		hs_heap_detach(heap, t[i]);
	assert_int_equal(heap->xn_threads, 0);
	/* rows of ended threads serve again */
	for (unsigned i = 0; i < 100; i++)
		hs_heap_detach(heap, hs_heap_attach(heap, i));
	assert_int_equal(heap->n_rows, 7);
	model_heap_drop(heap);
}

/* ---- exhaustion ---- */

static size_t address_space(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	must(f != NULL && fscanf(f, "%zu", &pages) == 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void exhaust(void *arg)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *u = hs_heap_attach(heap, 2);
	size_t refused = 0;
	struct rlimit limit;
	struct model m;

	model_init(&m, heap, 200000, 13);
	limit.rlim_cur = limit.rlim_max = address_space() + 24 * MIB;
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	must(!model_alloc(&m, t, 40 * MIB, 16, false));
	for (size_t i = 0; i < MODEL_STEPS(40000); i++) {
		size_t what = model_random(&m, 10);

		if (what < 8)
			refused += !model_alloc(&m, what % 2 ? t : u, model_random_size(&m, true), 16, false);
		else if (what < 9 && m.n > 0)
			refused += !model_resize(&m, t, model_random(&m, m.n), 1 + model_random_size(&m, true));
		else if (m.n > 0)
			model_free(&m, u, model_random(&m, m.n));
	}
	must(refused > 100);
	model_check_heap(heap);
	model_check_contents(&m);
	model_check_exact(&m);
	model_free_all(&m, t);
	for (size_t i = 0; i < 2000; i++) /* what came back serves again */
		must(model_alloc(&m, t, model_random(&m, 5000), 16, i % 2 == 0));
	must(model_alloc(&m, t, 200000, 16, true));
	model_check_exact(&m);
	model_free_all(&m, t);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	model_check_heap(heap);
	model_check_empty(heap);
}

static void test_exhaustion(void **state)
{
	if (MODEL_SANITIZED)
		skip(); /* their run-time libraries need memory of their own */
	assert_int_equal(model_in_child(exhaust, NULL), 0);
}

static void no_heap(void *arg)
{
	struct hs_heap *heap = calloc(1, sizeof(*heap));
	struct hs_heap_conf conf = {.n_arenas = 1, .decay_ms = 10000};
	struct rlimit limit;

	limit.rlim_cur = limit.rlim_max = MIB; /* less than is mapped already */
	must(setrlimit(RLIMIT_AS, &limit) == 0);
	must(!hs_heap_init(heap, &conf));
}

/* Not even room for the rows: said, not crashed. */
static void test_no_heap(void **state)
{
	assert_int_equal(model_in_child(no_heap, NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_and_alignment),
		cmocka_unit_test(test_property_one),
		cmocka_unit_test(test_property_shared_arena),
		cmocka_unit_test(test_property_arenas),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_resize_large),
		cmocka_unit_test(test_resize_small),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_borrow),
		cmocka_unit_test(test_configure),
		cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_no_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
