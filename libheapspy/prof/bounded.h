/* SPDX-License-Identifier: MIT */
/*
 * bounded.h - taking a profiler lock without ever hanging on it.
 *
 * The holder may be this very thread, interrupted by a signal, or a thread that left by longjmp.  So every
 * lock of prof/ is waited for some milliseconds, enough for a holder that lost its processor, then given up.
 *
 * Layer:   prof/ (uses os/lock.h)
 * Signals: async-signal-safe
 */
#ifndef HS_PROF_BOUNDED_H
#define HS_PROF_BOUNDED_H

#include "os/lock.h"

/* Spins, then sleeps on the futex for a limited time.  Counted and timed in the lock's row when it succeeds. */
bool hs_bounded_lock_slow(struct hs_lock *lock);

/* False when the lock did not become free in time. */
HS_INLINE bool hs_bounded_lock(struct hs_lock *lock)
{
	return hs_likely(hs_lock_lock_try(lock)) || hs_bounded_lock_slow(lock);
}

#endif /* HS_PROF_BOUNDED_H */
