/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - atomics with the memory order in the name.
 *
 * There is no default order.  Every acquire, release, acq_rel and seq_cst carries a tag at its use site,
 * [mo:tag order], and tests/lint checks that each tag has both sides.
 *
 * Layer:   base/
 * Signals: async-signal-safe
 */
#ifndef HS_BASE_ATOMIC_H
#define HS_BASE_ATOMIC_H

#include "base/cc.h"

#define hs_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define hs_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define hs_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define hs_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define hs_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define hs_store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define hs_xchg_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define hs_xchg_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define hs_xchg_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define hs_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define hs_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define hs_sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define hs_or_relaxed(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)
#define hs_or_release(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELEASE)
/* Weak is never wanted here: every caller has something else to do on failure. */
#define hs_cas_relaxed(p, expected, v)                                                                                 \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define hs_cas_acquire(p, expected, v)                                                                                 \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define hs_cas_release(p, expected, v)                                                                                 \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define hs_cas_seq_cst(p, expected, v)                                                                                 \
	__atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* For what a store or load of its own cannot order: several words before or after a flag. */
#define hs_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define hs_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/*
 * Single-writer counters that others only read.  A plain increment is one instruction; a relaxed load and
 * store would be three.  Only TSan needs to see atomics here.
 */
#if HS_TSAN
#define hs_bump(p, n) hs_store_relaxed((p), hs_load_relaxed(p) + (n))
#define hs_peek(p) hs_load_relaxed(p)
#define hs_poke(p, v) hs_store_relaxed((p), (v))
#else
#define hs_bump(p, n) ((void)(*(p) += (n)))
#define hs_peek(p) (*(p))
#define hs_poke(p, v) ((void)(*(p) = (v)))
#endif

/*
 * Takes `n` off `*left`; true if that leaves nothing, or less.  On x86-64 the subtraction in memory sets the flags; compilers
 * would load, subtract, store and compare.
 */
HS_INLINE bool hs_spend(int64_t *left, int64_t n)
{
#if defined(__x86_64__)
	bool due;

	__asm__("subq %2, %0" : "+m"(*left), "=@ccle"(due) : "er"(n));
	return due;
#else
	*left -= n;
	return *left <= 0;
#endif
}

/* Orders this thread's own accesses against a fork or signal that copies it here; no instruction. */
#define hs_compiler_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

HS_INLINE void hs_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("isb" ::: "memory");
#endif
}

/*
 * Sequence counter: odd while a row is being written.  One writer; a reader that sees an odd or a changed
 * value reads again.
 */
HS_INLINE void hs_seq_begin(uint64_t *seq)
{
	hs_store_relaxed(seq, hs_load_relaxed(seq) + 1);
	/* the odd value must be visible before any word of the row */
	hs_fence_release(); /* [mo:row-seq release] */
}

HS_INLINE void hs_seq_end(uint64_t *seq)
{
	/* all words of the row must be visible before the even value */
	hs_store_release(seq, hs_load_relaxed(seq) + 1); /* [mo:row-seq release] */
}

#endif /* HS_BASE_ATOMIC_H */
