/* SPDX-License-Identifier: MIT */
#include "prof/bounded.h"

#include <linux/futex.h>
#include <time.h>

#include "base/bits.h"
#include "os/sys.h"

#define SPIN_ROUNDS 200
/* A holder that was preempted is back within a few slices of the scheduler. */
#define SLEEPS 4
#define SLEEP_NS 2000000

static void record(struct heapspy_lock *row, uint64_t ns)
{
	unsigned bucket = ns < 256 ? 0 : hs_log2(ns) - 7;

	hs_bump(&row->n_acquired, 1);
	hs_bump(&row->n_contended, 1);
	hs_bump(&row->wait_ns, ns);
	if (ns > hs_peek(&row->max_wait_ns))
		hs_poke(&row->max_wait_ns, ns);
	hs_bump(&row->hist[hs_min(bucket, HEAPSPY_LOCK_HIST - 1)], 1);
}

static bool sleep_for(struct hs_lock *lock)
{
	struct timespec limit = {0, SLEEP_NS};

	for (int i = 0; i < SLEEPS; i++) {
		/* 2 tells the holder to wake us, and stays when we have got it: others may sleep */
		if (hs_xchg_acquire(&lock->xstate, 2) == 0) /* [mo:lock acquire] */
			return true;
		(void)hs_syscall4(SYS_futex, &lock->xstate, FUTEX_WAIT_PRIVATE, 2, &limit);
	}
	return hs_xchg_acquire(&lock->xstate, 2) == 0; /* [mo:lock acquire] */
}

HS_COLD bool hs_bounded_lock_slow(struct hs_lock *lock)
{
	uint64_t start = hs_now_ns();
	bool got = false;

	for (int i = 0; i < SPIN_ROUNDS && !got; i++) {
		uint32_t free_state = 0;

		hs_cpu_relax();
		got = hs_load_relaxed(&lock->xstate) == 0 &&
		      hs_cas_acquire(&lock->xstate, &free_state, 1); /* [mo:lock acquire] */
	}
	if (!got && !sleep_for(lock))
		return false;
	hs_lock_rank_push((enum hs_rank)lock->rank);
	record(lock->row, hs_now_ns() - start);
	return true;
}
