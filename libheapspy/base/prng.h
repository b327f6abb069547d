/* SPDX-License-Identifier: MIT */
/*
 * prng.h - random numbers for sampling: fast, small, not secret.
 *
 * A multiplicative step over 64 bits whose high half is well mixed (a 64-bit linear congruential
 * generator with an output permutation).  State is the caller's, so each thread has a sequence of its own.
 *
 * Layer:   base/
 * Signals: a handler that draws from the interrupted state repeats a number at worst
 */
#ifndef HS_BASE_PRNG_H
#define HS_BASE_PRNG_H

#include "base/cc.h"

struct hs_prng {
	uint64_t state;
};

/* Any seed will do, 0 too; neighbouring seeds give unrelated sequences. */
HS_INLINE void hs_prng_init(struct hs_prng *prng, uint64_t seed)
{
	/* two rounds of multiply and fold spread each bit of the seed over the word */
	seed += UINT64_C(0x9e3779b97f4a7c15);
	seed = (seed ^ (seed >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	seed = (seed ^ (seed >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	prng->state = seed ^ (seed >> 32);
}

/* 32 uniform bits. */
HS_INLINE uint32_t hs_prng_next(struct hs_prng *prng)
{
	uint64_t old = prng->state;
	uint32_t folded = (uint32_t)(((old >> 18) ^ old) >> 27);
	uint32_t turn = (uint32_t)(old >> 59);

	prng->state = old * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (folded >> turn) | (folded << ((32 - turn) & 31));
}

/* Uniform in (0, 1]: never 0, so its logarithm is finite. */
HS_INLINE double hs_prng_unit(struct hs_prng *prng)
{
	uint64_t high = hs_prng_next(prng);
	uint64_t bits = (high << 21) ^ (hs_prng_next(prng) >> 11);

	return ((double)bits + 1.0) * 0x1p-53;
}

#endif /* HS_BASE_PRNG_H */
