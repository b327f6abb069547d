/* SPDX-License-Identifier: MIT */
/*
 * grow.h - objects that realloc makes longer again and again: room behind them, and no copy.
 *
 * A block that grows for the second time, or to some length, moves once to a span of pages that is longer than it
 * needs (a growth span of its thread) and from then on grows within it: a comparison and two stores.  A thread has
 * few growth spans.  When the object is freed the span stays for the next one (HS_SPAN_KEPT); when others have been
 * copied for want of one long enough, one loses what lies behind its object, which keeps the rest, and a new one is
 * made.  Pages behind the object are address space, resident only if somebody wrote them before.
 *
 *	xgrower == t    t alone may change the span's length or the object's, without lock when within the span
 *	xgrower == NULL a large object like others: who holds it changes it under the arena's lock
 *
 * The way from t to NULL is taken under the arena's lock, by t or by another thread that holds the object and
 * resizes or frees it; the places of t may be out of date and are believed only if xgrower says so.
 *
 * Layer:   core/ (uses arena)
 * Locking: none for the owner within the span, else the arena's
 * Fork:    growth spans of threads that do not exist in the child are given up by hs_grow_orphan()
 */
#ifndef HS_CORE_GROW_H
#define HS_CORE_GROW_H

#include "core/arena.h"

/* A block shorter than this is copied; one from HS_GROW_ALWAYS on moves the first time it grows. */
#define HS_GROW_LEAST ((size_t)128)
#define HS_GROW_ALWAYS ((size_t)16 << 10)

#define HS_GROW_PLACES 4u
#define HS_GROW_LAST 4u

struct hs_grow_place {
	struct hs_span *span;
	size_t seen_bytes; /* at the last tick */
	bool occupied;
};

struct hs_grow {
	struct hs_grow_place places[HS_GROW_PLACES];
	const void *last[HS_GROW_LAST]; /* blocks that realloc copied lately: if one grows again, it is one of those */
	size_t refused_bytes; /* copied because all places were taken, since one of their spans grew last */
	size_t kept_bytes;    /* of spans without object */
	unsigned turn;	      /* which place is next to lose its span */
};

struct hs_tcache;

/* True if `p` may become `bytes` long where it is without a lock, and should. */
HS_INLINE bool hs_grow_fits(const struct hs_tcache *t, const struct hs_span *s, const void *p, size_t bytes)
{
	return hs_load_relaxed(&s->xgrower) == t && p == s->base && s->state == HS_SPAN_LARGE &&
	       bytes <= hs_span_bytes(s) && bytes > s->slot_bytes / 2;
}

HS_INLINE void hs_grow_set(struct hs_span *s, size_t bytes)
{
	hs_store_relaxed(&s->slot_bytes, (uint32_t)bytes);
	hs_store_relaxed(&s->row->slot_bytes, hs_span_usable(s));
}

HS_INLINE unsigned hs_grow_index(const void *p)
{
	return ((uintptr_t)p >> 4 ^ (uintptr_t)p >> 12) % HS_GROW_LAST;
}

/* True if a block of t's at `p` that grows to `bytes` should ask hs_grow_start() for its new place. */
HS_INLINE bool hs_grow_wanted(const struct hs_grow *g, const void *p, size_t bytes)
{
	return bytes >= HS_GROW_LEAST && (bytes >= HS_GROW_ALWAYS || g->last[hs_grow_index(p)] == p) &&
	       bytes < HS_HUGE_BYTES;
}

/* realloc has copied a block to `p`. */
HS_INLINE void hs_grow_note(struct hs_grow *g, const void *p)
{
	g->last[hs_grow_index(p)] = p;
}

/* A place of `bytes` with room behind it; NULL when it is taken or memory is short: any other place will do. */
void *hs_grow_start(struct hs_tcache *t, size_t bytes);

/* The object of one of t's growth spans becomes `bytes` long, in place or by moving its pages; NULL: it must be copied. */
void *hs_grow_resize(struct hs_tcache *t, struct hs_span *s, size_t bytes);

/* The object of one of t's growth spans is freed. */
void hs_grow_free(struct hs_tcache *t, struct hs_span *s);

/* Now and then: what has not grown since the last time loses the room behind it. */
void hs_grow_tick(struct hs_tcache *t);

/* Gives everything back that is not the object's. */
void hs_grow_drain(struct hs_tcache *t);

/* In the child of a fork: `t` is a tcache of a thread that does not exist here. */
void hs_grow_orphan(struct hs_tcache *t);

#endif /* HS_CORE_GROW_H */
