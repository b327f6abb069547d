/* SPDX-License-Identifier: MIT */
/* sizeclass and span - every size, every alignment, every offset; for kernel pages of 4, 16 and 64 KiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/prng.h"
#include "core/span.h"

static void check_classes(size_t page)
{
	size_t quantum = hs_max(page, HS_PAGE_BYTES);

	hs_sizeclass_init(page);
	assert_int_equal(hs_sizeclasses[0].slot_bytes, 16);
	assert_int_equal(hs_sizeclasses[HS_N_CLASSES - 1].slot_bytes, HS_SMALL_MAX);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		const struct hs_sizeclass *s = &hs_sizeclasses[c];
		size_t bytes = (size_t)s->span_pages * HS_PAGE_BYTES;

		assert_int_equal(s->slot_bytes % 16, 0);
		assert_int_equal(bytes % quantum, 0);
		assert_int_equal(s->n_slots, bytes / s->slot_bytes);
		assert_true(s->n_slots >= 2);
		/* the tail that holds no slot wastes little, where spans can be cut finely */
		assert_true((bytes % s->slot_bytes) * (quantum == HS_PAGE_BYTES ? 16 : 11) <= bytes);
		if (c > 8)
			assert_true(s->slot_bytes * 8 <= hs_sizeclasses[c - 1].slot_bytes * 9);
		else if (c > 0)
			assert_int_equal(s->slot_bytes, hs_sizeclasses[c - 1].slot_bytes + 16);
	}
}

static void check_requests(void)
{
	for (size_t bytes = 0; bytes <= HS_SMALL_MAX; bytes++) {
		unsigned c = hs_sizeclass_of(bytes);

		assert_true(c < HS_N_CLASSES && hs_sizeclasses[c].slot_bytes >= bytes);
		assert_true(c == 0 || hs_sizeclasses[c - 1].slot_bytes < bytes); /* the smallest that serves */
	}
}

static void check_aligned(void)
{
	for (size_t align = 16; align <= HS_PAGE_BYTES; align *= 2) {
		for (size_t bytes = 0; bytes <= HS_SMALL_MAX; bytes += 5) {
			unsigned c = hs_sizeclass_of_aligned(bytes, align);

			assert_true(c < HS_N_CLASSES); /* 32 KiB is a multiple of all of them */
			assert_true(hs_sizeclasses[c].slot_bytes >= bytes);
			assert_int_equal(hs_sizeclasses[c].slot_bytes % align, 0);
		}
	}
	assert_int_equal(hs_sizeclass_of_aligned(HS_SMALL_MAX + 1, 16), HS_N_CLASSES);
	assert_int_equal(hs_sizeclass_of_aligned(1, 2 * HS_PAGE_BYTES), HS_N_CLASSES);
	assert_int_equal(hs_sizeclass_of_aligned(SIZE_MAX, 16), HS_N_CLASSES);
	assert_int_equal(hs_sizeclass_of_aligned(1, (size_t)1 << 63), HS_N_CLASSES);
}

static void test_tables(void **state)
{
	for (size_t page = 65536; page >= 4096; page /= 4) {
		check_classes(page);
		check_requests();
		check_aligned();
	}
}

/* Against division, in the span and around it. */
static void check_near(const struct hs_span *s)
{
	ptrdiff_t bytes = (ptrdiff_t)s->n_slots * s->slot_bytes;

	for (ptrdiff_t offset = -bytes; offset < 2 * bytes; offset += (offset & 4095) < 64 ? 1 : 16) {
		bool want = offset >= 0 && offset % s->slot_bytes == 0 && offset / s->slot_bytes < s->n_extended;

		if (hs_span_is_slot(s, s->base + offset) != want)
			fail_msg("slots of %u, %u extended, offset %td", s->slot_bytes, s->n_extended, offset);
	}
}

/* free() asks with addresses from anywhere, because the front of the page map only guesses. */
static void check_far(const struct hs_span *s, struct hs_prng *prng)
{
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t bits = ((uint64_t)hs_prng_next(prng) << 32 | hs_prng_next(prng)) >> (17 + i % 16);
		uint64_t near = (uint64_t)(uintptr_t)s->base + ((uint64_t)(i % 400) << (20 + i % 27));
		ptrdiff_t offset;

		for (unsigned k = 0; k < 3; k++) {
			uint64_t address = k == 0 ? bits : k == 1 ? near : near + (uint64_t)s->slot_bytes * (i % 9);

			address &= ((uint64_t)1 << 47) - 1;
			offset = (ptrdiff_t)(address - (uint64_t)(uintptr_t)s->base);
			if (offset >= 0 && offset < (ptrdiff_t)s->n_slots * s->slot_bytes)
				continue;
			if (hs_span_is_slot(s, (void *)(uintptr_t)address))
				fail_msg("slots of %u, address %p", s->slot_bytes, (void *)(uintptr_t)address);
		}
	}
}

static void test_slots(void **state)
{
	static char *const bases[] = {(char *)((uintptr_t)1 << 40), (char *)((uintptr_t)0x7ffff << 28)};
	struct hs_span s = {0};
	struct hs_prng prng;

	hs_prng_init(&prng, 1);
	hs_sizeclass_init(4096);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		s.base = bases[c % 2];
		s.inverse = hs_sizeclasses[c].inverse;
		s.slot_bytes = hs_sizeclasses[c].slot_bytes;
		s.n_slots = hs_sizeclasses[c].n_slots;
		for (unsigned part = 0; part < 3; part++) {
			hs_span_set_extended(&s, s.n_slots * part / 2);
			check_near(&s);
		}
		check_far(&s, &prng);
	}
	s.limit = 0; /* not a small span: nothing is a slot */
	assert_false(hs_span_is_slot(&s, s.base));
}

static void test_pages(void **state)
{
	hs_sizeclass_init(4096);
	assert_int_equal(hs_pages_of(1), 1);
	assert_int_equal(hs_pages_of(HS_PAGE_BYTES), 1);
	assert_int_equal(hs_pages_of(HS_PAGE_BYTES + 1), 2);
	assert_int_equal(hs_pages_of(SIZE_MAX), 0);
	assert_int_equal(hs_pages_of(SIZE_MAX - HS_PAGE_BYTES + 2), 0);
	assert_int_equal(hs_pages_of(SIZE_MAX - HS_PAGE_BYTES + 1), SIZE_MAX >> HS_PAGE_SHIFT);
	hs_sizeclass_init(65536);
	assert_int_equal(hs_pages_of(1), 8);
	hs_sizeclass_init(4096);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
