/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages go back to the kernel along a curve, as in jemalloc: at the end of each of 16 steps of
 * decay_ms / 16, the growth of the dirty set in that step enters a window, and
 *
 *	limit = sum over i of grown[i] * keep[i],   keep falling from 1 to 0 like 1 - smoothstep
 *
 * pages may stay.  So a burst leaves slowly at first, quickly in the middle and completely after decay_ms, while
 * pages that are reused within that time are never given back.
 */
#include "core/arena.h"
#include "core/pagemap.h"
#include "core/ranges.h"
#include "os/sys.h"
#include "os/vm.h"

/* 1024 * (1 - (3x^2 - 2x^3)), x = (i + 1) / 16: what may stay of growth that is i steps old. */
static const uint16_t keep[HS_DECAY_STEPS] = {
	1013, 980, 930, 864, 787, 700, 607, 512, 417, 324, 237, 160, 94, 44, 11, 0,
};

/* Enough to make dropping the lock worth it, little enough to bound what a fork would see half done. */
#define BATCH_PAGES ((size_t)(64u << 20) >> HS_PAGE_SHIFT)

static size_t limit_at(struct hs_decay *d, size_t dirty, uint64_t now_ns)
{
	uint64_t step_ns = (uint64_t)d->decay_ms * 1000000 / HS_DECAY_STEPS + 1;
	uint64_t steps = (now_ns - d->step_start_ns) / step_ns;
	uint64_t limit = 0;

	if (now_ns < d->step_start_ns)
		return dirty;
	if (steps > 0) {
		d->step_start_ns += steps * step_ns;
		for (unsigned i = HS_DECAY_STEPS; i-- > 0;)
			d->grown[i] = i >= steps ? d->grown[i - steps] : 0;
		d->grown[0] = dirty > d->before ? dirty - d->before : 0;
		d->before = dirty;
	} else {
		/* what is newer than the last step may stay altogether */
		limit = dirty > d->before ? dirty - d->before : 0;
	}
	for (unsigned i = 0; i < HS_DECAY_STEPS; i++)
		limit += (uint64_t)d->grown[i] * keep[i] / 1024;
	return limit;
}

/*
 * Takes the oldest ranges out: `pages` rounded to whole ranges, at most a batch.  Rounded, because a single range
 * that may shrink by one page today must not go altogether.
 */
static void detach_locked(struct hs_arena *a, struct hs_list *batch, size_t pages)
{
	size_t got = 0;

	while (got < hs_min(pages, BATCH_PAGES) && !hs_list_empty(&a->dirty_age)) {
		struct hs_span *s = hs_container_of(a->dirty_age.next, struct hs_span, link);

		if (got + s->n_pages / 2 >= pages)
			break;
		hs_ranges_take_out_locked(a, s);
		s->state = HS_SPAN_PURGING;
		hs_list_push_back(batch, &s->link);
		got += s->n_pages;
	}
	a->purging_pages += got;
}

static size_t attach_locked(struct hs_arena *a, struct hs_list *batch, bool purged)
{
	size_t bytes = 0;

	while (!hs_list_empty(batch)) {
		struct hs_span *s = hs_container_of(batch->next, struct hs_span, link);

		hs_list_remove(&s->link);
		bytes += hs_span_bytes(s);
		a->purging_pages -= s->n_pages;
		s->state = purged ? HS_SPAN_CLEAN : HS_SPAN_DIRTY;
		hs_ranges_insert_locked(a, s);
	}
	return purged ? bytes : 0;
}

/* One batch: out of the set, to the kernel without the lock, back as clean. */
static size_t purge_batch_locked(struct hs_arena *a, size_t pages, struct hs_waited *waits)
{
	bool purged = true;
	size_t bytes;

	detach_locked(a, &a->purging, pages);
	if (hs_list_empty(&a->purging))
		return 0;
	hs_ranges_publish_locked(a);
	hs_lock_unlock(&a->lock);
	/* nobody else purges: xpurging admits one thread at a time */
	for (struct hs_list *l = a->purging.next; l != &a->purging; l = l->next) {
		struct hs_span *s = hs_container_of(l, struct hs_span, link);

		purged = hs_vm_purge(s->base, hs_span_bytes(s)) && purged;
	}
	hs_lock_lock_noting(&a->lock, waits);
	bytes = attach_locked(a, &a->purging, purged);
	a->decay.before = hs_min(a->decay.before, a->dirty.n_pages);
	a->row->n_purges++;
	a->row->purged_bytes += bytes;
	hs_ranges_publish_locked(a);
	return bytes;
}

size_t hs_arena_decay(struct hs_arena *arena, uint64_t now_ns, bool all, struct hs_waited *waits)
{
	uint32_t idle = 0;
	size_t bytes = 0;

	if (arena->decay.decay_ms < 0 && !all)
		return 0;
	/* [mo:purging acquire] the last purger's work on the list is finished */
	if (!hs_cas_acquire(&arena->xpurging, &idle, 1))
		return 0;
	hs_lock_lock_noting(&arena->lock, waits);
	for (;;) {
		size_t limit = all ? 0 : limit_at(&arena->decay, arena->dirty.n_pages, now_ns);
		size_t batch;

		if (arena->dirty.n_pages <= limit)
			break;
		batch = purge_batch_locked(arena, arena->dirty.n_pages - limit, waits);
		if (batch == 0)
			break; /* it waits for its time, or the kernel refuses (mlock): no use in asking again */
		bytes += batch;
	}
	hs_lock_unlock(&arena->lock);
	/* [mo:purging release] pairs with the acquire above */
	hs_store_release(&arena->xpurging, 0);
	return bytes;
}

void hs_arena_purge(struct hs_arena *arena, size_t pages, struct hs_waited *waits)
{
	uint32_t idle = 0;

	if (!hs_cas_acquire(&arena->xpurging, &idle, 1)) /* [mo:purging acquire] */
		return;
	hs_lock_lock_noting(&arena->lock, waits);
	while (pages > 0) {
		size_t got = purge_batch_locked(arena, pages, waits) >> HS_PAGE_SHIFT;

		if (got == 0)
			break;
		pages -= hs_min(got, pages);
	}
	hs_lock_unlock(&arena->lock);
	hs_store_release(&arena->xpurging, 0); /* [mo:purging release] */
}

size_t hs_arena_unmap_clean(struct hs_arena *arena, struct hs_waited *waits)
{
	size_t bytes = 0;

	hs_lock_lock_noting(&arena->lock, waits);
	for (unsigned b = 0; b < HS_RANGE_BINS; b++) {
		while (arena->clean.bins[b] != NULL) {
			struct hs_span *s = arena->clean.bins[b];

			hs_ranges_take_out_locked(arena, s);
			hs_pagemap_set_ends(s, NULL);
			arena->mapped_pages -= s->n_pages;
			bytes += hs_span_bytes(s);
			hs_vm_unmap(s->base, hs_span_bytes(s));
			hs_ranges_discard_locked(arena, s);
		}
	}
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	return bytes;
}

void hs_arena_init_child(struct hs_arena *arena)
{
	/* a purge that the fork cut in two: its pages count as dirty again */
	if (arena->xpurging != 0) {
		attach_locked(arena, &arena->purging, false);
		hs_ranges_publish_locked(arena);
		arena->xpurging = 0;
	}
}
