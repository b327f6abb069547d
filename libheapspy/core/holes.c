/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for a small span s whose owner is idle:
 *   bit k of xholes set  =>  every slot that touches kernel page k is free or beyond n_extended
 *   a slot below n_extended that touches a hole is in no list; `used` and `extended` count it as free
 *   length(free list) == n_extended - used - hs_holes_slots(s)
 *   row->hole_pages == popcount(xholes)
 *
 * What is free is read off the free list, not off the seals: a live object may hold any bytes, and giving its page
 * away on their account would destroy it.
 */
#include "core/holes.h"

#include "core/ownership.h"
#include "os/vm.h"

/* Of the smallest class with the largest kernel page; a span with more slots or pages is left alone. */
#define SLOTS_MAX 4096u
#define PAGES_MAX 64u
/* After so many frees into a span with holes, its owner is seen to need it. */
#define FREES_BEFORE_FILL 16u
/* Spans looked through for each 1/DUE_PARTS of decay_ms are all that are there; at least this many at a time. */
#define DUE_PARTS 4u
#define DUE_LEAST 4u

struct slot_set {
	uint64_t words[SLOTS_MAX / 64];
};

static void set_add(struct slot_set *set, uint32_t i)
{
	set->words[i / 64] |= (uint64_t)1 << i % 64;
}

static bool set_has(const struct slot_set *set, uint32_t i)
{
	return (set->words[i / 64] >> i % 64 & 1) != 0;
}

static unsigned page_shift(void)
{
	return hs_log2(hs_vm_page_bytes());
}

static unsigned pages_of(const struct hs_span *s)
{
	return (unsigned)(hs_span_bytes(s) >> page_shift());
}

static struct hs_slot *slot_of(const struct hs_span *s, uint32_t index)
{
	return (struct hs_slot *)(void *)(s->base + (size_t)index * s->slot_bytes);
}

/* Bits of the kernel pages that a slot touches. */
static uint64_t touched(const struct hs_span *s, uint32_t index)
{
	size_t from = (size_t)index * s->slot_bytes;
	unsigned shift = page_shift();
	uint64_t low = (uint64_t)1 << (from >> shift), high = (uint64_t)1 << ((from + s->slot_bytes - 1) >> shift);

	return high | (high - low);
}

/* Slots that touch page k: [*ret_first, *ret_end), within those that exist. */
static void slots_on(const struct hs_span *s, unsigned k, uint32_t *ret_first, uint32_t *ret_end)
{
	size_t from = (size_t)k << page_shift();
	size_t end = (from + hs_vm_page_bytes() + s->slot_bytes - 1) / s->slot_bytes;

	*ret_first = (uint32_t)hs_min(from / s->slot_bytes, s->n_slots);
	*ret_end = (uint32_t)hs_min(end, s->n_slots);
}

static void publish(struct hs_span *s, uint64_t holes)
{
	hs_store_relaxed(&s->xholes, holes);
	hs_poke(&s->row->hole_pages, (uint16_t)__builtin_popcountll(holes));
}

bool hs_holes_at_slot(const struct hs_span *s, uint32_t index)
{
	uint64_t holes = hs_load_relaxed(&s->xholes);

	return holes != 0 && (holes & touched(s, index)) != 0;
}

bool hs_holes_at(const struct hs_span *s, const void *p)
{
	if (hs_likely(hs_load_relaxed(&s->xholes) == 0))
		return false;
	return hs_holes_at_slot(s, (uint32_t)((size_t)((const char *)p - s->base) / s->slot_bytes));
}

uint32_t hs_holes_slots(const struct hs_span *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; s->xholes != 0 && i < s->n_extended; i++)
		n += hs_holes_at_slot(s, i);
	return n;
}

void hs_holes_forget(struct hs_span *s)
{
	s->combed = s->n_hole_frees = 0;
	if (s->xholes != 0)
		publish(s, 0);
}

/* ---- making holes ---- */

/* What is on the list, and what touches old holes.  False when the list is damaged; whoever pops it will say so. */
static bool find_free(const struct hs_span *s, struct slot_set *ret_free)
{
	*ret_free = (struct slot_set){0};
	for (const struct hs_slot *slot = s->free; slot != &hs_slot_end; slot = slot->next) {
		uint32_t offset = (uint32_t)((const char *)slot - s->base), i = offset / s->slot_bytes;

		if (!hs_span_is_slot(s, slot) || (size_t)((const char *)slot - s->base) >= hs_span_bytes(s) ||
		    i >= s->n_extended || slot->seal != s || set_has(ret_free, i))
			return false;
		set_add(ret_free, i);
	}
	for (uint32_t i = 0; s->xholes != 0 && i < s->n_extended; i++)
		if (hs_holes_at_slot(s, i))
			set_add(ret_free, i);
	return true;
}

/* Pages on which nothing lives and at least one slot was ever used. */
static uint64_t find_pages(const struct hs_span *s, const struct slot_set *free_slots)
{
	uint64_t found = 0;

	for (unsigned k = 0; k < pages_of(s); k++) {
		uint32_t i, end;

		slots_on(s, k, &i, &end);
		if (i >= s->n_extended)
			break;
		while (i < hs_min(end, s->n_extended) && set_has(free_slots, i))
			i++;
		if (i >= hs_min(end, s->n_extended))
			found |= (uint64_t)1 << k;
	}
	return found;
}

/* The free slots that touch no hole, lowest address first: that is where the span fills up again. */
static struct hs_slot *thread_list(struct hs_span *s, const struct slot_set *free_slots, uint64_t holes)
{
	struct hs_slot *list = &hs_slot_end;

	for (uint32_t i = s->n_extended; i-- > 0;) {
		if (!set_has(free_slots, i) || (touched(s, i) & holes) != 0)
			continue;
		slot_of(s, i)->next = list;
		list = slot_of(s, i);
	}
	return list;
}

static bool purge_pages(struct hs_span *s, uint64_t pages)
{
	unsigned shift = page_shift();
	bool done = true;

	while (pages != 0) {
		unsigned first = (unsigned)__builtin_ctzll(pages), n;

		for (n = 1; first + n < PAGES_MAX && (pages >> (first + n) & 1) != 0; n++)
			;
		done = hs_vm_purge(s->base + ((size_t)first << shift), (size_t)n << shift) && done;
		pages &= n == PAGES_MAX ? 0 : ~((((uint64_t)1 << n) - 1) << first);
	}
	return done;
}

size_t hs_holes_purge(struct hs_span *s)
{
	struct slot_set free_slots;
	uint64_t holes, more;
	struct hs_slot *list;

	if (s->n_slots > SLOTS_MAX || pages_of(s) > PAGES_MAX || !find_free(s, &free_slots))
		return 0;
	holes = find_pages(s, &free_slots);
	more = holes & ~s->xholes;
	if (more == 0)
		return 0;
	list = thread_list(s, &free_slots, holes | s->xholes);
	hs_compiler_fence(); /* a fork here finds the slots by their seals, on the list or not */
	s->free = list;
	hs_compiler_fence();
	publish(s, holes | s->xholes);
	hs_compiler_fence(); /* and the seals go only when the holes tell of them */
	if (!purge_pages(s, more)) {
		hs_holes_fill_all(s); /* locked memory: nothing has come of it */
		return 0;
	}
	return (size_t)__builtin_popcountll(more) << page_shift();
}

/* ---- and filling them ---- */

bool hs_holes_fill(struct hs_span *s)
{
	uint64_t holes = s->xholes, clear, rest;
	uint32_t first, end, unused;
	struct hs_slot *list = s->free;

	if (holes == 0)
		return false;
	slots_on(s, (unsigned)__builtin_ctzll(holes), &first, &unused);
	/* whole slots: all holes that the first one touches */
	clear = holes & ((holes & -holes) | touched(s, first));
	rest = holes & ~clear;
	slots_on(s, hs_log2(clear), &unused, &end);
	for (uint32_t i = hs_min(end, s->n_extended); i-- > first;) {
		struct hs_slot *slot = slot_of(s, i);

		if ((touched(s, i) & clear) == 0 || (touched(s, i) & rest) != 0)
			continue;
		slot->seal = s;
		slot->next = list;
		list = slot;
	}
	hs_compiler_fence(); /* a fork between two stores: in a hole, or sealed */
	publish(s, rest);
	hs_compiler_fence();
	s->free = list;
	if (rest == 0)
		s->n_hole_frees = 0;
	return true;
}

void hs_holes_fill_all(struct hs_span *s)
{
	while (hs_holes_fill(s))
		;
}

void hs_holes_count_free(struct hs_span *s)
{
	if (++s->n_hole_frees >= FREES_BEFORE_FILL)
		hs_holes_fill_all(s);
}

/* ---- now and then ---- */

static size_t comb_bin(struct hs_bin *bin, struct hs_tcache *t, uint64_t before_ns, uint32_t n)
{
	size_t bytes = 0;

	for (; n > 0; n--) {
		struct hs_span *s = hs_bin_take_idle(bin, (uintptr_t)t, before_ns, &t->waits);

		if (s == NULL)
			break;
		if (hs_unlikely(s->recount))
			hs_tcache_make_anew(s);
		hs_own_collect(s);
		/* empty: retired; and pages of huge pages that are wanted whole stay */
		if (hs_own_used(s) != 0 && s->arena->thp != 1)
			bytes += hs_holes_purge(s);
		s->combed = 1;
		hs_own_let_go(t, s);
	}
	return bytes;
}

/* How many of a bin's spans are due: within a quarter of decay_ms, as many as wait there. */
static uint32_t due(const struct hs_bin *bin, uint64_t passed_ns, uint64_t part_ns)
{
	uint32_t n = hs_load_relaxed(&bin->xn_nonfull) - hs_load_relaxed(&bin->xn_combed);

	if (passed_ns >= part_ns)
		return n + DUE_LEAST;
	return (uint32_t)(n * passed_ns / part_ns) + DUE_LEAST;
}

size_t hs_holes_comb(struct hs_arena *arena, struct hs_tcache *t, uint64_t now_ns, bool all)
{
	uint64_t part_ns = (uint64_t)hs_max(arena->decay.decay_ms, 0) * 1000000 / DUE_PARTS;
	uint64_t passed_ns = now_ns - hs_load_relaxed(&arena->xcombed_ns);
	uint64_t before_ns = now_ns > part_ns ? now_ns - part_ns : 0;
	size_t bytes = 0;

	if (arena->decay.decay_ms < 0 && !all)
		return 0;
	hs_store_relaxed(&arena->xcombed_ns, now_ns);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		struct hs_bin *bin = &arena->bins[c];

		if (hs_load_relaxed(&bin->xn_nonfull) == 0)
			continue;
		if (all)
			bytes += comb_bin(bin, t, UINT64_MAX, hs_load_relaxed(&bin->xn_nonfull));
		else
			bytes += comb_bin(bin, t, before_ns, due(bin, passed_ns, part_ns));
	}
	if (bytes != 0) {
		hs_lock_lock_noting(&arena->lock, &t->waits);
		arena->row->n_purges++;
		arena->row->purged_bytes += bytes;
		hs_lock_unlock(&arena->lock);
	}
	return bytes;
}
