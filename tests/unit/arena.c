/* SPDX-License-Identifier: MIT */
/* arena and ranges - random histories of page runs: whole, merged, aligned, counted, and never given out twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/ranges.h"
#include "model.h"
#include "os/sys.h"

#define MIB ((size_t)1 << 20)

static struct hs_waited waits;

/* No two free neighbours of one state: they were merged. */
static void check_merged(struct hs_arena *a)
{
	for (struct hs_span_chunk *c = a->chunks; c != NULL; c = c->next) {
		for (unsigned k = 0; k < HS_SPAN_CHUNK; k++) {
			struct hs_span *s = &c->spans[k], *next;

			if (s->state != HS_SPAN_DIRTY && s->state != HS_SPAN_CLEAN)
				continue;
			must(hs_pagemap_get(s->base) == s);
			next = hs_pagemap_get(s->base + hs_span_bytes(s));
			must(next == NULL || next->arena != a || next->state != s->state);
		}
	}
}

static void check(struct hs_arena *a)
{
	hs_arena_check(a);
	check_merged(a);
	must(a->row->mapped_bytes == a->mapped_pages * HS_PAGE_BYTES);
	must(a->row->spans_bytes == a->span_pages * HS_PAGE_BYTES);
	must(a->row->retained_bytes == a->clean.n_pages * HS_PAGE_BYTES);
	must(a->row->peak_spans_bytes >= a->row->spans_bytes);
}

static void test_random(void **state)
{
	enum { N = 400 };
	static struct {
		struct hs_span *span;
		size_t n_pages;
		uint64_t mark;
	} live[N];
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	struct hs_prng prng;
	size_t sum = 0;

	hs_prng_init(&prng, 5);
	for (uint64_t i = 1; i <= MODEL_STEPS(40000); i++) {
		unsigned k = hs_prng_next(&prng) % N;
		size_t pages = 1 + hs_prng_next(&prng) % (hs_prng_next(&prng) % 8 == 0 ? 400 : 12);
		struct hs_span *s = live[k].span;

		if (s == NULL) {
			size_t align = HS_PAGE_BYTES << (hs_prng_next(&prng) % 8 == 0 ? hs_prng_next(&prng) % 7 : 0);

			s = live[k].span = hs_arena_alloc(a, pages, align, &waits);
			must(s != NULL && s->n_pages == pages && (uintptr_t)s->base % align == 0);
			must(s->row->state == HEAPSPY_SPAN_LARGE && s->row->bytes == hs_span_bytes(s));
			if (s->zeroed)
				must(s->base[0] == 0 && s->base[hs_span_bytes(s) - 1] == 0);
		} else if (hs_prng_next(&prng) % 4 == 0) {
			size_t old = s->n_pages;

			must(*(uint64_t *)(void *)s->base == live[k].mark);
			if (hs_arena_resize(a, s, pages, &waits))
				must(s->n_pages == pages && s->row->bytes == pages * HS_PAGE_BYTES);
			else
				must(s->n_pages == old && pages > old);
			sum -= old;
		} else {
			must(*(uint64_t *)(void *)s->base == live[k].mark);
			sum -= s->n_pages;
			hs_arena_free(a, s, &waits);
			live[k].span = NULL;
			continue;
		}
		must(hs_pagemap_get(s->base) == s);
		must(hs_pagemap_get(s->base + hs_span_bytes(s) - 1) == s);
		sum += s->n_pages;
		live[k].mark = i;
		*(uint64_t *)(void *)s->base = i; /* another owner of the page would overwrite it */
		*(uint64_t *)(void *)(s->base + hs_span_bytes(s) - 8) = i;
		must(a->span_pages == sum);
		if (i % 5000 == 0)
			hs_arena_decay(a, hs_now_ns(), true, &waits);
		if (i % 200 == 0)
			check(a);
	}
	for (unsigned k = 0; k < N; k++)
		if (live[k].span != NULL)
			hs_arena_free(a, live[k].span, &waits);
	check(a);
	assert_int_equal(a->span_pages, 0);
	assert_int_equal(a->row->n_spans_made, a->row->n_spans_retired);
	model_heap_drop(heap);
}

/* Freed in any order, neighbours become one range again. */
static void test_merge(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	struct hs_span *s[16];
	char *base;
	unsigned n = 0;

	for (unsigned i = 0; i < 16; i++)
		s[i] = hs_arena_alloc(a, 4, HS_PAGE_BYTES, &waits);
	base = s[0]->base;
	for (unsigned i = 1; i < 16; i++)
		assert_ptr_equal(s[i]->base, base + i * 4 * HS_PAGE_BYTES);
	for (unsigned i = 0; i < 16; i++) {
		hs_arena_free(a, s[i * 7 % 16], &waits);
		check(a);
	}
	for (struct hs_list *l = a->dirty_age.next; l != &a->dirty_age; l = l->next)
		n++;
	assert_int_equal(n, 1);
	assert_int_equal(hs_pagemap_get(base)->n_pages, 64);
	/* dirty pages serve before those that were never touched */
	assert_ptr_equal(hs_arena_alloc(a, 64, HS_PAGE_BYTES, &waits)->base, base);
	assert_int_equal(a->dirty.n_pages, 0);
	model_heap_drop(heap);
}

static void test_small_spans(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);

	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		struct hs_span *s = hs_arena_alloc_small(a, c, 0x1000, &waits);

		assert_non_null(s);
		assert_int_equal(s->xowner, 0x1000);
		assert_int_equal(s->state, HS_SPAN_SMALL);
		assert_int_equal(s->klass, c);
		assert_int_equal(s->n_pages, hs_sizeclasses[c].span_pages);
		assert_int_equal(s->row->slot_bytes, hs_sizeclasses[c].slot_bytes);
		assert_int_equal(s->row->n_slots, hs_sizeclasses[c].n_slots);
		assert_int_equal(s->row->used + s->row->extended, 0);
		for (size_t i = 0; i < hs_span_bytes(s); i += 4096)
			assert_ptr_equal(hs_pagemap_get(s->base + i), s);
		hs_arena_free(a, s, &waits);
		assert_int_equal(s->row->state, HEAPSPY_SPAN_FREE);
	}
	check(a);
	assert_int_equal(a->span_pages, 0);
	model_heap_drop(heap);
}

/* Two arenas side by side never merge. */
static void test_neighbours(void **state)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *u = hs_heap_attach(heap, 2);
	struct hs_span *s[64];

	assert_ptr_not_equal(t->arena, u->arena);
	for (unsigned i = 0; i < 64; i++)
		s[i] = hs_arena_alloc(i % 2 ? t->arena : u->arena, 128, HS_PAGE_BYTES, &waits);
	for (unsigned i = 0; i < 64; i++)
		hs_arena_free(s[i]->arena, s[i], &waits);
	check(t->arena);
	check(u->arena);
	assert_int_equal(t->arena->dirty.n_pages + t->arena->clean.n_pages, t->arena->mapped_pages);
	for (struct hs_list *l = t->arena->dirty_age.next; l != &t->arena->dirty_age; l = l->next)
		assert_ptr_equal(hs_container_of(l, struct hs_span, link)->arena, t->arena);
	model_heap_drop(heap);
}

static void test_huge(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	struct hs_span *s = hs_arena_alloc_huge(a, 40 * MIB + 1, 16, &waits);
	char *old;

	assert_non_null(s);
	assert_int_equal(s->row->state, HEAPSPY_SPAN_HUGE);
	assert_int_equal(s->row->bytes, 40 * MIB + HS_PAGE_BYTES);
	assert_int_equal(a->row->huge_bytes, 40 * MIB + HS_PAGE_BYTES);
	old = s->base;
	strcpy(old, "contents");
	/* something of ours right behind it, so that it has to move */
	while (hs_arena_resize_huge(a, s, hs_span_bytes(s) + 64 * MIB, false, &waits))
		assert_true(hs_span_bytes(s) < 1024 * MIB);
	assert_ptr_equal(s->base, old);
	assert_ptr_equal(hs_pagemap_get(old), s);
	assert_true(hs_arena_resize_huge(a, s, 1200 * MIB, true, &waits));
	assert_string_equal(s->base, "contents");
	assert_ptr_equal(hs_pagemap_get(s->base), s);
	assert_ptr_equal(hs_pagemap_get(s->base + hs_span_bytes(s) - 1), s);
	if (s->base != old)
		assert_null(hs_pagemap_get(old));
	assert_int_equal(s->row->base, (uintptr_t)s->base);
	assert_true(hs_arena_resize_huge(a, s, 20 * MIB, true, &waits));
	assert_int_equal(a->row->huge_bytes, 20 * MIB);
	assert_null(hs_pagemap_get(s->base + 20 * MIB));
	old = s->base;
	hs_arena_free(a, s, &waits);
	assert_int_equal(a->row->huge_bytes, 0);
	assert_null(hs_pagemap_get(old));
	assert_null(hs_arena_alloc_huge(a, SIZE_MAX, 16, &waits));
	assert_null(hs_arena_alloc_huge(a, 40 * MIB, (size_t)1 << 63, &waits));
	check(a);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_small_spans),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_huge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
