/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h - address to span, in two loads, for any bit pattern.
 *
 * A root of 2^18 entries covers 48 bits of address space; a leaf covers 1 GiB.  The pointer that is looked up
 * is never dereferenced.  Invariant: an entry is either NULL or a span that covers that page; a small span has
 * all its pages entered, a large, huge or free one the first and the last.
 *
 * Before it stands a front for free(): one table of small spans alone, by page number modulo its length.  Two pages
 * may want one place (with heaps spread over more addresses than the table covers); then one of them is
 * found by the map only.  So what the front answers is a guess, and hs_span_is_slot() tells whether it is right.
 *
 * Layer:   core/ (uses meta, span)
 * Memory:  leaves come from the kernel, are touched where they are written, and stay for ever
 * Locking: none; an entry is written by who holds the pages
 */
#ifndef HS_CORE_PAGEMAP_H
#define HS_CORE_PAGEMAP_H

#include "core/span.h"

#define HS_LEAF_SHIFT 30u
#define HS_ROOT_BITS 18u
#define HS_LEAF_ENTRIES ((size_t)1 << (HS_LEAF_SHIFT - HS_PAGE_SHIFT))

extern struct hs_span **hs_pagemap_root[(size_t)1 << HS_ROOT_BITS] HS_HIDDEN;
/* Bytes of leaves that were touched, by 4 KiB. */
extern uint64_t hs_pagemap_touched_bytes;

/*
 * The front: offsets from the table itself to spans, preceded by its length - 1.  The first HS_FRONT_NONE entries are
 * never used: as 0 leads there, they stand for a span without owner and slots, and free() needs no test for "none".
 */
extern uintptr_t *hs_front HS_HIDDEN;

#define HS_FRONT_NONE (sizeof(struct hs_span) / sizeof(uintptr_t))

/* Makes the front; where that fails, free() always asks the map.  Before other threads free. */
void hs_front_init(void);

/* A guess at the small span that covers `p`, for any bit pattern: never NULL. */
HS_INLINE struct hs_span *hs_front_get(const void *p)
{
	uintptr_t *front = hs_front;
	uintptr_t index = ((uintptr_t)p >> HS_PAGE_SHIFT) & front[-1];

	/* relaxed: as in hs_pagemap_get() */
	return (struct hs_span *)(void *)((char *)front + hs_load_relaxed(&front[index]));
}

/* The span that covers `p`, NULL for what is not ours (or the inside of a large object). */
HS_INLINE struct hs_span *hs_pagemap_get(const void *p)
{
	uintptr_t a = (uintptr_t)p;
	struct hs_span **leaf;

	if (hs_unlikely(a >> (HS_LEAF_SHIFT + HS_ROOT_BITS) != 0))
		return NULL;
	/* relaxed: the address that leads here was handed over with an order of its own */
	leaf = hs_load_relaxed(&hs_pagemap_root[a >> HS_LEAF_SHIFT]);
	if (hs_unlikely(leaf == NULL))
		return NULL;
	return hs_load_relaxed(&leaf[(a >> HS_PAGE_SHIFT) & (HS_LEAF_ENTRIES - 1)]);
}

/* Makes the leaves for a range; false when out of memory.  Must precede the first set in that range. */
bool hs_pagemap_prepare(const void *base, size_t bytes);

/* Sets one page's entry. */
void hs_pagemap_set(const void *page, struct hs_span *span);

/* First and last page of the span. */
void hs_pagemap_set_ends(struct hs_span *span, struct hs_span *value);

/* All pages of a small span, in the front as well. */
void hs_pagemap_set_all(struct hs_span *span, struct hs_span *value);

#endif /* HS_CORE_PAGEMAP_H */
