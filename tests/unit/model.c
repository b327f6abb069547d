/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/holes.h"

#define SPARSE ((size_t)64 << 10) /* from here on, contents are marks */
#define STRIDE ((size_t)4096)

struct tally {
	int64_t objects, bytes;
};

/* ---- heaps ---- */

struct hs_heap *model_heap(uint32_t n_arenas, int64_t decay_ms)
{
	struct hs_heap_conf conf = {.n_arenas = n_arenas, .decay_ms = decay_ms, .thp = 0};
	struct hs_heap *heap = calloc(1, sizeof(*heap));

	must(heap != NULL && hs_heap_init(heap, &conf));
	return heap;
}

void model_heap_drop(struct hs_heap *heap)
{
	hs_rows_done(&heap->rows);
	free(heap);
}

void model_init(struct model *m, struct hs_heap *heap, size_t cap, uint64_t seed)
{
	*m = (struct model){.heap = heap, .cap = cap, .next_seed = seed << 32};
	m->blocks = calloc(cap, sizeof(*m->blocks));
	must(m->blocks != NULL);
	hs_prng_init(&m->prng, seed);
}

void model_done(struct model *m)
{
	free(m->blocks);
	m->blocks = NULL;
}

size_t model_random(struct model *m, size_t below)
{
	uint64_t high = hs_prng_next(&m->prng);

	return (size_t)((high << 32 | hs_prng_next(&m->prng)) % below);
}

size_t model_random_size(struct model *m, bool huge)
{
	size_t what = model_random(m, 1000);

	if (what < 500)
		return model_random(m, 256);
	if (what < 900)
		return model_random(m, 4096);
	if (what < 970)
		return model_random(m, HS_SMALL_MAX + 1);
	if (what < 999 || !huge)
		return model_random(m, (size_t)1 << 20);
	return HS_HUGE_BYTES - 4096 + model_random(m, (size_t)4 << 20);
}

/* ---- contents ---- */

static unsigned char byte_at(uint64_t seed, size_t i)
{
	return (unsigned char)((seed + i) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static size_t next_index(size_t i, size_t bytes)
{
	if (bytes < SPARSE || i + 1 < STRIDE || i + 1 + STRIDE >= bytes)
		return i + 1;
	return hs_min(i + STRIDE - 1, bytes - STRIDE);
}

void model_fill(unsigned char *p, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes; i = next_index(i, bytes))
		p[i] = byte_at(seed, i);
}

void model_verify(const unsigned char *p, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes; i = next_index(i, bytes))
		must(p[i] == byte_at(seed, i));
}

/* What a resize must have kept: only indices that were written at both sizes. */
static void verify_kept(const unsigned char *p, size_t old_bytes, size_t new_bytes, uint64_t seed)
{
	for (size_t i = 0; i < old_bytes && i < new_bytes; i = next_index(i, old_bytes))
		must(p[i] == byte_at(seed, i));
}

void model_verify_zero(const unsigned char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i = next_index(i, bytes))
		must(p[i] == 0);
}

/* ---- operations ---- */

static struct hs_span *span_of(const void *p)
{
	struct hs_span *s = hs_pagemap_get(p);

	must(s != NULL);
	return s;
}

void model_free_block(struct hs_tcache *t, void *p)
{
	hs_heap_free(t, span_of(p), p);
}

bool model_alloc(struct model *m, struct hs_tcache *t, size_t bytes, size_t align, bool zero)
{
	struct model_block *b = &m->blocks[m->n];
	unsigned char *p = hs_heap_alloc(t, bytes, align, zero);

	must(m->n < m->cap);
	if (p == NULL)
		return false;
	must((uintptr_t)p % align == 0);
	must(hs_heap_usable(span_of(p), p) >= hs_max(bytes, 1));
	if (zero)
		model_verify_zero(p, bytes);
	*b = (struct model_block){p, bytes, m->next_seed++};
	model_fill(p, bytes, b->seed);
	m->n++;
	return true;
}

void model_free(struct model *m, struct hs_tcache *t, size_t index)
{
	struct model_block *b = &m->blocks[index];

	model_verify(b->p, b->bytes, b->seed);
	model_free_block(t, b->p);
	*b = m->blocks[--m->n];
}

/* As realloc() does. */
static unsigned char *resize_in_place(struct hs_tcache *t, unsigned char *p, size_t bytes)
{
	struct hs_span *s = span_of(p);

	if (s->state != HS_SPAN_SMALL && hs_grow_fits(t, s, p, bytes)) {
		hs_grow_set(s, bytes);
		return p;
	}
	return hs_heap_resize(t, s, p, bytes);
}

bool model_resize(struct model *m, struct hs_tcache *t, size_t index, size_t bytes)
{
	struct model_block *b = &m->blocks[index];
	unsigned char *p = resize_in_place(t, b->p, bytes);

	if (p == NULL) {
		model_verify(b->p, b->bytes, b->seed);
		if (bytes > b->bytes && hs_grow_wanted(&t->grow, b->p, bytes))
			p = hs_grow_start(t, bytes);
		if (p == NULL)
			p = hs_heap_alloc(t, bytes, HS_SLOT_ALIGN, false);
		if (p == NULL)
			return false;
		memcpy(p, b->p, hs_min(bytes, b->bytes));
		model_free_block(t, b->p);
		hs_grow_note(&t->grow, p);
	}
	must(hs_heap_usable(span_of(p), p) >= bytes);
	verify_kept(p, b->bytes, bytes, b->seed);
	*b = (struct model_block){p, bytes, m->next_seed++};
	model_fill(p, bytes, b->seed);
	return true;
}

void model_free_all(struct model *m, struct hs_tcache *t)
{
	while (m->n > 0)
		model_free(m, t, m->n - 1);
}

/* ---- checks ---- */

static int by_address(const void *a, const void *b)
{
	const struct model_block *x = a, *y = b;

	return (x->p > y->p) - (x->p < y->p);
}

void model_check_contents(struct model *m)
{
	qsort(m->blocks, m->n, sizeof(*m->blocks), by_address);
	for (size_t i = 0; i < m->n; i++) {
		const struct model_block *b = &m->blocks[i];
		size_t usable = hs_heap_usable(span_of(b->p), b->p);

		must(usable >= b->bytes && usable > 0);
		must(i + 1 == m->n || b->p + usable <= b[1].p);
		model_verify(b->p, b->bytes, b->seed);
	}
}

static struct tally *tally_at(struct tally *table, uint32_t arena, uint32_t klass)
{
	return &table[arena * (HS_N_CLASSES + 1) + hs_min(klass, HS_N_CLASSES)];
}

static void tally_rows(struct hs_heap *heap, struct tally *got)
{
	uint64_t n_spans = heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count;

	for (uint64_t i = 0; i < n_spans; i++) {
		const struct heapspy_span *row = &heap->rows.spans[i];
		uint32_t used = row->used & ~HEAPSPY_USED_BIAS;

		if (row->state == HEAPSPY_SPAN_FREE)
			continue;
		must(row->xpending <= used && used <= row->extended && row->extended <= row->n_slots);
		must(row->arena < heap->xn_arenas);
		tally_at(got, row->arena, row->klass)->objects += used - row->xpending;
		tally_at(got, row->arena, row->klass)->bytes += (int64_t)((used - row->xpending) * row->slot_bytes);
	}
	for (uint32_t i = 0; i < heap->n_rows; i++) {
		for (unsigned k = 0; k < HEAPSPY_RING; k++) {
			const struct heapspy_ring *ring = &heap->rows.threads[i].ring[k];
			const struct heapspy_span *row = &heap->rows.spans[ring->span];

			if (ring->n == 0)
				continue;
			must(ring->span < n_spans);
			tally_at(got, row->arena, row->klass)->objects -= ring->n;
			tally_at(got, row->arena, row->klass)->bytes -= (int64_t)(ring->n * row->slot_bytes);
		}
	}
}

static void check_arena_bytes(struct hs_heap *heap, uint32_t arena)
{
	const struct heapspy_arena *row = &heap->rows.arenas[arena];
	uint64_t n_spans = heap->rows.header->tables[HEAPSPY_T_SPANS - 1].count;
	uint64_t spans = 0, huge = 0;

	for (uint64_t i = 0; i < n_spans; i++) {
		const struct heapspy_span *s = &heap->rows.spans[i];

		if (s->state == HEAPSPY_SPAN_FREE || s->arena != arena)
			continue;
		if (s->state == HEAPSPY_SPAN_HUGE)
			huge += s->bytes;
		else
			spans += s->bytes;
	}
	must(row->spans_bytes == spans);
	must(row->huge_bytes == huge);
	must(row->mapped_bytes == row->spans_bytes + row->dirty_bytes + row->retained_bytes);
}

/* Neither free (seal: the span, or in a hole) nor freed by another thread and on its way (another upper half). */
static bool unsealed(const struct hs_span *s, uint32_t index)
{
	const struct hs_slot *slot = (const struct hs_slot *)(const void *)(s->base + (size_t)index * s->slot_bytes);

	return slot->seal != s && slot->seal != hs_span_remote_seal(s) && !hs_holes_at_slot(s, index);
}

/* Slots of small spans that are not sealed: the truth without a counter. */
static size_t count_unsealed(struct hs_heap *heap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		for (struct hs_span_chunk *c = heap->arenas[i]->chunks; c != NULL; c = c->next) {
			for (unsigned k = 0; k < HS_SPAN_CHUNK; k++) {
				struct hs_span *s = &c->spans[k];

				for (uint32_t j = 0; s->state == HS_SPAN_SMALL && j < s->n_extended; j++)
					n += unsealed(s, j);
			}
		}
	}
	return n;
}

void model_check_exact(struct model *m)
{
	struct hs_heap *heap = m->heap;
	size_t cells = (size_t)heap->xn_arenas * (HS_N_CLASSES + 1), small = 0;
	struct tally *want = calloc(cells + 1, sizeof(*want)), *got = calloc(cells + 1, sizeof(*got));
	struct heapspy_history totals;
	uint64_t bytes = 0;

	must(want != NULL && got != NULL);
	for (size_t i = 0; i < m->n; i++) {
		struct hs_span *s = span_of(m->blocks[i].p);
		struct tally *cell = tally_at(want, s->arena->id, s->state == HS_SPAN_SMALL ? s->klass : HS_N_CLASSES);

		cell->objects++;
		cell->bytes += (int64_t)hs_heap_usable(s, m->blocks[i].p);
		bytes += hs_heap_usable(s, m->blocks[i].p);
		small += s->state == HS_SPAN_SMALL;
	}
	tally_rows(heap, got);
	for (size_t i = 0; i < cells; i++)
		must(want[i].objects == got[i].objects && want[i].bytes == got[i].bytes);
	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		check_arena_bytes(heap, i);
	hs_heap_totals(heap, &totals);
	must(totals.live_objects == m->n);
	must(totals.live_bytes == bytes);
	must(count_unsealed(heap) == small);
	free(want);
	free(got);
}

size_t model_small_spans(struct hs_heap *heap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < heap->xn_arenas; i++)
		for (struct hs_span_chunk *c = heap->arenas[i]->chunks; c != NULL; c = c->next)
			for (unsigned k = 0; k < HS_SPAN_CHUNK; k++)
				n += c->spans[k].state == HS_SPAN_SMALL;
	return n;
}

void model_settle(struct hs_heap *heap)
{
	struct hs_tcache *t = hs_heap_attach(heap, 1);

	must(t != NULL);
	hs_heap_comb(heap, t, UINT64_MAX / 2, true);
	hs_heap_detach(heap, t);
}

void model_check_empty(struct hs_heap *heap)
{
	struct heapspy_history totals;

	model_settle(heap);
	must(model_small_spans(heap) == 0);
	for (uint32_t i = 0; i < heap->xn_arenas; i++) {
		struct hs_arena *a = heap->arenas[i];

		must(a->span_pages == 0);
		must(a->mapped_pages == a->dirty.n_pages + a->clean.n_pages);
		must(a->row->huge_bytes == 0);
		for (unsigned c = 0; c < HS_N_CLASSES; c++)
			must(a->bins[c].xn_nonfull == 0);
	}
	hs_heap_totals(heap, &totals);
	must(totals.live_objects == 0 && totals.live_bytes == 0);
	must(totals.thread_cache_bytes == 0 && totals.span_free_bytes == 0);
}

void model_check_heap(struct hs_heap *heap)
{
	hs_heap_check(heap, NULL);
	for (struct hs_list *l = heap->tcaches.next; l != &heap->tcaches; l = l->next)
		hs_tcache_check(hs_container_of(l, struct hs_tcache, link));
}

int model_in_child(void (*body)(void *), void *arg)
{
	struct rlimit no_core = {0, 0};
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(60);
		body(arg);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	return status;
}

/* ---- corruption ---- */

static unsigned n_reports;
static enum hs_corruption last_report;
static void (*original)(enum hs_corruption, const void *, const struct hs_span *);

static void count_report(enum hs_corruption what, const void *p, const struct hs_span *span)
{
	n_reports++;
	last_report = what;
}

void model_corruption_begin(void)
{
	n_reports = 0;
	original = hs_on_corruption;
	hs_on_corruption = count_report;
}

unsigned model_corruption_end(enum hs_corruption *ret_last)
{
	hs_on_corruption = original;
	if (ret_last != NULL)
		*ret_last = last_report;
	return n_reports;
}
