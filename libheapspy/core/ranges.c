/* SPDX-License-Identifier: MIT */
/*
 * Invariant: no two neighbouring free ranges of one arena have the same state, dirty or clean: they were merged.
 *
 * What lies beside a free range is found through the page map: the entry before its first page is the last
 * page of its neighbour.  A neighbour of another arena is told by span->arena, which never changes.
 */
#include "core/ranges.h"

#include "core/pagemap.h"

void hs_ranges_publish_locked(struct hs_arena *a)
{
	struct heapspy_arena *row = a->row;
	uint64_t spans = (uint64_t)a->span_pages << HS_PAGE_SHIFT;

	hs_store_relaxed(&row->mapped_bytes, (uint64_t)a->mapped_pages << HS_PAGE_SHIFT);
	hs_store_relaxed(&row->spans_bytes, spans);
	hs_store_relaxed(&row->dirty_bytes, (uint64_t)a->dirty.n_pages << HS_PAGE_SHIFT);
	hs_store_relaxed(&row->retained_bytes, (uint64_t)a->clean.n_pages << HS_PAGE_SHIFT);
	if (spans > row->peak_spans_bytes)
		hs_store_relaxed(&row->peak_spans_bytes, spans);
	row->oldest_dirty_ns = hs_list_empty(&a->dirty_age)
				       ? 0
				       : hs_container_of(a->dirty_age.next, struct hs_span, link)->freed_ns;
}

void hs_ranges_describe(struct hs_span *s, unsigned state, uint16_t klass, uint32_t n_slots, uint64_t slot_bytes,
			uint32_t used)
{
	struct heapspy_span *row = s->row;

	row->base = (uint64_t)(uintptr_t)s->base;
	row->bytes = hs_span_bytes(s);
	row->slot_bytes = slot_bytes;
	row->n_slots = n_slots;
	row->extended = used;
	/* relaxed: a late look of flush_one() at the span that had this row before */
	hs_store_relaxed(&row->used, used);
	hs_store_relaxed(&row->xpending, 0);
	row->owner = 0;
	row->hole_pages = 0;
	row->klass = klass;
	row->n_samples = 0;
	row->made_ns = 0;
	/* [mo:span-row release] a reader that sees the state sees the row of this span and not of the one before */
	hs_store_release(&row->state, (uint16_t)state);
}

static struct heapspy_span *row_for(struct hs_arena *a, struct hs_span *s)
{
	struct heapspy_span *row;
	uint64_t id = hs_add_relaxed(&a->rows->tables[HEAPSPY_T_SPANS - 1].next_row, 1);

	if (id < UINT32_MAX && hs_rows_need(a->rows, HEAPSPY_T_SPANS, id)) {
		s->id = (uint32_t)id;
		row = &a->rows->spans[id];
	} else {
		hs_add_relaxed(&a->rows->header->lost_spans, 1);
		s->id = UINT32_MAX;
		row = hs_meta_alloc(a->meta, sizeof(*row), HS_CACHE_LINE);
	}
	return row;
}

struct hs_span *hs_ranges_descriptor_locked(struct hs_arena *a)
{
	struct hs_span *s;

	if (hs_list_empty(&a->spare)) {
		struct hs_span_chunk *chunk = hs_meta_alloc(a->meta, sizeof(*chunk), HS_CACHE_LINE);

		if (chunk == NULL)
			return NULL;
		for (unsigned i = 0; i < HS_SPAN_CHUNK; i++) {
			hs_store_relaxed(&chunk->spans[i].arena, a);
			hs_list_push_back(&a->spare, &chunk->spans[i].link);
		}
		chunk->next = a->chunks;
		a->chunks = chunk;
	}
	s = hs_container_of(a->spare.next, struct hs_span, link);
	/* rows are for spans in use; most free ranges become one */
	if (s->row == NULL) {
		s->row = row_for(a, s);
		if (s->row == NULL)
			return NULL;
		s->row->arena = (uint16_t)a->id;
	}
	hs_list_remove(&s->link);
	hs_store_relaxed(&s->row->state, HEAPSPY_SPAN_FREE);
	hs_store_relaxed(&s->xowner, HS_OWNER_NONE); /* a late look of flush_one() may still come */
	s->inverse = s->limit = 0;
	s->free = &hs_slot_end;
	hs_store_relaxed(&s->xfree, NULL);
	s->xn_samples = 0;
	s->recount = s->emptied = s->parked = 0;
	s->undersized = 0;
	hs_store_relaxed(&s->xgrower, NULL);
	return s;
}

void hs_ranges_discard_locked(struct hs_arena *a, struct hs_span *s)
{
	s->state = HS_SPAN_UNUSED;
	hs_list_push_front(&a->spare, &s->link);
}

static struct hs_rangeset *set_of(struct hs_arena *a, unsigned state)
{
	return state == HS_SPAN_DIRTY ? &a->dirty : &a->clean;
}

void hs_ranges_take_out_locked(struct hs_arena *a, struct hs_span *s)
{
	hs_rangeset_remove(set_of(a, s->state), s);
	if (s->state == HS_SPAN_DIRTY)
		hs_list_remove(&s->link);
}

static void put_in_locked(struct hs_arena *a, struct hs_span *s)
{
	hs_rangeset_insert(set_of(a, s->state), s);
	if (s->state == HS_SPAN_DIRTY)
		hs_list_push_back(&a->dirty_age, &s->link);
	hs_pagemap_set_ends(s, s);
}

struct hs_span *hs_ranges_free_at_locked(struct hs_arena *a, const char *p)
{
	struct hs_span *s = hs_ranges_neighbour_locked(a, p, HS_SPAN_DIRTY);

	return s != NULL ? s : hs_ranges_neighbour_locked(a, p, HS_SPAN_CLEAN);
}

struct hs_span *hs_ranges_neighbour_locked(struct hs_arena *a, const char *p, unsigned state)
{
	struct hs_span *s = hs_pagemap_get(p);

	/* relaxed: a span of another arena may be in the making, and then it reads as NULL or as that arena */
	return s != NULL && hs_load_relaxed(&s->arena) == a && hs_load_relaxed(&s->state) == state ? s : NULL;
}

void hs_ranges_insert_locked(struct hs_arena *a, struct hs_span *s)
{
	struct hs_span *before = hs_ranges_neighbour_locked(a, s->base - 1, s->state);
	struct hs_span *after = hs_ranges_neighbour_locked(a, s->base + hs_span_bytes(s), s->state);

	hs_pagemap_set_ends(s, NULL);
	if (before != NULL) {
		hs_ranges_take_out_locked(a, before);
		hs_pagemap_set_ends(before, NULL);
		s->base = before->base;
		s->n_pages += before->n_pages;
		hs_ranges_discard_locked(a, before);
	}
	if (after != NULL) {
		hs_ranges_take_out_locked(a, after);
		hs_pagemap_set_ends(after, NULL);
		s->n_pages += after->n_pages;
		hs_ranges_discard_locked(a, after);
	}
	put_in_locked(a, s);
}

bool hs_ranges_cut_locked(struct hs_arena *a, struct hs_span *s, size_t n_pages, unsigned state)
{
	struct hs_span *rest;

	if (s->n_pages == n_pages)
		return true;
	rest = hs_ranges_descriptor_locked(a);
	if (rest == NULL)
		return false;
	rest->base = s->base + (n_pages << HS_PAGE_SHIFT);
	rest->n_pages = s->n_pages - n_pages;
	rest->freed_ns = s->freed_ns;
	rest->state = (uint16_t)state;
	s->n_pages = n_pages;
	hs_ranges_insert_locked(a, rest);
	return true;
}
