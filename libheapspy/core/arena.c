/* SPDX-License-Identifier: MIT */
/*
 * Invariants, under lock:
 *   mapped_pages == span_pages + dirty.n_pages + clean.n_pages + purging_pages
 *   dirty_age holds exactly the members of dirty, by freed_ns ascending
 *   row->{mapped,spans,dirty,retained}_bytes are the same figures in bytes
 */
#include "core/arena.h"

#include "core/pagemap.h"
#include "core/ranges.h"
#include "os/sys.h"
#include "os/vm.h"

/* The first region is small for the sake of small processes; then an eighth of what is mapped, within limits. */
#define REGION_FIRST ((size_t)1 << 20)
#define REGION_LIMIT ((size_t)64 << 20)

/* ---- from the kernel ---- */

static struct hs_span *grow_locked(struct hs_arena *a, size_t n_pages)
{
	size_t quantum = hs_max(hs_vm_page_bytes(), HS_PAGE_BYTES);
	size_t least = hs_align_up(n_pages << HS_PAGE_SHIFT, quantum);
	size_t bytes = hs_max(hs_min((a->mapped_pages << HS_PAGE_SHIFT) / 8, REGION_LIMIT), REGION_FIRST);
	struct hs_span *s = hs_ranges_descriptor_locked(a);
	char *base = NULL;

	if (s == NULL)
		return NULL;
	bytes = hs_align_up(hs_max(bytes, least), quantum);
	base = hs_vm_map(bytes, quantum);
	if (base == NULL && bytes > least) {
		bytes = least; /* address space is short (RLIMIT_AS): no more than what is needed */
		base = hs_vm_map(bytes, quantum);
	}
	if (base == NULL || !hs_pagemap_prepare(base, bytes)) {
		if (base != NULL)
			hs_vm_unmap(base, bytes);
		hs_ranges_discard_locked(a, s);
		return NULL;
	}
	hs_vm_name(base, bytes, "heapspy-arena");
	if (a->thp != 0)
		hs_vm_huge(base, bytes, a->thp == 1);
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
	return s != NULL ? s : grow_locked(a, want);
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

static void describe(struct hs_span *s, unsigned state, uint16_t klass, uint32_t n_slots, uint64_t slot_bytes,
		     uint32_t used, uint64_t now_ns)
{
	struct heapspy_span *row = s->row;

	row->base = (uint64_t)(uintptr_t)s->base;
	row->bytes = hs_span_bytes(s);
	row->slot_bytes = slot_bytes;
	row->n_slots = n_slots;
	row->extended = used;
	row->used = used;
	row->xpending = 0;
	row->owner = 0;
	row->hole_pages = 0;
	row->klass = klass;
	row->n_samples = 0;
	row->made_ns = now_ns;
	/* [mo:span-row release] a reader that sees the state sees the row of this span and not of the one before */
	hs_store_release(&row->state, (uint16_t)state);
}

struct hs_span *hs_arena_alloc(struct hs_arena *arena, size_t n_pages, size_t align, struct hs_waited *waits)
{
	struct hs_span *s;

	hs_lock_lock_noting(&arena->lock, waits);
	s = alloc_locked(arena, n_pages, align);
	if (s != NULL)
		hs_pagemap_set_ends(s, s);
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	if (s != NULL)
		describe(s, HEAPSPY_SPAN_LARGE, HEAPSPY_NONE16, 1, hs_span_bytes(s), 1, 0);
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
	s->klass = (uint16_t)klass;
	s->slot_bytes = class->slot_bytes;
	s->inverse = class->inverse;
	s->n_slots = class->n_slots;
	hs_span_set_extended(s, 0);
	s->free = &hs_slot_end;
	s->xfree = NULL;
	describe(s, HEAPSPY_SPAN_SMALL, (uint16_t)klass, class->n_slots, class->slot_bytes, 0, 0);
	hs_store_relaxed(&s->xowner, owner);
	/* only when the span is complete may a pointer lead to it */
	hs_pagemap_set_all(s, s);
	return s;
}

void hs_arena_free(struct hs_arena *arena, struct hs_span *span, struct hs_waited *waits)
{
	uint64_t now = hs_now_ns();

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

static bool shrink_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages)
{
	size_t given = s->n_pages - n_pages;

	hs_pagemap_set_ends(s, NULL);
	s->freed_ns = hs_now_ns();
	if (!hs_ranges_cut_locked(a, s, n_pages, HS_SPAN_DIRTY)) {
		hs_pagemap_set_ends(s, s);
		return false;
	}
	hs_pagemap_set_ends(s, s);
	a->span_pages -= given;
	return true;
}

static bool extend_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages)
{
	size_t more = n_pages - s->n_pages;
	char *end = s->base + hs_span_bytes(s);
	struct hs_span *next = hs_ranges_neighbour_locked(a, end, HS_SPAN_DIRTY);
	unsigned state;

	if (next == NULL)
		next = hs_ranges_neighbour_locked(a, end, HS_SPAN_CLEAN);
	if (next == NULL || next->base != end || next->n_pages < more)
		return false;
	state = next->state;
	hs_ranges_take_out_locked(a, next);
	hs_pagemap_set_ends(next, NULL);
	next->state = HS_SPAN_LARGE;
	if (!hs_ranges_cut_locked(a, next, more, state)) {
		next->state = (uint16_t)state;
		hs_ranges_insert_locked(a, next);
		return false;
	}
	hs_ranges_discard_locked(a, next);
	hs_pagemap_set_ends(s, NULL);
	s->n_pages = n_pages;
	hs_pagemap_set_ends(s, s);
	a->span_pages += more;
	return true;
}

static void describe_resized(struct hs_span *s)
{
	hs_store_relaxed(&s->row->bytes, hs_span_bytes(s));
	hs_store_relaxed(&s->row->slot_bytes, hs_span_bytes(s));
	hs_store_relaxed(&s->row->base, (uint64_t)(uintptr_t)s->base);
}

bool hs_arena_resize(struct hs_arena *arena, struct hs_span *span, size_t n_pages, struct hs_waited *waits)
{
	bool done = true;

	if (n_pages == span->n_pages)
		return true;
	hs_lock_lock_noting(&arena->lock, waits);
	if (n_pages < span->n_pages)
		done = shrink_locked(arena, span, n_pages);
	else
		done = extend_locked(arena, span, n_pages);
	hs_ranges_publish_locked(arena);
	hs_lock_unlock(&arena->lock);
	if (done)
		describe_resized(span);
	if (arena->decay.decay_ms == 0)
		hs_arena_decay(arena, 0, true, waits);
	return done;
}

/* ---- huge objects ---- */

struct hs_span *hs_arena_alloc_huge(struct hs_arena *arena, size_t bytes, size_t align, struct hs_waited *waits)
{
	size_t quantum = hs_max(hs_vm_page_bytes(), HS_PAGE_BYTES);
	size_t rounded = hs_align_up(bytes, quantum);
	struct hs_span *s;
	char *base;

	if (rounded < bytes || rounded > PTRDIFF_MAX || align > PTRDIFF_MAX)
		return NULL;
	base = hs_vm_map(rounded, hs_max(align, quantum));
	if (base == NULL)
		return NULL;
	if (!hs_pagemap_prepare(base, rounded)) {
		hs_vm_unmap(base, rounded);
		return NULL;
	}
	hs_vm_name(base, rounded, "heapspy-huge");
	if (arena->thp != 0)
		hs_vm_huge(base, rounded, arena->thp == 1);
	hs_lock_lock_noting(&arena->lock, waits);
	s = hs_ranges_descriptor_locked(arena);
	if (s != NULL) {
		s->base = base;
		s->n_pages = rounded >> HS_PAGE_SHIFT;
		s->state = HS_SPAN_HUGE;
		s->zeroed = 1;
		arena->row->huge_bytes += rounded;
		hs_pagemap_set_ends(s, s);
	}
	hs_lock_unlock(&arena->lock);
	if (s == NULL)
		hs_vm_unmap(base, rounded);
	else
		describe(s, HEAPSPY_SPAN_HUGE, HEAPSPY_NONE16, 1, rounded, 1, 0);
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

/* ---- creation and checks ---- */

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
