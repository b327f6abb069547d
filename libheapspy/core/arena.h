/* SPDX-License-Identifier: MIT */
/*
 * arena.h - page heap: spans from the kernel and back.
 *
 * Keeps free runs of pages in two sets, dirty (may be resident) and clean (not resident, zero).  Dirty ones
 * serve first and are purged along a decay curve; nothing is unmapped or purged inside free().
 *
 * Layer:   core/ (uses rangeset, pagemap, meta, rows)
 * Locking: arena->lock, HS_RANK_ARENA; calls meta and the kernel with it held, except for purging, which
 *          takes its ranges out and drops the lock
 * Errors:  no memory is NULL; nothing aborts
 */
#ifndef HS_CORE_ARENA_H
#define HS_CORE_ARENA_H

#include "core/bin.h"
#include "core/meta.h"
#include "core/rangeset.h"
#include "core/rows.h"

struct hs_tcache;

#define HS_ARENAS_MAX 256u
#define HS_HUGE_BYTES ((size_t)32 << 20) /* from here on an object has a mapping of its own */
/* From here on it is cheaper to move pages than to copy them and pay for the faults of the copy. */
#define HS_MOVE_BYTES ((size_t)256 << 10)
#define HS_DECAY_STEPS 16u
#define HS_SPAN_CHUNK 32u

/* Descriptors of spans come in chunks, so that all of an arena's can be walked. */
struct hs_span_chunk {
	struct hs_span_chunk *next;
	struct hs_span spans[HS_SPAN_CHUNK];
};

/*
 * Decay.  Of the pages by which the dirty set grew within the last decay_ms, a share that falls smoothly from 1
 * to 0 with their age may stay.  grown[i]: growth in step i, newest in grown[0].
 */
struct hs_decay {
	int64_t decay_ms; /* < 0 never, 0 at once */
	uint64_t step_start_ns;
	size_t before; /* dirty pages when the last step ended */
	size_t grown[HS_DECAY_STEPS];
};

struct hs_arena {
	struct hs_lock lock;
	uint32_t id;
	uint32_t xn_threads;
	uint32_t xpurging; /* 1: one thread is in hs_arena_decay() */
	uint64_t xcombed_ns; /* last time in hs_holes_comb() */
	struct hs_rows *rows;
	struct hs_meta *meta;
	struct heapspy_arena *row;
	/* all under lock */
	struct hs_rangeset dirty, clean;
	struct hs_list dirty_age; /* dirty ranges, oldest first */
	struct hs_list purging;	  /* ranges out of both sets while the kernel takes their pages */
	size_t purging_pages;
	struct hs_list spare;	  /* descriptors in state HS_SPAN_UNUSED */
	struct hs_span_chunk *chunks;
	struct hs_decay decay;
	size_t mapped_pages, span_pages;
	size_t n_undersized; /* objects that grew in place, have pages of their own and would fit into a slot */
	char *frontier;	     /* end of the region mapped last: the next one should begin here */
	int thp; /* 0 default, 1 always, 2 never */
	/* all arenas of the heap, for who finds nothing here; NULL in tests that have just one */
	struct hs_arena *const *siblings;
	const uint32_t *xn_siblings;
	/* a cache for threads that have none of their own */
	struct hs_lock cache_lock;
	struct hs_tcache *cache;
	struct hs_bin bins[HS_N_CLASSES];
};

/* The arena's pages live in `meta`; NULL when out of memory. */
struct hs_arena *hs_arena_create(uint32_t id, struct hs_rows *rows, struct hs_meta *meta, int64_t decay_ms, int thp);

/*
 * Takes `n_pages` aligned to `align` bytes.  The span comes back in state HS_SPAN_LARGE with its ends in the
 * page map; zeroed tells if it reads as zero.
 */
struct hs_span *hs_arena_alloc(struct hs_arena *arena, size_t n_pages, size_t align, struct hs_waited *waits);

/* As hs_arena_alloc, as a small span of that class, without slots on its list; owner is set to `owner`. */
struct hs_span *hs_arena_alloc_small(struct hs_arena *arena, unsigned klass, uintptr_t owner, struct hs_waited *waits);

/* Gives back a span of any kind; the caller must be its only user. */
void hs_arena_free(struct hs_arena *arena, struct hs_span *span, struct hs_waited *waits);

/* ---- large.c ---- */

/*
 * Makes a large span longer or shorter in place; false when that is impossible (it is then unchanged).  Either way
 * nobody may grow it without the lock afterwards.
 */
bool hs_arena_resize(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits);

/* Makes a large span longer, to n_pages if there is room and to at least `least`; false: unchanged. */
bool hs_arena_extend(struct hs_arena *arena, struct hs_span *span, size_t least, size_t n_pages,
		     struct hs_waited *waits);

/*
 * Moves the pages of a large object, not its contents, to a place of n_pages, at least its old size; above
 * HS_HUGE_BYTES, to a mapping of its own.  The descriptor stays the object's.  False: unchanged, copy it.
 * Nobody else may grow the span: hs_arena_resize() has failed, or it is the caller's.
 */
bool hs_arena_move(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits);

/*
 * Gives back what lies behind slot_bytes of a span that still is `grower`'s; `end`: it stops being that, unless
 * the object is small and enough such objects have pages of their own.  True if it is not the grower's any more.
 */
bool hs_arena_trim(struct hs_arena *arena, struct hs_span *span, struct hs_tcache *grower, bool end,
		   struct hs_waited *waits);

/* A large object that was grown is freed or resized by other means: nobody may grow it in place now. */
void hs_arena_end_growth_locked(struct hs_arena *arena, struct hs_span *span);

/* Objects with a mapping of their own. */
struct hs_span *hs_arena_alloc_huge(struct hs_arena *arena, size_t bytes, size_t align, struct hs_waited *waits);
bool hs_arena_resize_huge(struct hs_arena *arena, struct hs_span *span, size_t bytes, bool may_move,
			  struct hs_waited *waits);

/* ---- decay.c ---- */

/*
 * Purges what the decay curve asks for at time `now_ns`, or everything if `all`; nothing when another thread is
 * at it.  The lock is dropped while the kernel works.  Returns bytes purged.
 */
size_t hs_arena_decay(struct hs_arena *arena, uint64_t now_ns, bool all, struct hs_waited *waits);

/* Purges the oldest dirty ranges, about so many pages, if nobody else purges. */
void hs_arena_purge(struct hs_arena *arena, size_t pages, struct hs_waited *waits);

/* Gives the address space of clean ranges back, when the kernel refuses more (RLIMIT_AS).  Returns bytes. */
size_t hs_arena_unmap_clean(struct hs_arena *arena, struct hs_waited *waits);

/* In the child of a fork, with the locks initialised: mends what a thread of the parent had in its hands. */
void hs_arena_init_child(struct hs_arena *arena);

/* Asserts the invariants (takes the lock). */
void hs_arena_check(struct hs_arena *arena);

#endif /* HS_CORE_ARENA_H */
