/* SPDX-License-Identifier: MIT */
/*
 * Statistics that somebody scribbles on (a raw clone's child shares the segment), and tables that are full: the
 * figures may suffer, the heap must not.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "model.h"
#include "os/sys.h"

static uint32_t wrong_count(struct hs_prng *prng, uint32_t now)
{
	switch (hs_prng_next(prng) % 8) {
	case 0:
		return 0;
	case 1:
		return 1; /* the next free makes it look empty */
	case 2:
		return 2 | HEAPSPY_USED_BIAS;
	case 3:
		return now ^ HEAPSPY_USED_BIAS;
	case 4:
		return now - 1;
	case 5:
		return now + hs_prng_next(prng) % 8;
	case 6:
		return UINT32_MAX;
	default:
		return hs_prng_next(prng);
	}
}

/* Pokes one field of one span's row, sometimes one of a thread's. */
static void scribble(struct hs_heap *heap, struct hs_prng *prng)
{
	uint64_t n = heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count;
	struct heapspy_span *row = &heap->rows.spans[hs_prng_next(prng) % (n + 1)];
	struct heapspy_thread *thread = &heap->rows.threads[hs_prng_next(prng) % heap->n_rows];

	switch (hs_prng_next(prng) % 16) {
	case 0:
		hs_store_relaxed(&row->owner, hs_prng_next(prng));
		break;
	case 1:
		hs_store_relaxed(&row->extended, wrong_count(prng, row->extended));
		break;
	case 2:
		hs_store_relaxed(&row->state, (uint16_t)(hs_prng_next(prng) % 5));
		break;
	case 3:
		hs_store_relaxed(&row->n_slots, hs_prng_next(prng));
		hs_store_relaxed(&row->slot_bytes, hs_prng_next(prng));
		hs_store_relaxed(&row->klass, (uint16_t)hs_prng_next(prng));
		hs_store_relaxed(&row->arena, (uint16_t)hs_prng_next(prng));
		hs_store_relaxed(&row->n_samples, hs_prng_next(prng));
		break;
	case 4:
		hs_store_relaxed(&thread->ring[hs_prng_next(prng) % HEAPSPY_RING].n, hs_prng_next(prng));
		hs_store_relaxed(&thread->ring[hs_prng_next(prng) % HEAPSPY_RING].span, hs_prng_next(prng));
		break;
	case 5:
		hs_store_relaxed(&heap->rows.bins[hs_prng_next(prng) % HS_N_CLASSES].n_nonfull, hs_prng_next(prng));
		hs_store_relaxed(&heap->rows.arenas[0].dirty_bytes, hs_prng_next(prng));
		break;
	case 6:
	case 7:
	case 8:
	case 9:
		hs_store_relaxed(&row->xpending, wrong_count(prng, row->xpending));
		break;
	default:
		hs_store_relaxed(&row->used, wrong_count(prng, row->used));
		break;
	}
}

static void test_scribbled(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct hs_heap *heap = model_heap(2, seed == 4 ? 0 : 10000);
		struct hs_tcache *t[3];
		struct hs_prng prng;
		struct model m;

		hs_prng_init(&prng, seed);
		for (uint32_t i = 0; i < 3; i++)
			t[i] = hs_heap_attach(heap, i + 1);
		model_init(&m, heap, 20000, seed);
		for (size_t i = 0; i < MODEL_STEPS(120000); i++) {
			struct hs_tcache *mine = t[model_random(&m, 3)];
			bool grow = m.n < 500 || (i / 5000 % 2 == 0 && m.n < m.cap);

			/* the same few classes over and over, so that spans fill and empty */
			if (model_random(&m, 8) < (grow ? 6u : 2u) && m.n < m.cap)
				must(model_alloc(&m, mine, 400 + model_random(&m, 4) * 500, 16, false));
			else if (m.n > 0)
				model_free(&m, mine, model_random(&m, m.n));
			if (i % 16 == 0)
				scribble(heap, &prng);
			if (model_random(&m, 200) == 0)
				hs_tcache_tick(mine);
			if (model_random(&m, 2000) == 0)
				hs_tcache_drain(mine);
			if (i % 2000 == 0)
				model_check_contents(&m);
		}
		model_check_contents(&m);
		model_free_all(&m, t[0]);
		for (uint32_t i = 0; i < 3; i++)
			hs_heap_detach(heap, t[i]);
		model_done(&m);
		model_heap_drop(heap);
	}
}

/*
 * The case in one piece: a slot waits in another thread's ring when a false count makes its span look empty.  The
 * span must stay, for the ring will be published into it.
 */
static void test_false_empty_with_ring(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *u = hs_heap_attach(heap, 2);
	uint32_t n = hs_sizeclasses[hs_sizeclass_of(8192)].n_slots;
	unsigned char *p[64];
	struct hs_span *s;

	for (uint32_t i = 0; i <= n; i++) /* one more: the first span is let go as full */
		p[i] = hs_heap_alloc(t, 8192, 16, false);
	s = hs_pagemap_get(p[0]);
	for (uint32_t i = 1; i < n; i++)
		model_free_block(t, p[i]);
	assert_ptr_equal(hs_pagemap_get(p[0])->xowner, t);
	model_free_block(u, p[0]); /* in u's ring */
	assert_int_equal(s->row->used, 1);
	hs_store_relaxed(&s->row->used, 0);
	hs_tcache_drain(t);
	assert_int_equal(s->state, HS_SPAN_SMALL);
	hs_tcache_flush(u);
	hs_tcache_drain(u);
	hs_tcache_drain(t);
	model_free_block(t, p[n]);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	hs_heap_check(heap, NULL);
	model_check_empty(heap);
	model_heap_drop(heap);
}

/* ---- a scribbling neighbour ---- */

struct neighbour {
	struct hs_heap *heap;
	void *slots[1024];
	uint32_t xstop;
};

static void *scribbler(void *arg)
{
	struct neighbour *nb = arg;
	struct hs_prng prng;

	hs_prng_init(&prng, 5);
	while (hs_load_relaxed(&nb->xstop) == 0)
		for (unsigned i = 0; i < 100; i++)
			scribble(nb->heap, &prng);
	return NULL;
}

static void *victim(void *arg)
{
	struct neighbour *nb = arg;
	struct hs_tcache *t = hs_heap_attach(nb->heap, 7);
	struct hs_prng prng;

	hs_prng_init(&prng, (uintptr_t)t);
	for (uint32_t i = 0; i < MODEL_STEPS(60000); i++) {
		size_t bytes = 64 + hs_prng_next(&prng) % 4 * 500;
		unsigned char *mine = hs_heap_alloc(t, bytes, 16, false), *old;

		must(mine != NULL);
		memcpy(mine, &bytes, sizeof(bytes));
		model_fill(mine + 8, bytes - 8, bytes);
		old = __atomic_exchange_n(&nb->slots[hs_prng_next(&prng) % 1024], mine, __ATOMIC_ACQ_REL);
		if (old != NULL) {
			memcpy(&bytes, old, sizeof(bytes));
			must(bytes >= 64 && bytes < 2000);
			model_verify(old + 8, bytes - 8, bytes);
			model_free_block(t, old);
		}
		if (i % 512 == 0)
			hs_tcache_tick(t);
	}
	hs_heap_detach(nb->heap, t);
	return NULL;
}

static void test_scribbling_neighbour(void **state)
{
	static struct neighbour nb;
	pthread_t threads[3], pest;

	if (HS_TSAN)
		skip(); /* to write where somebody else writes is the purpose */
	nb.heap = model_heap(2, 10000);
	hs_heap_detach(nb.heap, hs_heap_attach(nb.heap, 1));
	victim(&nb); /* some rows to scribble on */
	assert_int_equal(pthread_create(&pest, NULL, scribbler, &nb), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, victim, &nb), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	hs_store_relaxed(&nb.xstop, 1);
	pthread_join(pest, NULL);
	model_heap_drop(nb.heap);
}

/* ---- full tables ---- */

static void test_spans_full(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t[2];
	struct model m;

	heap->rows.tables[HEAPSPY_T_SPANS - 1].capacity = 5;
	t[0] = hs_heap_attach(heap, 1);
	t[1] = hs_heap_attach(heap, 2);
	model_init(&m, heap, 3000, 21);
	for (size_t i = 0; i < 20000; i++) {
		if (m.n < 1500 || (m.n < m.cap && model_random(&m, 2) == 0))
			must(model_alloc(&m, t[i % 2], model_random_size(&m, false), 16, false));
		else
			model_free(&m, t[model_random(&m, 2)], model_random(&m, m.n));
	}
	model_check_contents(&m);
	assert_int_equal(heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count, 5);
	assert_true(heap->rows.header->lost_spans > 10);
	assert_int_equal(hs_pagemap_get(m.blocks[m.n - 1].p)->id, UINT32_MAX);
	model_check_heap(heap);
	model_free_all(&m, t[0]);
	hs_heap_detach(heap, t[0]);
	hs_heap_detach(heap, t[1]);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void test_threads_full(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t[6];
	struct model m;

	heap->rows.tables[HEAPSPY_T_THREADS - 1].capacity = 3;
	for (uint32_t i = 0; i < 6; i++) {
		t[i] = hs_heap_attach(heap, i + 1);
		assert_non_null(t[i]);
		assert_int_equal(t[i]->id, i < 2 ? i + 1 : 0);
	}
	assert_int_equal(heap->rows.header->lost_threads, 4);
	assert_int_equal(heap->rows.header->tables[HEAPSPY_T_THREADS - 1].count, 3);
	model_init(&m, heap, 3000, 22);
	for (size_t i = 0; i < 20000; i++) {
		if (m.n < 1500 || (m.n < m.cap && model_random(&m, 2) == 0))
			must(model_alloc(&m, t[i % 6], model_random_size(&m, false), 16, false));
		else
			model_free(&m, t[model_random(&m, 6)], model_random(&m, m.n));
	}
	model_check_heap(heap);
	model_check_contents(&m);
	model_free_all(&m, t[5]);
	for (uint32_t i = 0; i < 6; i++)
		hs_heap_detach(heap, t[i]);
	model_check_empty(heap);
	/* the rows that exist are found again, and so are the private ones */
	for (uint32_t i = 0; i < 6; i++)
		t[i] = hs_heap_attach(heap, i + 1);
	assert_int_equal(heap->rows.header->lost_threads, 4);
	model_done(&m);
	model_heap_drop(heap);
}

/* Without room for arenas beyond the first, threads share it. */
static void test_arenas_full(void **state)
{
	struct hs_heap *heap = model_heap(4, 10000);
	struct hs_tcache *t[3];

	heap->rows.tables[HEAPSPY_T_ARENAS - 1].capacity = 1;
	for (uint32_t i = 0; i < 3; i++) {
		t[i] = hs_heap_attach(heap, i + 1);
		assert_non_null(t[i]);
		assert_ptr_equal(t[i]->arena, heap->arenas[0]);
	}
	assert_int_equal(heap->xn_arenas, 1);
	assert_int_equal(heap->rows.arenas[0].n_threads, 3);
	for (uint32_t i = 0; i < 3; i++)
		hs_heap_detach(heap, t[i]);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_false_empty_with_ring),
		cmocka_unit_test(test_scribbled),
		cmocka_unit_test(test_scribbling_neighbour),
		cmocka_unit_test(test_spans_full),
		cmocka_unit_test(test_threads_full),
		cmocka_unit_test(test_arenas_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
