/* SPDX-License-Identifier: MIT */
/*
 * Invariants, under lock:
 *   mapped_pages == span_pages + dirty.n_pages + clean.n_pages + purging_pages
 *   dirty_age holds exactly the members of dirty, by freed_ns ascending
 *   row->{mapped,spans,dirty,retained}_bytes are the same figures in bytes
 *   n_undersized == number of large spans with `undersized` set
 */
#include "core/arena.h"

#include "core/pagemap.h"
#include "core/ranges.h"
#include "os/sys.h"
#include "os/vm.h"

/* The first region is small for the sake of small processes; then an eighth of what is mapped, within limits. */
#define REGION_FIRST ((size_t)1 << 20)
#define REGION_LIMIT ((size_t)64 << 20)
/* Between the places where two arenas begin; a hint to the kernel and no limit. */
#define FRONTIER_ROOM ((uintptr_t)8 << 30)

/* ---- from the kernel ---- */

/*
 * Addresses for `n_pages`, or for as many as lie behind a clean range at the frontier if those may help.  The kernel's
 * own choice would put each region at a multiple of 2 MiB below the one before, so that what remains of one could
 * never be used together with the next: 77 instead of 61 MiB for 50 MiB of objects of 256 KiB to 4 MiB.
 */
static char *map_region(struct hs_arena *a, size_t n_pages, size_t quantum, size_t *ret_bytes)
{
	struct hs_span *tail = hs_ranges_neighbour_locked(a, a->frontier - 1, HS_SPAN_CLEAN);
	size_t least = hs_align_up(n_pages << HS_PAGE_SHIFT, quantum);
	size_t bytes = hs_max(hs_min((a->mapped_pages << HS_PAGE_SHIFT) / 8, REGION_LIMIT), REGION_FIRST);
	size_t behind = tail != NULL ? hs_align_down(hs_min(hs_span_bytes(tail), least - quantum), quantum) : 0;
	char *base;

	*ret_bytes = hs_align_up(hs_max(bytes, least - behind), quantum);
	base = hs_vm_map_near(a->frontier, *ret_bytes, quantum);
	if (base != NULL && (base == a->frontier || *ret_bytes >= least))
		return base;
	if (base != NULL)
		hs_vm_unmap(base, *ret_bytes);
	/* somewhere else, or address space is short (RLIMIT_AS): no more than what is needed */
	*ret_bytes = least;
	return hs_vm_map(least, quantum);
}

struct hs_span *hs_ranges_map_locked(struct hs_arena *a, size_t n_pages)
{
	struct hs_span *s = hs_ranges_descriptor_locked(a);
	size_t bytes = 0;
	char *base;

	if (s == NULL)
		return NULL;
	base = map_region(a, n_pages, hs_max(hs_vm_page_bytes(), HS_PAGE_BYTES), &bytes);
	if (base == NULL || !hs_pagemap_prepare(base, bytes)) {
		if (base != NULL)
			hs_vm_unmap(base, bytes);
		hs_ranges_discard_locked(a, s);
		return NULL;
	}
	hs_vm_name(base, bytes, "heapspy-arena");
	if (a->thp != 0)
		hs_vm_huge(base, bytes, a->thp == 1);
	a->frontier = base + bytes;
	s->base = base;
	s->n_pages = bytes >> HS_PAGE_SHIFT;
	s->state = HS_SPAN_CLEAN;
	a->mapped_pages += s->n_pages;
	hs_ranges_insert_locked(a, s);
	return s;
}

/* Finds or makes a free range that holds n_pages at that alignment. */
static struct hs_span *find_locked(struct hs_arena *a, size_t n_pages, size_t align)
{
	size_t want = n_pages + (align > HS_PAGE_BYTES ? (align >> HS_PAGE_SHIFT) - 1 : 0);
	struct hs_span *s = hs_rangeset_find(&a->dirty, want);

	if (s == NULL)
		s = hs_rangeset_find(&a->clean, want);
	return s != NULL ? s : hs_ranges_map_locked(a, want);
}

static struct hs_span *alloc_locked(struct hs_arena *a, size_t n_pages, size_t align)
{
	struct hs_span *s = find_locked(a, n_pages, align), *front = NULL;
	unsigned state;
	size_t skip;

	if (s == NULL)
		return NULL;
	state = s->state;
	skip = (hs_align_up((uintptr_t)s->base, align) - (uintptr_t)s->base) >> HS_PAGE_SHIFT;
	if (skip != 0 && (front = hs_ranges_descriptor_locked(a)) == NULL)
		return NULL;
	hs_ranges_take_out_locked(a, s);
	hs_pagemap_set_ends(s, NULL);
	if (front != NULL) {
		front->base = s->base;
		front->n_pages = skip;
		front->freed_ns = s->freed_ns;
		front->state = (uint16_t)state;
		s->base += skip << HS_PAGE_SHIFT;
		s->n_pages -= skip;
		hs_ranges_insert_locked(a, front);
	}
	s->state = HS_SPAN_LARGE; /* not mergeable any more */
	if (!hs_ranges_cut_locked(a, s, n_pages, state)) {
		s->state = (uint16_t)state;
		hs_ranges_insert_locked(a, s);
		return NULL;
	}
	s->zeroed = state == HS_SPAN_CLEAN;
	a->span_pages += n_pages;
	a->row->n_spans_made++;
	return s;
}

struct hs_span *hs_arena_alloc(struct hs_arena *arena, size_t n_pages, size_t align, struct hs_waited *waits)
{
	struct hs_span *s;

	hs_lock_lock_noting(&arena->lock, waits);
	s = alloc_locked(arena, n_pages, align);
	if (s != NULL) {
		s->slot_bytes = 0; /* the object has all of it */
		hs_pagemap_set_ends(s, s);
	}
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	if (s != NULL)
		hs_ranges_describe(s, HEAPSPY_SPAN_LARGE, HEAPSPY_NONE16, 1, hs_span_bytes(s), 1);
	return s;
}

struct hs_span *hs_arena_alloc_small(struct hs_arena *arena, unsigned klass, uintptr_t owner, struct hs_waited *waits)
{
	const struct hs_sizeclass *class = &hs_sizeclasses[klass];
	struct hs_span *s;

	hs_lock_lock_noting(&arena->lock, waits);
	s = alloc_locked(arena, class->span_pages, HS_PAGE_BYTES);
	hs_ranges_publish_locked(arena);
	if (s == NULL) {
		hs_lock_unlock(&arena->lock);
		return NULL;
	}
	s->state = HS_SPAN_SMALL;
	hs_lock_unlock(&arena->lock);
	/* relaxed, as xfree: who has just let the last span with this descriptor go may still look at it */
	hs_store_relaxed(&s->klass, (uint16_t)klass);
	s->slot_bytes = class->slot_bytes;
	s->inverse = class->inverse;
	s->n_slots = class->n_slots;
	hs_span_set_extended(s, 0);
	s->free = &hs_slot_end;
	hs_store_relaxed(&s->xfree, NULL);
	hs_ranges_describe(s, HEAPSPY_SPAN_SMALL, (uint16_t)klass, class->n_slots, class->slot_bytes, 0);
	hs_store_relaxed(&s->xowner, owner);
	/* only when the span is complete may a pointer lead to it */
	hs_pagemap_set_all(s, s);
	return s;
}

void hs_arena_free(struct hs_arena *arena, struct hs_span *span, struct hs_waited *waits)
{
	uint64_t now = hs_now_coarse_ns(); /* for the decay, whose steps are longer by far */

	hs_store_relaxed(&span->row->state, HEAPSPY_SPAN_FREE);
	hs_store_relaxed(&span->xowner, HS_OWNER_NONE);
	if (span->state == HS_SPAN_HUGE) {
		char *base = span->base;
		size_t bytes = hs_span_bytes(span);

		hs_lock_lock_noting(&arena->lock, waits);
		hs_pagemap_set_ends(span, NULL);
		arena->row->huge_bytes -= bytes;
		hs_ranges_discard_locked(arena, span);
		hs_lock_unlock(&arena->lock);
		hs_vm_unmap(base, bytes);
		return;
	}
	if (span->state == HS_SPAN_SMALL)
		hs_pagemap_set_all(span, NULL);
	hs_lock_lock_noting(&arena->lock, waits);
	hs_arena_end_growth_locked(arena, span);
	arena->span_pages -= span->n_pages;
	arena->row->n_spans_retired++;
	hs_store_relaxed(&span->limit, 0);
	span->freed_ns = now;
	span->state = HS_SPAN_DIRTY;
	hs_ranges_insert_locked(arena, span);
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	if (arena->decay.decay_ms == 0)
		hs_arena_decay(arena, now, true, waits);
}

/* ---- creation and checks ---- */

/* Below where the kernel puts what comes next, so that the arena can grow upwards in one piece. */
static char *choose_frontier(const struct hs_arena *a)
{
	static uint32_t xn_chosen;
	uintptr_t below = (hs_add_relaxed(&xn_chosen, 1) % HS_ARENAS_MAX + 1) * FRONTIER_ROOM;

	return (char *)(hs_align_down((uintptr_t)a, HS_PAGE_BYTES) - below);
}

struct hs_arena *hs_arena_create(uint32_t id, struct hs_rows *rows, struct hs_meta *meta, int64_t decay_ms, int thp)
{
	struct hs_arena *a = hs_meta_alloc(meta, sizeof(*a), HS_CACHE_LINE);
	uint32_t lock_row = 16 + id * (HS_N_CLASSES + 1);

	if (a == NULL || !hs_rows_need(rows, HEAPSPY_T_ARENAS, id) ||
	    !hs_rows_need(rows, HEAPSPY_T_BINS, (uint64_t)id * HS_N_CLASSES + HS_N_CLASSES - 1) ||
	    !hs_rows_need(rows, HEAPSPY_T_LOCKS, lock_row + HS_N_CLASSES))
		return NULL;
	a->id = id;
	a->rows = rows;
	a->meta = meta;
	a->row = &rows->arenas[id];
	a->thp = thp;
	a->decay.decay_ms = decay_ms;
	a->decay.step_start_ns = hs_now_ns();
	a->row->id = id;
	a->row->created_ns = a->decay.step_start_ns;
	a->frontier = choose_frontier(a);
	hs_list_init(&a->dirty_age);
	hs_list_init(&a->purging);
	hs_list_init(&a->spare);
	for (unsigned i = 0; i <= HS_N_CLASSES; i++) {
		struct heapspy_lock *row = &rows->locks[lock_row + i];

		row->arena = (uint16_t)id;
		row->kind = i == 0 ? HEAPSPY_LOCK_ARENA : HEAPSPY_LOCK_BIN;
		row->klass = i == 0 ? HEAPSPY_NONE16 : (uint16_t)(i - 1);
		if (i == 0)
			hs_lock_init(&a->lock, HS_RANK_ARENA, row);
		else
			hs_bin_init(&a->bins[i - 1], (uint16_t)(i - 1), row, &rows->bins[(size_t)id * HS_N_CLASSES + i - 1]);
	}
	return a;
}

void hs_arena_check(struct hs_arena *arena)
{
	size_t n = 0;

	hs_lock_lock(&arena->lock);
	for (struct hs_list *l = arena->dirty_age.next; l != &arena->dirty_age; l = l->next, n++) {
		struct hs_span *s = hs_container_of(l, struct hs_span, link);

		hs_verify(s->state == HS_SPAN_DIRTY);
		hs_verify(hs_pagemap_get(s->base) == s);
		hs_verify(hs_pagemap_get(s->base + hs_span_bytes(s) - 1) == s);
	}
	hs_verify(hs_rangeset_check(&arena->dirty) == n);
	hs_rangeset_check(&arena->clean);
	hs_verify(arena->mapped_pages ==
		  arena->span_pages + arena->dirty.n_pages + arena->clean.n_pages + arena->purging_pages);
	hs_verify(arena->row->dirty_bytes == (uint64_t)arena->dirty.n_pages << HS_PAGE_SHIFT);
	hs_lock_unlock(&arena->lock);
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		hs_bin_check(&arena->bins[c]);
}
