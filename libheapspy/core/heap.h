/* SPDX-License-Identifier: MIT */
/*
 * heap.h - the allocator as one thing: arenas, tcaches, large objects, fork, totals.
 *
 * State is passed in; the shim keeps the one heap of a preloaded process and each thread's tcache.  Unit
 * tests make as many heaps as they like (the page map is shared: addresses are unique).
 *
 * Layer:   core/ (facade; includes everything in core/)
 * Locking: threads_lock, HS_RANK_THREADS, for the lists of tcaches and the making of arenas
 * Fork:    hs_heap_fork_prepare() takes every lock of the arenas in rank order; _parent() and _child() let go
 * Errors:  NULL when out of memory; misuse goes to hs_on_corruption()
 */
#ifndef HS_CORE_HEAP_H
#define HS_CORE_HEAP_H

#include "core/arena.h"
#include "core/pagemap.h"
#include "core/tcache.h"

struct hs_heap_conf {
	uint32_t n_arenas; /* limit, 1..HS_ARENAS_MAX */
	int64_t decay_ms;
	int thp; /* 0 default, 1 always, 2 never */
};

struct hs_heap {
	struct hs_rows rows;
	struct hs_meta meta;
	struct hs_heap_conf conf;
	struct hs_lock threads_lock;
	struct hs_list tcaches; /* under threads_lock */
	struct hs_list spare;	/* tcaches of threads that ended; under threads_lock */
	uint32_t n_rows;	/* thread rows ever used; under threads_lock */
	uint32_t xn_threads;	/* live tcaches of threads */
	uint32_t xn_arenas;	/* made so far */
	struct hs_arena *arenas[HS_ARENAS_MAX];
};

/* False when the kernel gives no memory at all. */
bool hs_heap_init(struct hs_heap *heap, const struct hs_heap_conf *conf);

/* Options become known after the first malloc: changes what is not in use yet, and the decay of what is. */
void hs_heap_configure(struct hs_heap *heap, const struct hs_heap_conf *conf);

/* A tcache for the calling thread; NULL when out of memory. */
struct hs_tcache *hs_heap_attach(struct hs_heap *heap, uint32_t tid);

/* The thread ends: drains its tcache and adds its counters to those of the dead. */
void hs_heap_detach(struct hs_heap *heap, struct hs_tcache *t);

/*
 * The shared cache of an arena, for threads without a tcache (tcache:off, calls after thread exit); locked until
 * hs_heap_unborrow().  NULL when out of memory.
 */
struct hs_tcache *hs_heap_borrow(struct hs_heap *heap, struct hs_arena *arena);
void hs_heap_unborrow(struct hs_arena *arena);

/* The arena that a thread without tcache shares. */
struct hs_arena *hs_heap_default_arena(struct hs_heap *heap);

/*
 * At least `bytes` (0 is like 1) aligned to `align`, a power of two of at least 16; `zero`: reads as zero.
 * NULL when out of memory or beyond PTRDIFF_MAX.
 */
void *hs_heap_alloc(struct hs_tcache *t, size_t bytes, size_t align, bool zero);

/* Frees a block whose span was found in the page map. */
void hs_heap_free(struct hs_tcache *t, struct hs_span *s, void *p);

/* Usable bytes of a live block, 0 when `p` is not the start of one (the caller reports). */
size_t hs_heap_usable(const struct hs_span *s, const void *p);

/*
 * Resizes in place, or moves pages without copying; the result or NULL, then the block is as before.
 * `bytes` > 0.
 */
void *hs_heap_resize(struct hs_tcache *t, struct hs_span *s, void *p, size_t bytes);

/* Arena work that is due at `now_ns`.  all: purge everything.  Returns bytes purged. */
size_t hs_heap_decay(struct hs_heap *heap, uint64_t now_ns, bool all, struct hs_waited *waits);

/* As hs_heap_decay(), for pages inside partly used spans; `t` is the caller's, NULL: it has none. */
size_t hs_heap_comb(struct hs_heap *heap, struct hs_tcache *t, uint64_t now_ns, bool all);

/* Everything that is free goes back, address space included: before an allocation is refused. */
void hs_heap_squeeze(struct hs_heap *heap, struct hs_waited *waits);

/* Sums over all rows into one history point (times and rss are the caller's). */
void hs_heap_totals(struct hs_heap *heap, struct heapspy_history *ret);

/* The caller holds threads_lock.  Between the two come the locks of rank HS_RANK_SAMPLES. */
void hs_heap_fork_prepare(struct hs_heap *heap);
void hs_heap_fork_prepare_meta(struct hs_heap *heap);
void hs_heap_fork_parent(struct hs_heap *heap);
/*
 * `mine`: the tcache of the thread that forked, NULL if it has none.  `prepared`: false in a child that was made
 * without hs_heap_fork_prepare() (raw clone), where locks are just declared free.
 */
void hs_heap_fork_child(struct hs_heap *heap, struct hs_tcache *mine, bool prepared);

/* Asserts the invariants of all arenas (takes locks) and of `t` if not NULL. */
void hs_heap_check(struct hs_heap *heap, struct hs_tcache *t);

#endif /* HS_CORE_HEAP_H */
