/* SPDX-License-Identifier: MIT */
/*
 * idmap.h - insert-only map from a 64-bit key to a row number, read without locks.
 *
 * Small at first, doubling; a reader that still looks at the previous table misses at most the newest keys.
 *
 * Layer:   prof/ (uses core/meta.h)
 * Locking: finding: none.  Inserting: the caller's lock
 * Memory:  from meta; outgrown tables stay readable for ever (together they are smaller than the present one)
 * Signals: hs_idmap_find() is async-signal-safe
 */
#ifndef HS_PROF_IDMAP_H
#define HS_PROF_IDMAP_H

#include "core/meta.h"

struct hs_idmap_table;

struct hs_idmap {
	struct hs_idmap_table *xtable; /* NULL until the first insert */
	uint32_t n;		       /* under the caller's lock */
	struct hs_meta *meta;
};

/* `meta` must outlive the map. */
void hs_idmap_init(struct hs_idmap *map, struct hs_meta *meta);

/* False when `key` (not 0) is not there. */
bool hs_idmap_find(const struct hs_idmap *map, uint64_t key, uint32_t *ret_value);

/* The key must be absent and not 0.  False when there is no memory to grow: nothing changed. */
bool hs_idmap_insert_locked(struct hs_idmap *map, uint64_t key, uint32_t value);

#endif /* HS_PROF_IDMAP_H */
