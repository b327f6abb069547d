/* SPDX-License-Identifier: MIT */
#include "os/lock.h"

#include <linux/futex.h>

#include "base/bits.h"
#include "os/sys.h"

/* Below this many rounds a holder on another core is likely to leave; measured: a bin's critical section is
   about 40 ns, a round about 10 ns (pause on Zen 4). */
#define SPIN_ROUNDS 60

static struct heapspy_lock no_row;

void hs_lock_init(struct hs_lock *lock, enum hs_rank rank, struct heapspy_lock *row)
{
	lock->xstate = 0;
	lock->rank = rank;
	lock->row = row != NULL ? row : &no_row;
}

void hs_lock_init_child(struct hs_lock *lock)
{
	lock->xstate = 0;
}

static void record_wait(struct heapspy_lock *row, uint64_t ns)
{
	unsigned bucket = ns < 256 ? 0 : hs_log2(ns) - 7;

	if (bucket >= HEAPSPY_LOCK_HIST)
		bucket = HEAPSPY_LOCK_HIST - 1;
	hs_bump(&row->n_contended, 1);
	hs_bump(&row->wait_ns, ns);
	if (ns > row->max_wait_ns)
		hs_poke(&row->max_wait_ns, ns);
	hs_bump(&row->hist[bucket], 1);
	hs_poke(&row->holder, hs_gettid());
}

HS_COLD uint64_t hs_lock_lock_slow(struct hs_lock *lock)
{
	uint64_t start = hs_now_ns();
	uint64_t waited;

	for (int i = 0; i < SPIN_ROUNDS; i++) {
		uint32_t free_state = 0;

		hs_cpu_relax();
		if (hs_load_relaxed(&lock->xstate) == 0 &&
		    hs_cas_acquire(&lock->xstate, &free_state, 1)) /* [mo:lock acquire] */
			goto out;
	}
	/* state 2 tells the holder to wake somebody; we cannot know whether others sleep, so we keep it */
	while (hs_xchg_acquire(&lock->xstate, 2) != 0) /* [mo:lock acquire] */
		(void)hs_syscall4(SYS_futex, &lock->xstate, FUTEX_WAIT_PRIVATE, 2, 0);
out:
	waited = hs_now_ns() - start;
	if (waited == 0)
		waited = 1;
	record_wait(lock->row, waited);
	return waited;
}

HS_COLD void hs_lock_wake(struct hs_lock *lock)
{
	(void)hs_syscall3(SYS_futex, &lock->xstate, FUTEX_WAKE_PRIVATE, 1);
}

#if HS_DEBUG >= 1
/* How many locks of each rank this thread holds.  Fork's prepare holds many of one rank. */
static __thread uint32_t held[HS_N_RANKS] __attribute__((tls_model("initial-exec")));

void hs_lock_rank_push(enum hs_rank rank)
{
	for (unsigned r = rank + 1u; r < HS_N_RANKS; r++)
		hs_verify(held[r] == 0);
	held[rank]++;
}

void hs_lock_rank_pop(enum hs_rank rank)
{
	/* 0 after hs_lock_forget_held() only */
	held[rank] -= held[rank] > 0;
}

void hs_lock_forget_held(void)
{
	for (unsigned r = 0; r < HS_N_RANKS; r++)
		held[r] = 0;
}
#endif
