/* SPDX-License-Identifier: MIT */
/*
 * bin.h - partly used spans of one size class in one arena that no thread owns.
 *
 * Spans change hands whole: a tcache checks one out and gives one back, so the lock is taken per span and not
 * per object.
 *
 * Layer:   core/ (uses span.h)
 * Locking: bin->lock, HS_RANK_BIN
 */
#ifndef HS_CORE_BIN_H
#define HS_CORE_BIN_H

#include "core/span.h"
#include "os/lock.h"

struct hs_bin {
	struct hs_lock lock;
	uint16_t klass; /* constant, as its arena is: a span never changes its arena */
	struct heapspy_bin *row;
	/* under lock: spans with xowner == HS_OWNER_BIN, in two lists, latest first */
	struct hs_list nonfull; /* as their owners left them */
	struct hs_list combed;	/* looked through for pages to give back: they have holes, or no free page */
	uint32_t xn_nonfull;	/* in both lists; written under lock, looked at without */
	uint32_t xn_combed;
	/* spans of this class that threads have looked for, and who was last; in the first arena's bins, for all arenas */
	uint32_t xn_wanted, xwanter;
};

void hs_bin_init(struct hs_bin *bin, uint16_t klass, struct heapspy_lock *lock_row, struct heapspy_bin *row);

/* Takes a span out and makes `owner` its owner; those without holes first.  NULL if there is none. */
struct hs_span *hs_bin_checkout(struct hs_bin *bin, uintptr_t owner, struct hs_waited *waits);

/* Puts a span in that the caller owns. */
void hs_bin_return(struct hs_bin *bin, struct hs_span *span, struct hs_waited *waits);

/* Takes this span out, if it still is in the bin, and makes `owner` its owner. */
bool hs_bin_claim(struct hs_bin *bin, struct hs_span *span, uintptr_t owner, struct hs_waited *waits);

/*
 * Takes out a span that has been in the bin since `before_ns` and whose free pages are worth a look: one that was
 * not looked through since it came, or into which others have freed since.  NULL if there is none.
 */
struct hs_span *hs_bin_take_idle(struct hs_bin *bin, uintptr_t owner, uint64_t before_ns, struct hs_waited *waits);

/* Asserts the invariants (takes the lock). */
void hs_bin_check(struct hs_bin *bin);

#endif /* HS_CORE_BIN_H */
