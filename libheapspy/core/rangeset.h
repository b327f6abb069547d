/* SPDX-License-Identifier: MIT */
/*
 * rangeset.h - free runs of pages, found by size, lowest address first.
 *
 * Bins by size (exact below 8 pages, then 8 a doubling), each a treap ordered by address; a bitmap finds the
 * first bin that is not empty.  Lowest address first keeps the top of the address space free for purging.
 *
 * Layer:   core/ (uses span.h)
 * Locking: the arena's
 */
#ifndef HS_CORE_RANGESET_H
#define HS_CORE_RANGESET_H

#include "core/span.h"

#define HS_RANGE_BINS 256u

struct hs_rangeset {
	struct hs_span *bins[HS_RANGE_BINS]; /* roots; the shape follows from the addresses */
	uint64_t nonempty[HS_RANGE_BINS / 64];
	size_t n_pages; /* sum over all members */
};

void hs_rangeset_insert(struct hs_rangeset *set, struct hs_span *span);
void hs_rangeset_remove(struct hs_rangeset *set, struct hs_span *span);

/* A member of at least n_pages, close to best fit, lowest address in its bin; NULL if none.  Not removed. */
struct hs_span *hs_rangeset_find(const struct hs_rangeset *set, size_t n_pages);

/* Asserts the invariants; returns the number of members. */
size_t hs_rangeset_check(const struct hs_rangeset *set);

#endif /* HS_CORE_RANGESET_H */
