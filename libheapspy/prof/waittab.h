/* SPDX-License-Identifier: MIT */
/*
 * waittab.h - who waits for which lock: one row for each pair of lock and call stack.
 *
 * The caller samples the waits (by time waited) and has the stack interned; here it is only added up.
 *
 * Layer:   prof/ (uses core/rows.h, core/meta.h)
 * Locking: known pairs: none.  New ones: tab->lock, HS_RANK_SAMPLES, bounded wait
 * Signals: as sitetab.h
 * Errors:  what cannot be recorded is counted in header->lost_waiters
 */
#ifndef HS_PROF_WAITTAB_H
#define HS_PROF_WAITTAB_H

#include "core/rows.h"
#include "prof/idmap.h"

struct hs_waittab {
	struct hs_idmap map; /* lock row and site -> row */
	struct hs_lock lock;
	struct hs_rows *rows;
	uint32_t n; /* under lock; rows used */
};

/* `lock_row` may be NULL. */
void hs_waittab_init(struct hs_waittab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row);

/* As in sitetab.h. */
bool hs_waittab_fork_prepare(struct hs_waittab *tab);
void hs_waittab_fork_parent(struct hs_waittab *tab, bool prepared);
void hs_waittab_fork_child(struct hs_waittab *tab, bool prepared);

/*
 * Adds `n_waits` waits of together `wait_ns` (a sampled wait may stand for several), the longest of them
 * `longest_ns`, to row `lock_row` of LOCKS at site `site`.  Called with no lock held.
 */
void hs_waittab_add(struct hs_waittab *tab, uint32_t lock_row, uint32_t site, uint64_t n_waits, uint64_t wait_ns,
		  uint64_t longest_ns);

#endif /* HS_PROF_WAITTAB_H */
