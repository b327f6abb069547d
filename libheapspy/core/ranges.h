/* SPDX-License-Identifier: MIT */
/*
 * ranges.h - the free runs of an arena: descriptors, cutting, merging.
 *
 * Layer:   core/ (uses arena.h; arena.c, large.c and decay.c are its only users)
 * Locking: all with arena->lock held
 */
#ifndef HS_CORE_RANGES_H
#define HS_CORE_RANGES_H

#include "core/arena.h"

/* Copies the arena's totals into its row. */
void hs_ranges_publish_locked(struct hs_arena *a);

/* Fills the row of a span that has just been made, `used` of its slots handed out. */
void hs_ranges_describe(struct hs_span *s, unsigned state, uint16_t klass, uint32_t n_slots, uint64_t slot_bytes,
			uint32_t used);

/* A fresh descriptor with a row, in no list; NULL when out of memory. */
struct hs_span *hs_ranges_descriptor_locked(struct hs_arena *a);
void hs_ranges_discard_locked(struct hs_arena *a, struct hs_span *s);

/* Takes a dirty or clean range out of its set. */
void hs_ranges_take_out_locked(struct hs_arena *a, struct hs_span *s);

/*
 * Puts a range in, merged with its neighbours of the same state.  Its page map entries must be NULL or its
 * own ends.
 */
void hs_ranges_insert_locked(struct hs_arena *a, struct hs_span *s);

/* Cuts `s`, which is in no set, behind `n_pages`; the rest becomes a range in `state`.  False: no descriptor. */
bool hs_ranges_cut_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages, unsigned state);

/* The free range of this arena and state that covers the page at `p`, or NULL. */
struct hs_span *hs_ranges_neighbour_locked(struct hs_arena *a, const char *p, unsigned state);

/* The free range of this arena, dirty or clean, that covers the page at `p`, or NULL. */
struct hs_span *hs_ranges_free_at_locked(struct hs_arena *a, const char *p);

/*
 * Maps room for a range of n_pages, beside what was mapped last where possible: a clean range at the end of that
 * counts.  The clean range that holds n_pages, or NULL.
 */
struct hs_span *hs_ranges_map_locked(struct hs_arena *a, size_t n_pages);

#endif /* HS_CORE_RANGES_H */
