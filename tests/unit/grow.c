/* SPDX-License-Identifier: MIT */
/* grow and large - objects that realloc makes longer: contents kept, exactly counted, nothing kept for ever. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ranges.h"
#include "model.h"
#include "os/sys.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct hs_waited waits;

static struct hs_heap *one_thread(struct hs_tcache **ret_t)
{
	struct hs_heap *heap = model_heap(1, 10000);

	*ret_t = hs_heap_attach(heap, 1);
	must(*ret_t != NULL);
	return heap;
}

/* As the vector of every program: it doubles, and in the growth span it stays where it is. */
static void test_doubling(void **state)
{
	struct hs_tcache *t;
	struct hs_heap *heap = one_thread(&t);
	struct model m;
	struct hs_span *s;
	char *at = NULL;

	model_init(&m, heap, 4, 1);
	for (int round = 0; round < 3; round++) {
		must(model_alloc(&m, t, 16, HS_SLOT_ALIGN, false));
		for (size_t n = 32; n <= 64 * KIB; n *= 2) {
			must(model_resize(&m, t, 0, n));
			s = hs_pagemap_get(m.blocks[0].p);
			if (n < 4 * HS_GROW_LEAST)
				continue;
			assert_ptr_equal(s->xgrower, t);
			assert_int_equal(s->row->slot_bytes, n);
			assert_int_equal(s->row->used, 1);
			must(at == NULL || round == 0 || (char *)m.blocks[0].p == at);
			model_check_exact(&m);
			hs_heap_check(heap, t);
		}
		at = (char *)m.blocks[0].p;
		model_free(&m, t, 0);
		/* kept for the next one, as a cache of this thread */
		assert_int_equal(t->grow.places[0].span->state, HS_SPAN_KEPT);
		assert_int_equal(t->grow.places[0].span->row->owner, t->id);
		model_check_exact(&m);
	}
	hs_grow_tick(t);
	assert_non_null(t->grow.places[0].span);
	hs_grow_tick(t);
	assert_null(t->grow.places[0].span);
	hs_heap_check(heap, t);
	model_done(&m);
	model_heap_drop(heap);
}

/* Others are copied until that has cost enough; then the first keeps its pages and loses the room behind it. */
static void test_turns(void **state)
{
	struct hs_tcache *t;
	struct hs_heap *heap = one_thread(&t);
	struct hs_span *first, *second;
	struct model m;
	unsigned refused = 0;

	model_init(&m, heap, 64, 2);
	must(model_alloc(&m, t, 5000, HS_SLOT_ALIGN, false));
	must(model_resize(&m, t, 0, 40 * KIB));
	/* the other places are taken by objects that stay */
	for (unsigned i = 1; i < HS_GROW_PLACES; i++) {
		must(model_alloc(&m, t, 5000, HS_SLOT_ALIGN, false));
		must(model_resize(&m, t, i, 40 * KIB));
	}
	first = hs_pagemap_get(m.blocks[0].p);
	assert_ptr_equal(first->xgrower, t);
	assert_true(first->n_pages > hs_pages_of(40 * KIB));
	must(model_alloc(&m, t, 3000, HS_SLOT_ALIGN, false));
	for (size_t n = 4 * KIB; n <= 16 * KIB && first->xgrower == t; n += 4 * KIB, refused++)
		must(model_resize(&m, t, HS_GROW_PLACES, n));
	assert_true(refused > 1);
	assert_null(first->xgrower);
	assert_int_equal(first->n_pages, hs_pages_of(40 * KIB));
	second = hs_pagemap_get(m.blocks[HS_GROW_PLACES].p);
	assert_ptr_equal(second->xgrower, t);
	assert_int_equal(heap->arenas[0]->n_undersized, 0);
	/* the first may still grow, as other large objects do */
	must(model_resize(&m, t, 0, 80 * KIB));
	model_check_exact(&m);
	/* few small objects get pages of their own that way */
	for (unsigned i = HS_GROW_PLACES + 1; i < 60; i++) {
		must(model_alloc(&m, t, 4 * KIB, HS_SLOT_ALIGN, false));
		for (unsigned k = 1; k < 6; k++)
			must(model_resize(&m, t, i, (4 + 2 * k) * KIB));
	}
	assert_in_range(heap->arenas[0]->n_undersized, 1, 8);
	model_check_exact(&m);
	model_free_all(&m, t);
	assert_int_equal(heap->arenas[0]->n_undersized, 0);
	hs_heap_detach(heap, t);
	hs_heap_comb(heap, NULL, hs_now_ns(), true); /* empty spans left for the next thread */
	hs_heap_check(heap, NULL);
	assert_int_equal(heap->arenas[0]->span_pages, 0);
	model_done(&m);
	model_heap_drop(heap);
}

/* What remains of much goes into a slot; much that becomes less gives its pages back. */
static void test_shrink(void **state)
{
	struct hs_tcache *t;
	struct hs_heap *heap = one_thread(&t);
	struct model m;
	struct hs_span *s;

	model_init(&m, heap, 4, 3);
	must(model_alloc(&m, t, 5000, HS_SLOT_ALIGN, false));
	must(model_resize(&m, t, 0, 60 * KIB));
	s = hs_pagemap_get(m.blocks[0].p);
	must(model_resize(&m, t, 0, 700));
	assert_int_equal(hs_pagemap_get(m.blocks[0].p)->state, HS_SPAN_SMALL);
	assert_int_equal(s->state, HS_SPAN_KEPT);
	must(model_resize(&m, t, 0, 4 * MIB));
	s = hs_pagemap_get(m.blocks[0].p);
	assert_ptr_equal(s->xgrower, t);
	must(model_resize(&m, t, 0, MIB));
	assert_ptr_equal(hs_pagemap_get(m.blocks[0].p), s);
	assert_int_equal(hs_span_bytes(s), MIB);
	assert_null(s->xgrower);
	model_check_exact(&m);
	model_free_all(&m, t);
	hs_heap_detach(heap, t);
	hs_heap_comb(heap, NULL, hs_now_ns(), true);
	assert_int_equal(heap->arenas[0]->span_pages, 0);
	model_done(&m);
	model_heap_drop(heap);
}

/* Dirty and clean neighbours and addresses that are not mapped yet serve together; else the pages move. */
static void test_large(void **state)
{
	struct hs_tcache *t;
	struct hs_heap *heap = one_thread(&t);
	struct hs_arena *a = t->arena;
	struct hs_span *s[4], *wall;

	for (unsigned i = 0; i < 4; i++)
		s[i] = hs_arena_alloc(a, 40, HS_PAGE_BYTES, &waits);
	for (unsigned i = 1; i < 4; i++)
		assert_ptr_equal(s[i]->base, s[0]->base + i * 40 * HS_PAGE_BYTES);
	memset(s[0]->base, 7, hs_span_bytes(s[0]));
	hs_arena_free(a, s[1], &waits);
	hs_arena_decay(a, 0, true, &waits); /* clean, */
	hs_arena_free(a, s[2], &waits);	    /* dirty, */
	hs_arena_free(a, s[3], &waits);	    /* and the frontier */
	assert_true(hs_arena_resize(a, s[0], 1000, &waits));
	assert_int_equal(s[0]->n_pages, 1000);
	assert_int_equal(s[0]->row->slot_bytes, 1000 * HS_PAGE_BYTES);
	hs_arena_check(a);
	wall = hs_arena_alloc(a, 1, HS_PAGE_BYTES, &waits);
	while (wall->base != s[0]->base + hs_span_bytes(s[0]))
		wall = hs_arena_alloc(a, 1, HS_PAGE_BYTES, &waits);
	assert_false(hs_arena_resize(a, s[0], 1001, &waits));
	if (hs_arena_move(a, s[0], 2000, &waits)) {
		assert_int_equal(s[0]->n_pages, 2000);
		assert_int_equal(s[0]->base[40 * HS_PAGE_BYTES - 1], 7);
		assert_int_equal(s[0]->base[40 * HS_PAGE_BYTES], 0);
		assert_ptr_equal(hs_pagemap_get(s[0]->base + 2000 * HS_PAGE_BYTES - 1), s[0]);
		s[1] = hs_arena_alloc(a, 1000, HS_PAGE_BYTES, &waits);
		assert_true(s[1]->zeroed); /* no pages stayed behind */
		assert_int_equal(s[1]->base[0], 0);
		hs_arena_free(a, s[1], &waits);
	}
	hs_arena_check(a);
	hs_arena_free(a, s[0], &waits);
	hs_arena_check(a);
	model_heap_drop(heap);
}

static void test_huge(void **state)
{
	struct hs_tcache *t;
	struct hs_heap *heap = one_thread(&t);
	struct model m;

	model_init(&m, heap, 2, 4);
	must(model_alloc(&m, t, 64 * KIB, HS_SLOT_ALIGN, false));
	must(model_alloc(&m, t, 64 * KIB, HS_SLOT_ALIGN, false));
	for (size_t n = 128 * KIB; n <= 128 * MIB; n *= 2) {
		must(model_resize(&m, t, 0, n));
		must(n > 32 * MIB || model_resize(&m, t, 1, n + n / 2));
		model_check_exact(&m);
		hs_heap_check(heap, t);
	}
	assert_int_equal(hs_pagemap_get(m.blocks[0].p)->state, HS_SPAN_HUGE);
	model_free_all(&m, t);
	assert_int_equal(t->arena->row->huge_bytes, 0);
	model_done(&m);
	model_heap_drop(heap);
}

/* ---- several threads hand growing objects to each other ---- */

enum { SLOTS = 8, STEPS = 20000 };

struct block {
	size_t bytes;
	unsigned char seed;
};

static struct block *slots[SLOTS];

struct worker {
	struct hs_heap *heap;
	uint32_t id;
};

static void mark(struct block *b, size_t bytes)
{
	unsigned char *p = (unsigned char *)b;

	b->bytes = bytes;
	for (size_t i = sizeof(*b); i < bytes; i += 509)
		p[i] = (unsigned char)(b->seed + i);
}

static void verify(const struct block *b, size_t bytes)
{
	const unsigned char *p = (const unsigned char *)b;

	must(hs_heap_usable(hs_pagemap_get(b), b) >= bytes);
	for (size_t i = sizeof(*b); i < bytes; i += 509)
		must(p[i] == (unsigned char)(b->seed + i));
}

static struct block *grown(struct hs_tcache *t, struct block *b, size_t bytes)
{
	struct hs_span *s = hs_pagemap_get(b);
	size_t kept = hs_min(b->bytes, bytes);
	struct block *q = b;

	if (s->state != HS_SPAN_SMALL && hs_grow_fits(t, s, b, bytes))
		hs_grow_set(s, bytes);
	else
		q = hs_heap_resize(t, s, b, bytes);
	if (q == NULL) {
		if (bytes > b->bytes && hs_grow_wanted(&t->grow, b, bytes))
			q = hs_grow_start(t, bytes);
		if (q == NULL)
			q = hs_heap_alloc(t, bytes, HS_SLOT_ALIGN, false);
		memcpy(q, b, kept);
		hs_heap_free(t, hs_pagemap_get(b), b);
		hs_grow_note(&t->grow, q);
	}
	verify(q, kept);
	mark(q, bytes);
	return q;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct hs_tcache *t = hs_heap_attach(w->heap, w->id);
	struct hs_prng prng;

	hs_prng_init(&prng, w->id);
	for (unsigned i = 0; i < MODEL_STEPS(STEPS); i++) {
		struct block *b = hs_xchg_seq_cst(&slots[hs_prng_next(&prng) % SLOTS], NULL);

		for (unsigned k = hs_prng_next(&prng) % 6; b != NULL && k > 0; k--)
			b = grown(t, b, b->bytes + 16 + hs_prng_next(&prng) % (hs_prng_next(&prng) % 64 == 0 ? MIB : b->bytes));
		if (b != NULL && (b->bytes > 2 * MIB || hs_prng_next(&prng) % 8 == 0)) {
			verify(b, b->bytes);
			hs_heap_free(t, hs_pagemap_get(b), b);
			b = NULL;
		} else if (b == NULL) {
			b = hs_heap_alloc(t, 64, HS_SLOT_ALIGN, false);
			b->seed = (unsigned char)hs_prng_next(&prng);
			mark(b, 64);
		}
		b = hs_xchg_seq_cst(&slots[hs_prng_next(&prng) % SLOTS], b);
		if (b != NULL) {
			verify(b, b->bytes);
			hs_heap_free(t, hs_pagemap_get(b), b);
		}
		if (i % 512 == 0)
			hs_tcache_tick(t);
	}
	hs_heap_detach(w->heap, t);
	return NULL;
}

static void test_threads(void **state)
{
	enum { N = 3 };
	struct hs_heap *heap = model_heap(2, 10000);
	struct worker w[N];
	pthread_t thread[N];
	struct hs_tcache *t;
	uint64_t live = 0;

	for (uint32_t i = 0; i < N; i++) {
		w[i] = (struct worker){.heap = heap, .id = i + 1};
		assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
	}
	for (uint32_t i = 0; i < N; i++)
		pthread_join(thread[i], NULL);
	t = hs_heap_attach(heap, 9);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slots[i] == NULL)
			continue;
		verify(slots[i], slots[i]->bytes);
		hs_heap_free(t, hs_pagemap_get(slots[i]), slots[i]);
		slots[i] = NULL;
	}
	hs_heap_detach(heap, t);
	hs_heap_comb(heap, NULL, hs_now_ns(), true);
	hs_heap_check(heap, NULL);
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		live += heap->arenas[i]->span_pages;
		assert_int_equal(heap->arenas[i]->n_undersized, 0);
	}
	assert_int_equal(live, 0);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubling), cmocka_unit_test(test_turns),	 cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_large),	 cmocka_unit_test(test_huge),	 cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
