/* SPDX-License-Identifier: MIT */
/*
 * Letting a span go and publishing remote frees race like this (all four accesses are seq_cst, tag span-owner):
 *
 *	owner: xowner = FULL or BIN;  look at xfree       other: push on xfree;  look at xowner
 *
 * One of the two sees what the other did, and then takes the span by compare-and-swap or under the bin's lock,
 * so no freed slot is forgotten.
 */
#include "core/ownership.h"

#include "core/holes.h"
#include "os/vm.h"

bool hs_own_is(const struct hs_tcache *t, const struct hs_span *s)
{
	return (hs_load_relaxed(&s->xowner) & ~HS_OWNER_MARKS) == (uintptr_t)t;
}

void hs_own_mark(struct hs_span *s)
{
	hs_store_relaxed(&s->xowner, hs_span_owner_word(s, hs_load_relaxed(&s->xowner) & ~HS_OWNER_MARKS));
}

uint32_t hs_own_used(const struct hs_span *s)
{
	return hs_peek(&s->row->used) & ~HEAPSPY_USED_BIAS;
}

void hs_own_keep(struct hs_tcache *t, struct hs_span *s)
{
	hs_list_push_front(&t->partial[s->klass], &s->link);
	t->n_partial[s->klass]++;
}

/* Out of whichever list it is in. */
void hs_own_unkeep(struct hs_tcache *t, struct hs_span *s)
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
		out += ((const struct hs_slot *)(const void *)(s->base + (size_t)i * s->slot_bytes))->seal != s &&
		       !hs_holes_at_slot(s, i);
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

	s->free = &hs_slot_end;
	s->xfree = NULL;
	for (uint32_t i = s->n_extended; i-- > 0;) {
		struct hs_slot *slot = (struct hs_slot *)(void *)(s->base + (size_t)i * s->slot_bytes);

		if (hs_holes_at_slot(s, i))
			continue; /* free, and on no list */
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
bool hs_own_collect(struct hs_span *s)
{
	struct hs_slot *slot;
	uint32_t n = 0;

	if (hs_load_relaxed(&s->xfree) == NULL)
		return hs_span_has_free(s);
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
	return hs_span_has_free(s);
}

/* Puts a kernel page's worth of unused slots on the list: memory is touched only when it is needed. */
bool hs_own_extend(struct hs_span *s)
{
	uint32_t n = (uint32_t)(hs_vm_page_bytes() / s->slot_bytes);
	char *first = s->base + (size_t)s->n_extended * s->slot_bytes;
	struct hs_slot *list = s->free;
	uint32_t start;

	/* those in holes first, so that frees into the span come back to the fast path */
	if (hs_holes_fill(s)) {
		hs_own_mark(s);
		return true;
	}
	if (n == 0)
		n = 1;
	if (n > s->n_slots - s->n_extended)
		n = s->n_slots - s->n_extended;
	if (n == 0)
		return false;
	/*
	 * The slot that is handed out first stays the hot one of programs that hold little.  If each span began with that at
	 * offset 0, these would all be in one set of the cache (measured, 16 to 1024 bytes by turns: 8.8 against 5 ns a pair).
	 */
	start = (s->id * 7u + s->klass * 3u) % n;
	for (uint32_t i = n; i-- > 0;) {
		uint32_t k = start + i < n ? start + i : start + i - n;
		struct hs_slot *slot = (struct hs_slot *)(void *)(first + (size_t)k * s->slot_bytes);

		slot->next = list;
		slot->seal = s;
		list = slot;
	}
	hs_span_set_extended(s, s->n_extended + n);
	hs_poke(&s->row->extended, s->n_extended);
	s->free = list;
	return true;
}

static void retire(struct hs_tcache *t, struct hs_span *s)
{
	struct hs_bin *bin = &s->arena->bins[s->klass];

	hs_holes_forget(s);
	hs_add_relaxed(&bin->row->n_retired, 1);
	hs_store_relaxed(&s->xsampled, 0);
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
	hs_own_keep(t, s);
}

bool hs_own_claim_full(struct hs_tcache *t, struct hs_span *s)
{
	uintptr_t full = HS_OWNER_FULL;

	/* [mo:span-owner seq_cst] */
	if (!hs_cas_seq_cst(&s->xowner, &full, hs_span_owner_word(s, (uintptr_t)t)))
		return false;
	adopt(t, s);
	return true;
}

/* Not trusted, only a hint whether a look is worth it: everything in that span has been freed. */
bool hs_own_looks_empty(const struct hs_span *s)
{
	return hs_load_relaxed(&s->row->xpending) >= hs_load_relaxed(&s->row->used);
}

bool hs_own_claim_bin(struct hs_tcache *t, struct hs_span *s)
{
	/* whatever class it has by now, the bin's lock tells */
	if (!hs_bin_claim(&s->arena->bins[hs_load_relaxed(&s->klass)], s, (uintptr_t)t, &t->waits))
		return false;
	adopt(t, s);
	return true;
}

/* After claiming: takes in remote frees, and handles the case that they were the last. */
void hs_own_settle(struct hs_tcache *t, struct hs_span *s)
{
	hs_own_collect(s);
	if (hs_own_used(s) == 0)
		hs_tcache_emptied(t, s);
}

static void let_go_full(struct hs_tcache *t, struct hs_span *s)
{
	hs_poke(&s->row->owner, 0);
	s->combed = 0;
	/* [mo:span-owner seq_cst] see the head of this file */
	hs_store_seq_cst(&s->xowner, HS_OWNER_FULL);
	if (hs_load_seq_cst(&s->xfree) != NULL && hs_own_claim_full(t, s)) /* [mo:span-owner seq_cst] */
		hs_own_settle(t, s);
}

static void let_go_bin(struct hs_tcache *t, struct hs_span *s)
{
	hs_poke(&s->row->owner, 0);
	hs_bin_return(&s->arena->bins[s->klass], s, &t->waits);
	/* [mo:span-owner seq_cst] */
	if (hs_load_seq_cst(&s->xfree) != NULL && hs_own_looks_empty(s) && hs_own_claim_bin(t, s))
		hs_own_settle(t, s);
}

/* An owned span that is in no list, with whatever is left in it. */
void hs_own_let_go(struct hs_tcache *t, struct hs_span *s)
{
	hs_own_collect(s);
	if (hs_own_used(s) == 0 && verified_empty(s))
		retire(t, s);
	else if (!hs_span_has_free(s) && s->n_extended == s->n_slots && s->xholes == 0)
		let_go_full(t, s);
	else
		let_go_bin(t, s);
}

/*
 * Short threads one after the other make and retire the same spans (measured with 10 objects in each: 26,000 instructions
 * a thread, 7,000 with this).  One a bin at most; hs_holes_comb() retires it when nobody wants it for a while.
 */
void hs_own_bequeath(struct hs_tcache *t, struct hs_span *s)
{
	if (hs_load_relaxed(&s->arena->bins[s->klass].xn_nonfull) == 0 && s->arena->decay.decay_ms != 0 &&
	    hs_span_has_free(s))
		let_go_bin(t, s);
	else
		hs_own_let_go(t, s);
}

void hs_tcache_emptied(struct hs_tcache *t, struct hs_span *s)
{
	if (s->emptied != 0 || s == t->active[s->klass])
		return;
	if (s->xholes == 0 && t->emptied_bytes + hs_span_bytes(s) <= HS_EMPTY_KEEP_BYTES) {
		hs_own_unkeep(t, s);
		hs_list_push_back(&t->partial[s->klass], &s->link);
		t->n_partial[s->klass]++;
		s->emptied = 1;
		t->emptied_bytes += hs_span_bytes(s);
		return; /* whether it is empty is counted when it is let go */
	}
	if (!verified_empty(s))
		return;
	hs_own_unkeep(t, s);
	retire(t, s);
}
