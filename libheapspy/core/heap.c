/* SPDX-License-Identifier: MIT */
/*
 * Invariants:
 *   every tcache is either in `tcaches` or in `spare`, and its row's state says which
 *   arenas[i] != NULL  for i < xn_arenas
 */
#include "core/heap.h"

#include <string.h>

#include "core/holes.h"
#include "core/pagemap.h"
#include "os/sys.h"
#include "os/vm.h"

/* Row 0 of LOCKS upwards, before those of the arenas. */
enum { ROW_META, ROW_THREADS };

bool hs_heap_init(struct hs_heap *heap, const struct hs_heap_conf *conf)
{
	struct hs_rows *rows = &heap->rows;

	hs_sizeclass_init(hs_vm_page_bytes());
	hs_front_init();
	if (!hs_rows_init(rows, HS_N_CLASSES) || !hs_rows_need(rows, HEAPSPY_T_LOCKS, 15) ||
	    !hs_rows_need(rows, HEAPSPY_T_CLASSES, HS_N_CLASSES - 1) ||
	    !hs_rows_need(rows, HEAPSPY_T_THREADS, 0))
		return false;
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		rows->classes[c].size_bytes = hs_sizeclasses[c].slot_bytes;
		rows->classes[c].span_bytes = hs_sizeclasses[c].span_pages << HS_PAGE_SHIFT;
		rows->classes[c].n_slots = hs_sizeclasses[c].n_slots;
	}
	rows->locks[ROW_META] = (struct heapspy_lock){
		.kind = HEAPSPY_LOCK_META, .arena = HEAPSPY_NONE16, .klass = HEAPSPY_NONE16};
	rows->locks[ROW_THREADS] = (struct heapspy_lock){
		.kind = HEAPSPY_LOCK_THREADS, .arena = HEAPSPY_NONE16, .klass = HEAPSPY_NONE16};
	rows->header->page_bytes = HS_PAGE_BYTES;
	rows->header->kernel_page_bytes = (uint32_t)hs_vm_page_bytes();
	hs_meta_init(&heap->meta, &rows->locks[ROW_META], &rows->totals->metadata_bytes);
	hs_lock_init(&heap->threads_lock, HS_RANK_THREADS, &rows->locks[ROW_THREADS]);
	hs_list_init(&heap->tcaches);
	hs_list_init(&heap->spare);
	heap->n_rows = 1; /* row 0 is the sum of the dead */
	heap->xn_threads = heap->xn_arenas = 0;
	heap->conf = *conf;
	rows->header->n_arenas = conf->n_arenas;
	rows->header->decay_ms = conf->decay_ms;
	return true;
}

void hs_heap_configure(struct hs_heap *heap, const struct hs_heap_conf *conf)
{
	hs_lock_lock(&heap->threads_lock);
	heap->conf = *conf;
	heap->rows.header->n_arenas = conf->n_arenas;
	heap->rows.header->decay_ms = conf->decay_ms;
	heap->rows.header->thp = (uint32_t)conf->thp;
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		hs_lock_lock(&heap->arenas[i]->lock);
		heap->arenas[i]->decay.decay_ms = conf->decay_ms;
		heap->arenas[i]->thp = conf->thp;
		hs_lock_unlock(&heap->arenas[i]->lock);
	}
	hs_lock_unlock(&heap->threads_lock);
}

/* ---- arenas ---- */

static struct hs_arena *make_arena_locked(struct hs_heap *heap)
{
	uint32_t id = heap->xn_arenas;
	struct hs_arena *a = hs_arena_create(id, &heap->rows, &heap->meta, heap->conf.decay_ms, heap->conf.thp);

	if (a == NULL)
		return NULL;
	hs_lock_init(&a->cache_lock, HS_RANK_CACHE, NULL);
	a->siblings = heap->arenas;
	a->xn_siblings = &heap->xn_arenas;
	heap->arenas[id] = a;
	/* [mo:arena-made release] the arena is complete before it is counted */
	hs_store_release(&heap->xn_arenas, id + 1);
	return a;
}

/* The arena with the fewest threads; a new one as long as all have some and there may be more. */
static struct hs_arena *choose_arena_locked(struct hs_heap *heap)
{
	struct hs_arena *best = NULL, *fresh = NULL;

	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		if (best == NULL || heap->arenas[i]->xn_threads < best->xn_threads)
			best = heap->arenas[i];
	if ((best == NULL || best->xn_threads > 0) && heap->xn_arenas < heap->conf.n_arenas)
		fresh = make_arena_locked(heap);
	return fresh != NULL ? fresh : best;
}

struct hs_arena *hs_heap_default_arena(struct hs_heap *heap)
{
	/* [mo:arena-made acquire] pairs with make_arena_locked() */
	if (hs_load_acquire(&heap->xn_arenas) == 0) {
		hs_lock_lock(&heap->threads_lock);
		if (heap->xn_arenas == 0)
			make_arena_locked(heap);
		hs_lock_unlock(&heap->threads_lock);
	}
	return heap->arenas[0];
}

/* ---- tcaches ---- */

/* Rows are used again, so that they are as many as there were threads at one time. */
static struct hs_tcache *take_tcache_locked(struct hs_heap *heap)
{
	struct hs_tcache *t;
	uint32_t id = heap->n_rows;

	if (!hs_list_empty(&heap->spare)) {
		t = hs_container_of(heap->spare.next, struct hs_tcache, link);
		hs_list_remove(&t->link);
		return t;
	}
	t = hs_meta_alloc(&heap->meta, sizeof(*t), HS_CACHE_LINE);
	if (t == NULL)
		return NULL;
	if (hs_rows_need(&heap->rows, HEAPSPY_T_THREADS, id) &&
	    hs_rows_need(&heap->rows, HEAPSPY_T_THREAD_CLASSES, (uint64_t)(id + 1) * HS_N_CLASSES - 1)) {
		heap->n_rows++;
		t->row = &heap->rows.threads[id];
		t->class_rows = &heap->rows.thread_classes[(size_t)id * HS_N_CLASSES];
		t->id = id;
	} else {
		/* more threads than rows: counters of its own that nobody sees */
		hs_add_relaxed(&heap->rows.header->lost_threads, 1);
		t->row = hs_meta_alloc(&heap->meta, sizeof(*t->row), HS_CACHE_LINE);
		t->class_rows = hs_meta_alloc(&heap->meta, HS_N_CLASSES * sizeof(*t->class_rows), HS_CACHE_LINE);
		t->id = 0;
	}
	return t->row != NULL && t->class_rows != NULL ? t : NULL;
}

static void describe_thread(struct hs_tcache *t, uint32_t tid)
{
	struct heapspy_thread *row = t->row;

	memset(row, 0, sizeof(*row));
	memset(t->class_rows, 0, HS_N_CLASSES * sizeof(*t->class_rows));
	row->tid = tid;
	row->arena = t->arena->id;
	row->start_ns = row->active_ns = hs_now_ns();
	hs_store_relaxed(&row->state, HEAPSPY_THREAD_LIVE);
}

struct hs_tcache *hs_heap_attach(struct hs_heap *heap, uint32_t tid)
{
	struct hs_tcache *t = NULL;
	struct hs_arena *arena;

	hs_lock_lock(&heap->threads_lock);
	arena = choose_arena_locked(heap);
	if (arena != NULL)
		t = take_tcache_locked(heap);
	if (t != NULL) {
		if (t->left)
			hs_tcache_reuse(t, arena);
		else
			hs_tcache_init(t, arena, t->row, t->class_rows, t->id);
		t->tid = tid;
		arena->xn_threads++;
		arena->row->n_threads = arena->xn_threads;
		hs_list_push_back(&heap->tcaches, &t->link);
		hs_add_relaxed(&heap->xn_threads, 1);
		describe_thread(t, tid);
	}
	hs_lock_unlock(&heap->threads_lock);
	return t;
}

/* The counters of the dead are kept in row 0. */
static void bury_locked(struct hs_heap *heap, struct hs_tcache *t)
{
	struct heapspy_thread *dead = &heap->rows.threads[0], *row = t->row;

	dead->allocated_bytes += row->allocated_bytes;
	dead->large_allocated_bytes += row->large_allocated_bytes;
	dead->n_slow += row->n_slow;
	dead->n_remote_freed += row->n_remote_freed;
	dead->n_samples += row->n_samples;
	dead->lock_wait_ns += row->lock_wait_ns;
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		heap->rows.thread_classes[c].n_refills += t->class_rows[c].n_refills;
		heap->rows.thread_classes[c].n_remote_freed += t->class_rows[c].n_remote_freed;
	}
	/* what was added must not be counted twice */
	row->allocated_bytes = row->large_allocated_bytes = row->n_remote_freed = row->lock_wait_ns = 0;
	row->n_slow = row->n_samples = 0;
	hs_store_relaxed(&row->state, HEAPSPY_THREAD_FREE);
	t->arena->xn_threads--;
	t->arena->row->n_threads = t->arena->xn_threads;
	hs_list_remove(&t->link);
	hs_list_push_front(&heap->spare, &t->link);
	hs_sub_relaxed(&heap->xn_threads, 1);
}

void hs_heap_detach(struct hs_heap *heap, struct hs_tcache *t)
{
	if (t == NULL)
		return;
	hs_tcache_leave(t);
	hs_lock_lock(&heap->threads_lock);
	bury_locked(heap, t);
	hs_lock_unlock(&heap->threads_lock);
}

/* A shared cache looks like a thread's; its row has tid 0, and it counts for no arena. */
static void make_shared_cache(struct hs_heap *heap, struct hs_arena *arena)
{
	struct hs_tcache *t;
	struct heapspy_lock *row = NULL;

	hs_lock_lock(&heap->threads_lock);
	t = arena->cache == NULL ? take_tcache_locked(heap) : NULL;
	if (t != NULL) {
		hs_tcache_init(t, arena, t->row, t->class_rows, t->id);
		hs_list_init(&t->link);
		describe_thread(t, 0);
		memcpy(t->row->name, "(shared)", 9);
		if (arena->id < 14) {
			row = &heap->rows.locks[2 + arena->id];
			*row = (struct heapspy_lock){.kind = HEAPSPY_LOCK_CACHE,
						     .arena = (uint16_t)arena->id,
						     .klass = HEAPSPY_NONE16};
			arena->cache_lock.row = row;
		} else {
			hs_add_relaxed(&heap->rows.header->lost_locks, 1);
		}
		/* [mo:shared-cache release] complete before it is seen */
		hs_store_release(&arena->cache, t);
	}
	hs_lock_unlock(&heap->threads_lock);
}

struct hs_tcache *hs_heap_borrow(struct hs_heap *heap, struct hs_arena *arena)
{
	struct hs_tcache *t = hs_load_acquire(&arena->cache); /* [mo:shared-cache acquire] */
	uint64_t waited;

	if (t == NULL) {
		make_shared_cache(heap, arena);
		t = hs_load_acquire(&arena->cache); /* [mo:shared-cache acquire] */
		if (t == NULL)
			return NULL;
	}
	waited = hs_lock_lock(&arena->cache_lock);
	if (waited != 0) {
		t->waits.ns += waited;
		if (waited > t->waits.longest_ns) {
			t->waits.longest_ns = waited;
			t->waits.longest = arena->cache_lock.row;
		}
	}
	return t;
}

void hs_heap_unborrow(struct hs_arena *arena)
{
	hs_lock_unlock(&arena->cache_lock);
}

/* ---- blocks ---- */

static void *alloc_large(struct hs_tcache *t, size_t bytes, size_t align, bool zero)
{
	struct hs_span *s;
	size_t n_pages = hs_pages_of(hs_max(bytes, 1));

	if (n_pages == 0 || bytes > PTRDIFF_MAX || align > PTRDIFF_MAX)
		return NULL;
	align = hs_max(align, HS_PAGE_BYTES);
	if (bytes >= HS_HUGE_BYTES || align >= HS_HUGE_BYTES)
		s = hs_arena_alloc_huge(t->arena, hs_max(bytes, 1), align, &t->waits);
	else
		s = hs_arena_alloc(t->arena, n_pages, align, &t->waits);
	if (s == NULL)
		return NULL;
	t->row->large_allocated_bytes += bytes;
	if (zero && !s->zeroed)
		memset(s->base, 0, bytes);
	return s->base;
}

void *hs_heap_alloc(struct hs_tcache *t, size_t bytes, size_t align, bool zero)
{
	unsigned klass = bytes <= HS_SMALL_MAX ? hs_sizeclass_of(bytes) : HS_N_CLASSES;
	size_t dirty = bytes;
	void *p;

	if (align > HS_SLOT_ALIGN)
		klass = hs_sizeclass_of_aligned(bytes, align);
	if (klass == HS_N_CLASSES)
		return alloc_large(t, bytes, align, zero);
	p = hs_tcache_pop(t, klass);
	if (p == NULL) {
		p = hs_tcache_refill(t, klass);
		/* never used, and its pages not even touched if it is longer than one */
		if (p == t->virgin)
			dirty = hs_min(bytes, sizeof(struct hs_slot));
	}
	if (p != NULL && zero)
		memset(p, 0, dirty);
	return p;
}

void hs_heap_free(struct hs_tcache *t, struct hs_span *s, void *p)
{
	switch (s->state) {
	case HS_SPAN_SMALL:
		if (!hs_tcache_push(t, s, p))
			hs_tcache_free_slow(t, s, p);
		break;
	case HS_SPAN_LARGE:
	case HS_SPAN_HUGE:
		if (p != s->base)
			hs_on_corruption(HS_BAD_POINTER, p, s);
		else if (hs_load_relaxed(&s->xgrower) == t)
			hs_grow_free(t, s);
		else
			hs_arena_free(s->arena, s, &t->waits);
		break;
	default: /* a free range: its block was freed before */
		hs_on_corruption(p == s->base ? HS_DOUBLE_FREE : HS_BAD_POINTER, p, s);
		break;
	}
}

size_t hs_heap_usable(const struct hs_span *s, const void *p)
{
	switch (s->state) {
	case HS_SPAN_SMALL:
		return hs_span_is_slot(s, p) ? s->slot_bytes : 0;
	case HS_SPAN_LARGE:
	case HS_SPAN_HUGE:
		return p == s->base ? hs_span_usable(s) : 0;
	default:
		return 0;
	}
}

static void *resize_large(struct hs_tcache *t, struct hs_span *s, size_t bytes)
{
	size_t n_pages = hs_pages_of(bytes);

	if (hs_load_relaxed(&s->xgrower) == t)
		return hs_grow_resize(t, s, bytes);
	if (bytes <= HS_SMALL_MAX || n_pages == 0)
		return NULL;
	if (bytes < HS_HUGE_BYTES && hs_arena_resize(s->arena, s, n_pages, &t->waits))
		return s->base;
	/* nobody can change its length now but us */
	if (n_pages <= s->n_pages || hs_span_bytes(s) < HS_MOVE_BYTES)
		return NULL;
	return hs_arena_move(s->arena, s, n_pages, &t->waits) ? s->base : NULL;
}

void *hs_heap_resize(struct hs_tcache *t, struct hs_span *s, void *p, size_t bytes)
{
	switch (s->state) {
	case HS_SPAN_SMALL:
		/* stays while the slot is at least half used: a shrink that saves little is not worth a copy */
		return bytes <= s->slot_bytes && bytes > s->slot_bytes / 2 ? p : NULL;
	case HS_SPAN_LARGE:
		return resize_large(t, s, bytes);
	case HS_SPAN_HUGE:
		if (bytes < HS_HUGE_BYTES / 2 || !hs_arena_resize_huge(s->arena, s, bytes, true, &t->waits))
			return NULL;
		return s->base;
	default:
		return NULL;
	}
}

size_t hs_heap_decay(struct hs_heap *heap, uint64_t now_ns, bool all, struct hs_waited *waits)
{
	uint32_t n = hs_load_acquire(&heap->xn_arenas); /* [mo:arena-made acquire] */
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += hs_arena_decay(heap->arenas[i], now_ns, all, waits);
	return bytes;
}

size_t hs_heap_comb(struct hs_heap *heap, struct hs_tcache *t, uint64_t now_ns, bool all)
{
	uint32_t n = hs_load_acquire(&heap->xn_arenas); /* [mo:arena-made acquire] */
	size_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct hs_arena *a = heap->arenas[i];
		struct hs_tcache *mine = t;

		if (mine == NULL && (mine = hs_heap_borrow(heap, a)) == NULL)
			continue;
		bytes += hs_holes_comb(a, mine, now_ns, all);
		if (t == NULL) {
			hs_tcache_drain(mine); /* nobody else would look after what it has come to own */
			hs_heap_unborrow(a);
		}
	}
	return bytes;
}

void hs_heap_squeeze(struct hs_heap *heap, struct hs_waited *waits)
{
	uint32_t n = hs_load_acquire(&heap->xn_arenas); /* [mo:arena-made acquire] */

	hs_heap_decay(heap, 0, true, waits);
	for (uint32_t i = 0; i < n; i++)
		hs_arena_unmap_clean(heap->arenas[i], waits);
}

void hs_heap_check(struct hs_heap *heap, struct hs_tcache *t)
{
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		hs_arena_check(heap->arenas[i]);
	if (t != NULL)
		hs_tcache_check(t);
}
