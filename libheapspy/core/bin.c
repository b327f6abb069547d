/* SPDX-License-Identifier: MIT */
/*
 * Invariant: a span is linked in `nonfull` or `combed`  <=>  its xowner is HS_OWNER_BIN; in `combed` <=> its `combed`;
 * xn_nonfull == row->n_nonfull == length(nonfull) + length(combed);  xn_combed == length(combed).
 */
#include "core/bin.h"

#include "os/sys.h"

/* Looks at this many of the combed spans each time, in turn: each look costs a cache line. */
#define COMBED_LOOKS 8u

void hs_bin_init(struct hs_bin *bin, uint16_t klass, struct heapspy_lock *lock_row, struct heapspy_bin *row)
{
	bin->klass = klass;
	hs_lock_init(&bin->lock, HS_RANK_BIN, lock_row);
	bin->row = row;
	hs_list_init(&bin->nonfull);
	hs_list_init(&bin->combed);
}

static void count_locked(struct hs_bin *bin, const struct hs_span *span, int change)
{
	uint32_t n = bin->xn_nonfull + (uint32_t)change;

	hs_store_relaxed(&bin->xn_nonfull, n);
	hs_poke(&bin->row->n_nonfull, n);
	if (span->combed)
		hs_store_relaxed(&bin->xn_combed, bin->xn_combed + (uint32_t)change);
}

static void take_locked(struct hs_bin *bin, struct hs_span *span, uintptr_t owner)
{
	hs_list_remove(&span->link);
	count_locked(bin, span, -1);
	span->combed = 0;
	span->n_hole_frees = 0;
	bin->row->n_checkouts++;
	hs_store_relaxed(&span->xowner, hs_span_owner_word(span, owner));
}

struct hs_span *hs_bin_checkout(struct hs_bin *bin, uintptr_t owner, struct hs_waited *waits)
{
	struct hs_span *span = NULL;

	/* an empty bin is the common case and needs no lock */
	if (hs_load_relaxed(&bin->xn_nonfull) == 0)
		return NULL;
	hs_lock_lock_noting(&bin->lock, waits);
	if (!hs_list_empty(&bin->nonfull))
		span = hs_container_of(bin->nonfull.next, struct hs_span, link);
	else if (!hs_list_empty(&bin->combed))
		span = hs_container_of(bin->combed.next, struct hs_span, link);
	if (span != NULL)
		take_locked(bin, span, owner);
	hs_lock_unlock(&bin->lock);
	return span;
}

void hs_bin_return(struct hs_bin *bin, struct hs_span *span, struct hs_waited *waits)
{
	uint64_t now = hs_now_coarse_ns();

	hs_lock_lock_noting(&bin->lock, waits);
	span->freed_ns = now;
	hs_list_push_front(span->combed ? &bin->combed : &bin->nonfull, &span->link);
	count_locked(bin, span, 1);
	bin->row->n_returns++;
	/* [mo:span-owner seq_cst] the owner must be gone before the caller looks at xfree a last time */
	hs_store_seq_cst(&span->xowner, HS_OWNER_BIN);
	hs_lock_unlock(&bin->lock);
}

bool hs_bin_claim(struct hs_bin *bin, struct hs_span *span, uintptr_t owner, struct hs_waited *waits)
{
	bool mine;

	hs_lock_lock_noting(&bin->lock, waits);
	/* while we waited, the span may have gone through other hands and into a bin of another class */
	mine = hs_load_seq_cst(&span->xowner) == HS_OWNER_BIN && /* [mo:span-owner seq_cst] */
	       hs_load_relaxed(&span->klass) == bin->klass;
	if (mine)
		take_locked(bin, span, owner);
	hs_lock_unlock(&bin->lock);
	return mine;
}

static struct hs_span *oldest_before(struct hs_list *list, uint64_t before_ns)
{
	struct hs_span *span;

	if (hs_list_empty(list))
		return NULL;
	span = hs_container_of(list->prev, struct hs_span, link);
	return span->freed_ns <= before_ns ? span : NULL;
}

/* The next one in turn into which somebody has freed. */
static struct hs_span *changed_locked(struct hs_bin *bin, uint64_t before_ns)
{
	for (unsigned i = 0; i < COMBED_LOOKS; i++) {
		struct hs_span *span = oldest_before(&bin->combed, before_ns);

		if (span == NULL || hs_load_relaxed(&span->xfree) != NULL)
			return span;
		hs_list_remove(&span->link);
		hs_list_push_front(&bin->combed, &span->link);
	}
	return NULL;
}

struct hs_span *hs_bin_take_idle(struct hs_bin *bin, uintptr_t owner, uint64_t before_ns, struct hs_waited *waits)
{
	struct hs_span *span;

	if (hs_load_relaxed(&bin->xn_nonfull) == 0)
		return NULL;
	hs_lock_lock_noting(&bin->lock, waits);
	span = oldest_before(&bin->nonfull, before_ns);
	if (span == NULL)
		span = changed_locked(bin, before_ns);
	if (span != NULL)
		take_locked(bin, span, owner);
	hs_lock_unlock(&bin->lock);
	return span;
}

static uint32_t check_list(const struct hs_list *list, uint32_t combed)
{
	uint32_t n = 0;

	for (const struct hs_list *l = list->next; l != list; l = l->next) {
		const struct hs_span *span = hs_container_of(l, const struct hs_span, link);

		hs_verify(span->xowner == HS_OWNER_BIN);
		hs_verify(span->state == HS_SPAN_SMALL);
		hs_verify(span->combed == combed);
		n++;
	}
	return n;
}

void hs_bin_check(struct hs_bin *bin)
{
	uint32_t combed;

	hs_lock_lock(&bin->lock);
	combed = check_list(&bin->combed, 1);
	hs_verify(combed == bin->xn_combed);
	hs_verify(check_list(&bin->nonfull, 0) + combed == bin->xn_nonfull);
	hs_lock_unlock(&bin->lock);
}
