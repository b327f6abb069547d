/* SPDX-License-Identifier: MIT */
/*
 * span.h - a run of allocator pages, in use or free.
 *
 * The descriptor is type-stable: it comes from meta, keeps its row in the segment for ever, and is recycled
 * only inside its arena.  A span in use is small (slots of one class) or large (one object); a free run of
 * pages is a span too, in one of the arena's two range sets.
 *
 * Who may touch a small span is said by xowner:
 *   a tcache (| HS_OWNER_MARKS)    that thread alone, without locks; others only push on xfree
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
#define HS_OWNER_HOLES ((uintptr_t)8) /* flag beside a tcache: pages of the span were given back, see core/holes.h */
#define HS_OWNER_MARKS (HS_OWNER_SAMPLED | HS_OWNER_HOLES)
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

/*
 * Three lines, by who writes them.  With 64 threads that free each other's objects, cores fetched 9.6 lines from each other
 * for an object when the owner's list stood beside what those who free read, and 5.5 with this (tests/bench/scaling.py;
 * 7.7 since spans are given to threads that look for them).
 */
struct hs_span {
	/* line 0: seldom written; what a free looks at */
	uintptr_t xowner;
	char *base;
	uint64_t inverse;	  /* of the class; small only */
	uint64_t limit;		  /* n_extended * step of the class; 0 for spans that are not small: no slots */
	struct heapspy_span *row; /* statistics; `used` is written on every malloc and free */
	uint32_t slot_bytes;	  /* small; large: bytes asked for, of an object that grows or grew in place; else 0 */
	uint16_t klass;		  /* small only */
	uint16_t state;		  /* enum hs_span_state, under the arena's lock or the owner's */
	uint32_t n_slots;
	uint32_t id;		/* row in SPANS, UINT32_MAX when the table was full; constant */
	uint32_t xn_samples;	/* live sampled objects in it */
	uint32_t recount;	/* 1: its owner died in a fork; free list and `used` must be made anew */
	/* line 1: the owner's */
	struct hs_slot *free HS_ALIGNED_LINE; /* list of free slots, ends with &hs_slot_end */
	size_t n_pages;
	struct hs_arena *arena; /* constant */
	struct hs_list link;	/* tcache's partial list, bin's nonfull list, arena's dirty or spare list */
	uint64_t freed_ns;	/* dirty ranges, and small spans in a bin: since when */
	uint32_t n_extended;	/* slots that were ever put on the free list */
	uint32_t emptied;	/* ticks of its owner since its last slot came back; 0: in use */
	uint16_t zeroed;	/* large: pages read as zero when handed out */
	uint16_t parked;	/* 1: in its owner's list of spans that ran out lately, not in that of partly used ones */
	uint16_t combed;	/* 1: looked through for free pages since it came into its bin */
	uint16_t n_hole_frees;	/* frees by its owner since it has the span and holes were in it */
	/* line 2: everybody's */
	void *xfree HS_ALIGNED_LINE;	/* slots freed by others, a chain */
	uint64_t xholes;		/* bit k: kernel page k was given back; the owner's, others look (core/holes.h) */
	uint64_t xsampled;		/* for each live sampled object the bit hs_span_sample_bit(); more may be set */
	struct hs_tcache *xgrower;	/* large: the thread that may grow its object within the span without a lock */
	uint32_t undersized;		/* 1: large, for having grown in place; counted in its arena */
	struct hs_span *left, *right;	/* range set, under the arena's lock */
} HS_ALIGNED_LINE;

/*
 * What stands in a free slot.  `seal` is the span itself, or hs_span_remote_seal() until the owner has taken the
 * slot back from others: a second free and an overwritten list both show.
 */
struct hs_slot {
	struct hs_slot *next;
	struct hs_span *seal;
};

/* What xowner is to be for this tcache. */
HS_INLINE uintptr_t hs_span_owner_word(const struct hs_span *s, uintptr_t tcache)
{
	if (hs_load_relaxed(&s->xn_samples) != 0)
		tcache |= HS_OWNER_SAMPLED;
	if (hs_load_relaxed(&s->xholes) != 0)
		tcache |= HS_OWNER_HOLES;
	return tcache;
}

/* Ends every free list: its seal fits no span, so one comparison on malloc finds the end and damage alike. */
extern struct hs_slot hs_slot_end HS_HIDDEN;

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

/*
 * True if `p` is the first byte of a slot of this small span that was ever handed out; for any `p` below 2^47, in the
 * span or not.  With offset = q * slot_bytes + r the product is q * step + r * inverse (mod 2^64), and
 * slot_bytes <= step < 2 * slot_bytes: for r = 0 and a q below n_extended it is below the limit.  Any other r
 * makes it at least inverse (2^49 and more, far above any limit); any other q with r = 0, at least the limit;
 * and offsets below zero, counted from 2^64 down, stay above 2^48.
 */
HS_INLINE bool hs_span_is_slot(const struct hs_span *s, const void *p)
{
	uint64_t offset = (uint64_t)((const char *)p - s->base);

	/* no order: who has a pointer to a slot got it with an order of its own */
	return offset * s->inverse < hs_peek(&s->limit);
}

/* A filter: an object whose bit is not set is no sample, and its free need not ask the sampler. */
HS_INLINE uint64_t hs_span_sample_bit(const void *p)
{
	return (uint64_t)1 << ((uintptr_t)p / HS_SLOT_ALIGN * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

HS_INLINE bool hs_span_may_be_sample(const struct hs_span *s, const void *p)
{
	return (hs_load_relaxed(&s->xsampled) & hs_span_sample_bit(p)) != 0;
}

HS_INLINE void hs_span_set_extended(struct hs_span *s, uint32_t n)
{
	s->n_extended = n;
	hs_store_relaxed(&s->limit, n * (s->inverse * s->slot_bytes));
}

HS_INLINE bool hs_span_has_free(const struct hs_span *s)
{
	return s->free != &hs_slot_end;
}

/* Pops a slot; NULL when the list is at its end - or damaged, which hs_tcache_refill() finds out. */
HS_INLINE void *hs_span_pop(struct hs_span *s)
{
	struct hs_slot *slot = s->free;

	if (hs_unlikely(slot->seal != s))
		return NULL;
	s->free = slot->next;
	slot->seal = NULL;
	hs_bump(&s->row->used, 1);
	return slot;
}

/* Pushes a slot of a span whose owner word is `owner` (no samples); false when it is not so simple. */
HS_INLINE bool hs_span_push(struct hs_span *s, uintptr_t owner, void *p)
{
	struct hs_slot *slot = p;

	if (hs_unlikely(hs_load_relaxed(&s->xowner) != owner))
		return false;
	if (hs_unlikely(!hs_span_is_slot(s, p)) || hs_unlikely(hs_slot_looks_free(slot, s)))
		return false;
	slot->next = s->free;
	hs_compiler_fence(); /* two plain stores; the compiler would make one of them, by way of a vector register */
	slot->seal = s;
	hs_compiler_fence(); /* a fork between these two must find a whole list */
	s->free = slot;
	hs_bump(&s->row->used, -1u);
	return true;
}

#endif /* HS_CORE_SPAN_H */
