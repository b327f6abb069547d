/* SPDX-License-Identifier: MIT */
/*
 * sampler.h - which allocations become samples, and what each one stands for.
 *
 * A Poisson process over requested bytes: a request of S bytes is sampled with probability
 * p = 1 - exp(-S / interval), whatever was requested before it.  Each sample is unbiased on its own with
 * the interval that was in force, so the mean may change while the program runs.
 *
 * The countdown convention:  on each request   countdown -= size;  if (countdown < 0) -> slow path
 * The slow path samples that request, with thread->interval_bytes as its interval, and then sets
 * countdown = hs_sampler_draw().  A gap is the integral part of an exponential variate, so it may be 0:
 * "gap < S" holds for whole S exactly when the real variate is below S, and the above p is exact.
 * A request of 0 bytes must be counted as 1 byte, here and in the countdown; else it could never be sampled.
 *
 * Layer:   prof/ (uses base/)
 * Locking: none; a hs_sampler_thread belongs to its thread, the interval is a relaxed word
 * Signals: hs_sampler_draw() in a handler may repeat a variate, nothing worse
 * Errors:  none
 */
#ifndef HS_PROF_SAMPLER_H
#define HS_PROF_SAMPLER_H

#include "base/atomic.h"
#include "base/cc.h"
#include "base/prng.h"

/* Of the process. */
struct hs_sampler {
	uint64_t xinterval_bytes; /* mean gap for the next draws; 0 off, 1 every request; relaxed */
};

/* Of one thread. */
struct hs_sampler_thread {
	struct hs_prng prng;
	uint64_t interval_bytes; /* of the last draw: what the next sample must be weighed with */
};

/* What one sample adds to its site. */
struct hs_estimate {
	uint64_t bytes;	    /* weight * size, rounded */
	uint64_t objects_k; /* 1024 * weight, rounded */
	uint64_t var_kib2;  /* variance of `bytes`, in KiB^2, rounded */
};

HS_INLINE void hs_sampler_set_interval(struct hs_sampler *sampler, uint64_t interval_bytes)
{
	hs_store_relaxed(&sampler->xinterval_bytes, interval_bytes);
}

HS_INLINE uint64_t hs_sampler_interval(const struct hs_sampler *sampler)
{
	return hs_load_relaxed(&sampler->xinterval_bytes);
}

/* Any seed will do; different threads should have different ones (time, tid, an address). */
void hs_sampler_thread_init(struct hs_sampler_thread *thread, uint64_t seed);

/*
 * The next gap in bytes, and remembers `interval_bytes` for its weight.  >= 0.  Interval 1 (every
 * request): always 0.  Interval 0 (off): INT64_MAX.
 */
int64_t hs_sampler_draw(struct hs_sampler_thread *thread, uint64_t interval_bytes);

/* 1 / p, the number of such requests that one sample stands for.  Size 0 counts as 1; interval 0 and 1 give 1. */
double hs_sampler_weight(uint64_t size_bytes, uint64_t interval_bytes);

/* size^2 (1 - p) / p^2 in bytes^2: what one sample adds to the variance of the estimated bytes. */
double hs_sampler_variance(uint64_t size_bytes, uint64_t interval_bytes);

/* The same as integers; deterministic, so that a free takes off exactly what its malloc added. */
struct hs_estimate hs_sampler_estimate(uint64_t size_bytes, uint64_t interval_bytes);

/* Our own, because libm must not become a dependency of every program.  Relative error below 1e-12. */
double hs_sampler_log(double x);		 /* x > 0, finite, normal */
double hs_sampler_exp_neg(double x, double *ret_p); /* exp(-x) for x >= 0; *ret_p = 1 - exp(-x) without cancellation */

#endif /* HS_PROF_SAMPLER_H */
