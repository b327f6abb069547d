/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for a tcache t with s = t->grow.span != NULL and s->xgrower == t:
 *   occupied   <=>  s->state == HS_SPAN_LARGE, 0 < s->slot_bytes <= bytes of s, row->used == 1
 *   !occupied  <=>  s->state == HS_SPAN_KEPT, row->used == 0, row->slot_bytes == bytes of s: cached by t
 */
#include "core/grow.h"

#include "core/tcache.h"

/*
 * Room behind an object when it comes and when it has outgrown its span: half its size, within these.  64 KiB are
 * a page table's sixteenth, nothing when they are not touched.
 */
#define RESERVE_LEAST ((size_t)64 << 10)
#define RESERVE_MOST ((size_t)1 << 20)
/* A longer span is not kept when its object goes: it may be dirty from end to end, and its thread may sleep. */
#define KEEP_BYTES ((size_t)128 << 10)
/* Copying so much costs what it costs to end one growth span and make another (two locks, four range operations). */
#define PATIENCE_BYTES ((size_t)32 << 10)
/* The growth span if there is one; another thread may have ended it. */
static struct hs_span *mine(struct hs_tcache *t)
{
	struct hs_grow *g = &t->grow;

	if (g->span != NULL && hs_load_relaxed(&g->span->xgrower) != t)
		*g = (struct hs_grow){.last = g->last};
	return g->span;
}

static void forget(struct hs_tcache *t)
{
	t->grow.span = NULL;
	t->grow.occupied = false;
}

static size_t pages_with_room(size_t bytes)
{
	return hs_pages_of(bytes + hs_max(hs_min(bytes / 2, RESERVE_MOST), RESERVE_LEAST));
}

static void occupy(struct hs_tcache *t, struct hs_span *s, size_t bytes)
{
	hs_poke(&s->row->owner, 0);
	hs_grow_set(s, bytes);
	hs_poke(&s->row->used, 1);
	hs_store_relaxed(&s->state, HS_SPAN_LARGE);
	hs_store_relaxed(&s->xgrower, t);
	t->grow = (struct hs_grow){.span = s, .occupied = true};
}

static void give_back(struct hs_tcache *t, struct hs_span *s)
{
	forget(t);
	hs_arena_free(s->arena, s, &t->waits);
}

void *hs_grow_start(struct hs_tcache *t, size_t bytes)
{
	struct hs_grow *g = &t->grow;
	struct hs_span *s = mine(t);

	if (s != NULL && g->occupied) {
		g->refused_bytes += bytes;
		if (g->refused_bytes < PATIENCE_BYTES)
			return NULL;
		g->refused_bytes = 0;
		if (!hs_arena_trim(s->arena, s, t, true, &t->waits))
			return NULL;
		s = NULL;
	} else if (s != NULL && hs_span_bytes(s) < bytes) {
		give_back(t, s);
		s = NULL;
	}
	if (s == NULL) {
		forget(t);
		s = hs_arena_alloc(t->arena, pages_with_room(bytes), HS_PAGE_BYTES, &t->waits);
		if (s == NULL)
			return NULL;
	}
	occupy(t, s, bytes);
	return s->base;
}

void *hs_grow_resize(struct hs_tcache *t, struct hs_span *s, size_t bytes)
{
	if (bytes < s->slot_bytes / 2) {
		/* what remains of much: a small object goes into a slot, and the span is free for the next */
		if (bytes <= HS_SMALL_MAX)
			return NULL;
		forget(t);
		return hs_arena_resize(s->arena, s, hs_pages_of(bytes), &t->waits) ? s->base : NULL;
	}
	if (bytes <= hs_span_bytes(s) || (bytes < HS_HUGE_BYTES && hs_arena_extend(s->arena, s, hs_pages_of(bytes),
										   pages_with_room(bytes), &t->waits))) {
		hs_grow_set(s, bytes);
		t->grow.refused_bytes = 0;
		return s->base;
	}
	forget(t);
	/* nobody else has it: the object is in our hands */
	hs_store_relaxed(&s->xgrower, NULL);
	if (s->slot_bytes >= HS_MOVE_BYTES) {
		bool huge = bytes >= HS_HUGE_BYTES;

		if (hs_arena_move(s->arena, s, huge ? hs_pages_of(bytes) : pages_with_room(bytes), &t->waits)) {
			if (!huge)
				occupy(t, s, bytes);
			return s->base;
		}
	}
	return NULL;
}

void hs_grow_free(struct hs_tcache *t, struct hs_span *s)
{
	if (hs_span_bytes(s) > KEEP_BYTES) {
		give_back(t, s);
		return;
	}
	hs_poke(&s->row->used, 0);
	hs_store_relaxed(&s->row->slot_bytes, hs_span_bytes(s));
	hs_poke(&s->row->owner, t->id);
	/* without the lock: for who looks for free neighbours one is like the other */
	hs_store_relaxed(&s->state, HS_SPAN_KEPT);
	t->grow.occupied = false;
	t->grow.refused_bytes = t->grow.seen_bytes = 0;
}

void hs_grow_tick(struct hs_tcache *t)
{
	struct hs_grow *g = &t->grow;
	struct hs_span *s = mine(t);
	size_t bytes;

	if (s == NULL)
		return;
	bytes = g->occupied ? hs_load_relaxed(&s->slot_bytes) : hs_span_bytes(s);
	if (bytes != g->seen_bytes) {
		g->seen_bytes = bytes;
		return;
	}
	if (!g->occupied)
		give_back(t, s);
	else if (hs_arena_trim(s->arena, s, t, bytes > HS_SMALL_MAX, &t->waits))
		forget(t);
}

void hs_grow_orphan(struct hs_tcache *t)
{
	struct hs_span *s = mine(t);
	struct hs_tcache *old = t;

	if (s != NULL && t->grow.occupied)
		(void)hs_cas_relaxed(&s->xgrower, &old, NULL);
	else if (s != NULL)
		give_back(t, s);
	t->grow = (struct hs_grow){0};
}

void hs_grow_drain(struct hs_tcache *t)
{
	struct hs_span *s = mine(t);

	if (s != NULL && t->grow.occupied)
		hs_arena_trim(s->arena, s, t, true, &t->waits);
	hs_grow_orphan(t);
}
