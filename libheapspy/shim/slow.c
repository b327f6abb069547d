/* SPDX-License-Identifier: MIT */
/*
 * Slow paths.  Each one is   enter -> work of the core -> leave -> work that may call libc.
 *
 * Between enter and leave the thread's cache is hidden, so a signal handler's malloc comes here too, sees
 * depth != 0 and keeps away from the half-done work: it allocates from the emergency store, and what it frees
 * is deferred.  Samples, waits and ticks are handled after leave, with the core whole and no lock held.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/ownership.h"
#include "os/sys.h"
#include "os/vm.h"
#include "shim/family.h"
#include "shim/process.h"

/* Slow paths between two looks at the clock; a slow path is a span, a page of slots or a large object. */
#define SLOW_PER_LOOK 4u
#define LOOK_NS UINT64_C(100000000)
/* Slow paths between two hs_tcache_tick(). */
#define SLOW_PER_TIDY 64u
/* Frees beside the fast path for each that takes the slow one. */
#define NEAR_PER_SLOW 256u
/* Frees of a thread that has never allocated until it gets a tcache; exiting threads free a few blocks. */
#define FREES_BEFORE_CACHE 16u

/* The cache to work with; NULL when this call interrupts a slow path or there is no memory. */
static struct hs_tcache *enter(struct hs_tls *tls)
{
	struct hs_tcache *t;

	if (tls->depth != 0)
		return NULL;
	if (hs_unlikely(hs_load_relaxed(&hs_process.xready) != 1) && !hs_process_init())
		return NULL;
	if (hs_was_cloned())
		hs_process_cloned();
	if (hs_unlikely(tls->state == HS_FRESH) && hs_process.options.tcache)
		hs_thread_started(tls);
	hs_guard_begin(tls);
	if (hs_likely(tls->own != NULL))
		return tls->own;
	t = hs_heap_borrow(&hs_process.heap, hs_heap_default_arena(&hs_process.heap));
	if (t == NULL)
		tls->depth = 0;
	return t;
}

static void leave(struct hs_tls *tls, struct hs_tcache *t, struct hs_waited *ret_waited)
{
	*ret_waited = t->waits;
	if (hs_unlikely(t->waits.ns != 0)) {
		t->row->lock_wait_ns += t->waits.ns;
		t->waits = (struct hs_waited){0};
	}
	t->row->n_slow++;
	hs_publish_allocated(tls, t);
	if (t != tls->own)
		hs_heap_unborrow(t->arena);
	hs_guard_end(tls);
}

void hs_guard_end(struct hs_tls *tls)
{
	hs_tls_show(tls);
	tls->depth = 0;
	if (hs_unlikely(tls->deferred != NULL))
		hs_free_deferred(tls);
}

void hs_publish_allocated(struct hs_tls *tls, struct hs_tcache *t)
{
	hs_bump(&t->row->allocated_bytes, (uint64_t)(tls->mark - tls->budget));
	tls->mark = tls->budget;
}

/*
 * By time and not by slow paths: a program that allocates little after it has freed much must get to the work that
 * gives memory back as well.
 */
static void look_at_clock(struct hs_tls *tls)
{
	uint64_t now = hs_now_coarse_ns();

	if (now - tls->looked_ns < LOOK_NS)
		return;
	tls->looked_ns = now;
	if (now - tls->aged_ns >= HS_AGE_NS && tls->own != NULL && tls->depth == 0) {
		tls->aged_ns = now;
		hs_guard_begin(tls);
		hs_tcache_age(tls->own);
		hs_guard_end(tls);
	}
	hs_tick(tls);
}

static void after(struct hs_tls *tls, const struct hs_waited *waited)
{
	if (hs_unlikely(waited->longest != NULL))
		hs_profile_wait(tls, waited);
	/* looked at each time until it is done: a program may allocate for a moment and then wait for days */
	if (hs_unlikely(!hs_process.heap.rows.shared) && !tls->ticking)
		hs_promote_if_wanted(hs_now_ns());
	if (hs_unlikely(++tls->n_slow % SLOW_PER_LOOK == 0))
		look_at_clock(tls);
}

static void *refuse(size_t bytes)
{
	(void)bytes;
	errno = ENOMEM;
	return NULL;
}

void *hs_alloc_slow(size_t bytes, size_t align, bool zero)
{
	struct hs_tls *tls = &hs_tls;
	struct hs_waited waited;
	struct hs_tcache *t;
	/* the fast path has counted small requests, if the thread's countdown was to be seen */
	bool counted = tls->token != 0 && bytes <= HS_SMALL_MAX;
	void *p;

	if (bytes > PTRDIFF_MAX || align > PTRDIFF_MAX)
		return refuse(bytes);
	t = enter(tls);
	if (t == NULL) {
		p = hs_emergency_alloc(bytes, align);
		if (p == NULL)
			return refuse(bytes);
		return zero ? memset(p, 0, bytes) : p;
	}
	if (!counted)
		tls->budget -= (int64_t)bytes;
	if (hs_unlikely(tls->n_slow % SLOW_PER_TIDY == SLOW_PER_TIDY - 1))
		hs_tcache_tick(t);
	p = hs_heap_alloc(t, bytes, align, zero);
	if (hs_unlikely(p == NULL)) {
		/* free pages of other arenas or sizes may be what is missing, and empty spans that wait in bins */
		hs_heap_comb(&hs_process.heap, t, hs_now_ns(), true);
		hs_heap_squeeze(&hs_process.heap, &t->waits);
		p = hs_heap_alloc(t, bytes, align, zero);
	}
	leave(tls, t, &waited);
	if (p == NULL)
		return refuse(bytes);
	if (*hs_tls_left(tls) <= 0)
		hs_profile_alloc(tls, p, bytes);
	after(tls, &waited);
	return p;
}

void *hs_alloc_next(struct hs_tls *tls, unsigned klass, size_t zero_bytes)
{
	size_t last = hs_sizeclasses[klass].slot_bytes;
	struct hs_tcache *t;
	void *p;

	if (hs_unlikely(tls->token == 0) || hs_was_cloned())
		return NULL;
	hs_guard_begin(tls);
	t = tls->own;
	/* the helper may have looked at us while we were awake, and have left nothing there */
	if (last <= HS_DIRECT_MAX && hs_unlikely(tls->direct[last / HS_SLOT_ALIGN] != t->active[klass]))
		hs_tcache_set_direct(t, tls->direct);
	p = hs_tcache_refill_own(t, klass);
	if (p != NULL && zero_bytes != 0)
		memset(p, 0, p == t->virgin ? hs_min(zero_bytes, sizeof(struct hs_slot)) : zero_bytes);
	hs_guard_end(tls);
	return p;
}

/* ---- free ---- */

/* glibc's own malloc may have made it, through a library opened with RTLD_DEEPBIND.  Our pages never come from
   brk, glibc's main heap does; its other heaps are not told from garbage. */
static bool is_glibc_block(const void *p)
{
	uintptr_t a = (uintptr_t)p;

	return hs_process.brk_start != 0 && a >= hs_process.brk_start && a < (uintptr_t)hs_syscall1(SYS_brk, 0) &&
	       a % HS_SLOT_ALIGN == 0;
}

extern void __libc_free(void *p) __attribute__((weak));

static void free_foreign(void *p)
{
	if (hs_emergency_owns(p)) {
		hs_emergency_free(p);
		return;
	}
	if (is_glibc_block(p) && __libc_free != NULL) {
		__libc_free(p);
		return;
	}
	hs_on_corruption(HS_BAD_POINTER, p, NULL);
}

static void defer(struct hs_tls *tls, void *p)
{
	*(void **)p = tls->deferred;
	tls->deferred = p;
}

void hs_free_deferred(struct hs_tls *tls)
{
	while (tls->deferred != NULL) {
		void *p = tls->deferred;

		tls->deferred = *(void **)p;
		hs_free_slow(p);
	}
}

/* A thread without a cache of its own frees with the one that the span's arena shares. */
static struct hs_tcache *enter_for(struct hs_tls *tls, struct hs_span *s)
{
	struct hs_tcache *t;

	if (hs_likely(tls->own != NULL) || tls->depth != 0 || hs_load_relaxed(&hs_process.xready) != 1)
		return enter(tls);
	/* a thread that only frees gets one too once it is seen to: a consumer of what others make */
	if (tls->state == HS_FRESH && ++tls->n_near >= FREES_BEFORE_CACHE)
		return enter(tls);
	if (hs_was_cloned())
		hs_process_cloned();
	tls->depth = 1;
	t = hs_heap_borrow(&hs_process.heap, s->arena);
	if (t == NULL)
		tls->depth = 0;
	return t;
}

void hs_free_emptied(struct hs_span *s)
{
	struct hs_tls *tls = &hs_tls;

	/* a handler may have come between the push and here, and anything have become of the span */
	if (tls->token == 0 || tls->depth != 0)
		return;
	hs_guard_begin(tls);
	if (hs_own_is(tls->own, s) && hs_own_used(s) == 0)
		hs_tcache_emptied(tls->own, s);
	hs_guard_end(tls);
}

/*
 * The common cases beside the fast path: an own span that holds samples, of which this is none; somebody else's span;
 * one that nobody owns.  False: it has to be looked at in full.
 */
static bool free_near(struct hs_tls *tls, void *p)
{
	struct hs_span *s = hs_front_get(p);

	/* what the front finds is a small span in use if the slot fits */
	if (tls->token == 0 || !hs_span_is_slot(s, p) || hs_slot_looks_free(p, s) || hs_was_cloned())
		return false;
	if (hs_load_relaxed(&s->xn_samples) != 0 && hs_span_may_be_sample(s, p))
		return false;
	if (hs_span_push(s, tls->token | HS_OWNER_SAMPLED, p)) {
		/* it may be empty all the same: samples can be lost */
		if (hs_unlikely(hs_peek(&s->row->used) == 0))
			hs_free_emptied(s);
		return true;
	}
	/* now and then the long way, for the sake of ticks */
	if (hs_unlikely(++tls->n_near % NEAR_PER_SLOW == 0))
		return false;
	hs_guard_begin(tls);
	hs_tcache_free_slow(tls->own, s, p);
	hs_guard_end(tls);
	return true;
}

void hs_free_slow(void *p)
{
	struct hs_tls *tls = &hs_tls;
	struct hs_waited waited;
	struct hs_tcache *t;
	struct hs_span *s;

	if (p == NULL || free_near(tls, p))
		return;
	s = hs_pagemap_get(p);
	if (hs_unlikely(s == NULL)) {
		free_foreign(p);
		return;
	}
	if (tls->depth == 0 && hs_load_relaxed(&s->xn_samples) != 0 &&
	    (s->state != HS_SPAN_SMALL || hs_span_may_be_sample(s, p)))
		hs_profile_free(tls, s, p);
	t = enter_for(tls, s);
	if (t == NULL) {
		if (tls->depth != 0)
			defer(tls, p);
		return;
	}
	hs_heap_free(t, s, p);
	leave(tls, t, &waited);
	after(tls, &waited);
}

/* ---- the rest ---- */

size_t hs_usable(const void *p)
{
	struct hs_span *s = hs_pagemap_get(p);

	if (s != NULL)
		return hs_heap_usable(s, p);
	return hs_emergency_owns(p) ? hs_emergency_usable(p) : 0;
}

/*
 * For the counters a growth is a free and a malloc, whole.  For the sampler, which chooses bytes, only what is new can
 * be chosen: a block that was not chosen at `old` bytes is one at `bytes` with the probability of the
 * difference, and one that was stays it.  Together that is the probability of `bytes`, so the weights hold.
 */
static void realloc_grown(struct hs_tls *tls, struct hs_span *s, void *p, void *q, size_t old, size_t bytes)
{
	int64_t *left = hs_tls_left(tls);

	*left -= (int64_t)(bytes - old);
	tls->mark += (int64_t)old;
	if (hs_load_relaxed(&s->xn_samples) == 0) {
		if (*left <= 0)
			hs_profile_alloc(tls, q, bytes);
		return;
	}
	hs_profile_grown(tls, s, p, q, bytes);
	if (*left <= 0) {
		hs_profile_arm(tls);
		hs_tick(tls);
	}
}

/* In place or by moving pages; NULL when it has to be copied. */
static void *resize(struct hs_tls *tls, void *p, struct hs_span *s, size_t bytes)
{
	struct hs_waited waited;
	struct hs_tcache *t;
	bool sampled = hs_load_relaxed(&s->xn_samples) != 0;
	int64_t *left;
	size_t old;
	void *q;

	if (s->state == HS_SPAN_SMALL || (t = enter_for(tls, s)) == NULL)
		return NULL;
	old = hs_load_relaxed(&s->slot_bytes); /* 0: not known to the byte */
	q = hs_heap_resize(t, s, p, bytes);
	leave(tls, t, &waited);
	if (q == NULL)
		return NULL;
	if (old != 0 && bytes >= old) {
		realloc_grown(tls, s, p, q, old, bytes);
	} else {
		/* for the sampler, too, it is a free and a malloc: the object has another size from now on */
		if (sampled)
			hs_profile_free(tls, s, p);
		left = hs_tls_left(tls);
		*left -= (int64_t)bytes;
		if (*left <= 0)
			hs_profile_alloc(tls, q, bytes);
	}
	after(tls, &waited);
	return q;
}

/* A place with room behind it, for a block that seems to grow again and again; NULL when there is none. */
static void *with_room(struct hs_tls *tls, size_t bytes)
{
	struct hs_waited waited;
	struct hs_tcache *t;
	int64_t *left;
	void *q;

	if (tls->own == NULL || (t = enter(tls)) == NULL)
		return NULL;
	q = hs_grow_start(t, bytes);
	leave(tls, t, &waited);
	if (q != NULL) {
		left = hs_tls_left(tls);
		*left -= (int64_t)bytes;
		if (*left <= 0)
			hs_profile_alloc(tls, q, bytes);
	}
	after(tls, &waited);
	return q;
}

void *hs_realloc_slow(void *p, struct hs_span *s, size_t bytes)
{
	size_t old;
	void *q;

	if (bytes > PTRDIFF_MAX)
		return refuse(bytes);
	if (s != NULL) {
		old = hs_heap_usable(s, p);
		if (old == 0) {
			hs_on_corruption(s->state < HS_SPAN_SMALL && p == s->base ? HS_DOUBLE_FREE : HS_BAD_POINTER,
					 p, s);
			return refuse(bytes);
		}
		q = resize(&hs_tls, p, s, bytes);
		if (q != NULL)
			return q;
	} else if (hs_emergency_owns(p)) {
		old = hs_emergency_usable(p);
	} else if (is_glibc_block(p)) {
		old = ((const size_t *)p)[-1] & ~(size_t)7; /* chunk size, its header included */
		old = old > 8 ? old - 8 : 0;
	} else {
		hs_on_corruption(HS_BAD_POINTER, p, NULL);
		return refuse(bytes);
	}
	q = NULL;
	if (bytes > old && hs_tls.own != NULL && hs_grow_wanted(&hs_tls.own->grow, p, bytes))
		q = with_room(&hs_tls, bytes);
	if (q == NULL)
		q = malloc(bytes);
	if (q == NULL)
		return NULL;
	memcpy(q, p, hs_min(old, bytes));
	free(p);
	if (hs_tls.own != NULL)
		hs_grow_note(&hs_tls.own->grow, q);
	return q;
}

uint64_t hs_trim_now(bool purge)
{
	struct hs_tls *tls = &hs_tls;
	struct hs_waited waited;
	struct hs_tcache *t;
	uint64_t bytes = 0;

	if (tls->depth == 0)
		hs_drain_sleepers();
	t = enter(tls);
	if (t == NULL)
		return 0;
	hs_tcache_drain(t);
	if (purge) {
		bytes = hs_heap_comb(&hs_process.heap, t, hs_now_ns(), true);
		bytes += hs_heap_decay(&hs_process.heap, 0, true, &t->waits);
	}
	leave(tls, t, &waited);
	return bytes;
}

size_t hs_kernel_page_bytes(void)
{
	return hs_vm_page_bytes();
}
