/* SPDX-License-Identifier: MIT */
/* totals - one history point of known populations, to the byte; every slot is live, cached, free or untouched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"
#include "os/sys.h"

static struct heapspy_history totals(struct hs_heap *heap)
{
	struct heapspy_history sum;

	hs_heap_totals(heap, &sum);
	return sum;
}

static void test_population(void **state)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *u = hs_heap_attach(heap, 2);
	struct heapspy_history sum;
	void *small[64], *large, *huge;

	sum = totals(heap);
	assert_int_equal(sum.live_objects + sum.live_bytes + sum.thread_cache_bytes + sum.span_free_bytes, 0);
	assert_int_equal(sum.n_threads, 2);
	assert_int_equal(sum.n_arenas, 2);
	assert_true(sum.metadata_bytes > 0);
	for (unsigned i = 0; i < 64; i++)
		small[i] = hs_heap_alloc(t, 100, 16, false); /* class 112 */
	large = hs_heap_alloc(u, 100000, 16, false);
	huge = hs_heap_alloc(u, HS_HUGE_BYTES, 16, false);
	sum = totals(heap);
	assert_int_equal(sum.live_objects, 66);
	assert_int_equal(sum.live_bytes, 64 * 112 + hs_pages_of(100000) * HS_PAGE_BYTES + HS_HUGE_BYTES);
	/* 36 slots a page were put on the list */
	assert_int_equal(sum.thread_cache_bytes, (2 * (4096 / 112) - 64) * 112);
	assert_int_equal(sum.span_free_bytes, 0);
	/* freed by another thread: no longer live wherever it is on its way */
	for (unsigned i = 0; i < 10; i++) {
		model_free_block(u, small[i]);
		sum = totals(heap);
		assert_int_equal(sum.live_objects, 65 - i);
		assert_int_equal(sum.thread_cache_bytes, (2 * (4096 / 112) - 64 + i + 1) * 112);
	}
	hs_tcache_flush(u);
	sum = totals(heap);
	assert_int_equal(sum.live_objects, 56);
	assert_int_equal(sum.thread_cache_bytes, (2 * (4096 / 112) - 54) * 112);
	/* nobody's span: its free slots are free slots in spans */
	hs_tcache_drain(t);
	sum = totals(heap);
	assert_int_equal(sum.live_objects, 56);
	assert_int_equal(sum.thread_cache_bytes, 0);
	assert_int_equal(sum.span_free_bytes, (2 * (4096 / 112) - 54) * 112);
	for (unsigned i = 10; i < 64; i++)
		model_free_block(t, small[i]);
	model_free_block(t, large);
	model_free_block(t, huge);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	model_settle(heap);
	sum = totals(heap);
	assert_int_equal(sum.live_objects + sum.live_bytes + sum.thread_cache_bytes + sum.span_free_bytes, 0);
	assert_int_equal(sum.n_threads, 0);
	assert_true(sum.dirty_bytes >= 100000);
	hs_heap_decay(heap, hs_now_ns(), true, &(struct hs_waited){0});
	sum = totals(heap);
	assert_int_equal(sum.dirty_bytes, 0);
	assert_int_equal(sum.retained_bytes, heap->rows.arenas[0].mapped_bytes + heap->rows.arenas[1].mapped_bytes);
	model_heap_drop(heap);
}

/* What a thread did is counted once, before its end and after it. */
static void test_the_dead(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct heapspy_history sum;

	for (unsigned i = 1; i <= 5; i++) {
		struct hs_tcache *t = hs_heap_attach(heap, i);

		t->row->allocated_bytes = 1000;
		t->row->lock_wait_ns = 7;
		t->row->n_slow = 3;
		t->class_rows[4].n_refills = 2;
		sum = totals(heap);
		assert_int_equal(sum.allocated_bytes, 1000 * i);
		assert_int_equal(sum.lock_wait_ns, 7 * i);
		hs_heap_detach(heap, t);
		sum = totals(heap);
		assert_int_equal(sum.allocated_bytes, 1000 * i);
		assert_int_equal(sum.lock_wait_ns, 7 * i);
	}
	assert_int_equal(heap->rows.threads[0].n_slow, 15);
	assert_int_equal(heap->rows.thread_classes[4].n_refills, 10);
	model_heap_drop(heap);
}

/* Every slot of every span is exactly one of live, free here, free there, or never touched. */
static void test_partition(void **state)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct hs_tcache *t[3];
	struct model m;

	for (uint32_t i = 0; i < 3; i++)
		t[i] = hs_heap_attach(heap, i + 1);
	model_init(&m, heap, 5000, 9);
	for (size_t i = 0; i < 30000; i++) {
		uint64_t slots = 0, touched = 0;
		struct heapspy_history sum;

		if (m.n < 2000 || (m.n < m.cap && model_random(&m, 2) == 0))
			must(model_alloc(&m, t[i % 3], model_random_size(&m, false), 16, false));
		else
			model_free(&m, t[model_random(&m, 3)], model_random(&m, m.n));
		if (i % 3000 != 0)
			continue;
		for (uint64_t k = 0; k < heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count; k++) {
			const struct heapspy_span *row = &heap->rows.spans[k];

			if (row->state != HEAPSPY_SPAN_FREE) {
				slots += row->n_slots * row->slot_bytes;
				touched += row->extended * row->slot_bytes;
			}
		}
		sum = totals(heap);
		assert_int_equal(sum.live_bytes + sum.thread_cache_bytes + sum.span_free_bytes, touched);
		assert_true(touched <= slots);
		model_check_exact(&m);
	}
	model_free_all(&m, t[2]);
	for (uint32_t i = 0; i < 3; i++)
		hs_heap_detach(heap, t[i]);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

/* A reader may meet rows in any state: sums of rubbish are wrong, but they end. */
static void test_rubbish(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	void *p = hs_heap_alloc(t, 100, 16, false);
	struct heapspy_span *row = hs_pagemap_get(p)->row;

	t->row->ring[0] = (struct heapspy_ring){.span = UINT32_MAX, .n = 5};
	row->xpending = 1000;
	assert_int_equal(totals(heap).live_objects, 0);
	row->xpending = 0;
	row->used = UINT32_MAX;
	row->extended = 0;
	(void)totals(heap);
	t->row->ring[0].n = 0;
	row->used = HEAPSPY_USED_BIAS + 1;
	assert_int_equal(totals(heap).live_objects, 1);
	model_free_block(t, p);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_population),
		cmocka_unit_test(test_the_dead),
		cmocka_unit_test(test_partition),
		cmocka_unit_test(test_rubbish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
