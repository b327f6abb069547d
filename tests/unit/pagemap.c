/* SPDX-License-Identifier: MIT */
/* pagemap - any bit pattern may be asked for; leaves are made once, also by several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/pagemap.h"
#include "model.h"

#define FAR ((char *)((uintptr_t)0x3 << 44)) /* nothing is ever mapped there */
#define GIB ((size_t)1 << 30)

static void test_unknown(void **state)
{
	struct hs_prng prng;
	int local = 0;

	hs_prng_init(&prng, 1);
	assert_null(hs_pagemap_get(NULL));
	assert_null(hs_pagemap_get(&local));
	assert_null(hs_pagemap_get((void *)UINTPTR_MAX));
	assert_null(hs_pagemap_get((void *)((uintptr_t)1 << 48)));
	assert_null(hs_pagemap_get((void *)(((uintptr_t)1 << 48) - 1)));
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t bits = (uint64_t)hs_prng_next(&prng) << 32 | hs_prng_next(&prng);

		assert_null(hs_pagemap_get((void *)(uintptr_t)(bits >> (i % 40))));
	}
	assert_false(hs_pagemap_prepare((void *)((uintptr_t)1 << 48), 1));
}

static void test_set(void **state)
{
	static struct hs_span span;
	char *base = FAR + GIB - 2 * HS_PAGE_BYTES; /* across the border of two leaves */
	uint64_t touched = hs_pagemap_touched_bytes;

	assert_true(hs_pagemap_prepare(base, 4 * HS_PAGE_BYTES));
	assert_true(hs_pagemap_prepare(base, 4 * HS_PAGE_BYTES)); /* again: nothing happens */
	span.base = base;
	span.n_pages = 4;
	hs_pagemap_set_ends(&span, &span);
	assert_ptr_equal(hs_pagemap_get(base), &span);
	assert_ptr_equal(hs_pagemap_get(base + HS_PAGE_BYTES - 1), &span);
	assert_null(hs_pagemap_get(base + HS_PAGE_BYTES));
	assert_ptr_equal(hs_pagemap_get(base + 4 * HS_PAGE_BYTES - 1), &span);
	assert_null(hs_pagemap_get(base - 1));
	assert_null(hs_pagemap_get(base + 4 * HS_PAGE_BYTES));
	assert_int_equal(hs_pagemap_touched_bytes - touched, 2 * 4096);
	hs_pagemap_set_all(&span, &span);
	for (size_t i = 0; i < 4 * HS_PAGE_BYTES; i += 512)
		assert_ptr_equal(hs_pagemap_get(base + i), &span);
	hs_pagemap_set_all(&span, NULL);
	for (size_t i = 0; i < 4 * HS_PAGE_BYTES; i += 512)
		assert_null(hs_pagemap_get(base + i));
	assert_int_equal(hs_pagemap_touched_bytes - touched, 2 * 4096); /* the same pages of the leaves */
	span.n_pages = 1;
	hs_pagemap_set_ends(&span, &span);
	assert_ptr_equal(hs_pagemap_get(base), &span);
	assert_null(hs_pagemap_get(base + HS_PAGE_BYTES));
	hs_pagemap_set_ends(&span, NULL);
}

static void test_front(void **state)
{
	static struct hs_span span;
	char *base = FAR + 64 * GIB + 40 * HS_PAGE_BYTES, *alias;
	struct hs_prng prng;

	hs_sizeclass_init(4096);
	assert_non_null(hs_front_get(base)); /* before there is a front */
	assert_false(hs_span_is_slot(hs_front_get(base), base));
	hs_front_init();
	hs_front_init(); /* again: nothing happens */
	hs_prng_init(&prng, 1);
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t bits = (uint64_t)hs_prng_next(&prng) << 32 | hs_prng_next(&prng);
		void *p = (void *)(uintptr_t)(bits >> (i % 60));

		must(!hs_span_is_slot(hs_front_get(p), p));
	}
	assert_true(hs_pagemap_prepare(base, 4 * HS_PAGE_BYTES));
	span = (struct hs_span){.base = base, .n_pages = 4, .slot_bytes = 64, .inverse = hs_sizeclasses[3].inverse};
	hs_span_set_extended(&span, 512);
	hs_pagemap_set_all(&span, &span);
	for (size_t i = 0; i < 4 * HS_PAGE_BYTES; i += 64) {
		assert_ptr_equal(hs_front_get(base + i), &span);
		assert_true(hs_span_is_slot(&span, base + i));
	}
	assert_false(hs_span_is_slot(hs_front_get(base - 64), base - 64));
	/* a page that wants the same entry: the guess is wrong, and shows it */
	alias = base + ((hs_front[-1] + 1) << HS_PAGE_SHIFT);
	assert_ptr_equal(hs_front_get(alias), &span);
	assert_false(hs_span_is_slot(&span, alias));
	hs_pagemap_set_all(&span, NULL);
	for (size_t i = 0; i < 4 * HS_PAGE_BYTES; i += 64)
		assert_false(hs_span_is_slot(hs_front_get(base + i), base + i));
}

/* ---- threads make the same leaf ---- */

static struct hs_span spans[4];
static pthread_barrier_t barrier;

static void *race(void *arg)
{
	struct hs_span *s = arg;

	for (unsigned round = 0; round < 20; round++) {
		s->base = FAR + (2 + round) * GIB + (size_t)(s - spans) * HS_PAGE_BYTES;
		s->n_pages = 1;
		pthread_barrier_wait(&barrier);
		must(hs_pagemap_prepare(s->base, HS_PAGE_BYTES));
		hs_pagemap_set_ends(s, s);
		pthread_barrier_wait(&barrier);
		for (unsigned i = 0; i < 4; i++)
			must(hs_pagemap_get(FAR + (2 + round) * GIB + i * HS_PAGE_BYTES) == &spans[i]);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	pthread_barrier_init(&barrier, NULL, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &spans[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_front),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
