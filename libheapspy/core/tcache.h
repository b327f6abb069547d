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
 * Owned partly used spans of one class beyond this go back to the bin at once, oldest first.  So many that it hardly
 * ever happens, because a thread that frees a large population in random order otherwise pays for a bin's span with
 * each object (measured, 3,000,000 frees of 64 bytes: 228 ns a free with 256, 47 with 4096 and more).  They do not stay
 * there: hs_tcache_age() gives back a quarter of those beyond HS_PARTIAL_KEEP each time, and all of a sleeping thread's go.
 */
#define HS_PARTIAL_MAX 16384u
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
	struct hs_span **direct; /* the same by size, for malloc's fast path; see hs_tcache_set_direct().  May be NULL */
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
	bool left; /* spare, and all its lists are empty: not so after a fork */
	/* shim/idle.c: the helper may drain the cache of a thread that sleeps */
	uint32_t xseized; /* 1: it is about to, 2: and the owner waits */
	uint32_t tid;	  /* as in the row, which is not trusted */
	void *thread;	  /* the shim's thread-local variables; NULL: not known */
	struct {
		int64_t countdown;
		uint64_t since_ns;
		bool drained;
	} idle; /* the helper's, under the heap's threads_lock */
	uint64_t refills_seen[HS_N_CLASSES]; /* class_rows' n_refills at the last hs_tcache_age() */
	uint8_t n_quiet[HS_N_CLASSES];	     /* calls of it in a row that found no refill */
} HS_ALIGNED_LINE;

/* Stands for "no span": its list is always empty. */
extern struct hs_span hs_span_none HS_HIDDEN;
enum hs_corruption {
	HS_DOUBLE_FREE,
	HS_BAD_POINTER, /* not the start of a live block */
	HS_BAD_LIST,	/* a freed slot was overwritten */
};

/* Called on proven misuse; when it returns, the operation is skipped.  Set once at start; default aborts. */
extern void (*hs_on_corruption)(enum hs_corruption what, const void *p, const struct hs_span *span);

void hs_tcache_init(struct hs_tcache *t, struct hs_arena *arena, struct heapspy_thread *row,
		    struct heapspy_thread_class *class_rows, uint32_t id);

/* Requests up to here find their span by (bytes + 15) / 16, without a look at the table of classes. */
#define HS_DIRECT_MAX ((size_t)1024)
#define HS_DIRECT_ENTRIES (HS_DIRECT_MAX / HS_SLOT_ALIGN + 1)

/* Keeps active[] in `direct` too, HS_DIRECT_ENTRIES of them, from now on; NULL: no longer. */
void hs_tcache_set_direct(struct hs_tcache *t, struct hs_span **direct);

/* Lets go of everything; the tcache is as after hs_tcache_init(). */
void hs_tcache_drain(struct hs_tcache *t);

/* The same at the end of its thread: leaves empty spans in bins that have none, for the next thread. */
void hs_tcache_leave(struct hs_tcache *t);

/* A tcache that was left, for another thread: less work than hs_tcache_init(). */
void hs_tcache_reuse(struct hs_tcache *t, struct hs_arena *arena);

/* A slot of what the thread owns already, without system call or clock, mostly without a lock; NULL: refill. */
void *hs_tcache_refill_own(struct hs_tcache *t, unsigned klass);

/* A slot of a new or refilled active span; NULL when out of memory. */
void *hs_tcache_refill(struct hs_tcache *t, unsigned klass);

/* The last slot of an owned span that is not active came back. */
void hs_tcache_emptied(struct hs_tcache *t, struct hs_span *s);

/* Any free into a small span. */
void hs_tcache_free_slow(struct hs_tcache *t, struct hs_span *s, void *p);

/* Publishes all gathered remote frees. */
void hs_tcache_flush(struct hs_tcache *t);

/* Now and then (by bytes allocated): flushes, and retires spans that stayed empty since the last time. */
void hs_tcache_tick(struct hs_tcache *t);

/*
 * Every HS_AGE_NS: gives back what classes hold that were not refilled since the last time, a quarter of the partly
 * used spans each time.  What a thread does not use is then where others find it and where free pages are purged.
 */
#define HS_AGE_NS UINT64_C(250000000)
void hs_tcache_age(struct hs_tcache *t);

/* After a fork: makes free list and counters from the seals.  No ring may hold slots of the span. */
void hs_tcache_make_anew(struct hs_span *s);

/* A sample was placed into the slot `p` just allocated by `t`. */
void hs_tcache_mark_sampled(struct hs_tcache *t, struct hs_span *s, const void *p);

/* Asserts the invariants of an idle tcache. */
void hs_tcache_check(struct hs_tcache *t);

/* Pops a slot of the active span; NULL: hs_tcache_refill(). */
HS_INLINE void *hs_tcache_pop(struct hs_tcache *t, unsigned klass)
{
	return hs_span_pop(t->active[klass]);
}

/* Pushes a slot of an owned span without samples; false: hs_tcache_free_slow(). */
HS_INLINE bool hs_tcache_push(struct hs_tcache *t, struct hs_span *s, void *p)
{
	if (!hs_span_push(s, (uintptr_t)t, p))
		return false;
	if (hs_unlikely(hs_peek(&s->row->used) == 0))
		hs_tcache_emptied(t, s);
	return true;
}

#endif /* HS_CORE_TCACHE_H */
