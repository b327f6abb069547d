/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for a place of a tcache t with span s != NULL and s->xgrower == t:
 *   occupied   <=>  s->state == HS_SPAN_LARGE, 0 < s->slot_bytes <= bytes of s, row->used == 1
 *   !occupied  <=>  s->state == HS_SPAN_KEPT, row->used == 0, row->slot_bytes == bytes of s: cached by t
 *   kept_bytes == sum over places with a span and without object
 */
#include "core/grow.h"

#include "core/tcache.h"

/*
 * Room behind an object when it comes and when it has outgrown its span: half its size, within these.  64 KiB are
 * a page table's sixteenth, nothing when they are not touched.
 */
#define RESERVE_LEAST ((size_t)64 << 10)
#define RESERVE_MOST ((size_t)1 << 20)
/* Longer spans, and more of them, are not kept: they may be dirty from end to end, and their thread may sleep. */
#define KEEP_BYTES ((size_t)160 << 10)
/* Copying so much costs what it costs to end one growth span and make another (two locks, four range operations). */
#define PATIENCE_BYTES ((size_t)32 << 10)
/* The span of a place if there is one; another thread may have ended it. */
static struct hs_span *mine(struct hs_tcache *t, struct hs_grow_place *at)
{
	if (at->span != NULL && hs_load_relaxed(&at->span->xgrower) != t)
		*at = (struct hs_grow_place){0};
	return at->span;
}

static struct hs_grow_place *place_of(struct hs_tcache *t, const struct hs_span *s)
{
	unsigned i = 0;

	while (t->grow.places[i].span != s) {
		i++;
		hs_assert(i < HS_GROW_PLACES);
	}
	return &t->grow.places[i];
}

static size_t pages_with_room(size_t bytes)
{
	return hs_pages_of(bytes + hs_max(hs_min(bytes / 2, RESERVE_MOST), RESERVE_LEAST));
}

static void occupy(struct hs_tcache *t, struct hs_grow_place *at, struct hs_span *s, size_t bytes)
{
	hs_poke(&s->row->owner, 0);
	hs_grow_set(s, bytes);
	hs_poke(&s->row->used, 1);
	hs_store_relaxed(&s->state, HS_SPAN_LARGE);
	hs_store_relaxed(&s->xgrower, t);
	*at = (struct hs_grow_place){.span = s, .occupied = true};
}

/* A kept span goes back. */
static void give_back(struct hs_tcache *t, struct hs_grow_place *at)
{
	struct hs_span *s = at->span;

	t->grow.kept_bytes -= hs_span_bytes(s);
	*at = (struct hs_grow_place){0};
	hs_arena_free(s->arena, s, &t->waits);
}

/* A place whose span is kept and long enough, or that is empty; NULL when all are taken. */
static struct hs_grow_place *find_place(struct hs_tcache *t, size_t bytes)
{
	struct hs_grow_place *found = NULL;

	for (unsigned i = 0; i < HS_GROW_PLACES; i++) {
		struct hs_grow_place *at = &t->grow.places[i];

		if (mine(t, at) == NULL) {
			found = found != NULL ? found : at;
		} else if (!at->occupied) {
			if (hs_span_bytes(at->span) >= bytes)
				return at;
			give_back(t, at);
			found = at;
		}
	}
	return found;
}

/* In turn, one of those that are taken; it must have cost enough that all are. */
static struct hs_grow_place *vacate(struct hs_tcache *t, size_t bytes)
{
	struct hs_grow *g = &t->grow;
	struct hs_grow_place *at;

	g->refused_bytes += bytes;
	if (g->refused_bytes < PATIENCE_BYTES)
		return NULL;
	g->refused_bytes = 0;
	at = &g->places[g->turn++ % HS_GROW_PLACES];
	if (!hs_arena_trim(at->span->arena, at->span, t, true, &t->waits))
		return NULL;
	*at = (struct hs_grow_place){0};
	return at;
}

void *hs_grow_start(struct hs_tcache *t, size_t bytes)
{
	struct hs_grow_place *at = find_place(t, bytes);
	struct hs_span *s;

	if (at == NULL)
		at = vacate(t, bytes);
	if (at == NULL)
		return NULL;
	s = at->span;
	if (s != NULL)
		t->grow.kept_bytes -= hs_span_bytes(s);
	else
		s = hs_arena_alloc(t->arena, pages_with_room(bytes), HS_PAGE_BYTES, &t->waits);
	if (s == NULL)
		return NULL;
	occupy(t, at, s, bytes);
	return s->base;
}

void *hs_grow_resize(struct hs_tcache *t, struct hs_span *s, size_t bytes)
{
	struct hs_grow_place *at = place_of(t, s);

	if (bytes < s->slot_bytes / 2) {
		/* what remains of much: a small object goes into a slot, and the span is free for the next */
		if (bytes <= HS_SMALL_MAX)
			return NULL;
		*at = (struct hs_grow_place){0};
		return hs_arena_resize(s->arena, s, hs_pages_of(bytes), &t->waits) ? s->base : NULL;
	}
	if (bytes <= hs_span_bytes(s) || (bytes < HS_HUGE_BYTES && hs_arena_extend(s->arena, s, hs_pages_of(bytes),
										   pages_with_room(bytes), &t->waits))) {
		hs_grow_set(s, bytes);
		t->grow.refused_bytes = 0;
		return s->base;
	}
	*at = (struct hs_grow_place){0};
	/* nobody else has it: the object is in our hands */
	hs_store_relaxed(&s->xgrower, NULL);
	if (s->slot_bytes >= HS_MOVE_BYTES) {
		bool huge = bytes >= HS_HUGE_BYTES;

		if (hs_arena_move(s->arena, s, huge ? hs_pages_of(bytes) : pages_with_room(bytes), &t->waits)) {
			if (!huge)
				occupy(t, at, s, bytes);
			return s->base;
		}
	}
	return NULL;
}

void hs_grow_free(struct hs_tcache *t, struct hs_span *s)
{
	struct hs_grow_place *at = place_of(t, s);
	size_t bytes = hs_span_bytes(s);

	if (t->grow.kept_bytes + bytes > KEEP_BYTES) {
		*at = (struct hs_grow_place){0};
		hs_arena_free(s->arena, s, &t->waits);
		return;
	}
	hs_poke(&s->row->used, 0);
	hs_store_relaxed(&s->row->slot_bytes, bytes);
	hs_poke(&s->row->owner, t->id);
	/* without the lock: for who looks for free neighbours one is like the other */
	hs_store_relaxed(&s->state, HS_SPAN_KEPT);
	*at = (struct hs_grow_place){.span = s};
	t->grow.kept_bytes += bytes;
	t->grow.refused_bytes = 0;
}

static void tick_place(struct hs_tcache *t, struct hs_grow_place *at)
{
	struct hs_span *s = mine(t, at);
	size_t bytes;

	if (s == NULL)
		return;
	bytes = at->occupied ? hs_load_relaxed(&s->slot_bytes) : hs_span_bytes(s);
	if (bytes != at->seen_bytes)
		at->seen_bytes = bytes;
	else if (!at->occupied)
		give_back(t, at);
	else if (hs_arena_trim(s->arena, s, t, bytes > HS_SMALL_MAX, &t->waits))
		*at = (struct hs_grow_place){0};
}

void hs_grow_tick(struct hs_tcache *t)
{
	for (unsigned i = 0; i < HS_GROW_PLACES; i++)
		tick_place(t, &t->grow.places[i]);
}

void hs_grow_orphan(struct hs_tcache *t)
{
	for (unsigned i = 0; i < HS_GROW_PLACES; i++) {
		struct hs_grow_place *at = &t->grow.places[i];
		struct hs_span *s = mine(t, at);
		struct hs_tcache *old = t;

		if (s != NULL && at->occupied)
			(void)hs_cas_relaxed(&s->xgrower, &old, NULL);
		else if (s != NULL)
			give_back(t, at);
	}
	t->grow = (struct hs_grow){0};
}

void hs_grow_drain(struct hs_tcache *t)
{
	for (unsigned i = 0; i < HS_GROW_PLACES; i++) {
		struct hs_grow_place *at = &t->grow.places[i];

		if (mine(t, at) != NULL && at->occupied)
			hs_arena_trim(at->span->arena, at->span, t, true, &t->waits);
	}
	hs_grow_orphan(t);
}
