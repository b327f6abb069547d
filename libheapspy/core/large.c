/* SPDX-License-Identifier: MIT */
/*
 * large.c - objects of whole pages: longer, shorter, elsewhere; and those with a mapping of their own.
 *
 * An object becomes longer by what is free behind it, dirty or clean, and by new addresses at the arena's frontier.
 * Where that is not enough its pages move: the kernel changes page tables, nobody copies.
 */
#include "core/arena.h"
#include "core/pagemap.h"
#include "core/ranges.h"
#include "os/sys.h"
#include "os/vm.h"

/*
 * Small objects may have pages of their own once they have grown: this many, and one more for each so many pages
 * in spans (a kernel page lost for 4 MiB).
 */
#define UNDERSIZED_FREE 6u
#define UNDERSIZED_PAGES 512u

static void describe_resized(struct hs_span *s)
{
	hs_store_relaxed(&s->row->bytes, hs_span_bytes(s));
	hs_store_relaxed(&s->row->slot_bytes, hs_span_usable(s));
	hs_store_relaxed(&s->row->base, (uint64_t)(uintptr_t)s->base);
}

void hs_arena_end_growth_locked(struct hs_arena *a, struct hs_span *s)
{
	hs_store_relaxed(&s->xgrower, NULL);
	a->n_undersized -= s->undersized;
	s->undersized = 0;
}

/* ---- in place ---- */

static bool shrink_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages)
{
	size_t given = s->n_pages - n_pages;
	char *last = s->base + hs_span_bytes(s) - HS_PAGE_BYTES;

	if (given == 0)
		return true;
	/* the first page's entry stays: with hs_arena_trim(), another thread may be about to free the object */
	hs_pagemap_set(last, NULL);
	s->freed_ns = hs_now_ns();
	if (!hs_ranges_cut_locked(a, s, n_pages, HS_SPAN_DIRTY)) {
		hs_pagemap_set(last, s);
		return false;
	}
	hs_pagemap_set_ends(s, s);
	a->span_pages -= given;
	return true;
}

/* Free pages from `end` on, at most `want`; maps more where the arena's addresses end before `least` is reached. */
static size_t room_locked(struct hs_arena *a, char *end, size_t least, size_t want)
{
	size_t got = 0;
	struct hs_span *s;

	while (got < want) {
		s = hs_ranges_free_at_locked(a, end + (got << HS_PAGE_SHIFT));
		if (s != NULL && s->base == end + (got << HS_PAGE_SHIFT)) {
			got += s->n_pages;
			continue;
		}
		if (got >= least || end + (got << HS_PAGE_SHIFT) != a->frontier ||
		    hs_ranges_map_locked(a, want - got) == NULL)
			break;
		got = 0; /* what is new may have been merged with what was counted */
	}
	return hs_min(got, want);
}

/* `n_pages` that room_locked() has found become part of the span that ends there. */
static void absorb_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages)
{
	char *end = s->base + hs_span_bytes(s);

	hs_pagemap_set_ends(s, NULL);
	s->n_pages += n_pages;
	a->span_pages += n_pages;
	while (n_pages > 0) {
		struct hs_span *next = hs_ranges_free_at_locked(a, end);
		size_t part = hs_min(next->n_pages, n_pages);

		hs_ranges_take_out_locked(a, next);
		hs_pagemap_set_ends(next, NULL);
		end += part << HS_PAGE_SHIFT;
		n_pages -= part;
		next->base = end;
		next->n_pages -= part;
		if (next->n_pages == 0)
			hs_ranges_discard_locked(a, next);
		else
			hs_ranges_insert_locked(a, next);
	}
	hs_pagemap_set_ends(s, s);
}

static bool extend_locked(struct hs_arena *a, struct hs_span *s, size_t least, size_t n_pages)
{
	size_t more;

	if (s->n_pages >= least)
		return true;
	more = room_locked(a, s->base + hs_span_bytes(s), least - s->n_pages, n_pages - s->n_pages);

	if (more < least - s->n_pages)
		return false;
	absorb_locked(a, s, more);
	return true;
}

bool hs_arena_resize(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits)
{
	bool done = true;

	hs_lock_lock_noting(&arena->lock, waits);
	hs_arena_end_growth_locked(arena, span);
	if (n_pages < span->n_pages)
		done = shrink_locked(arena, span, n_pages);
	else if (n_pages > span->n_pages)
		done = extend_locked(arena, span, n_pages, n_pages);
	if (done) {
		hs_store_relaxed(&span->slot_bytes, 0);
		describe_resized(span);
	}
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	if (arena->decay.decay_ms == 0)
		hs_arena_decay(arena, 0, true, waits);
	return done;
}

bool hs_arena_extend(struct hs_arena *arena, struct hs_span *span, size_t least, size_t n_pages,
		     struct hs_waited *waits)
{
	bool done;

	hs_lock_lock_noting(&arena->lock, waits);
	done = extend_locked(arena, span, least, n_pages);
	if (done)
		describe_resized(span);
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	return done;
}

bool hs_arena_trim(struct hs_arena *arena, struct hs_span *span, struct hs_tcache *grower, bool end,
		   struct hs_waited *waits)
{
	bool ended = true, purge = false;

	hs_lock_lock_noting(&arena->lock, waits);
	/* who holds the object may have ended it by resizing or freeing it, and the span may be anything now */
	if (hs_load_relaxed(&span->xgrower) == grower) {
		size_t n_pages = hs_pages_of(span->slot_bytes);
		bool small = span->slot_bytes <= HS_SMALL_MAX;

		ended = end && (!small || arena->n_undersized < UNDERSIZED_FREE + arena->span_pages / UNDERSIZED_PAGES);
		purge = n_pages < span->n_pages && shrink_locked(arena, span, n_pages);
		if (purge)
			describe_resized(span);
		if (ended) {
			hs_store_relaxed(&span->xgrower, NULL);
			span->undersized = small;
			arena->n_undersized += small;
		}
		hs_ranges_publish_locked(arena);
	}
	hs_lock_unlock(&arena->lock);
	if (purge && arena->decay.decay_ms == 0)
		hs_arena_decay(arena, 0, true, waits);
	return ended;
}

/* ---- huge objects ---- */

/* A mapping with its place in the page map; NULL when the kernel refuses. */
static char *map_huge(struct hs_arena *arena, size_t bytes, size_t align)
{
	char *base = hs_vm_map(bytes, align);

	if (base != NULL && !hs_pagemap_prepare(base, bytes)) {
		hs_vm_unmap(base, bytes);
		return NULL;
	}
	if (base == NULL)
		return NULL;
	hs_vm_name(base, bytes, "heapspy-huge");
	if (arena->thp != 0)
		hs_vm_huge(base, bytes, arena->thp == 1);
	return base;
}

struct hs_span *hs_arena_alloc_huge(struct hs_arena *arena, size_t bytes, size_t align, struct hs_waited *waits)
{
	size_t quantum = hs_max(hs_vm_page_bytes(), HS_PAGE_BYTES);
	size_t rounded = hs_align_up(bytes, quantum);
	struct hs_span *s;
	char *base;

	if (rounded < bytes || rounded > PTRDIFF_MAX || align > PTRDIFF_MAX)
		return NULL;
	base = map_huge(arena, rounded, hs_max(align, quantum));
	if (base == NULL)
		return NULL;
	hs_lock_lock_noting(&arena->lock, waits);
	s = hs_ranges_descriptor_locked(arena);
	if (s != NULL) {
		s->base = base;
		s->n_pages = rounded >> HS_PAGE_SHIFT;
		s->state = HS_SPAN_HUGE;
		s->slot_bytes = 0;
		s->zeroed = 1;
		arena->row->huge_bytes += rounded;
		hs_pagemap_set_ends(s, s);
	}
	hs_lock_unlock(&arena->lock);
	if (s == NULL)
		hs_vm_unmap(base, rounded);
	else
		hs_ranges_describe(s, HEAPSPY_SPAN_HUGE, HEAPSPY_NONE16, 1, rounded, 1);
	return s;
}

/* To an aligned place of our own choice: the kernel's could lie between two allocator pages. */
static char *move_huge(struct hs_span *span, size_t old, size_t bytes, size_t quantum)
{
	char *to = hs_vm_map(bytes, quantum);

	if (to == NULL)
		return NULL;
	if (!hs_pagemap_prepare(to, bytes) || !hs_vm_move(span->base, old, to, bytes)) {
		hs_vm_unmap(to, bytes);
		return NULL;
	}
	return to;
}

bool hs_arena_resize_huge(struct hs_arena *arena, struct hs_span *span, size_t bytes, bool may_move,
			  struct hs_waited *waits)
{
	size_t quantum = hs_max(hs_vm_page_bytes(), HS_PAGE_BYTES);
	size_t rounded = hs_align_up(bytes, quantum), old = hs_span_bytes(span);
	char *base;

	if (rounded < bytes || rounded > PTRDIFF_MAX)
		return false;
	hs_lock_lock_noting(&arena->lock, waits);
	/* entries go before the pages do: another thread may get the old address the moment it is free */
	hs_pagemap_set_ends(span, NULL);
	base = hs_vm_remap(span->base, old, rounded);
	if (base == NULL && may_move)
		base = move_huge(span, old, rounded, quantum);
	else if (base != NULL && !hs_pagemap_prepare(base, rounded)) {
		(void)hs_vm_remap(base, rounded, old); /* grown into a part of the address space without a leaf */
		base = NULL;
	}
	if (base != NULL) {
		span->base = base;
		span->n_pages = rounded >> HS_PAGE_SHIFT;
		arena->row->huge_bytes += rounded - old;
	}
	hs_pagemap_set_ends(span, span);
	hs_lock_unlock(&arena->lock);
	if (base != NULL)
		describe_resized(span);
	return base != NULL;
}

/* ---- elsewhere ---- */

/* `span` gets the pages of `other` and keeps its row, samples and pointers to it; `other` gets span's. */
static void exchange_locked(struct hs_arena *a, struct hs_span *span, struct hs_span *other)
{
	char *base = span->base;
	size_t n_pages = span->n_pages;

	hs_pagemap_set_ends(span, NULL);
	hs_pagemap_set_ends(other, NULL);
	span->base = other->base;
	span->n_pages = other->n_pages;
	span->state = other->state;
	other->base = base;
	other->n_pages = n_pages;
	hs_store_relaxed(&span->slot_bytes, 0);
	hs_pagemap_set_ends(span, span);
	hs_store_relaxed(&span->row->state, span->state == HS_SPAN_HUGE ? HEAPSPY_SPAN_HUGE : HEAPSPY_SPAN_LARGE);
	describe_resized(span);
	hs_store_relaxed(&other->row->state, HEAPSPY_SPAN_FREE);
	a->span_pages -= n_pages;
	a->row->n_spans_retired++;
}

/* Within the arena: zero pages stay behind. */
static bool move_within(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits)
{
	struct hs_span *other = hs_arena_alloc(arena, n_pages, HS_PAGE_BYTES, waits);

	if (other == NULL)
		return false;
	/* pages that are there already are cheaper to copy to than to throw away */
	if (!other->zeroed || !hs_vm_transfer(span->base, hs_span_bytes(span), other->base)) {
		hs_arena_free(arena, other, waits);
		return false;
	}
	hs_lock_lock_noting(&arena->lock, waits);
	hs_arena_end_growth_locked(arena, span);
	exchange_locked(arena, span, other);
	other->state = HS_SPAN_CLEAN;
	hs_ranges_insert_locked(arena, other);
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	return true;
}

/* To a mapping of its own, one that can grow again: the old addresses leave the arena. */
static bool move_out(struct hs_arena *arena, struct hs_span *span, size_t bytes, struct hs_waited *waits)
{
	struct hs_span *other = hs_arena_alloc_huge(arena, bytes, HS_PAGE_BYTES, waits);
	bool done;

	if (other == NULL)
		return false;
	hs_lock_lock_noting(&arena->lock, waits);
	/* entries go before the pages do, as in hs_arena_resize_huge() */
	hs_pagemap_set_ends(span, NULL);
	done = hs_vm_move(span->base, hs_span_bytes(span), other->base, hs_span_bytes(other));
	if (done) {
		hs_arena_end_growth_locked(arena, span);
		arena->mapped_pages -= span->n_pages;
		exchange_locked(arena, span, other);
		hs_ranges_discard_locked(arena, other);
		hs_ranges_publish_locked(arena);
	} else {
		hs_pagemap_set_ends(span, span);
	}
	hs_lock_unlock(&arena->lock);
	if (!done)
		hs_arena_free(arena, other, waits);
	return done;
}

bool hs_arena_move(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits)
{
	size_t bytes = n_pages << HS_PAGE_SHIFT;

	return bytes < HS_HUGE_BYTES ? move_within(arena, span, n_pages, waits) : move_out(arena, span, bytes, waits);
}
