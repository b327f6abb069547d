/* SPDX-License-Identifier: MIT */
#include "prof/sampler.h"

#include <string.h>

#define LN2 0.69314718055994530942

double hs_sampler_log(double x)
{
	uint64_t bits;
	int exponent;
	double t, t2;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int)(bits >> 52 & 0x7ff) - 1023;
	bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
	memcpy(&x, &bits, sizeof(x)); /* in [1, 2) */
	if (x > 1.41421356237309504880) {
		x *= 0.5;
		exponent++;
	}
	/* log x = 2 atanh t; |t| <= 0.172, so the first term left out, t^17 / 17, is below 1e-14 */
	t = (x - 1.0) / (x + 1.0);
	t2 = t * t;
	t *= 2.0 *
	     (1.0 +
	      t2 * (1.0 / 3 +
		    t2 * (1.0 / 5 + t2 * (1.0 / 7 + t2 * (1.0 / 9 + t2 * (1.0 / 11 + t2 * (1.0 / 13 + t2 * (1.0 / 15))))))));
	return t + exponent * LN2;
}

double hs_sampler_exp_neg(double x, double *ret_p)
{
	/* a division takes three times as long as the rest of a step */
	static const double inverse[] = {
		0.0,	 1.0,	  1.0 / 2, 1.0 / 3,  1.0 / 4,  1.0 / 5,	 1.0 / 6,
		1.0 / 7, 1.0 / 8, 1.0 / 9, 1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13,
	};
	double r, em1 = 0.0, scale;
	uint64_t bits;
	int k;

	if (x > 700.0) {
		*ret_p = 1.0;
		return 0.0;
	}
	k = (int)(x / LN2 + 0.5);
	r = k * LN2 - x; /* in [-ln2/2, ln2/2]; exp(-x) = 2^-k * exp(r) */
	/* exp(r) - 1 by Horner; the first term left out, r^14 / 14!, is below 1e-17 */
	for (int i = 13; i >= 1; i--)
		em1 = r * (1.0 + em1) * inverse[i];
	bits = (uint64_t)(1023 - k) << 52;
	memcpy(&scale, &bits, sizeof(scale)); /* 2^-k */
	/* with k == 0 this is -em1, with all its digits; with k >= 1 it is above 0.29 */
	*ret_p = (1.0 - scale) - scale * em1;
	return scale + scale * em1;
}

void hs_sampler_thread_init(struct hs_sampler_thread *thread, uint64_t seed)
{
	hs_prng_init(&thread->prng, seed);
	thread->interval_bytes = 0;
}

int64_t hs_sampler_draw(struct hs_sampler_thread *thread, uint64_t interval_bytes)
{
	double gap;

	thread->interval_bytes = interval_bytes;
	if (interval_bytes == 0)
		return INT64_MAX;
	if (interval_bytes == 1)
		return 0;
	/* 53 random bits: the longest gap is 36.7 means, once in 2^53 draws */
	gap = -hs_sampler_log(hs_prng_unit(&thread->prng)) * (double)interval_bytes;
	if (gap >= 9e18)
		return INT64_C(9000000000000000000);
	return gap > 0.0 ? (int64_t)gap : 0;
}

/* p, and 1 - p in *ret_q. */
static double probability(uint64_t size_bytes, uint64_t interval_bytes, double *ret_q)
{
	double p;

	if (interval_bytes <= 1) {
		*ret_q = 0.0;
		return 1.0;
	}
	*ret_q = hs_sampler_exp_neg((double)(size_bytes > 0 ? size_bytes : 1) / (double)interval_bytes, &p);
	return p;
}

double hs_sampler_weight(uint64_t size_bytes, uint64_t interval_bytes)
{
	double q;

	return 1.0 / probability(size_bytes, interval_bytes, &q);
}

double hs_sampler_variance(uint64_t size_bytes, uint64_t interval_bytes)
{
	double q, p = probability(size_bytes, interval_bytes, &q);
	double scaled = (double)size_bytes / p;

	return scaled * scaled * q;
}

static uint64_t to_count(double x)
{
	return x < 1.8e19 ? (uint64_t)(x + 0.5) : UINT64_C(18000000000000000000);
}

struct hs_estimate hs_sampler_estimate(uint64_t size_bytes, uint64_t interval_bytes)
{
	double q, p = probability(size_bytes, interval_bytes, &q);
	double scaled = (double)size_bytes / p;

	return (struct hs_estimate){
		.bytes = interval_bytes <= 1 ? size_bytes : to_count(scaled),
		.objects_k = to_count(1024.0 / p),
		.var_kib2 = to_count(scaled * scaled * q * (1.0 / 1048576.0)),
	};
}
