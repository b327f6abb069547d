/* SPDX-License-Identifier: MIT */
/*
 * span.h - a run of allocator pages, in use or free.
 *
 * The descriptor is type-stable: it comes from meta, keeps its row in the segment for ever, and is recycled
 * only inside its arena.  A span in use is small (slots of one class) or large (one object); a free run of
 * pages is a span too, in one of the arena's two range sets.
 *
 * Who may touch a small span is said by xowner:
 *   a tcache (| HS_OWNER_SAMPLED)  that thread alone, without locks; others only push on xfree
 *   HS_OWNER_FULL                  nobody; the first to free into it takes it by compare-and-swap
 *   HS_OWNER_BIN                   its bin, under the bin's lock; others only push on xfree
 *   HS_OWNER_NONE                  the arena: free range or large object
 *
 *        new --> tcache --exhausted--> FULL --first free, CAS--> tcache
 *                 |  ^                                            |
 *                 |  +--------- checked out, bin lock ---- BIN <--+ surplus, thread exit
 *                 +--empty, verified--> arena <--empty, verified--+
 *
 * Layer:   core/ (uses base/, <heapspy/segment.h>)
 */
#ifndef HS_CORE_SPAN_H
#define HS_CORE_SPAN_H

#include <heapspy/segment.h>

#include "base/atomic.h"
#include "base/list.h"
#include "core/sizeclass.h"

#define HS_OWNER_NONE ((uintptr_t)0)
#define HS_OWNER_SAMPLED ((uintptr_t)1) /* flag beside a tcache: the span holds samples, look further */
#define HS_OWNER_FULL ((uintptr_t)2)
#define HS_OWNER_BIN ((uintptr_t)4)
#define HS_OWNER_FLAGS ((uintptr_t)63) /* tcaches are aligned to a cache line */

enum hs_span_state {
	HS_SPAN_UNUSED,
	HS_SPAN_DIRTY, /* free range, may be resident */
	HS_SPAN_CLEAN, /* free range, not resident, reads as zero */
	HS_SPAN_PURGING, /* free range on its way from dirty to clean, in no set */
	HS_SPAN_KEPT,	 /* no object in it, kept by a thread for the next one that grows (grow.h) */
	HS_SPAN_SMALL,
	HS_SPAN_LARGE,
	HS_SPAN_HUGE,
};

struct hs_arena;
struct hs_tcache;

struct hs_span {
	/* line 0: the owner's; those who free read xowner, base and inverse */
	uintptr_t xowner;
	char *base;
	uint64_t inverse;	  /* of the class; 0 for spans that are not small */
	void *free;		  /* owner's list of free slots */
	struct heapspy_span *row; /* statistics; `used` is written on every malloc and free */
	uint32_t slot_bytes;	  /* small; large: bytes asked for, of an object that grows or grew in place; else 0 */
	uint16_t klass;		  /* small only */
	uint16_t state;		  /* enum hs_span_state, under the arena's lock or the owner's */
	uint32_t n_slots;
	uint32_t n_extended;	/* slots that were ever put on the free list */
	size_t n_pages;
	/* line 1: everybody's */
	void *xfree;		/* slots freed by others, a chain */
	struct hs_arena *arena; /* constant */
	struct hs_list link;	/* tcache's partial list, bin's nonfull list, arena's dirty or spare list */
	struct hs_span *left, *right; /* range set, under the arena's lock */
	uint64_t freed_ns;	/* dirty ranges: since when */
	uint32_t id;		/* row in SPANS, UINT32_MAX when the table was full; constant */
	uint32_t xn_samples;	/* live sampled objects in it */
	uint32_t recount;	/* 1: its owner died in a fork; free list and `used` must be made anew */
	uint32_t zeroed;	/* large: pages read as zero when handed out */
	uint32_t parked;	/* 1: in its owner's list of spans that ran out lately, not in that of partly used ones */
	uint32_t undersized;	/* 1: large, for having grown in place; counted in its arena */
	struct hs_tcache *xgrower; /* large: the thread that may grow its object within the span without a lock */
	uint32_t emptied;	/* ticks of its owner since its last slot came back; 0: in use */
} HS_ALIGNED_LINE;

/*
 * What stands in a free slot.  `seal` is the span itself, or hs_span_remote_seal() until the owner has taken the
 * slot back from others: a second free and an overwritten list both show.
 */
struct hs_slot {
	struct hs_slot *next;
	struct hs_span *seal;
};

/* Differs in the upper half only, so one comparison of the lower half finds both. */
HS_INLINE struct hs_span *hs_span_remote_seal(const struct hs_span *s)
{
	return (struct hs_span *)((uintptr_t)s ^ (uintptr_t)1 << 63);
}

/* Perhaps freed already: never false for a slot that is, true by accident once in 2^32. */
HS_INLINE bool hs_slot_looks_free(const struct hs_slot *slot, const struct hs_span *s)
{
	return (uint32_t)(uintptr_t)slot->seal == (uint32_t)(uintptr_t)s;
}

HS_INLINE size_t hs_span_bytes(const struct hs_span *s)
{
	return s->n_pages << HS_PAGE_SHIFT;
}

/* Usable bytes of the object in a large or huge span. */
HS_INLINE size_t hs_span_usable(const struct hs_span *s)
{
	size_t asked = hs_load_relaxed(&s->slot_bytes);

	return asked != 0 ? hs_align_up(asked, HS_SLOT_ALIGN) : hs_span_bytes(s);
}

/* True if `p` is the first byte of a slot of this small span. */
HS_INLINE bool hs_span_is_slot(const struct hs_span *s, const void *p)
{
	uint64_t offset = (uint64_t)((const char *)p - s->base);

	return offset * s->inverse < s->inverse;
}

#endif /* HS_CORE_SPAN_H */
