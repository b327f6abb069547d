/* SPDX-License-Identifier: MIT */
/*
 * bits.h - alignment, logarithms and sizes that saturate.
 *
 * Layer:   base/
 */
#ifndef HS_BASE_BITS_H
#define HS_BASE_BITS_H

#include "base/cc.h"

HS_INLINE bool hs_is_pow2(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* `align` is a power of two; wraps to 0 when it does not fit, so compare the result with `n`. */
HS_INLINE size_t hs_align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

HS_INLINE size_t hs_align_down(size_t n, size_t align)
{
	return n & ~(align - 1);
}

/* Index of the highest bit of n > 0. */
HS_INLINE unsigned hs_log2(uint64_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

/* a * b, or SIZE_MAX. */
HS_INLINE size_t hs_mul_sat(size_t a, size_t b)
{
	size_t r;
	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

HS_INLINE size_t hs_add_sat(size_t a, size_t b)
{
	size_t r;
	return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}

HS_INLINE size_t hs_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

HS_INLINE size_t hs_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif /* HS_BASE_BITS_H */
