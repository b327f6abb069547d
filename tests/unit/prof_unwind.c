/* SPDX-License-Identifier: MIT */
/*
 * Walks of known call chains, compared with what the compiler says (__builtin_return_address) and with
 * libunwind; and the cost.
 */
#include <alloca.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "os/sys.h"
#include "prof_walk.h"

/* ---- known chains ---- */

PLAIN static void chain_leaf(struct result *r)
{
	chain[0] = (uintptr_t)__builtin_return_address(0);
	take(&bounds, r);
	sink++;
}

PLAIN static void chain_alloca(struct result *r, int n)
{
	volatile char *p = alloca((size_t)n);

	chain[1] = (uintptr_t)__builtin_return_address(0);
	p[n - 1] = 1;
	chain_leaf(r);
	sink += p[n - 1];
}

/* gcc realigns the stack here and describes the CFA as a load relative to the frame pointer. */
PLAIN static void chain_aligned(struct result *r, int n)
{
	volatile char big[256] __attribute__((aligned(64)));
	volatile char *p = alloca((size_t)n);

	chain[2] = (uintptr_t)__builtin_return_address(0);
	assert_int_equal((uintptr_t)big % 64, 0);
	p[0] = big[n] = 1;
	chain_alloca(r, n);
	sink += big[n] + p[0];
}

PLAIN static void chain_large(struct result *r, int n)
{
	volatile char big[100000];

	chain[3] = (uintptr_t)__builtin_return_address(0);
	big[n] = 1;
	chain_aligned(r, n);
	sink += big[n];
}

static void known_chain(void **state)
{
	struct result r;

	chain_large(&r, 77);
	assert_true(r.n > 6);
	/* pcs[0] is in take(), pcs[1] in chain_leaf */
	for (int i = 0; i < 4; i++)
		assert_int_equal(r.pcs[2 + i], chain[i]);
	assert_false(r.truncated);
	assert_agrees(&r);
}

static struct result from_callback;

PLAIN static int compare(const void *a, const void *b)
{
	take(&bounds, &from_callback);
	return *(const int *)a - *(const int *)b;
}

static void through_libc(void **state)
{
	int v[4] = {3, 1, 2, 0};

	qsort(v, 4, sizeof(*v), compare);
	assert_false(from_callback.truncated);
	assert_agrees(&from_callback);
}

PLAIN static int recurse(int depth, struct result *r)
{
	int x = depth == 0 ? (take(&bounds, r), 1) : recurse(depth - 1, r);

	sink += x;
	return x + 1;
}

static void deep_recursion(void **state)
{
	struct result r;

	recurse(5000, &r);
	assert_int_equal(r.n, MAX);
	assert_true(r.truncated);
	for (size_t i = 3; i < MAX; i++)
		assert_int_equal(r.pcs[i], r.pcs[2]);
	assert_agrees(&r);
}

/* The limit of frames and the root at the same place: complete. */
static void exact_fit_is_complete(void **state)
{
	struct result r;
	uint64_t pcs[MAX];
	bool truncated;
	size_t n;

	take(&bounds, &r);
	assert_false(r.truncated);
	n = hs_unwind_capture(&bounds, &busy, pcs, MAX, &truncated);
	assert_false(truncated);
	assert_int_equal(hs_unwind_capture(&bounds, &busy, pcs, n, &truncated), n);
	assert_false(truncated);
	assert_int_equal(hs_unwind_capture(&bounds, &busy, pcs, n - 1, &truncated), n - 1);
	assert_true(truncated);
	assert_int_equal(hs_unwind_capture(&bounds, &busy, pcs, 0, &truncated), 0);
}

static void own_text_is_left_out(void **state)
{
	struct hs_module m;
	uint64_t pcs[MAX];
	bool truncated;

	assert_true(hs_modules_find(&modules, (uintptr_t)&own_text_is_left_out, &m));
	hs_unwind_init(&modules, m.start, m.end);
	assert_true(hs_unwind_capture(&bounds, &busy, pcs, MAX, &truncated) > 0);
	assert_false(pcs[0] >= m.start && pcs[0] < m.end);
	hs_unwind_init(&modules, 0, 0);
}

/* ---- cost ---- */

PLAIN static int timed(int depth, uint64_t *ret_ns, size_t *ret_n, bool theirs, bool cold)
{
	enum { N = 2000 };
	int x = 1;

	if (depth > 0) {
		x = timed(depth - 1, ret_ns, ret_n, theirs, cold);
	} else {
		uint64_t start = hs_now_ns(), pcs[MAX];
		bool truncated;
		void *list[MAX];

		for (int i = 0; i < N; i++) {
			if (cold)
				hs_unwind_flush();
			*ret_n = theirs ? (size_t)other_walker(list, MAX)
					: hs_unwind_capture(&bounds, &busy, pcs, MAX, &truncated);
		}
		*ret_ns = (hs_now_ns() - start) / N;
	}
	sink += x;
	return x + 1;
}

static void cost(void **state)
{
	static const int depths[] = {8, 32, 64};

	for (size_t i = 0; i < hs_array_size(depths); i++) {
		uint64_t ours, cold, theirs = 0;
		size_t n, m;

		timed(depths[i] - 5, &ours, &n, false, false);
		timed(depths[i] - 5, &cold, &m, false, true);
		if (other_walker != NULL)
			timed(depths[i] - 5, &theirs, &m, true, false);
		print_message("depth %zu: %lu ns (rules not cached: %lu), libunwind %lu ns\n", n, (unsigned long)ours,
			      (unsigned long)cold, (unsigned long)theirs);
	}
}

/* Paints the stack below, walks with a cold cache, and sees how far down the paint is gone. */
static void stack_use(void **state)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	enum { PAINT = 16384 };
	struct result r;
	volatile uint8_t *low;
	size_t used = 0;

	chain_large(&r, 9); /* binds what is bound lazily */
	low = (volatile uint8_t *)__builtin_frame_address(0) - PAINT - 2048;
	for (size_t i = 0; i < PAINT; i++)
		low[i] = 0xa5;
	hs_unwind_flush();
	(void)hs_unwind_capture(&bounds, &busy, r.pcs, MAX, &r.truncated);
	for (size_t i = 0; i < PAINT && used == 0; i++)
		if (low[i] != 0xa5)
			used = PAINT + 2048 - i;
	print_message("stack below the caller's frame pointer: %zu bytes, caller's own locals included\n", used);
	assert_true(used < HS_UNWIND_STACK_BYTES);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_chain),
		cmocka_unit_test(through_libc),
		cmocka_unit_test(deep_recursion),
		cmocka_unit_test(exact_fit_is_complete),
		cmocka_unit_test(own_text_is_left_out),
		cmocka_unit_test(cost),
		cmocka_unit_test(stack_use),
	};

	return cmocka_run_group_tests_name("prof_unwind", tests, set_up_walks, NULL);
}
