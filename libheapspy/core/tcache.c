/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for a tcache t of an idle thread:
 *   every s in partial[c] and parked[c]: (s->xowner & ~SAMPLED) == t, s->klass == c, s is not active
 *   active[c] == &hs_span_none  or  owned as above, and BIAS is added to its row's `used`
 *   owned span: length(s->free) == s->n_extended - (row->used & ~BIAS)
 *   n_partial[c] == length(partial[c]);  n_parked[c] == length(parked[c]);  emptied_bytes == sum over partial spans with emptied != 0
 *   ring[i].n == row->ring[i].n == length of the chain
 *
 * Letting a span go and publishing remote frees race like this (all four accesses are seq_cst, tag span-owner):
 *
 *	owner: xowner = FULL or BIN;  look at xfree       other: push on xfree;  look at xowner
 *
 * One of the two sees what the other did, and then takes the span by compare-and-swap or under the bin's lock,
 * so no freed slot is forgotten.
 */
#include "core/tcache.h"

#include "base/rawio.h"
#include "os/vm.h"

static struct heapspy_span none_row;
struct hs_span hs_span_none = {.row = &none_row};
static struct heapspy_thread none_thread_row;
struct hs_tcache hs_tcache_none = {
	.active = {[0 ... HS_N_CLASSES - 1] = &hs_span_none},
	.row = &none_thread_row,
};

static void abort_on_corruption(enum hs_corruption what, const void *p, const struct hs_span *span)
{
	static const char *const text[] = {"double free of", "free of a pointer that is no block:",
					   "corrupted free list at"};

	hs_fatal("%s %p", text[what], p);
}

void (*hs_on_corruption)(enum hs_corruption, const void *, const struct hs_span *) = abort_on_corruption;

void hs_tcache_init(struct hs_tcache *t, struct hs_arena *arena, struct heapspy_thread *row,
		    struct heapspy_thread_class *class_rows, uint32_t id)
{
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		t->active[c] = &hs_span_none;
		hs_list_init(&t->partial[c]);
		hs_list_init(&t->parked[c]);
		t->n_partial[c] = t->n_parked[c] = 0;
	}
	for (unsigned i = 0; i < HEAPSPY_RING; i++)
		t->ring[i] = (struct hs_ring){0};
	t->arena = arena;
	t->row = row;
	t->class_rows = class_rows;
	t->id = id;
	t->emptied_bytes = 0;
	t->waits = (struct hs_waited){0};
}

/* ---- owned spans ---- */

static bool owns(const struct hs_tcache *t, const struct hs_span *s)
{
	return (hs_load_relaxed(&s->xowner) & ~HS_OWNER_SAMPLED) == (uintptr_t)t;
}

static uintptr_t owner_word(const struct hs_tcache *t, const struct hs_span *s)
{
	return (uintptr_t)t | (hs_load_relaxed(&s->xn_samples) != 0 ? HS_OWNER_SAMPLED : 0);
}

static uint32_t used_of(const struct hs_span *s)
{
	return hs_peek(&s->row->used) & ~HEAPSPY_USED_BIAS;
}

static void keep(struct hs_tcache *t, struct hs_span *s)
{
	hs_list_push_front(&t->partial[s->klass], &s->link);
	t->n_partial[s->klass]++;
}

/* Out of whichever list it is in. */
static void unkeep(struct hs_tcache *t, struct hs_span *s)
{
	hs_list_remove(&s->link);
	if (s->parked) {
		t->n_parked[s->klass]--;
		s->parked = 0;
		return;
	}
	t->n_partial[s->klass]--;
	if (s->emptied != 0) {
		t->emptied_bytes -= hs_span_bytes(s);
		s->emptied = 0;
	}
}

/*
 * Slots that are not on the owner's list, live or on their way: the truth, whatever the counter in the segment says.
 * In order of addresses, which the caches like better than the list's order (measured: 61 against 147 ns a
 * free of 400,000 objects in random order).
 */
static uint32_t count_out(const struct hs_span *s)
{
	uint32_t out = 0;

	for (uint32_t i = 0; i < s->n_extended; i++)
		out += ((const struct hs_slot *)(const void *)(s->base + (size_t)i * s->slot_bytes))->seal != s;
	return out;
}

/* `used` says that the span is empty.  If that is not so, a raw clone's child has written to our statistics. */
static bool verified_empty(struct hs_span *s)
{
	uint32_t out = count_out(s);

	if (hs_unlikely(out != 0))
		hs_poke(&s->row->used, out);
	return out == 0;
}

/* After a fork: list and counter of a span whose owner was perhaps in the middle of something. */
void hs_tcache_make_anew(struct hs_span *s)
{
	uint32_t live = 0;

	s->free = NULL;
	s->xfree = NULL;
	for (uint32_t i = s->n_extended; i-- > 0;) {
		struct hs_slot *slot = (struct hs_slot *)(void *)(s->base + (size_t)i * s->slot_bytes);

		if (slot->seal != s && slot->seal != hs_span_remote_seal(s)) {
			live++;
			continue;
		}
		slot->seal = s;
		slot->next = s->free;
		s->free = slot;
	}
	hs_poke(&s->row->used, live | (hs_peek(&s->row->used) & HEAPSPY_USED_BIAS));
	hs_poke(&s->row->xpending, 0);
	/* [mo:recount release] who waits in hs_tcache_free_slow() may seal slots again */
	hs_store_release(&s->recount, 0);
}

/* Takes in what others freed.  True if the list is not empty afterwards. */
static bool collect(struct hs_span *s)
{
	struct hs_slot *slot;
	uint32_t n = 0;

	if (hs_load_relaxed(&s->xfree) == NULL)
		return s->free != NULL;
	/* [mo:remote-free acquire] the links of the chain */
	slot = hs_xchg_acquire(&s->xfree, NULL);
	while (slot != NULL) {
		struct hs_slot *next = slot->next;

		if (hs_unlikely(!hs_span_is_slot(s, slot) || slot->seal != hs_span_remote_seal(s) || n >= s->n_slots)) {
			hs_on_corruption(HS_BAD_LIST, slot, s);
			break;
		}
		slot->seal = s;
		slot->next = s->free;
		hs_compiler_fence();
		s->free = slot;
		slot = next;
		n++;
	}
	hs_bump(&s->row->used, -n);
	hs_sub_relaxed(&s->row->xpending, n);
	return s->free != NULL;
}

/* Puts a kernel page's worth of never used slots on the list: memory is touched only when it is needed. */
static bool extend(struct hs_span *s)
{
	uint32_t n = (uint32_t)(hs_vm_page_bytes() / s->slot_bytes);
	char *first = s->base + (size_t)s->n_extended * s->slot_bytes;
	struct hs_slot *list = s->free;

	if (n == 0)
		n = 1;
	if (n > s->n_slots - s->n_extended)
		n = s->n_slots - s->n_extended;
	if (n == 0)
		return false;
	for (uint32_t i = n; i-- > 0;) {
		struct hs_slot *slot = (struct hs_slot *)(void *)(first + (size_t)i * s->slot_bytes);

		slot->next = list;
		slot->seal = s;
		list = slot;
	}
	s->n_extended += n;
	hs_poke(&s->row->extended, s->n_extended);
	s->free = list;
	return true;
}

static void retire(struct hs_tcache *t, struct hs_span *s)
{
	struct hs_bin *bin = &s->arena->bins[s->klass];

	hs_add_relaxed(&bin->row->n_retired, 1);
	hs_arena_free(s->arena, s, &t->waits);
}

/* ---- letting go ---- */

/* The caller has just become owner of a span that was let go. */
static void adopt(struct hs_tcache *t, struct hs_span *s)
{
	if (hs_unlikely(s->recount))
		hs_tcache_make_anew(s);
	hs_poke(&s->row->owner, t->id);
	s->emptied = 0;
	keep(t, s);
}

static bool claim_full(struct hs_tcache *t, struct hs_span *s)
{
	uintptr_t full = HS_OWNER_FULL;

	/* [mo:span-owner seq_cst] */
	if (!hs_cas_seq_cst(&s->xowner, &full, owner_word(t, s)))
		return false;
	adopt(t, s);
	return true;
}

/* Not trusted, only a hint whether a look is worth it: everything in that span has been freed. */
static bool looks_empty(const struct hs_span *s)
{
	return hs_load_relaxed(&s->row->xpending) >= hs_load_relaxed(&s->row->used);
}

static bool claim_bin(struct hs_tcache *t, struct hs_span *s)
{
	if (!hs_bin_claim(&s->arena->bins[s->klass], s, (uintptr_t)t, &t->waits))
		return false;
	adopt(t, s);
	return true;
}

/* After claiming: takes in remote frees, and handles the case that they were the last. */
static void settle(struct hs_tcache *t, struct hs_span *s)
{
	collect(s);
	if (used_of(s) == 0)
		hs_tcache_emptied(t, s);
}

static void let_go_full(struct hs_tcache *t, struct hs_span *s)
{
	hs_poke(&s->row->owner, 0);
	/* [mo:span-owner seq_cst] see the head of this file */
	hs_store_seq_cst(&s->xowner, HS_OWNER_FULL);
	if (hs_load_seq_cst(&s->xfree) != NULL && claim_full(t, s)) /* [mo:span-owner seq_cst] */
		settle(t, s);
}

static void let_go_bin(struct hs_tcache *t, struct hs_span *s)
{
	hs_poke(&s->row->owner, 0);
	hs_bin_return(&s->arena->bins[s->klass], s, &t->waits);
	/* [mo:span-owner seq_cst] */
	if (hs_load_seq_cst(&s->xfree) != NULL && looks_empty(s) && claim_bin(t, s))
		settle(t, s);
}

/* An owned span that is in no list, with whatever is left in it. */
static void let_go(struct hs_tcache *t, struct hs_span *s)
{
	collect(s);
	if (used_of(s) == 0 && verified_empty(s))
		retire(t, s);
	else if (s->free == NULL && s->n_extended == s->n_slots)
		let_go_full(t, s);
	else
		let_go_bin(t, s);
}

static void make_active(struct hs_tcache *t, struct hs_span *s)
{
	t->active[s->klass] = s;
	hs_bump(&s->row->used, HEAPSPY_USED_BIAS);
	hs_poke(&s->row->owner, t->id);
	t->class_rows[s->klass].n_refills++;
}

static struct hs_span *make_inactive(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = t->active[klass];

	t->active[klass] = &hs_span_none;
	hs_bump(&s->row->used, -HEAPSPY_USED_BIAS);
	return s;
}

/* ---- malloc ---- */

/*
 * A partly used span of another arena is better than a new one: where one thread fills the heap and others
 * replace its objects, the first arena's spans would empty while the others grow (measured on such a server with
 * 192 MiB: 17 % of its slots free after 2 s, 4 % with this).
 */
static struct hs_span *from_sibling(struct hs_tcache *t, unsigned klass)
{
	uint32_t n = t->arena->siblings != NULL ? hs_load_acquire(t->arena->xn_siblings) : 0; /* [mo:arena-made acquire] */

	for (uint32_t i = 1; i < n; i++) {
		struct hs_arena *a = t->arena->siblings[(t->arena->id + i) % n];
		struct hs_span *s = hs_bin_checkout(&a->bins[klass], (uintptr_t)t, &t->waits);

		if (s != NULL)
			return s;
	}
	return NULL;
}

static void park(struct hs_tcache *t, struct hs_span *s)
{
	hs_list_push_back(&t->parked[s->klass], &s->link);
	t->n_parked[s->klass]++;
	s->parked = 1;
}

/* The oldest parked span that has slots again; those beyond the limit are let go. */
static struct hs_span *unpark(struct hs_tcache *t, unsigned klass)
{
	struct hs_list *parked = &t->parked[klass];

	for (struct hs_list *l = parked->next; l != parked; l = l->next) {
		struct hs_span *s = hs_container_of(l, struct hs_span, link);

		if (s->free != NULL || hs_load_relaxed(&s->xfree) != NULL) {
			unkeep(t, s);
			return s;
		}
	}
	while ((t->n_parked[klass] * (size_t)hs_sizeclasses[klass].span_pages) << HS_PAGE_SHIFT > HS_PARKED_BYTES) {
		struct hs_span *s = hs_container_of(parked->next, struct hs_span, link);

		unkeep(t, s);
		let_go(t, s);
	}
	return NULL;
}

static struct hs_span *next_span(struct hs_tcache *t, unsigned klass)
{
	struct hs_list *kept = &t->partial[klass];
	struct hs_span *s = unpark(t, klass);

	if (s != NULL)
		return s;
	if (!hs_list_empty(kept)) {
		s = hs_container_of(kept->next, struct hs_span, link);
		unkeep(t, s);
		return s;
	}
	s = hs_bin_checkout(&t->arena->bins[klass], (uintptr_t)t, &t->waits);
	if (s == NULL)
		s = from_sibling(t, klass);
	if (s == NULL)
		s = hs_arena_alloc_small(t->arena, klass, (uintptr_t)t, &t->waits);
	else if (s->recount)
		hs_tcache_make_anew(s);
	return s;
}

void *hs_tcache_refill(struct hs_tcache *t, unsigned klass)
{
	for (;;) {
		struct hs_span *s = t->active[klass];
		void *p;

		if (s != &hs_span_none) {
			if (collect(s) || extend(s)) {
				p = hs_tcache_pop(t, klass);
				if (p != NULL)
					return p;
				continue; /* damaged and told so: the list is empty now */
			}
			park(t, make_inactive(t, klass));
		}
		s = next_span(t, klass);
		if (s == NULL)
			return NULL;
		make_active(t, s);
	}
}

HS_COLD void hs_tcache_bad_list(struct hs_tcache *t, struct hs_span *s, void *p)
{
	/* a signal handler came between our look at the list and at the slot, and took it: nothing is damaged */
	if (s->free != p)
		return;
	hs_on_corruption(HS_BAD_LIST, p, s);
	/* warn mode: what is still on the list is given up; those slots count as used for ever */
	s->free = NULL;
	hs_poke(&s->row->used, s->n_extended | HEAPSPY_USED_BIAS);
}

/* ---- free ---- */

void hs_tcache_emptied(struct hs_tcache *t, struct hs_span *s)
{
	if (s->emptied != 0 || s == t->active[s->klass] || !verified_empty(s))
		return;
	if (t->emptied_bytes + hs_span_bytes(s) <= HS_EMPTY_KEEP_BYTES) {
		unkeep(t, s);
		hs_list_push_back(&t->partial[s->klass], &s->link);
		t->n_partial[s->klass]++;
		s->emptied = 1;
		t->emptied_bytes += hs_span_bytes(s);
		return;
	}
	unkeep(t, s);
	retire(t, s);
}

static void push_own(struct hs_tcache *t, struct hs_span *s, struct hs_slot *slot)
{
	slot->seal = s;
	slot->next = s->free;
	hs_compiler_fence();
	s->free = slot;
	hs_bump(&s->row->used, -1u);
	if (hs_load_relaxed(&s->xn_samples) == 0)
		hs_store_relaxed(&s->xowner, (uintptr_t)t);
	if (used_of(s) == 0)
		hs_tcache_emptied(t, s);
}

static void limit_partial(struct hs_tcache *t, unsigned klass)
{
	while (t->n_partial[klass] > HS_PARTIAL_MAX) {
		struct hs_span *s = hs_container_of(t->partial[klass].prev, struct hs_span, link);

		unkeep(t, s);
		let_go(t, s);
	}
}

static void flush_one(struct hs_tcache *t, unsigned index)
{
	struct hs_ring *r = &t->ring[index];
	struct hs_span *s = r->span;
	void *old = hs_load_relaxed(&s->xfree);
	uintptr_t owner;

	/* before the chain can be collected: the owner's subtraction must come second */
	hs_add_relaxed(&s->row->xpending, r->n);
	do
		r->tail->next = old;
	/* [mo:remote-free seq_cst] publishes the chain; [mo:span-owner seq_cst] before the look at xowner */
	while (!hs_cas_seq_cst(&s->xfree, &old, r->head));
	r->n = 0;
	r->span = NULL;
	hs_poke(&t->row->ring[index].n, 0);
	owner = hs_load_seq_cst(&s->xowner); /* [mo:span-owner seq_cst] */
	if (owner == HS_OWNER_FULL && claim_full(t, s))
		settle(t, s);
	else if (owner == HS_OWNER_BIN && looks_empty(s) && claim_bin(t, s))
		settle(t, s);
}

static void gather(struct hs_tcache *t, struct hs_span *s, struct hs_slot *slot)
{
	unsigned index = (unsigned)(((uintptr_t)s / sizeof(*s)) * UINT64_C(0x9e3779b97f4a7c15) >> 60) % HEAPSPY_RING;
	struct hs_ring *r = &t->ring[index];
	size_t slot_bytes = s->slot_bytes;

	if (r->n != 0 && r->span != s)
		flush_one(t, index);
	slot->seal = hs_span_remote_seal(s);
	slot->next = r->n != 0 ? r->head : NULL;
	r->head = slot;
	if (r->n == 0) {
		r->span = s;
		r->tail = slot;
		hs_poke(&t->row->ring[index].span, s->id);
	}
	r->n++;
	hs_poke(&t->row->ring[index].n, r->n);
	t->row->n_remote_freed++;
	t->class_rows[s->klass].n_remote_freed++;
	if (r->n >= HS_RING_SLOTS_MAX || r->n * slot_bytes >= HS_RING_BYTES_MAX)
		flush_one(t, index);
}

void hs_tcache_free_slow(struct hs_tcache *t, struct hs_span *s, void *p)
{
	struct hs_slot *slot = p;

	if (hs_unlikely(!hs_span_is_slot(s, p))) {
		hs_on_corruption(HS_BAD_POINTER, p, s);
		return;
	}
	if (hs_unlikely(slot->seal == s || slot->seal == hs_span_remote_seal(s))) {
		hs_on_corruption(HS_DOUBLE_FREE, p, s);
		return;
	}
	if (owns(t, s)) {
		push_own(t, s, slot);
		return;
	}
	do {
		if (hs_load_relaxed(&s->xowner) == HS_OWNER_FULL && claim_full(t, s)) {
			collect(s);
			push_own(t, s, slot);
			limit_partial(t, s->klass);
			return;
		}
		/* [mo:recount acquire] after a fork, the new owner reads the seals: ours must not be among them */
	} while (hs_unlikely(hs_load_acquire(&s->recount) != 0));
	gather(t, s, slot);
}

/* ---- now and then ---- */

void hs_tcache_flush(struct hs_tcache *t)
{
	for (unsigned i = 0; i < HEAPSPY_RING; i++)
		if (t->ring[i].n != 0)
			flush_one(t, i);
}

static void tick_class(struct hs_tcache *t, unsigned klass)
{
	struct hs_list *kept = &t->partial[klass];
	struct hs_span *s = t->active[klass];

	while (!hs_list_empty(kept)) {
		struct hs_span *last = hs_container_of(kept->prev, struct hs_span, link);

		if (last->emptied < 2) {
			last->emptied += last->emptied != 0;
			break;
		}
		unkeep(t, last);
		let_go(t, last);
	}
	for (unsigned n = t->n_partial[klass] / 8u + 1; n > 0 && t->n_partial[klass] > HS_PARTIAL_KEEP; n--) {
		struct hs_span *oldest = hs_container_of(kept->prev, struct hs_span, link);

		unkeep(t, oldest);
		let_go(t, oldest);
	}
	if (s == &hs_span_none)
		return;
	/* an active span that is empty at two ticks in a row is one that nobody needs */
	s->emptied = used_of(s) == 0 ? s->emptied + 1 : 0;
	if (s->emptied >= 2) {
		make_inactive(t, klass);
		s->emptied = 0;
		let_go(t, s);
	}
}

void hs_tcache_tick(struct hs_tcache *t)
{
	hs_tcache_flush(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		tick_class(t, c);
}

static void drain_list(struct hs_tcache *t, struct hs_list *list)
{
	while (!hs_list_empty(list)) {
		struct hs_span *s = hs_container_of(list->next, struct hs_span, link);

		unkeep(t, s);
		let_go(t, s);
	}
}

void hs_tcache_drain(struct hs_tcache *t)
{
	hs_tcache_flush(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		if (t->active[c] != &hs_span_none) {
			struct hs_span *s = make_inactive(t, c);

			s->emptied = 0;
			let_go(t, s);
		}
		/* letting go may claim a span anew, so the lists are looked at until they stay empty */
		drain_list(t, &t->parked[c]);
		drain_list(t, &t->partial[c]);
	}
}

void hs_tcache_mark_sampled(struct hs_tcache *t, struct hs_span *s)
{
	hs_add_relaxed(&s->xn_samples, 1);
	hs_poke(&s->row->n_samples, s->xn_samples);
	if (s->state == HS_SPAN_SMALL && owns(t, s))
		hs_store_relaxed(&s->xowner, (uintptr_t)t | HS_OWNER_SAMPLED);
}

static void check_span(struct hs_tcache *t, struct hs_span *s, unsigned klass)
{
	uint32_t n_free = 0;

	hs_verify(owns(t, s));
	hs_verify(s->klass == klass);
	for (struct hs_slot *slot = s->free; slot != NULL; slot = slot->next) {
		hs_verify(hs_span_is_slot(s, slot) && slot->seal == s);
		n_free++;
	}
	hs_verify(n_free == s->n_extended - used_of(s));
}

void hs_tcache_check(struct hs_tcache *t)
{
	size_t emptied = 0;

	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		unsigned n = 0;

		if (t->active[c] != &hs_span_none) {
			check_span(t, t->active[c], c);
			hs_verify((hs_peek(&t->active[c]->row->used) & HEAPSPY_USED_BIAS) != 0);
		}
		for (struct hs_list *l = t->partial[c].next; l != &t->partial[c]; l = l->next, n++) {
			struct hs_span *s = hs_container_of(l, struct hs_span, link);

			check_span(t, s, c);
			hs_verify(s != t->active[c] && !s->parked);
			emptied += s->emptied != 0 ? hs_span_bytes(s) : 0;
		}
		hs_verify(n == t->n_partial[c]);
		n = 0;
		for (struct hs_list *l = t->parked[c].next; l != &t->parked[c]; l = l->next, n++) {
			struct hs_span *s = hs_container_of(l, struct hs_span, link);

			check_span(t, s, c);
			hs_verify(s != t->active[c] && s->parked && s->emptied == 0);
		}
		hs_verify(n == t->n_parked[c]);
	}
	hs_verify(emptied == t->emptied_bytes);
	for (unsigned i = 0; i < HEAPSPY_RING; i++) {
		uint32_t n = 0;

		for (struct hs_slot *slot = t->ring[i].n != 0 ? t->ring[i].head : NULL; slot != NULL; slot = slot->next)
			n++;
		hs_verify(n == t->ring[i].n && n == t->row->ring[i].n);
	}
}
