/* SPDX-License-Identifier: MIT */
/* tcache - how spans change hands: active, full, bin, rings, empty ones, samples, damaged lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model.h"

#define BYTES 1024u

static struct hs_heap *heap;
static struct hs_tcache *t, *u;
static unsigned klass;
static uint32_t n_slots;
static void *p[(HS_PARTIAL_MAX + 100) * 64];

static int setup(void **state)
{
	heap = model_heap(1, 10000);
	t = hs_heap_attach(heap, 1);
	u = hs_heap_attach(heap, 2);
	klass = hs_sizeclass_of(BYTES);
	n_slots = hs_sizeclasses[klass].n_slots;
	return t != NULL && u != NULL && n_slots <= 64 ? 0 : -1;
}

static void check(void)
{
	model_check_heap(heap);
}

/* Everything has been freed. */
static int teardown(void **state)
{
	check();
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	check();
	model_check_empty(heap);
	model_heap_drop(heap);
	return 0;
}

static void take(struct hs_tcache *from, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		p[i] = hs_heap_alloc(from, BYTES, 16, false);
		must(p[i] != NULL);
		memset(p[i], 0x55, BYTES);
	}
}

static void give(struct hs_tcache *to, size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		model_free_block(to, p[i]);
}

static struct hs_span *span(size_t i)
{
	return hs_pagemap_get(p[i]);
}

static void test_active(void **state)
{
	struct hs_span *s;

	assert_ptr_equal(t->active[klass], &hs_span_none);
	take(t, 0, 1);
	s = span(0);
	assert_ptr_equal(t->active[klass], s);
	assert_int_equal(s->xowner, (uintptr_t)t);
	assert_int_equal(s->row->used, HEAPSPY_USED_BIAS + 1);
	assert_int_equal(s->row->owner, t->id);
	assert_int_equal(s->row->extended, 4096 / BYTES); /* memory is touched a page at a time */
	assert_int_equal(t->class_rows[klass].n_refills, 1);
	take(t, 1, n_slots - 1);
	check();
	assert_int_equal(s->row->used, HEAPSPY_USED_BIAS + n_slots);
	assert_int_equal(s->row->extended, n_slots);
	/* the next one needs another span; this one is parked */
	take(t, n_slots, 1);
	assert_int_equal(s->xowner, (uintptr_t)t);
	assert_int_equal(s->parked, 1);
	assert_int_equal(t->n_parked[klass], 1);
	assert_int_equal(s->row->used, n_slots);
	assert_int_equal(s->row->owner, t->id);
	check();
	/* a full span that is let go belongs to nobody */
	hs_tcache_drain(t);
	assert_int_equal(s->xowner, HS_OWNER_FULL);
	assert_int_equal(s->row->owner, 0);
	check();
	give(t, 0, n_slots + 1);
	assert_int_equal(s->row->used, 0);
}

static void test_parked(void **state)
{
	struct hs_span *oldest;
	size_t span_bytes = hs_sizeclasses[klass].span_pages * HS_PAGE_BYTES;
	size_t all = (HS_PARKED_BYTES / span_bytes + 4) * n_slots + 1;

	take(t, 0, 2 * n_slots + 1);
	oldest = span(0);
	/* a free is the fast path's, and the span serves again before a new one is made */
	assert_true(hs_tcache_push(t, oldest, p[0]));
	take(t, 2 * n_slots + 1, n_slots - 1);
	take(t, 0, 1);
	assert_ptr_equal(span(0), oldest);
	assert_int_equal(t->class_rows[klass].n_refills, 4);
	check();
	/* more than the limit are not kept */
	take(t, 3 * n_slots, all - 3 * n_slots);
	assert_in_range(t->n_parked[klass] * span_bytes, 1, HS_PARKED_BYTES + span_bytes);
	check();
	give(t, 0, all);
	assert_int_equal(t->n_parked[klass], 0);
	check();
}

static void test_full_is_claimed_by_who_frees(void **state)
{
	struct hs_span *s;

	take(t, 0, n_slots + 1);
	s = span(0);
	hs_tcache_drain(t);
	give(u, 0, 1);
	assert_int_equal(s->xowner, (uintptr_t)u);
	assert_int_equal(s->row->owner, u->id);
	assert_int_equal(s->row->used, n_slots - 1);
	assert_int_equal(u->n_partial[klass], 1);
	check();
	/* it serves its new owner */
	take(u, 0, 1);
	assert_ptr_equal(span(0), s);
	/* and for the old one it is a stranger's now */
	give(t, 1, 3);
	assert_int_equal(t->row->n_remote_freed, 3);
	assert_int_equal(s->row->used & ~HEAPSPY_USED_BIAS, n_slots);
	check();
	give(t, 4, n_slots - 3);
	give(u, 0, 1);
}

static void test_ring(void **state)
{
	struct hs_span *s;
	uint32_t most = HS_RING_BYTES_MAX / BYTES, in_ring = 0;

	take(t, 0, n_slots);
	s = span(0);
	for (uint32_t i = 1; i < most; i++) {
		give(u, i, 1);
		assert_int_equal(s->row->xpending, 0);
		assert_null(s->xfree);
		check();
	}
	for (unsigned k = 0; k < HEAPSPY_RING; k++) {
		in_ring += u->row->ring[k].n;
		assert_true(u->row->ring[k].n == 0 || u->row->ring[k].span == s->id);
	}
	assert_int_equal(in_ring, most - 1);
	give(u, most, 1); /* 16 KiB of them are published */
	assert_int_equal(s->row->xpending, most);
	assert_non_null(s->xfree);
	assert_int_equal(s->row->used, HEAPSPY_USED_BIAS + n_slots);
	give(u, most + 1, 1);
	hs_tcache_flush(u);
	assert_int_equal(s->row->xpending, most + 1);
	check();
	/* the owner takes them in before it looks for another span */
	take(t, n_slots, 1);
	assert_ptr_equal(span(n_slots), s);
	assert_int_equal(s->row->xpending, 0);
	assert_int_equal(s->row->used, HEAPSPY_USED_BIAS + n_slots - most);
	check();
	give(t, n_slots, 1);
	give(t, 0, 1);
	give(u, most + 2, n_slots - most - 2);
}

/* More spans than ring entries: each collision publishes what was there. */
static void test_ring_collisions(void **state)
{
	enum { SPANS = 40 };

	take(t, 0, SPANS * n_slots);
	give(t, 0, 0);
	for (uint32_t k = 0; k < n_slots; k++) {
		for (uint32_t i = 0; i < SPANS; i++)
			give(u, i * n_slots + (k * 7 + i) % n_slots, 1);
		check();
	}
}

static void test_bin(void **state)
{
	struct hs_span *s;

	take(t, 0, 3);
	s = span(0);
	give(t, 0, 1);
	hs_tcache_drain(t);
	assert_int_equal(s->xowner, HS_OWNER_BIN);
	assert_int_equal(t->arena->bins[klass].xn_nonfull, 1);
	assert_int_equal(s->row->owner, 0);
	check();
	/* another thread of the arena takes it whole */
	take(u, 3, 1);
	assert_ptr_equal(span(3), s);
	assert_int_equal(s->xowner, (uintptr_t)u);
	assert_int_equal(t->arena->bins[klass].xn_nonfull, 0);
	assert_int_equal(s->row->used, HEAPSPY_USED_BIAS + 3);
	hs_tcache_drain(u);
	/* frees into a bin's span are gathered; when it looks empty, who frees last takes it and retires it */
	give(t, 1, 2);
	hs_tcache_flush(t);
	assert_int_equal(s->xowner, HS_OWNER_BIN);
	assert_int_equal(s->row->xpending, 2);
	check();
	give(t, 3, 1);
	hs_tcache_flush(t);
	assert_int_equal(t->arena->bins[klass].xn_nonfull, 0);
	check();
	hs_tcache_drain(t);
	assert_int_equal(s->state, HS_SPAN_DIRTY);
	assert_int_equal(t->arena->bins[klass].row->n_retired, 1);
}

static void test_partial_limit(void **state)
{
	uint32_t spans = HS_PARTIAL_MAX + 100;

	take(t, 0, (size_t)spans * n_slots);
	hs_tcache_drain(t); /* all full ones are nobody's */
	for (uint32_t i = 0; i < spans; i++) /* one slot of each comes back: each is claimed */
		give(u, (size_t)i * n_slots, 1);
	assert_int_equal(u->n_partial[klass], HS_PARTIAL_MAX);
	/* some of them given, because t had left word that it looked for spans */
	assert_int_equal(u->arena->bins[klass].xn_nonfull, 100);
	assert_int_equal(span(0)->xowner, HS_OWNER_BIN); /* the oldest */
	check();
	for (uint32_t i = 0; i < spans; i++)
		give(u, (size_t)i * n_slots + 1, n_slots - 1);
}

/* Who looks for spans in vain leaves word, and who has enough gives one for each: but only to others. */
static void test_give_wanted(void **state)
{
	uint32_t *wanted = &heap->arenas[0]->bins[klass].xn_wanted;

	take(t, 0, (size_t)40 * n_slots);
	assert_int_equal(*wanted, 40);
	take(u, (size_t)40 * n_slots, (size_t)40 * n_slots);
	assert_int_equal(*wanted, 64);
	for (uint32_t i = 0; i < 80; i++) /* u left the last word, so it gives nothing */
		give(u, (size_t)i * n_slots, 1);
	assert_int_equal(t->arena->bins[klass].xn_nonfull + u->arena->bins[klass].xn_nonfull, 0);
	for (uint32_t i = 0; i < 80; i++)
		give(u, (size_t)i * n_slots + 1, n_slots - 1);
	/* t keeps what it may need itself, and gives the rest to u */
	take(t, 0, (size_t)40 * n_slots);
	hs_tcache_drain(t);
	*wanted = 40;
	u->arena->bins[klass].xwanter = u->id;
	for (uint32_t i = 0; i < 40; i++)
		give(t, (size_t)i * n_slots, 1);
	assert_in_range(t->n_partial[klass], 16, 17);
	assert_int_equal(*wanted + 40 - t->n_partial[klass], 40);
	check();
	for (uint32_t i = 0; i < 40; i++)
		give(t, (size_t)i * n_slots + 1, n_slots - 1);
}

static void test_empty_ones_stay_a_while(void **state)
{
	size_t spans = 40, bytes = hs_sizeclasses[klass].span_pages * HS_PAGE_BYTES;
	size_t n = spans * n_slots;

	take(t, 0, n);
	give(t, 0, n);
	assert_true(t->emptied_bytes <= HS_EMPTY_KEEP_BYTES);
	assert_true(t->emptied_bytes + bytes > HS_EMPTY_KEEP_BYTES);
	assert_true(t->arena->bins[klass].row->n_retired >= spans - 1 - HS_EMPTY_KEEP_BYTES / bytes);
	check();
	/* they serve before a new one is made */
	take(t, 0, n_slots * 2);
	assert_true(t->emptied_bytes + 2 * bytes <= HS_EMPTY_KEEP_BYTES + bytes);
	give(t, 0, n_slots * 2);
	/* ticks without use let them go, the active one too */
	for (unsigned i = 0; i < 100; i++) {
		hs_tcache_tick(t);
		check();
	}
	assert_int_equal(t->emptied_bytes, 0);
	assert_ptr_equal(t->active[klass], &hs_span_none);
	assert_int_equal(model_small_spans(heap), 0);
}

static void test_tick_keeps_what_is_used(void **state)
{
	take(t, 0, 5);
	for (unsigned i = 0; i < 10; i++)
		hs_tcache_tick(t);
	assert_ptr_equal(t->active[klass], span(0));
	for (unsigned i = 0; i < 10; i++) { /* in use at each tick but one: stays */
		hs_tcache_tick(t);
		give(t, 0, 5);
		hs_tcache_tick(t);
		take(t, 0, 5);
	}
	assert_int_equal(t->arena->bins[klass].row->n_retired, 0);
	give(t, 0, 5);
}

static void test_samples(void **state)
{
	struct hs_span *s;

	take(t, 0, 4);
	s = span(0);
	hs_tcache_mark_sampled(t, s, p[0]);
	assert_int_equal(s->xowner, (uintptr_t)t | HS_OWNER_SAMPLED);
	assert_int_equal(s->row->n_samples, 1);
	assert_false(hs_tcache_push(t, s, p[1])); /* the fast path says no, the slow one frees */
	give(t, 1, 1);
	check();
	/* through the bin and back, the mark stays */
	hs_tcache_drain(t);
	take(t, 1, 1);
	assert_ptr_equal(span(1), s);
	assert_int_equal(s->xowner, (uintptr_t)t | HS_OWNER_SAMPLED);
	/* the last sample is gone: the next free takes the mark away */
	s->xn_samples = 0;
	give(t, 0, 1);
	assert_int_equal(s->xowner, (uintptr_t)t);
	check();
	/* and a full one is claimed with its mark */
	take(t, 0, 1);
	take(t, 4, n_slots - 3);
	hs_tcache_mark_sampled(t, s, p[0]);
	hs_tcache_drain(t);
	assert_int_equal(s->xowner, HS_OWNER_FULL);
	give(u, 0, 1);
	assert_int_equal(s->xowner, (uintptr_t)u | HS_OWNER_SAMPLED);
	s->xn_samples = 0;
	give(u, 1, n_slots - 1);
	give(t, n_slots, 1);
}

static void test_damaged_list(void **state)
{
	enum hs_corruption what;
	struct hs_span *s;

	take(t, 0, 3);
	s = span(0);
	give(t, 1, 1);
	memset(p[1], 0x41, BYTES); /* use after free */
	model_corruption_begin();
	p[1] = hs_heap_alloc(t, BYTES, 16, false);
	assert_int_equal(model_corruption_end(&what), 1);
	assert_int_equal(what, HS_BAD_LIST);
	assert_non_null(p[1]); /* warn mode: the list is given up, the heap goes on */
	assert_true(s->row->used >= 3);
	hs_heap_check(heap, NULL);
	give(t, 0, 3);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	hs_heap_check(heap, NULL);
	model_heap_drop(heap);
}

static void test_damaged_remote_list(void **state)
{
	enum hs_corruption what;

	take(t, 0, n_slots);
	give(u, 0, 2);
	hs_tcache_flush(u);
	memset(p[1], 0x41, BYTES);
	model_corruption_begin();
	take(t, n_slots, 1);
	assert_int_equal(model_corruption_end(&what), 1);
	assert_int_equal(what, HS_BAD_LIST);
	hs_heap_check(heap, NULL);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	model_heap_drop(heap);
}

static void test_double_free_everywhere(void **state)
{
	enum hs_corruption what;

	take(t, 0, n_slots + 3);
	model_corruption_begin();
	give(t, n_slots, 1); /* own, active */
	give(t, n_slots, 1);
	assert_int_equal(model_corruption_end(&what), 1);
	assert_int_equal(what, HS_DOUBLE_FREE);
	model_corruption_begin();
	give(u, n_slots + 1, 1); /* in a ring */
	give(u, n_slots + 1, 1);
	give(t, n_slots + 1, 1);
	assert_int_equal(model_corruption_end(&what), 2);
	model_corruption_begin();
	give(u, 0, 1); /* full, claimed */
	give(u, 0, 1);
	give(t, 0, 1);
	assert_int_equal(model_corruption_end(&what), 2);
	check();
	give(u, 1, n_slots - 1);
	give(t, n_slots + 2, 1);
}

static void test_none(void **state)
{
	struct hs_span *direct[HS_DIRECT_ENTRIES];

	hs_tcache_set_direct(t, direct);
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		assert_null(hs_tcache_pop(t, c));
	for (size_t i = 0; i < HS_DIRECT_ENTRIES; i++)
		assert_null(hs_span_pop(direct[i]));
	take(t, 0, 1);
	assert_false(hs_span_push(span(0), 0, p[0])); /* the token of a thread whose cache is hidden */
	for (size_t i = 0; i < HS_DIRECT_ENTRIES; i++) {
		unsigned c = hs_sizeclass_of(i * HS_SLOT_ALIGN);

		assert_ptr_equal(direct[i], t->active[c]);
		assert_true(t->active[c] == &hs_span_none || c == span(0)->klass);
	}
	give(t, 0, 1);
	hs_tcache_set_direct(t, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_active, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_is_claimed_by_who_frees, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_collisions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partial_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_give_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_ones_stay_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tick_keeps_what_is_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_samples, setup, teardown),
		cmocka_unit_test_setup(test_damaged_list, setup),
		cmocka_unit_test_setup(test_damaged_remote_list, setup),
		cmocka_unit_test_setup_teardown(test_double_free_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
