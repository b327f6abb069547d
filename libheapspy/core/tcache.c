/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for a tcache t of an idle thread:
 *   every s in partial[c] and parked[c]: (s->xowner & ~MARKS) == t, s->klass == c, s is not active
 *   active[c] == &hs_span_none  or  owned as above, and BIAS is added to its row's `used`
 *   owned span: length(s->free) == s->n_extended - (row->used & ~BIAS) - slots in holes
 *   n_partial[c] == length(partial[c]);  n_parked[c] == length(parked[c])
 *   emptied_bytes == sum over partial spans with emptied != 0
 *   ring[i].n == row->ring[i].n == length of the chain
 */
#include "core/tcache.h"

#include <string.h>

#include "base/rawio.h"
#include "core/holes.h"
#include "core/ownership.h"

/* A class without a refill for so many HS_AGE_NS does not keep its active span either. */
#define QUIET_AGES 4u
/* Word of so many spans wanted in a class; a thread with no more than SPARE_MOST partly used ones keeps them. */
#define WANTED_MOST 64u
#define SPARE_MOST 16u
/* Partly used spans that are looked at for each one that comes. */
#define LOOKS 4u

static struct heapspy_span none_row;
struct hs_slot hs_slot_end;
struct hs_span hs_span_none = {.row = &none_row, .free = &hs_slot_end};

static void abort_on_corruption(enum hs_corruption what, const void *p, const struct hs_span *span)
{
	static const char *const text[] = {"double free of", "free of a pointer that is no block:",
					   "corrupted free list at"};

	hs_fatal("%s %p", text[what], p);
}

void (*hs_on_corruption)(enum hs_corruption, const void *, const struct hs_span *) = abort_on_corruption;

static void begin(struct hs_tcache *t, struct hs_arena *arena)
{
	t->arena = arena;
	t->direct = NULL;
	t->grow = (struct hs_grow){0};
	t->waits = (struct hs_waited){0};
	t->xseized = t->tid = 0;
	t->thread = NULL;
	memset(&t->idle, 0, sizeof(t->idle));
	t->left = false;
}

void hs_tcache_init(struct hs_tcache *t, struct hs_arena *arena, struct heapspy_thread *row,
		    struct heapspy_thread_class *class_rows, uint32_t id)
{
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		t->active[c] = &hs_span_none;
		hs_list_init(&t->partial[c]);
		hs_list_init(&t->parked[c]);
		t->n_partial[c] = t->n_parked[c] = 0;
		t->n_quiet[c] = 0;
	}
	for (unsigned i = 0; i < HEAPSPY_RING; i++)
		t->ring[i] = (struct hs_ring){0};
	t->row = row;
	t->class_rows = class_rows;
	t->id = id;
	t->emptied_bytes = 0;
	begin(t, arena);
}

void hs_tcache_reuse(struct hs_tcache *t, struct hs_arena *arena)
{
	begin(t, arena);
}

static void set_active(struct hs_tcache *t, unsigned klass, struct hs_span *s)
{
	const struct hs_sizeclass *class = &hs_sizeclasses[klass];

	t->active[klass] = s;
	if (t->direct == NULL || class->slot_bytes > HS_DIRECT_MAX)
		return;
	for (unsigned i = class->slot_bytes / HS_SLOT_ALIGN, n = class->n_entries; n > 0; n--)
		t->direct[i--] = s;
}

void hs_tcache_set_direct(struct hs_tcache *t, struct hs_span **direct)
{
	t->direct = direct;
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		set_active(t, c, t->active[c]);
}

static void make_active(struct hs_tcache *t, struct hs_span *s)
{
	set_active(t, s->klass, s);
	hs_bump(&s->row->used, HEAPSPY_USED_BIAS);
	hs_poke(&s->row->owner, t->id);
	t->class_rows[s->klass].n_refills++;
}

static struct hs_span *make_inactive(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = t->active[klass];

	set_active(t, klass, &hs_span_none);
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

		if (hs_span_has_free(s) || hs_load_relaxed(&s->xfree) != NULL) {
			hs_own_unkeep(t, s);
			return s;
		}
	}
	while ((t->n_parked[klass] * (size_t)hs_sizeclasses[klass].span_pages) << HS_PAGE_SHIFT > HS_PARKED_BYTES) {
		struct hs_span *s = hs_container_of(parked->next, struct hs_span, link);

		hs_own_unkeep(t, s);
		hs_own_let_go(t, s);
	}
	return NULL;
}

/* Of the partly used spans the one kept longest; an empty one, which stand last, only if there is no other. */
static struct hs_span *kept_longest(struct hs_tcache *t, unsigned klass)
{
	struct hs_list *kept = &t->partial[klass], *l = kept->prev;

	if (hs_list_empty(kept))
		return NULL;
	while (l != kept && hs_container_of(l, struct hs_span, link)->emptied != 0)
		l = l->prev;
	return hs_container_of(l != kept ? l : kept->prev, struct hs_span, link);
}

/*
 * Threads that keep partly used spans do not see that others make new ones for want of them.  So who finds none of his
 * own leaves word, and who has some to spare gives the one kept longest for it.  Measured on a server of 192 MiB, filled
 * by one thread, four others replacing objects: after 2 s 71 MiB of free slots without it and 13 MiB with it, after 12 s
 * 29 and 9.  Word left by those who make new spans only is not enough: what is given has less room than they have.
 * Where nobody allocates, nothing is given.
 */
static struct hs_bin *first_bin(struct hs_tcache *t, unsigned klass)
{
	struct hs_arena *a = t->arena->siblings != NULL ? t->arena->siblings[0] : t->arena;

	return &a->bins[klass];
}

static void want(struct hs_tcache *t, unsigned klass)
{
	struct hs_bin *bin = first_bin(t, klass);

	hs_store_relaxed(&bin->xwanter, t->id);
	if (hs_load_relaxed(&bin->xn_wanted) < WANTED_MOST)
		hs_add_relaxed(&bin->xn_wanted, 1);
}

static void give_wanted(struct hs_tcache *t, unsigned klass)
{
	struct hs_bin *bin = first_bin(t, klass);
	uint32_t n = hs_load_relaxed(&bin->xn_wanted);
	struct hs_span *s;

	if (hs_likely(n == 0) || t->n_partial[klass] <= SPARE_MOST || hs_load_relaxed(&bin->xwanter) == t->id ||
	    !hs_cas_relaxed(&bin->xn_wanted, &n, n - 1))
		return;
	s = kept_longest(t, klass);
	hs_own_unkeep(t, s);
	hs_own_let_go(t, s);
}

/* An owned span that has slots, or perhaps chains of them, and is not active; out of its list. */
static struct hs_span *own_span(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = unpark(t, klass);

	if (s != NULL)
		return s;
	give_wanted(t, klass);
	/* most slots came back meanwhile to the one kept longest */
	s = kept_longest(t, klass);
	if (s != NULL)
		hs_own_unkeep(t, s);
	return s;
}

static struct hs_span *other_span(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = hs_bin_checkout(&t->arena->bins[klass], (uintptr_t)t, &t->waits);

	want(t, klass);
	if (s == NULL)
		s = from_sibling(t, klass);
	if (s == NULL)
		return hs_arena_alloc_small(t->arena, klass, (uintptr_t)t, &t->waits);
	if (s->recount)
		hs_tcache_make_anew(s);
	return s;
}

/* The list does not begin with a sealed slot. */
HS_COLD static void give_up_list(struct hs_span *s)
{
	hs_on_corruption(HS_BAD_LIST, s->free, s);
	/* warn mode: what is still on the list is given up; those slots count as used for ever */
	s->free = &hs_slot_end;
	hs_poke(&s->row->used, (s->n_extended - hs_holes_slots(s)) | HEAPSPY_USED_BIAS);
}

/* A slot of the active span, which is let go when it has none. */
static void *pop_or_drop(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = t->active[klass];
	uint32_t n_before = s->n_extended;

	if (s == &hs_span_none)
		return NULL;
	while (hs_span_has_free(s) || hs_own_collect(s) || hs_own_extend(s)) {
		void *p = hs_span_pop(s);

		t->virgin = s->n_extended != n_before && s->zeroed ? p : NULL;
		if (hs_likely(p != NULL))
			return p;
		give_up_list(s);
	}
	park(t, make_inactive(t, klass));
	return NULL;
}

void *hs_tcache_refill_own(struct hs_tcache *t, unsigned klass)
{
	for (;;) {
		void *p = pop_or_drop(t, klass);
		struct hs_span *s;

		if (p != NULL)
			return p;
		s = own_span(t, klass);
		if (s == NULL)
			return NULL;
		make_active(t, s);
	}
}

void *hs_tcache_refill(struct hs_tcache *t, unsigned klass)
{
	for (;;) {
		void *p = hs_tcache_refill_own(t, klass);
		struct hs_span *s;

		if (p != NULL)
			return p;
		s = other_span(t, klass);
		if (s == NULL)
			return NULL;
		make_active(t, s);
	}
}

/* ---- free ---- */

static void push_own(struct hs_tcache *t, struct hs_span *s, struct hs_slot *slot)
{
	slot->seal = s;
	slot->next = s->free;
	hs_compiler_fence();
	s->free = slot;
	hs_bump(&s->row->used, -1u);
	if (hs_unlikely(s->xholes != 0))
		hs_holes_count_free(s);
	hs_own_mark(s);
	if (hs_own_used(s) == 0)
		hs_tcache_emptied(t, s);
}

static void limit_partial(struct hs_tcache *t, unsigned klass)
{
	while (t->n_partial[klass] > HS_PARTIAL_MAX) {
		struct hs_span *s = hs_container_of(t->partial[klass].prev, struct hs_span, link);

		hs_own_unkeep(t, s);
		hs_own_let_go(t, s);
	}
}

/*
 * For each span that comes, those kept longest are asked whether others have freed into them: a thread that only frees
 * would learn of it late otherwise, and keep spans that are empty.
 */
static void look_at_oldest(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = kept_longest(t, klass);

	for (unsigned n = 0; n < LOOKS && s != NULL && s->emptied == 0; n++) {
		struct hs_list *before = s->link.prev;

		if (hs_load_relaxed(&s->xfree) != NULL) {
			hs_list_remove(&s->link);
			hs_list_push_front(&t->partial[klass], &s->link);
			hs_own_settle(t, s);
			return;
		}
		s = before != &t->partial[klass] ? hs_container_of(before, struct hs_span, link) : NULL;
	}
}

static void flush_one(struct hs_tcache *t, unsigned index)
{
	struct hs_ring *r = &t->ring[index];
	struct hs_span *s = r->span;
	void *old = NULL; /* mostly so, and a load would fetch the line to read, and then again to write */
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
	if (owner == HS_OWNER_FULL && hs_own_claim_full(t, s))
		hs_own_settle(t, s);
	else if (owner == HS_OWNER_BIN && hs_own_looks_empty(s) && hs_own_claim_bin(t, s))
		hs_own_settle(t, s);
}

static void gather(struct hs_tcache *t, struct hs_span *s, struct hs_slot *slot)
{
	unsigned index = (unsigned)(((uintptr_t)s / sizeof(*s)) * UINT64_C(0x9e3779b97f4a7c15) >> 48) % HEAPSPY_RING;
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
	unsigned klass = s->klass; /* for good as long as the slot is live */

	if (hs_unlikely(!hs_span_is_slot(s, p))) {
		hs_on_corruption(HS_BAD_POINTER, p, s);
		return;
	}
	/* a slot in a hole reads as zero: it has lost its seal, but nothing can live there */
	if (hs_unlikely(slot->seal == s || slot->seal == hs_span_remote_seal(s) || hs_holes_at(s, p))) {
		hs_on_corruption(HS_DOUBLE_FREE, p, s);
		return;
	}
	if (hs_own_is(t, s)) {
		push_own(t, s, slot);
		return;
	}
	do {
		if (hs_load_relaxed(&s->xowner) == HS_OWNER_FULL && hs_own_claim_full(t, s)) {
			hs_own_collect(s);
			push_own(t, s, slot);
			look_at_oldest(t, klass);
			give_wanted(t, klass);
			limit_partial(t, klass);
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
		hs_own_unkeep(t, last);
		hs_own_let_go(t, last);
	}
	if (s == &hs_span_none)
		return;
	/* an active span that is empty at two ticks in a row is one that nobody needs */
	if (hs_own_used(s) == 0)
		s->emptied++;
	else if (s->emptied != 0)
		s->emptied = 0;
	if (s->emptied >= 2) {
		make_inactive(t, klass);
		s->emptied = 0;
		hs_own_let_go(t, s);
	}
}

void hs_tcache_tick(struct hs_tcache *t)
{
	hs_tcache_flush(t);
	hs_grow_tick(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		tick_class(t, c);
}

static void drain_list(struct hs_tcache *t, struct hs_list *list)
{
	while (!hs_list_empty(list)) {
		struct hs_span *s = hs_container_of(list->next, struct hs_span, link);

		hs_own_unkeep(t, s);
		hs_own_let_go(t, s);
	}
}

static void drop_active(struct hs_tcache *t, unsigned klass)
{
	struct hs_span *s = make_inactive(t, klass);

	s->emptied = 0;
	hs_own_let_go(t, s);
}

static void age_class(struct hs_tcache *t, unsigned klass)
{
	uint64_t refills = t->class_rows[klass].n_refills;
	bool quiet = refills == t->refills_seen[klass];
	unsigned n_kept = quiet ? 0 : HS_PARTIAL_KEEP;

	t->refills_seen[klass] = refills;
	for (unsigned n = t->n_partial[klass] / 4u + 1; n > 0 && t->n_partial[klass] > n_kept; n--) {
		struct hs_span *oldest = hs_container_of(t->partial[klass].prev, struct hs_span, link);

		hs_own_unkeep(t, oldest);
		hs_own_let_go(t, oldest);
	}
	if (!quiet) {
		t->n_quiet[klass] = 0;
		return;
	}
	drain_list(t, &t->parked[klass]);
	/* an active span is not seen to be used as long as it suffices: that costs one checkout a second */
	if (++t->n_quiet[klass] >= QUIET_AGES && t->active[klass] != &hs_span_none) {
		t->n_quiet[klass] = 0;
		drop_active(t, klass);
	}
}

void hs_tcache_age(struct hs_tcache *t)
{
	hs_tcache_tick(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++)
		age_class(t, c);
}

/* Spans of which the next thread would have to make new ones. */
static void leave_class(struct hs_tcache *t, unsigned klass)
{
	struct hs_list *kept = &t->partial[klass];
	struct hs_span *s;

	if (t->active[klass] != &hs_span_none) {
		s = make_inactive(t, klass);
		s->emptied = 0;
		hs_own_bequeath(t, s);
	} else if (!hs_list_empty(kept)) {
		s = hs_container_of(kept->next, struct hs_span, link);
		hs_own_unkeep(t, s);
		hs_own_bequeath(t, s);
	}
}

void hs_tcache_leave(struct hs_tcache *t)
{
	hs_tcache_flush(t);
	hs_grow_drain(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		leave_class(t, c);
		drain_list(t, &t->parked[c]);
		drain_list(t, &t->partial[c]);
	}
	t->left = true;
}

void hs_tcache_drain(struct hs_tcache *t)
{
	hs_tcache_flush(t);
	hs_grow_drain(t);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		if (t->active[c] != &hs_span_none)
			drop_active(t, c);
		/* letting go may claim a span anew, so the lists are looked at until they stay empty */
		drain_list(t, &t->parked[c]);
		drain_list(t, &t->partial[c]);
	}
}

void hs_tcache_mark_sampled(struct hs_tcache *t, struct hs_span *s, const void *p)
{
	hs_or_relaxed(&s->xsampled, hs_span_sample_bit(p));
	hs_add_relaxed(&s->xn_samples, 1);
	hs_poke(&s->row->n_samples, s->xn_samples);
	if (s->state == HS_SPAN_SMALL && hs_own_is(t, s))
		hs_own_mark(s);
}

static void check_span(struct hs_tcache *t, struct hs_span *s, unsigned klass)
{
	uint32_t n_free = 0;

	hs_verify(hs_own_is(t, s));
	hs_verify(s->klass == klass);
	for (struct hs_slot *slot = s->free; slot != &hs_slot_end; slot = slot->next) {
		hs_verify(hs_span_is_slot(s, slot) && slot->seal == s);
		n_free++;
	}
	hs_verify(n_free == s->n_extended - hs_own_used(s) - hs_holes_slots(s));
	hs_verify(s->xholes == 0 || (s->xowner & HS_OWNER_HOLES) != 0);
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
