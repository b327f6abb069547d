/* SPDX-License-Identifier: MIT */
/*
 * meta.h - memory for the allocator's own structures.
 *
 * A bump allocator: nothing is ever given back, so every structure is type-stable and a stale pointer to one
 * can be read safely.  Recycling is the business of each module.
 *
 * Layer:   core/ (uses os/)
 * Owns:    its chunks, named heapspy-meta in /proc/PID/maps
 * Locking: meta->lock, HS_RANK_META
 */
#ifndef HS_CORE_META_H
#define HS_CORE_META_H

#include "os/lock.h"

struct hs_meta {
	struct hs_lock lock;
	char *next, *end;  /* under lock: rest of the current chunk */
	size_t chunk_bytes; /* of the next chunk; doubles up to a limit */
	uint64_t *counter; /* bytes handed out so far; in the segment's totals */
};

void hs_meta_init(struct hs_meta *meta, struct heapspy_lock *row, uint64_t *counter);

/* Zeroed memory, aligned to `align` (a power of two up to 4096).  NULL when out of memory. */
void *hs_meta_alloc(struct hs_meta *meta, size_t bytes, size_t align);

#endif /* HS_CORE_META_H */
