/* SPDX-License-Identifier: MIT */
/* The draw is exponential, weights are right, totals come out unbiased with the promised error. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "prof/sampler.h"

static void near(double got, double want, double relative)
{
	if (!(fabs(got - want) <= relative * fabs(want)))
		fail_msg("got %.17g, want %.17g", got, want);
}

static void log_as_libm(void **state)
{
	for (double x = 1e-300; x < 1e300; x *= 1.37) {
		double want = log(x);

		if (fabs(want) > 1e-3)
			near(hs_sampler_log(x), want, 1e-12);
		else
			assert_true(fabs(hs_sampler_log(x) - want) < 1e-15);
	}
	for (int i = 1; i < 100000; i++)
		near(hs_sampler_log(i / 100000.0), log(i / 100000.0), 1e-11);
	assert_true(hs_sampler_log(1.0) == 0.0);
}

static void exp_as_libm(void **state)
{
	double p;

	for (double x = 1e-18; x < 690; x *= 1.013) {
		near(hs_sampler_exp_neg(x, &p), exp(-x), 1e-12);
		near(p, -expm1(-x), 1e-12);
	}
	assert_true(hs_sampler_exp_neg(0.0, &p) == 1.0 && p == 0.0);
	assert_true(hs_sampler_exp_neg(1e6, &p) == 0.0 && p == 1.0);
}

static void weight_as_formula(void **state)
{
	static const uint64_t sizes[] = {1, 16, 100, 4096, 524288, 1 << 24, UINT64_C(1) << 40};
	static const uint64_t means[] = {2, 1000, 524288, 1 << 30};

	for (size_t m = 0; m < hs_array_size(means); m++) {
		for (size_t i = 0; i < hs_array_size(sizes); i++) {
			double s = (double)sizes[i], p = -expm1(-s / (double)means[m]);
			struct hs_estimate e = hs_sampler_estimate(sizes[i], means[m]);

			near(hs_sampler_weight(sizes[i], means[m]), 1 / p, 1e-9);
			near(hs_sampler_variance(sizes[i], means[m]), s * s * exp(-s / (double)means[m]) / (p * p), 1e-9);
			assert_true(fabs((double)e.bytes - s / p) <= 0.5 + 1e-9 * s / p);
			assert_true(fabs((double)e.objects_k - 1024 / p) <= 0.5 + 1e-6 / p);
		}
	}
	assert_true(hs_sampler_weight(77, 1) == 1.0 && hs_sampler_variance(77, 1) == 0.0);
	assert_true(hs_sampler_weight(77, 0) == 1.0);
	assert_true(isfinite(hs_sampler_weight(0, 4096)));
	assert_int_equal(hs_sampler_estimate(UINT64_C(1) << 62, 1).bytes, UINT64_C(1) << 62);
	assert_int_equal(hs_sampler_estimate(0, 524288).bytes, 0);
}

static void draw_ends(void **state)
{
	struct hs_sampler_thread t;

	hs_sampler_thread_init(&t, 1);
	assert_true(hs_sampler_draw(&t, 0) == INT64_MAX);
	for (int i = 0; i < 100; i++)
		assert_true(hs_sampler_draw(&t, 1) == 0);
	assert_int_equal(t.interval_bytes, 1);
	for (int i = 0; i < 100000; i++)
		assert_true(hs_sampler_draw(&t, UINT64_MAX) >= 0);
}

/* Chi-square over 20 cells of equal probability; 19 degrees of freedom exceed 50 once in 10,000 (fixed seeds). */
static void draw_is_exponential(void **state)
{
	static const uint64_t means[] = {2000, 524288, 1 << 28};
	enum { N = 400000, CELLS = 20 };

	for (size_t m = 0; m < hs_array_size(means); m++) {
		struct hs_sampler_thread t;
		double sum = 0, sum2 = 0, chi = 0, mean = (double)means[m];
		int cell[CELLS] = {0};

		hs_sampler_thread_init(&t, 42 + m);
		for (int i = 0; i < N; i++) {
			double gap = (double)hs_sampler_draw(&t, means[m]);

			sum += gap;
			sum2 += gap * gap;
			cell[(int)(-expm1(-(gap + 0.5) / mean) * CELLS)]++;
		}
		for (int c = 0; c < CELLS; c++) {
			double d = cell[c] - (double)N / CELLS;

			chi += d * d / ((double)N / CELLS);
		}
		near(sum / N, mean - 0.5, 4 / sqrt(N));
		near(sqrt(sum2 / N - sum / N * (sum / N)), mean, 0.01);
		assert_true(chi < 50);
	}
}

/* Two requests sampled in a row are independent: the share of sampled ones after a sampled one is p as well. */
static void sampling_has_no_memory(void **state)
{
	enum { N = 2000000, MEAN = 1000, SIZE = 300 };
	struct hs_sampler_thread t;
	int64_t countdown;
	int sampled = 0, pairs = 0;
	bool last = false;
	double p = -expm1(-(double)SIZE / MEAN);

	hs_sampler_thread_init(&t, 7);
	countdown = hs_sampler_draw(&t, MEAN);
	for (int i = 0; i < N; i++) {
		bool now;

		countdown -= SIZE;
		now = countdown < 0;
		if (now)
			countdown = hs_sampler_draw(&t, MEAN);
		sampled += now;
		pairs += now && last;
		last = now;
	}
	near((double)sampled / N, p, 0.006);
	near((double)pairs / sampled, p, 0.012);
}

/* Mixed sizes, 200 runs: the mean of the estimates is the truth, their spread is what variance says. */
static void totals_are_unbiased(void **state)
{
	enum { RUNS = 200, N = 20000, MEAN = 65536 };
	double sum = 0, sum2 = 0, objects = 0, var = 0, truth = 0;

	for (int run = 0; run < RUNS; run++) {
		struct hs_sampler_thread t;
		uint64_t bytes = 0, objects_k = 0, var_kib2 = 0;
		int64_t countdown;

		hs_sampler_thread_init(&t, 1000 + (uint64_t)run);
		countdown = hs_sampler_draw(&t, MEAN);
		truth = 0;
		for (int i = 0; i < N; i++) {
			uint64_t size = i % 100 == 0 ? 200000 : 16 + (uint64_t)i % 37 * 16;

			truth += (double)size;
			countdown -= (int64_t)size;
			if (countdown < 0) {
				struct hs_estimate e = hs_sampler_estimate(size, t.interval_bytes);

				bytes += e.bytes;
				objects_k += e.objects_k;
				var_kib2 += e.var_kib2;
				countdown = hs_sampler_draw(&t, MEAN);
			}
		}
		sum += (double)bytes;
		sum2 += (double)bytes * (double)bytes;
		objects += (double)objects_k / 1024;
		var += (double)var_kib2 * 1048576;
	}
	sum /= RUNS;
	var /= RUNS;
	near(sum, truth, 4 * sqrt(var / RUNS) / truth);
	near(objects / RUNS, N, 0.05);
	near(sum2 / RUNS - sum * sum, var, 0.4);
}

static void each_thread_its_own(void **state)
{
	struct hs_sampler_thread a, b;
	int same = 0;

	hs_sampler_thread_init(&a, 1);
	hs_sampler_thread_init(&b, 2);
	for (int i = 0; i < 1000; i++)
		same += hs_sampler_draw(&a, 1 << 20) == hs_sampler_draw(&b, 1 << 20);
	assert_true(same < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_as_libm),		cmocka_unit_test(exp_as_libm),
		cmocka_unit_test(weight_as_formula),	cmocka_unit_test(draw_ends),
		cmocka_unit_test(draw_is_exponential),	cmocka_unit_test(sampling_has_no_memory),
		cmocka_unit_test(totals_are_unbiased),	cmocka_unit_test(each_thread_its_own),
	};

	return cmocka_run_group_tests_name("prof_sampler", tests, NULL, NULL);
}
