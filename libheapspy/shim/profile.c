/* SPDX-License-Identifier: MIT */
/*
 * From an allocation to a sample and back: the glue between the heap and prof/.
 *
 *	countdown <= 0 -> walk the stack -> site row -> live table -> mark the span -> new countdown
 *	free into a marked span -> live table says whether it was a sample -> site row
 */
#include <sys/uio.h>

#include "base/bits.h"
#include "core/ownership.h"
#include "os/sys.h"
#include "os/vm.h"
#include "shim/process.h"

/* A wait is recorded with its stack in proportion to its length: one stack for each so many ns waited. */
#define WAIT_NS_PER_STACK UINT64_C(100000)
/* One in so many samples is timed. */
#define SAMPLES_PER_TIMED 8u
/* Below the stack pointer there must be this much for a walk. */
#define STACK_ROOM (2u * HS_UNWIND_STACK_BYTES)
/* Farther from the top than this is no thread's stack. */
#define STACK_LIMIT ((uintptr_t)1 << 30)

void hs_profile_init(void)
{
	struct hs_process *ps = &hs_process;

	if (ps->options.sample == 0)
		return;
	if (!hs_sitetab_init(&ps->sites, &ps->heap.rows, &ps->prof_meta, NULL))
		return;
	hs_livetab_init(&ps->live, &ps->heap.rows, &ps->prof_meta, NULL);
	hs_waittab_init(&ps->waits, &ps->heap.rows, &ps->prof_meta, NULL);
	hs_sampler_set_interval(&ps->sampler, (uint64_t)ps->options.sample);
	ps->heap.rows.header->sample_interval_bytes = (uint64_t)ps->options.sample;
	hs_store_relaxed(&ps->profiling, 1);
}

/* The next gap; without a sampler, the next tick. */
void hs_profile_arm(struct hs_tls *tls)
{
	uint64_t interval = hs_load_relaxed(&hs_process.profiling) ? hs_sampler_interval(&hs_process.sampler) : 0;
	int64_t gap = HS_TICK_BYTES, *left = hs_tls_left(tls);

	if (interval != 0)
		gap = hs_sampler_draw(&tls->sampler, interval);
	else
		tls->sampler.interval_bytes = 0;
	/* what is owed since the last publication must not get lost with the old countdown */
	gap++; /* due at 0, so that the fast path has one comparison for "due" and "never seen this thread" */
	tls->mark += gap - *left;
	*left = gap;
}

static bool in_main_thread(const struct hs_tls *tls)
{
	return tls->own != NULL && tls->own->row->tid == hs_process.main_tid;
}

/*
 * How far up from `sp` the stack is known to be readable.  pthread_getattr_np() would tell, but it allocates with a
 * lock held that a program may hold as well when it comes here, and /proc/self/maps needs a descriptor.  So the
 * pages are asked for: the top is the thread's control block (glibc puts it above the stack) or, in the main
 * thread, the environment; down from there the kernel copies a byte of each page, once for each page in the
 * life of the thread.  Unmapped and guard pages end it, so an alternate stack is never taken for the thread's.
 */
static void cover_stack(struct hs_tls *tls, uintptr_t sp)
{
	enum { BATCH = 16 };
	size_t page = hs_vm_page_bytes();
	bool main_thread = in_main_thread(tls);
	uintptr_t low;

	if (tls->bounds.high == 0) {
		tls->bounds.high = main_thread ? hs_process.main_stack_high : (uintptr_t)__builtin_thread_pointer();
		tls->bounds.low = hs_align_down(tls->bounds.high, page);
	}
	/* room for our own frames must be there too */
	low = hs_align_down(sp - (main_thread ? 0 : STACK_ROOM), page);
	if (sp >= tls->bounds.high || tls->bounds.high - sp > STACK_LIMIT)
		return;
	while (tls->bounds.low > low) {
		char bytes[BATCH];
		struct iovec mine = {bytes, sizeof(bytes)}, pages[BATCH];
		long n = 0, got;

		for (uintptr_t p = tls->bounds.low; p > low && n < BATCH; n++)
			pages[n] = (struct iovec){(void *)(p -= page), 1};
		got = hs_syscall6(SYS_process_vm_readv, hs_getpid(), &mine, 1, pages, n, 0);
		if (got > 0)
			tls->bounds.low -= (uintptr_t)got * page;
		if (got != n)
			break;
	}
	if (tls->own != NULL) {
		hs_poke(&tls->own->row->stack_low, tls->bounds.low);
		hs_poke(&tls->own->row->stack_high, tls->bounds.high);
	}
}

static uint32_t site_here(struct hs_tls *tls, uint64_t now_ns)
{
	uint64_t pcs[HS_SITE_FRAMES_MAX];
	struct hs_stack_bounds bounds;
	bool truncated;
	size_t n;
	struct heapspy_totals *totals = hs_process.heap.rows.totals;

	cover_stack(tls, (uintptr_t)__builtin_frame_address(0));
	bounds = tls->bounds;
	if (in_main_thread(tls))
		bounds.low -= STACK_ROOM; /* it grows by itself */
	n = hs_unwind_capture(&bounds, &tls->walking, pcs, HS_SITE_FRAMES_MAX, &truncated);
	hs_add_relaxed(&totals->n_stack_walks, 1);
	return hs_sitetab_intern(&hs_process.sites, pcs, n, truncated, now_ns);
}

static void record(struct hs_tls *tls, struct hs_span *s, void *p, size_t bytes)
{
	struct hs_process *ps = &hs_process;
	uint64_t now = hs_now_ns();
	struct hs_live stale, live = {
		.size_bytes = bytes,
		.usable_bytes = hs_heap_usable(s, p),
		.interval_bytes = tls->sampler.interval_bytes,
		.birth_ns = now,
		.site = site_here(tls, now),
		.thread = tls->own != NULL ? tls->own->id : 0,
	};
	struct hs_live_place place = {.span = s->id, .tid = tls->own != NULL ? tls->own->row->tid : 0};
	uint32_t row;

	/* counted whether or not the live table has room: cumulative figures stay unbiased */
	hs_sitetab_count_alloc(&ps->sites, live.site, bytes, live.interval_bytes, now);
	if (hs_livetab_insert(&ps->live, (uintptr_t)p, &live, &place, &row, &stale)) {
		if (stale.birth_ns != 0)
			hs_sitetab_count_free(&ps->sites, stale.site, stale.size_bytes, stale.interval_bytes,
					      stale.birth_ns, now, false);
		hs_tcache_mark_sampled(tls->own, s, p);
	}
	if (tls->own != NULL)
		tls->own->row->n_samples++;
	/* a clock costs a tenth of what it measures here: one in so many stands for the others */
	if (++tls->n_timed % SAMPLES_PER_TIMED == 0)
		hs_add_relaxed(&ps->heap.rows.totals->stack_walk_ns, SAMPLES_PER_TIMED * (hs_now_ns() - now));
}

void hs_profile_alloc(struct hs_tls *tls, void *p, size_t bytes)
{
	struct hs_span *s = hs_pagemap_get(p);

	if (tls->walking || tls->depth != 0) {
		hs_profile_arm(tls); /* a handler inside the sampler: this one is lost */
		hs_add_relaxed(&hs_process.heap.rows.header->lost_samples, 1);
		return;
	}
	if (s != NULL && hs_load_relaxed(&hs_process.profiling) && tls->sampler.interval_bytes != 0) {
		hs_guard_begin(tls);
		record(tls, s, p, bytes);
		hs_guard_end(tls);
	}
	hs_profile_arm(tls);
	hs_tick(tls);
}

void hs_profile_free(struct hs_tls *tls, struct hs_span *s, void *p)
{
	struct hs_process *ps = &hs_process;
	struct hs_live live;
	uint32_t mine = tls->own != NULL ? tls->own->id : 0;

	if (!hs_load_relaxed(&ps->profiling))
		return;
	hs_guard_begin(tls);
	if (hs_livetab_remove(&ps->live, (uintptr_t)p, &live)) {
		hs_sub_relaxed(&s->xn_samples, 1);
		hs_poke(&s->row->n_samples, hs_load_relaxed(&s->xn_samples));
		/* only the owner adds bits, so only it may clear them; in a shared cache several threads are the owner */
		if (hs_load_relaxed(&s->xn_samples) == 0 && tls->own != NULL && hs_own_is(tls->own, s))
			hs_store_relaxed(&s->xsampled, 0);
		hs_sitetab_count_free(&ps->sites, live.site, live.size_bytes, live.interval_bytes, live.birth_ns,
				      hs_now_ns(), live.thread != mine);
	}
	hs_guard_end(tls);
}

void hs_profile_grown(struct hs_tls *tls, struct hs_span *s, void *old, void *p, size_t bytes)
{
	struct hs_process *ps = &hs_process;
	struct hs_live live, stale;
	struct hs_live_place place = {.span = s->id, .tid = tls->own != NULL ? tls->own->row->tid : 0};
	uint32_t row;

	if (!hs_load_relaxed(&ps->profiling))
		return;
	hs_guard_begin(tls);
	if (hs_livetab_remove(&ps->live, (uintptr_t)old, &live)) {
		hs_sitetab_count_grown(&ps->sites, live.site, live.size_bytes, bytes, live.interval_bytes);
		live.size_bytes = bytes;
		live.usable_bytes = hs_heap_usable(s, p);
		if (!hs_livetab_insert(&ps->live, (uintptr_t)p, &live, &place, &row, &stale))
			hs_sub_relaxed(&s->xn_samples, 1);
	}
	hs_guard_end(tls);
}

void hs_profile_wait(struct hs_tls *tls, const struct hs_waited *waited)
{
	struct hs_process *ps = &hs_process;
	const struct heapspy_lock *first = ps->heap.rows.locks;
	uint64_t draw = (uint64_t)hs_prng_next(&tls->sampler.prng) * WAIT_NS_PER_STACK >> 32;
	uint64_t stands_for = 1, ns = waited->longest_ns, stands_ns = ns, now;

	if (!hs_load_relaxed(&ps->profiling) || tls->walking || waited->longest < first)
		return;
	/* short waits are recorded with probability ns / WAIT_NS_PER_STACK, and then stand for that many ns */
	if (ns < WAIT_NS_PER_STACK) {
		if (draw >= ns)
			return;
		stands_ns = WAIT_NS_PER_STACK;
		stands_for = (WAIT_NS_PER_STACK + draw) / ns; /* draw is uniform below ns here: rounds at random */
	}
	now = hs_now_ns();
	hs_guard_begin(tls);
	hs_waittab_add(&ps->waits, (uint32_t)(waited->longest - first), site_here(tls, now), stands_for,
		       stands_ns, ns);
	hs_guard_end(tls);
}
