/* SPDX-License-Identifier: MIT */
/*
 * tcache.h - what a thread allocates from without a lock: the spans that it has checked out.
 *
 * One active span a class serves malloc from its own free list; frees go straight to the list of the span they
 * belong to, as long as this thread owns it.  A span that runs out is let go as FULL, and the first thread
 * that frees into it becomes its owner - so in producer/consumer programs, the consumer frees without atomics.
 * Frees into spans of other threads are gathered in a small ring and published as chains.
 *
 *	 malloc <-- active[class]          partial[class]: owned spans with free slots
 *	                                   parked[class]: owned spans that ran out lately
 *	 free   --> any owned span
 *	        --> FULL span: becomes owned (one compare-and-swap a span)
 *	        --> other's span: ring --chain--> span->xfree
 *
 * Layer:   core/ (uses arena, bin, span)
 * Locking: none for its own spans; bin and arena locks on the slow paths
 * Fork:    the child's only thread keeps its tcache; spans of the others are let go as FULL with `recount`
 * Signals: not async-signal-safe
 */
#ifndef HS_CORE_TCACHE_H
#define HS_CORE_TCACHE_H

#include "core/arena.h"
#include "core/grow.h"
#include "core/span.h"

/*
 * Owned partly used spans of one class beyond this go back to the bin at once, oldest first.  Many, because a
 * thread that frees a large population in random order otherwise pays for a bin's span with each object (measured:
 * 240 ns a free with 128, 115 with 512, 40 with 4096); not more, because nobody can take them from a thread that
 * sleeps.  Each tick gives back an eighth of those beyond HS_PARTIAL_KEEP.
 */
#define HS_PARTIAL_MAX 256u
#define HS_PARTIAL_KEEP 16u

/*
 * Spans of one class that ran out last stay with their owner: frees of a steady population go into them on the fast
 * path, and by the time they are oldest they have slots again.  Without them such a program lets a span go and
 * claims it back for nearly every object.  But what is parked serves nobody else.  Measured with 0, 128, 256, 512 KiB
 * a class: 10,000 objects of 8 to 1024 bytes replaced at random 20, 19, 16, 14 ns a pair; free slots of a server
 * with 64 MiB and four threads 8.6, 11.6, 13.6, 18.8 MiB.
 */
#define HS_PARKED_BYTES ((size_t)128 << 10)

/* Empty spans that a thread keeps against ping-pong, all classes together. */
#define HS_EMPTY_KEEP_BYTES ((size_t)256 << 10)
/* A chain of remote frees is published at so many slots or bytes. */
#define HS_RING_SLOTS_MAX 32u
#define HS_RING_BYTES_MAX ((size_t)16 << 10)

struct hs_ring {
	struct hs_span *span;
	struct hs_slot *head, *tail;
	uint32_t n;
};

struct hs_tcache {
	struct hs_span *active[HS_N_CLASSES]; /* hs_span_none where there is none */
	struct hs_arena *arena;
	struct heapspy_thread *row;
	struct heapspy_thread_class *class_rows;
	uint32_t id; /* row in THREADS */
	size_t emptied_bytes; /* spans in the partial lists that are empty */
	struct hs_waited waits; /* of the operation under way; whoever records them resets them */
	struct hs_ring ring[HEAPSPY_RING];
	struct hs_list partial[HS_N_CLASSES]; /* most recently used first, empty ones last */
	uint16_t n_partial[HS_N_CLASSES];
	struct hs_list parked[HS_N_CLASSES]; /* ran out lately, oldest first */
	uint16_t n_parked[HS_N_CLASSES];
	struct hs_grow grow;
	const void *virgin; /* result of the last refill if it reads as zero behind the two words of a free slot */
	struct hs_list link; /* the heap's live or spare tcaches, under its lock */
} HS_ALIGNED_LINE;

/* Stands for "no span": its list is always empty. */
extern struct hs_span hs_span_none;
/* Stands for "no tcache": every malloc and every free leaves the fast path. */
extern struct hs_tcache hs_tcache_none;

enum hs_corruption {
	HS_DOUBLE_FREE,
	HS_BAD_POINTER, /* not the start of a live block */
	HS_BAD_LIST,	/* a freed slot was overwritten */
};

/* Called on proven misuse; when it returns, the operation is skipped.  Set once at start; default aborts. */
extern void (*hs_on_corruption)(enum hs_corruption what, const void *p, const struct hs_span *span);

void hs_tcache_init(struct hs_tcache *t, struct hs_arena *arena, struct heapspy_thread *row,
		    struct heapspy_thread_class *class_rows, uint32_t id);

/* Lets go of everything; the tcache is as after hs_tcache_init(). */
void hs_tcache_drain(struct hs_tcache *t);

/* A slot of a new or refilled active span; NULL when out of memory. */
void *hs_tcache_refill(struct hs_tcache *t, unsigned klass);

/* The last slot of an owned span that is not active came back. */
void hs_tcache_emptied(struct hs_tcache *t, struct hs_span *s);

/* Any free into a small span. */
void hs_tcache_free_slow(struct hs_tcache *t, struct hs_span *s, void *p);

/* The active span's list is damaged: reports, and lets the list go. */
void hs_tcache_bad_list(struct hs_tcache *t, struct hs_span *s, void *p);

/* Publishes all gathered remote frees. */
void hs_tcache_flush(struct hs_tcache *t);

/* Now and then (by bytes allocated): flushes, and retires spans that stayed empty since the last time. */
void hs_tcache_tick(struct hs_tcache *t);

/* After a fork: makes free list and counters from the seals.  No ring may hold slots of the span. */
void hs_tcache_make_anew(struct hs_span *s);

/* A sample was placed into a slot just allocated by `t`. */
void hs_tcache_mark_sampled(struct hs_tcache *t, struct hs_span *s);

/* Asserts the invariants of an idle tcache. */
void hs_tcache_check(struct hs_tcache *t);

/* Pops a slot of the active span; NULL: hs_tcache_refill(). */
HS_INLINE void *hs_tcache_pop(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = t->active[klass];
	struct hs_slot *slot = s->free;

	if (hs_unlikely(slot == NULL))
		return NULL;
	if (hs_unlikely(slot->seal != s)) {
		hs_tcache_bad_list(t, s, slot);
		return NULL;
	}
	s->free = slot->next;
	slot->seal = NULL;
	hs_bump(&s->row->used, 1);
	return slot;
}

/* Pushes a slot of an owned span without samples; false: hs_tcache_free_slow(). */
HS_INLINE bool hs_tcache_push(struct hs_tcache *t, struct hs_span *s, void *p)
{
	struct hs_slot *slot = p;

	if (hs_unlikely(hs_load_relaxed(&s->xowner) != (uintptr_t)t))
		return false;
	if (hs_unlikely(!hs_span_is_slot(s, p) || hs_slot_looks_free(slot, s)))
		return false;
	slot->seal = s;
	slot->next = s->free;
	hs_compiler_fence(); /* a fork between the two stores must find a whole list */
	s->free = slot;
	hs_bump(&s->row->used, -1u);
	if (hs_unlikely(hs_peek(&s->row->used) == 0))
		hs_tcache_emptied(t, s);
	return true;
}

#endif /* HS_CORE_TCACHE_H */
