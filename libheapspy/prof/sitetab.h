/* SPDX-License-Identifier: MIT */
/*
 * sitetab.h - one row for each call stack that allocates.
 *
 * A stack is known by the 64-bit hash of its return addresses: among the 65,536 sites that fit, two
 * stacks share a hash once in 2^33 processes.  The hash map is private; the rows of the segment are only
 * written, so a scribbler can spoil figures and nothing else.
 *
 * Row 0 is the unknown stack: empty walks, and everything that finds the tables full.  So a site number is
 * always valid, and sums over all sites stay unbiased.
 *
 * Layer:   prof/ (uses core/rows.h, core/meta.h)
 * Locking: known stacks: none.  New ones: tab->lock, HS_RANK_SAMPLES, bounded wait
 * Signals: async-signal-safe, except that meta or rows may have to grow for a new stack
 * Fork:    prepare/parent/child below
 * Errors:  a stack that cannot be recorded is counted in header->lost_stacks and becomes row 0
 */
#ifndef HS_PROF_SITETAB_H
#define HS_PROF_SITETAB_H

#include "core/rows.h"
#include "prof/idmap.h"

#define HS_SITE_UNKNOWN 0u
#define HS_SITE_FRAMES_MAX 64u

struct hs_sitetab {
	struct hs_idmap map; /* hash of the stack -> row */
	struct hs_lock lock;
	struct hs_rows *rows;
	uint32_t n_sites;  /* under lock; rows used */
	uint64_t n_frames; /* under lock; rows of FRAMES used */
};

/* `lock_row` may be NULL.  False when not even row 0 can be had: run without a profiler. */
bool hs_sitetab_init(struct hs_sitetab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row);

/* Prepare returns whether the lock was got; the same thread hands that to one of the others after the fork. */
bool hs_sitetab_fork_prepare(struct hs_sitetab *tab);
void hs_sitetab_fork_parent(struct hs_sitetab *tab, bool prepared);
void hs_sitetab_fork_child(struct hs_sitetab *tab, bool prepared);

/*
 * The row of a stack, innermost return address first; made when it is new.  `truncated`: the walk ended
 * before the root; such a stack is another site than the complete one.  Addresses beyond
 * HS_SITE_FRAMES_MAX are dropped (and the stack is truncated).
 */
uint32_t hs_sitetab_intern(struct hs_sitetab *tab, const uint64_t *pcs, size_t n, bool truncated, uint64_t now_ns);

/* One sample more.  Relaxed atomic adds into the row; any thread. */
void hs_sitetab_count_alloc(struct hs_sitetab *tab, uint32_t site, uint64_t size_bytes, uint64_t interval_bytes,
			    uint64_t now_ns);

/*
 * That sample is gone: the same size and interval as when it was counted.  `remote`: another thread freed it.
 */
void hs_sitetab_count_free(struct hs_sitetab *tab, uint32_t site, uint64_t size_bytes, uint64_t interval_bytes,
			   uint64_t birth_ns, uint64_t now_ns, bool remote);

/* A live sample has another size now: in the sums as if freed and allocated anew, but its life goes on. */
void hs_sitetab_count_grown(struct hs_sitetab *tab, uint32_t site, uint64_t old_bytes, uint64_t size_bytes,
			    uint64_t interval_bytes);

#endif /* HS_PROF_SITETAB_H */
