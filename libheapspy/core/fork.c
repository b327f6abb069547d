/* SPDX-License-Identifier: MIT */
/*
 * fork: every lock in rank order, so that the child finds all structures whole that a lock protects.  What
 * threads own without a lock may be half done; their spans are let go as FULL with `recount`, and whoever
 * frees into one first makes its list and counter anew.
 */
#include "core/heap.h"

#include "os/sys.h"

typedef void (*lock_visitor)(struct hs_lock *lock);

static void take(struct hs_lock *lock)
{
	hs_lock_lock(lock);
}

static void visit_arenas(struct hs_heap *heap, lock_visitor visit)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		visit(&heap->arenas[i]->cache_lock);
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		for (unsigned c = 0; c < HS_N_CLASSES; c++)
			visit(&heap->arenas[i]->bins[c].lock);
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		visit(&heap->arenas[i]->lock);
}

static void visit_meta(struct hs_heap *heap, lock_visitor visit)
{
	visit(&heap->meta.lock);
	visit(&heap->rows.lock);
}

void hs_heap_fork_prepare_meta(struct hs_heap *heap)
{
	visit_meta(heap, take);
}

void hs_heap_fork_prepare(struct hs_heap *heap)
{
	visit_arenas(heap, take);
}

static void let_go(struct hs_lock *lock)
{
	hs_lock_unlock(lock);
}

void hs_heap_fork_parent(struct hs_heap *heap)
{
	visit_meta(heap, let_go);
	visit_arenas(heap, let_go);
}

static bool is_shared_cache(struct hs_heap *heap, uintptr_t owner)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		if (owner == (uintptr_t)heap->arenas[i]->cache)
			return true;
	return false;
}

static void orphan_spans(struct hs_heap *heap, struct hs_tcache *mine, bool prepared)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		for (struct hs_span_chunk *chunk = heap->arenas[i]->chunks; chunk != NULL; chunk = chunk->next) {
			for (unsigned k = 0; k < HS_SPAN_CHUNK; k++) {
				struct hs_span *s = &chunk->spans[k];
				uintptr_t owner = s->xowner & ~HS_OWNER_MARKS;

				if (s->state != HS_SPAN_SMALL || owner <= HS_OWNER_FLAGS || owner == (uintptr_t)mine)
					continue;
				if (prepared && is_shared_cache(heap, owner))
					continue; /* its lock was ours: nothing is half done */
				s->recount = 1;
				s->parked = 0;
				s->row->owner = 0;
				s->row->used &= ~HEAPSPY_USED_BIAS;
				hs_list_init(&s->link);
				s->xowner = HS_OWNER_FULL;
			}
		}
	}
}

/* Slots in a dead thread's rings are sealed; in spans that are not orphans too they become free again. */
static void reclaim_rings(struct hs_tcache *dead)
{
	for (unsigned k = 0; k < HEAPSPY_RING; k++) {
		struct hs_span *s = dead->ring[k].span;

		dead->row->ring[k].n = 0;
		if (s == NULL || s->state != HS_SPAN_SMALL || s->recount != 0 || s->xowner == HS_OWNER_NONE)
			continue;
		hs_tcache_make_anew(s);
		if (s->xowner == HS_OWNER_FULL)
			hs_bin_return(&s->arena->bins[s->klass], s, &dead->waits);
	}
}

/* Nobody held their locks: a thread that does not exist here may have been in the middle of something. */
static void empty_shared_caches(struct hs_heap *heap)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		struct hs_tcache *t = heap->arenas[i]->cache;

		if (t == NULL)
			continue;
		reclaim_rings(t);
		hs_tcache_init(t, t->arena, t->row, t->class_rows, t->id);
	}
}

/* ---- a child without prepare: what stands behind a lock that somebody held may be half done ---- */

static void each_span(struct hs_arena *a, void (*visit)(struct hs_arena *a, struct hs_span *s))
{
	for (struct hs_span_chunk *chunk = a->chunks; chunk != NULL; chunk = chunk->next)
		for (unsigned k = 0; k < HS_SPAN_CHUNK; k++)
			visit(a, &chunk->spans[k]);
}

static void forget_range(struct hs_arena *a, struct hs_span *s)
{
	if (s->state == HS_SPAN_SMALL || s->state == HS_SPAN_LARGE || s->state == HS_SPAN_KEPT)
		a->span_pages += s->n_pages;
	else if (s->state != HS_SPAN_HUGE)
		s->state = HS_SPAN_UNUSED;
}

/* The page heap begins anew beside what is in use; free ranges and spare descriptors are given up. */
static void mend_arena(struct hs_arena *a)
{
	a->dirty = a->clean = (struct hs_rangeset){0};
	hs_list_init(&a->dirty_age);
	hs_list_init(&a->purging);
	hs_list_init(&a->spare);
	a->purging_pages = a->span_pages = 0;
	a->xpurging = 0;
	each_span(a, forget_range);
	a->mapped_pages = a->span_pages;
}

static void relist(struct hs_arena *a, struct hs_span *s)
{
	struct hs_bin *bin = &a->bins[s->klass];

	if (s->state != HS_SPAN_SMALL || s->xowner != HS_OWNER_BIN || bin->lock.xstate == 0)
		return;
	hs_list_push_back(&bin->nonfull, &s->link);
	bin->xn_nonfull++;
	s->combed = 0;
}

static void mend_bins(struct hs_arena *a)
{
	bool torn = false;

	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		if (a->bins[c].lock.xstate == 0)
			continue;
		torn = true;
		hs_list_init(&a->bins[c].nonfull);
		hs_list_init(&a->bins[c].combed);
		a->bins[c].xn_nonfull = a->bins[c].xn_combed = 0;
	}
	if (torn)
		each_span(a, relist);
}

static void mend_torn(struct hs_heap *heap)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		struct hs_arena *a = heap->arenas[i];

		mend_bins(a);
		if (a->lock.xstate != 0)
			mend_arena(a);
	}
	if (heap->meta.lock.xstate != 0)
		heap->meta.next = heap->meta.end = NULL;
}

void hs_heap_fork_child(struct hs_heap *heap, struct hs_tcache *mine, bool prepared)
{
	struct hs_list *next;

	if (!prepared)
		mend_torn(heap);
	visit_meta(heap, prepared ? let_go : hs_lock_init_child);
	visit_arenas(heap, prepared ? let_go : hs_lock_init_child);
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		hs_arena_init_child(heap->arenas[i]);
	if (!prepared || heap->xn_threads > (mine != NULL ? 1u : 0u)) {
		/* what we gathered must be on xfree before a span is made anew from its seals */
		if (mine != NULL)
			hs_tcache_flush(mine);
		for (uint32_t i = 0; prepared && i < heap->xn_arenas; i++)
			if (heap->arenas[i]->cache != NULL)
				hs_tcache_flush(heap->arenas[i]->cache);
		orphan_spans(heap, mine, prepared);
		if (!prepared)
			empty_shared_caches(heap);
	}
	for (struct hs_list *l = heap->tcaches.next; l != &heap->tcaches; l = next) {
		struct hs_tcache *t = hs_container_of(l, struct hs_tcache, link);

		next = l->next;
		if (t == mine)
			continue;
		hs_grow_orphan(t);
		reclaim_rings(t);
		t->row->state = HEAPSPY_THREAD_FREE;
		t->arena->xn_threads--;
		t->arena->row->n_threads = t->arena->xn_threads;
		hs_sub_relaxed(&heap->xn_threads, 1);
		heap->rows.threads[0].allocated_bytes += t->row->allocated_bytes;
		heap->rows.threads[0].lock_wait_ns += t->row->lock_wait_ns;
		t->row->allocated_bytes = t->row->lock_wait_ns = 0;
		hs_list_remove(l);
		hs_list_push_front(&heap->spare, l);
	}
	if (mine != NULL) {
		/* the baseline goes to the dead, so that the thread's row tells what it did since the fork */
		heap->rows.threads[0].allocated_bytes += mine->row->allocated_bytes;
		mine->row->allocated_bytes = 0;
		mine->row->tid = mine->tid = hs_gettid();
		mine->xseized = 0; /* the helper does not exist here */
	}
}
