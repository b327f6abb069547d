/* SPDX-License-Identifier: MIT */
/* bits and prng - arithmetic at the edges of its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/prng.h"

static void test_pow2(void **state)
{
	assert_false(hs_is_pow2(0));
	for (unsigned i = 0; i < 64; i++) {
		assert_true(hs_is_pow2((size_t)1 << i));
		assert_true(i < 2 || !hs_is_pow2(((size_t)1 << i) - 1));
		assert_true(i == 0 || !hs_is_pow2(((size_t)1 << i) + 1));
	}
}

static void test_align(void **state)
{
	for (size_t align = 1; align <= 4096; align *= 2) {
		for (size_t n = 0; n < 9000; n += 7) {
			size_t up = hs_align_up(n, align), down = hs_align_down(n, align);

			assert_true(up % align == 0 && up >= n && up - n < align);
			assert_true(down % align == 0 && down <= n && n - down < align);
		}
	}
	assert_int_equal(hs_align_up(SIZE_MAX, 16), 0); /* wraps, as promised */
	assert_int_equal(hs_align_up(SIZE_MAX - 15, 16), SIZE_MAX - 15);
}

static void test_log2(void **state)
{
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(hs_log2((uint64_t)1 << i), i);
		assert_int_equal(hs_log2(((uint64_t)1 << i) | 1), i);
		assert_int_equal(hs_log2(UINT64_MAX >> (63 - i)), i);
	}
}

static void test_saturation(void **state)
{
	assert_int_equal(hs_mul_sat(0, SIZE_MAX), 0);
	assert_int_equal(hs_mul_sat(1, SIZE_MAX), SIZE_MAX);
	assert_int_equal(hs_mul_sat(2, SIZE_MAX / 2), SIZE_MAX - 1);
	assert_int_equal(hs_mul_sat(2, SIZE_MAX / 2 + 1), SIZE_MAX);
	assert_int_equal(hs_mul_sat((size_t)1 << 32, (size_t)1 << 32), SIZE_MAX);
	assert_int_equal(hs_add_sat(SIZE_MAX, 0), SIZE_MAX);
	assert_int_equal(hs_add_sat(SIZE_MAX, 1), SIZE_MAX);
	assert_int_equal(hs_add_sat(SIZE_MAX / 2, SIZE_MAX / 2), SIZE_MAX - 1);
	assert_int_equal(hs_min(1, SIZE_MAX), 1);
	assert_int_equal(hs_max(1, SIZE_MAX), SIZE_MAX);
}

static void test_prng(void **state)
{
	struct hs_prng a, b;
	unsigned buckets[16] = {0}, same = 0;
	double sum = 0;

	hs_prng_init(&a, 0);
	hs_prng_init(&b, 1);
	for (unsigned i = 0; i < 16000; i++) {
		uint32_t x = hs_prng_next(&a);

		same += x == hs_prng_next(&b);
		buckets[x >> 28]++;
	}
	assert_true(same < 4);
	for (unsigned i = 0; i < 16; i++) /* 1000 expected, standard deviation 31 */
		assert_in_range(buckets[i], 840, 1160);
	for (unsigned i = 0; i < 10000; i++) {
		double u = hs_prng_unit(&a);

		assert_true(u > 0 && u <= 1);
		sum += u;
	}
	assert_true(sum > 4800 && sum < 5200);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pow2),
		cmocka_unit_test(test_align),
		cmocka_unit_test(test_log2),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_prng),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
