/* SPDX-License-Identifier: MIT */
/*
 * lock.h - every lock of the library: a futex mutex that knows its rank and counts its waits.
 *
 * Spin a little, then sleep.  An uncontended pair is one compare-and-swap, one exchange and one counter.
 * A contended acquisition is timed and returned to the caller, who may want to know the stack; nothing is
 * called back with a lock held.
 *
 * Layer:   os/ (uses sys.h, <heapspy/segment.h> for the row)
 * Order:   the enum below IS the lock order; debug builds die on a wrong one
 * Fork:    prepare takes all locks in rank order, the child calls hs_lock_init_child()
 * Signals: not async-signal-safe
 */
#ifndef HS_OS_LOCK_H
#define HS_OS_LOCK_H

#include <heapspy/segment.h>

#include "base/atomic.h"
#include "base/cc.h"

/* Every lock in the library.  The order of this list IS the lock order. */
enum hs_rank {
	HS_RANK_SEGMENT, /* stat/: one publisher, one tick at a time */
	HS_RANK_THREADS, /* core/heap.c: list of tcaches, the shared late tcache */
	HS_RANK_CACHE,	 /* core/heap.c: an arena's cache for threads without one */
	HS_RANK_BIN,	 /* core/bin.c: one per arena and size class */
	HS_RANK_ARENA,	 /* core/arena.c: page heap */
	HS_RANK_SAMPLES, /* prof/: tables of the sampler; a report of corruption may look there under any other */
	HS_RANK_META,	 /* core/meta.c: leaf; may be taken under any other */
	HS_N_RANKS
};

struct hs_lock {
	uint32_t xstate; /* 0 free, 1 held, 2 held and somebody may sleep */
	uint32_t rank;
	struct heapspy_lock *row; /* statistics, in the segment; never NULL after init */
};

/* What a caller had to wait for during one operation, so that its stack can be recorded afterwards. */
struct hs_waited {
	uint64_t ns;
	uint64_t longest_ns;
	const struct heapspy_lock *longest; /* row of the lock that cost most; NULL: no wait */
};

/* `row` NULL: statistics go nowhere. */
void hs_lock_init(struct hs_lock *lock, enum hs_rank rank, struct heapspy_lock *row);

/* Frees a lock that a thread of the parent held at the fork. */
void hs_lock_init_child(struct hs_lock *lock);

uint64_t hs_lock_lock_slow(struct hs_lock *lock);
void hs_lock_wake(struct hs_lock *lock);
#if HS_DEBUG >= 1
/* In a child made without fork handlers: what this thread held is free again. */
void hs_lock_forget_held(void);
void hs_lock_rank_push(enum hs_rank rank);
void hs_lock_rank_pop(enum hs_rank rank);
#else
#define hs_lock_forget_held() ((void)0)
#define hs_lock_rank_push(rank) ((void)0)
#define hs_lock_rank_pop(rank) ((void)0)
#endif

/* Takes the lock.  Returns ns waited, 0 when it was free. */
HS_INLINE uint64_t hs_lock_lock(struct hs_lock *lock)
{
	uint32_t free_state = 0;
	uint64_t waited = 0;

	hs_lock_rank_push((enum hs_rank)lock->rank);
	/* [mo:lock acquire] what the last holder wrote is visible */
	if (hs_unlikely(!hs_cas_acquire(&lock->xstate, &free_state, 1)))
		waited = hs_lock_lock_slow(lock);
	hs_bump(&lock->row->n_acquired, 1);
	return waited;
}

/* As hs_lock_lock(), noting the wait. */
HS_INLINE void hs_lock_lock_noting(struct hs_lock *lock, struct hs_waited *waits)
{
	uint64_t ns = hs_lock_lock(lock);

	if (hs_unlikely(ns != 0)) {
		waits->ns += ns;
		if (ns > waits->longest_ns) {
			waits->longest_ns = ns;
			waits->longest = lock->row;
		}
	}
}

/* Takes the lock only if it is free. */
HS_INLINE bool hs_lock_lock_try(struct hs_lock *lock)
{
	uint32_t free_state = 0;

	/* [mo:lock acquire] as above */
	if (!hs_cas_acquire(&lock->xstate, &free_state, 1))
		return false;
	hs_lock_rank_push((enum hs_rank)lock->rank);
	hs_bump(&lock->row->n_acquired, 1);
	return true;
}

HS_INLINE void hs_lock_unlock(struct hs_lock *lock)
{
	hs_lock_rank_pop((enum hs_rank)lock->rank);
	/* [mo:lock release] pairs with the next holder's acquire */
	if (hs_unlikely(hs_xchg_release(&lock->xstate, 0) == 2))
		hs_lock_wake(lock);
}

#endif /* HS_OS_LOCK_H */
