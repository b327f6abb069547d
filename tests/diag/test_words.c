/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "diag/top.h"
#include "diag/trend.h"
#include "diag/words.h"
#include "model/model.h"

static void test_bytes(void **state)
{
	char buf[HT_WORD_ROOM];

	assert_string_equal(ht_word_bytes(buf, 0), "0 B");
	assert_string_equal(ht_word_bytes(buf, 1023), "1023 B");
	assert_string_equal(ht_word_bytes(buf, 1024), "1.00 KiB");
	assert_string_equal(ht_word_bytes(buf, 3.1 * 1048576), "3.10 MiB");
	assert_string_equal(ht_word_bytes(buf, 412.2 * 1048576), "412 MiB");
	assert_string_equal(ht_word_bytes(buf, -15.0 * 1048576), "-15.0 MiB");
	assert_string_equal(ht_word_bytes(buf, 1023.9 * 1048576), "1.00 GiB");
	assert_string_equal(ht_word_bytes(buf, 1.8e19 * 1e6), "15987211555 PiB");
	assert_string_equal(ht_word_sampled(buf, 1048576, 0), "1.00 MiB");
	assert_string_equal(ht_word_sampled(buf, 1048576, 10240), "1.00 MiB +- 10.0 KiB");
	assert_string_equal(ht_word_share(buf, 0.18), "18 %");
	assert_string_equal(ht_word_share(buf, 0.004), "0.4 %");
	assert_string_equal(ht_word_share(buf, 0), "0 %");
	assert_string_equal(ht_word_slope(buf, NAN, 100), "");
	assert_string_equal(ht_word_slope(buf, 1, 1e9), "");
	assert_string_equal(ht_word_slope(buf, -1048576, 1e9), ", falling 1.00 MiB/s");
}

static double as_double(const void *row)
{
	return *(const double *)row;
}

static void test_top(void **state)
{
	const double rows[] = { 1, 5, 3, NAN, 5, -2, 4, 0 };
	const void *top[HT_TOP];

	assert_int_equal(ht_top(rows, 8, sizeof(*rows), as_double, top), 3);
	assert_ptr_equal(top[0], &rows[1]); /* of equals the first */
	assert_ptr_equal(top[1], &rows[4]);
	assert_ptr_equal(top[2], &rows[6]);
	assert_int_equal(ht_top(rows, 1, sizeof(*rows), as_double, top), 1);
	assert_int_equal(ht_top(rows + 5, 1, sizeof(*rows), as_double, top), 0);
	assert_int_equal(ht_top(NULL, 0, sizeof(*rows), as_double, top), 0);
}

static void test_trend(void **state)
{
	struct ht_point p[100] = { 0 };
	struct ht_trend t;

	for (size_t i = 0; i < 100; i++) {
		p[i].realtime_ns = i * UINT64_C(1000000000);
		p[i].live_bytes = 1000 + i * 10 + (i % 5) * 200;
	}
	assert_true(ht_trend_of(p, 100, 0, ht_value_live, &t));
	assert_true(t.order > 0.99);
	assert_true(fabs(t.slope - 10) < 1);
	assert_true(fabs(t.seconds - 99) < 0.01);
	assert_true(ht_trend_of(p, 100, 20, ht_value_live, &t));
	assert_true(t.seconds <= 20);
	assert_false(ht_trend_of(p, 7, 0, ht_value_live, &t));
	assert_false(ht_trend_of(p, 0, 0, ht_value_live, &t));
	/* a clock that was set back gives no trend instead of a wild one */
	p[99].realtime_ns = 0;
	assert_false(ht_trend_of(p, 100, 0, ht_value_live, &t));
	p[99].realtime_ns = 99 * UINT64_C(1000000000);
	/* held: back to the first point below, or to a gap */
	assert_true(fabs(ht_trend_held_s(p, 100, ht_value_live, 1000) - 99) < 0.01);
	p[60].live_bytes = 0;
	assert_true(fabs(ht_trend_held_s(p, 100, ht_value_live, 1000) - 38) < 0.01);
	p[90].gap = true;
	assert_true(fabs(ht_trend_held_s(p, 100, ht_value_live, 1000) - 9) < 0.01);
	assert_true(ht_trend_held_s(p, 0, ht_value_live, 1) == 0);
	assert_true(ht_trend_held_s(p, 100, ht_value_live, 1e9) == 0);
	assert_true(ht_trend_peak(p, 100, ht_value_live) == 1000 + 990 + 800);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_trend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
