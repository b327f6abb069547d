/* SPDX-License-Identifier: MIT */
/*
 * process.h - the one heap of a preloaded process, and what each thread keeps.
 *
 * Everything below the shim gets its state passed in; here it is.
 *
 * Layer:   shim/
 * Locking: tick_lock, HS_RANK_SEGMENT: one housekeeper at a time
 * Signals: a slow path sets `depth` and hides the tcache (hs_tls_hide); a handler that calls malloc meanwhile finds
 *          that and is served from the emergency store, without a lock
 */
#ifndef HS_SHIM_PROCESS_H
#define HS_SHIM_PROCESS_H

#include "core/heap.h"
#include "prof/livetab.h"
#include "prof/modules.h"
#include "prof/sampler.h"
#include "prof/sitetab.h"
#include "prof/unwind.h"
#include "prof/waittab.h"
#include "shim/options.h"
#include "stat/history.h"
#include "stat/mailbox.h"
#include "stat/segment.h"

/* Without a sampler the countdown still brings the ticks. */
#define HS_TICK_BYTES ((int64_t)1 << 20)

struct hs_range {
	uintptr_t low, high;
};

struct hs_process {
	struct hs_heap heap;
	struct hs_options options;
	struct hs_meta prof_meta; /* the sampler's tables, counted apart from the heap's */
	struct hs_sampler sampler;
	struct hs_sitetab sites;
	struct hs_livetab live;
	struct hs_modules modules;
	struct hs_waittab waits;
	struct hs_segment segment;
	struct hs_mailbox mailbox;
	struct hs_history_state history;
	struct hs_lock tick_lock;
	uint64_t xlast_tick_ns;
	uint32_t xready;      /* 1: heap_init is done; 2: it failed */
	uint32_t started;     /* the constructor has run: options are known */
	uint32_t profiling;   /* the sampler's tables exist */
	uint32_t xhelper;     /* 0 none, 1 being made, 2 runs, 3 could not be made */
	uint32_t xmade_threads; /* the loader has prepared the making of a thread */
	uint32_t xdrain_wanted; /* 1: somebody waits for the helper to drain those who sleep */
	uint32_t xleader_left; /* 1: the first thread ends, and the helper with it */
	uint32_t helper_tid;
	uint32_t own_files;   /* the helper has a descriptor table of its own */
	struct hs_range loader;	   /* addresses of ld.so */
	struct hs_range text;	   /* and of our own code */
	uintptr_t main_stack_high; /* the environment lies above the main thread's frames */
	uint32_t main_tid;
	uintptr_t brk_start;  /* end of the data segment when we began */
	int key_made;
	unsigned key; /* pthread_key_t of the thread-exit destructor */
	uint32_t *alive; /* page that is zero in a child made without fork handlers; NULL: not supported */
};

enum hs_thread_state { HS_FRESH, HS_ATTACHED, HS_GONE };

/*
 * All zero at first, which sends every call to the slow path.  A thread whose tcache is hidden, or that has none, has a
 * countdown that is never positive and a token that is no span's owner; its count goes on in `budget`.
 */
struct hs_tls {
	int64_t countdown; /* bytes until the next sample or tick; not positive: take the slow path */
	uintptr_t token;   /* owner word of the spans that free() may push to */
	struct hs_span *direct[HS_DIRECT_ENTRIES]; /* active spans by size; valid while the countdown is positive */
	/* slow paths only */
	struct hs_tcache *own;
	int64_t budget; /* the countdown, while that is not to be seen */
	int64_t mark;	/* budget when allocated_bytes was last brought up to date */
	uint32_t depth;
	uint32_t state; /* enum hs_thread_state */
	uint32_t n_slow, n_near, n_timed;
	uint32_t exit_rounds;
	uint64_t looked_ns, aged_ns; /* coarse: last hs_tick() by time, last hs_tcache_age() */
	bool walking, ticking, fork_unprepared;
	struct hs_sampler_thread sampler;
	struct hs_stack_bounds bounds;
	void *deferred; /* freed by handlers during a slow path */
};

extern struct hs_process hs_process HS_HIDDEN;
extern __thread struct hs_tls hs_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

/*
 * A token that is no span's owner either: the helper has, or has had, the thread's tcache in its hands (idle.c), and its
 * `direct` may be empty.  Every slow path begins with hs_idle_back() then.
 */
#define HS_TOKEN_SEIZED HS_OWNER_SAMPLED

void hs_idle_back(struct hs_tls *tls);

/* The thread's own tcache is there to be used: neither hidden nor in the helper's hands. */
HS_INLINE bool hs_tls_has_cache(const struct hs_tls *tls)
{
	return tls->token > HS_TOKEN_SEIZED;
}

/* Far enough below zero that what handlers allocate meanwhile does not matter. */
#define HS_HIDDEN_COUNTDOWN (INT64_MIN / 2)

HS_INLINE void hs_tls_hide(struct hs_tls *tls)
{
	if (hs_likely(tls->token != 0))
		tls->budget = tls->countdown;
	tls->countdown = HS_HIDDEN_COUNTDOWN;
	tls->token = 0;
	hs_compiler_fence();
}

HS_INLINE void hs_tls_show(struct hs_tls *tls)
{
	hs_compiler_fence();
	if (hs_unlikely(tls->own == NULL))
		return;
	tls->token = (uintptr_t)tls->own;
	tls->countdown = tls->budget;
}

/* What is left of the countdown, wherever it stands now. */
HS_INLINE int64_t *hs_tls_left(struct hs_tls *tls)
{
	return tls->token != 0 ? &tls->countdown : &tls->budget;
}

/*
 * Around work with locks of the core or the sampler outside of a slow path's enter and leave: a handler's malloc
 * meanwhile finds `depth` and keeps away.  Nothing inside may call libc functions that allocate.
 */
HS_INLINE void hs_guard_begin(struct hs_tls *tls)
{
	tls->depth = 1;
	if (hs_unlikely(tls->token == HS_TOKEN_SEIZED))
		hs_idle_back(tls);
	hs_tls_hide(tls);
}

void hs_guard_end(struct hs_tls *tls);

/* idle.c: drains the caches of threads that sleep, `all`: however short a time; the helper calls it */
void hs_idle_drain(uint64_t now_ns, bool all);

/* slow.c */
void *hs_alloc_slow(size_t bytes, size_t align, bool zero);
void hs_free_slow(void *p);
/*
 * A slot of a class whose active span has none left, from what the thread owns; NULL: hs_alloc_slow().  The request is
 * taken off the countdown already; its first `zero_bytes` read as zero.
 */
void *hs_alloc_next(struct hs_tls *tls, unsigned klass, size_t zero_bytes);
/* The fast path of free has emptied an owned span. */
void hs_free_emptied(struct hs_span *s);
void *hs_realloc_slow(void *p, struct hs_span *s, size_t bytes);
size_t hs_usable(const void *p);
/* Empties the caller's cache and gathers; purges if asked.  Returns bytes purged. */
uint64_t hs_trim_now(bool purge);
/* Adds what the thread has requested since the last time to its row.  Pre: hidden. */
void hs_publish_allocated(struct hs_tls *tls, struct hs_tcache *t);
/* Blocks freed by signal handlers in the middle of a slow path. */
void hs_free_deferred(struct hs_tls *tls);

/* emergency.c: a little store for calls that interrupt a slow path */
void *hs_emergency_alloc(size_t bytes, size_t align);
void hs_emergency_free(void *p);
bool hs_emergency_owns(const void *p);
size_t hs_emergency_usable(const void *p);

/* profile.c */
void hs_profile_init(void);
void hs_profile_arm(struct hs_tls *tls);
void hs_profile_alloc(struct hs_tls *tls, void *p, size_t bytes);
/* Before a block of a span with samples is freed. */
void hs_profile_free(struct hs_tls *tls, struct hs_span *s, void *p);
/* A sampled block became longer, by moving or in place: it stays a sample, of its new size. */
void hs_profile_grown(struct hs_tls *tls, struct hs_span *s, void *old, void *p, size_t bytes);
void hs_profile_wait(struct hs_tls *tls, const struct hs_waited *waited);

/* tick.c */
void hs_tick(struct hs_tls *tls);
/* Makes the segment visible while no other thread allocates; see stat/segment.h. */
void hs_promote(void);
void hs_promote_if_wanted(uint64_t now_ns);
/* Promotes if at most `n_threads` threads have tcaches; none can register meanwhile. */
void hs_promote_alone(uint32_t n_threads);
/* The first thread is about to end: returns when the helper has ended. */
void hs_leader_leaves(void);
/* Has the helper drain the caches of all threads that sleep, and waits for it a moment; nothing without a helper. */
void hs_drain_sleepers(void);
/* Starts the helper thread, once, unless the options forbid it. */
void hs_start_helper(void);
/* Removes the file that this process left before an exec. */
void hs_sweep(void);

/* lifecycle.c */
bool hs_process_init(void);
void hs_thread_started(struct hs_tls *tls);
/* In a child that was made without fork handlers (raw clone): mends what they would have mended. */
void hs_process_cloned(void);

HS_INLINE bool hs_was_cloned(void)
{
	return hs_process.alive != NULL && hs_unlikely(hs_load_relaxed(hs_process.alive) == 0);
}

#endif /* HS_SHIM_PROCESS_H */
