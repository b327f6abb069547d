/* SPDX-License-Identifier: MIT */
/*
 * spans.c - the exact figures, all of them sums over the span map.
 *
 *   live slots   = (used & ~BIAS) - xpending - ring entries of all threads that name the span
 *   free slots   = extended - live slots          touched, so they may be resident
 *   thread_cache = free slots of active and of kept empty spans + slots gathered in rings
 *   span_free    = the remaining free slots
 *   holes        = pages among the free slots that were given back: taken off the bytes of whichever of the two they are in
 *
 * A row that is being changed while we copy it may break n_slots * slot_bytes <= bytes for a moment; such a
 * row is left out and counted.
 */
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "util/mem.h"

/* Of the address space of any machine: also for all spans together, so that no sum can overflow. */
#define ADDRESS_MOST (UINT64_C(1) << 57)

static bool sane(const struct heapspy_span *s)
{
	if (s->state < HEAPSPY_SPAN_SMALL || s->state > HEAPSPY_SPAN_HUGE || !s->n_slots || !s->slot_bytes)
		return false;
	if (s->bytes > ADDRESS_MOST || s->base > ADDRESS_MOST)
		return false;
	return s->slot_bytes <= s->bytes / s->n_slots && s->extended <= s->n_slots;
}

/* A page that a forged header may have is bounded by the slots. */
static uint64_t hole_bytes(const struct ht_snap *snap, const struct heapspy_span *s, uint32_t slots)
{
	uint64_t bytes = (uint64_t)s->hole_pages * snap->header.kernel_page_bytes, most = slots * s->slot_bytes;

	return bytes < most ? bytes : most;
}

struct ht_span_fact *ht_span_facts(const struct ht_snap *snap)
{
	struct ht_span_fact *facts = ht_xcalloc(snap->n_spans, sizeof(*facts));
	uint32_t *ring = ht_xcalloc(snap->n_spans, sizeof(*ring));
	uint64_t sum = 0;

	for (size_t i = 0; i < snap->n_threads; i++)
		for (unsigned k = 0; k < HEAPSPY_RING; k++) {
			const struct heapspy_ring *r = &snap->threads[i].ring[k];

			/* also of rows that are not live: a dying thread empties its ring last */
			if (r->n && r->span < snap->n_spans && r->n < UINT32_MAX / 2 && ring[r->span] < UINT32_MAX / 2)
				ring[r->span] += r->n;
		}
	for (size_t i = 0; i < snap->n_spans; i++) {
		const struct heapspy_span *s = &snap->spans[i];
		struct ht_span_fact *f = &facts[i];

		f->ok = sane(s) && sum + s->bytes <= ADDRESS_MOST;
		if (!f->ok)
			continue;
		sum += s->bytes;
		uint32_t used = s->used & ~HEAPSPY_USED_BIAS, extended = s->extended;
		uint64_t pending = (uint64_t)s->xpending + ring[i];

		/* the owner counts a slot before it says that the span reaches so far */
		if (used > s->n_slots)
			used = s->n_slots;
		if (extended < used)
			extended = used;
		if (pending > used)
			pending = used;
		f->pending = (uint32_t)pending;
		f->gathered = ring[i] < f->pending ? ring[i] : f->pending;
		f->live = used - f->pending;
		f->free = extended - f->live;
		f->hole_bytes = hole_bytes(snap, s, f->free - f->gathered);
		f->cached = s->owner && (s->used & HEAPSPY_USED_BIAS || used == 0);
	}
	free(ring);
	return facts;
}

static void init_classes(struct ht_model *m, const struct ht_snap *snap)
{
	m->n_classes = snap->n_classes + 1;
	m->classes = ht_xcalloc(m->n_classes, sizeof(*m->classes));
	for (size_t i = 0; i < m->n_classes; i++) {
		m->classes[i].id = (uint32_t)i;
		if (i == snap->n_classes)
			break;
		m->classes[i].size_bytes = snap->classes[i].size_bytes;
		m->classes[i].span_bytes = snap->classes[i].span_bytes;
		m->classes[i].slots_per_span = snap->classes[i].n_slots;
	}
}

static void init_arenas(struct ht_model *m, const struct ht_snap *snap)
{
	m->arenas = ht_xcalloc(snap->n_arenas, sizeof(*m->arenas));
	m->n_arenas = snap->n_arenas;
	for (size_t i = 0; i < snap->n_arenas; i++) {
		const struct heapspy_arena *a = &snap->arenas[i];
		struct ht_arena *x = &m->arenas[i];

		x->id = a->id;
		x->threads = a->n_threads;
		memcpy(x->label, a->label, sizeof(x->label));
		x->label[sizeof(x->label) - 1] = '\0';
		x->dirty_bytes = a->dirty_bytes;
		x->retained_bytes = a->retained_bytes;
		x->mapped_bytes = a->mapped_bytes;
		x->huge_bytes = a->huge_bytes;
		x->peak_spans_bytes = a->peak_spans_bytes;
		x->n_purges = a->n_purges;
		x->purged_bytes = a->purged_bytes;
		m->dirty_bytes += a->dirty_bytes;
		m->retained_bytes += a->retained_bytes;
		m->mapped_bytes += a->mapped_bytes;
		m->huge_bytes += a->huge_bytes;
	}
}

static void count_span(struct ht_model *m, const struct heapspy_span *s, const struct ht_span_fact *f,
		       struct ht_thread *owner)
{
	bool small = s->state == HEAPSPY_SPAN_SMALL;
	struct ht_class *c = &m->classes[small && s->klass < m->n_classes - 1 ? s->klass : m->n_classes - 1];
	uint64_t live = f->live * s->slot_bytes;
	uint32_t cached = f->cached ? f->free : f->gathered;
	uint64_t cached_bytes = cached * s->slot_bytes, free_bytes = (f->free - cached) * s->slot_bytes;

	if (f->cached)
		cached_bytes -= f->hole_bytes;
	else
		free_bytes -= f->hole_bytes;
	c->hole_bytes += f->hole_bytes;
	m->hole_bytes += f->hole_bytes;
	c->live_objects += f->live;
	c->live_bytes += live;
	c->free_slots += f->free;
	c->cached_slots += cached;
	c->free_bytes += free_bytes;
	c->spans++;
	c->nonfull_spans += f->live < s->n_slots;
	m->live_objects += f->live;
	m->live_bytes += live;
	m->thread_cache_bytes += cached_bytes;
	m->span_free_bytes += free_bytes;
	if (owner) {
		owner->cached_bytes += cached_bytes;
		owner->pending_bytes += f->pending * s->slot_bytes;
	}
	if (s->arena < m->n_arenas) {
		struct ht_arena *a = &m->arenas[s->arena];

		a->live_bytes += live;
		a->span_free_bytes += free_bytes;
		a->thread_cache_bytes += cached_bytes;
		a->n_spans++;
	}
	if (small && f->live < s->n_slots && !f->cached) {
		unsigned tenth = f->live * UINT64_C(10) / s->n_slots;

		m->fill_spans[tenth]++;
		m->fill_free_bytes[tenth] += free_bytes;
	}
}

void ht_build_spans(struct ht_model *m, const struct ht_build *in, const struct ht_span_fact *facts)
{
	const struct ht_snap *snap = in->snap;
	struct ht_thread **by_row = ht_xcalloc(snap->n_threads, sizeof(*by_row));

	for (size_t i = 0; i < m->n_threads; i++)
		by_row[m->threads[i].row] = &m->threads[i];
	init_classes(m, snap);
	init_arenas(m, snap);
	for (size_t i = 0; i < snap->n_spans; i++) {
		const struct heapspy_span *s = &snap->spans[i];

		if (!facts[i].ok)
			m->n_bad_rows += s->state != HEAPSPY_SPAN_FREE;
		else
			count_span(m, s, &facts[i], s->owner && s->owner < snap->n_threads ? by_row[s->owner] : NULL);
	}
	free(by_row);
	if (snap->n_totals) {
		const struct heapspy_totals *t = &snap->totals[0];

		m->metadata_bytes = t->metadata_bytes;
		m->profiler_bytes = t->profiler_bytes;
		m->segment_bytes = t->segment_bytes;
		m->n_stack_walks = t->n_stack_walks;
		m->stack_walk_ns = t->stack_walk_ns;
		m->n_mmaps = t->n_mmaps;
		m->limit_bytes = t->limit_bytes;
		m->allocated_bytes += t->inherited_allocated_bytes;
	}
}
