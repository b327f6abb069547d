/* SPDX-License-Identifier: MIT */
/*
 * Invariant: a span is linked in `nonfull`  <=>  its xowner is HS_OWNER_BIN;
 * xn_nonfull == row->n_nonfull == length(nonfull).
 */
#include "core/bin.h"

void hs_bin_init(struct hs_bin *bin, uint16_t klass, struct heapspy_lock *lock_row, struct heapspy_bin *row)
{
	bin->klass = klass;
	hs_lock_init(&bin->lock, HS_RANK_BIN, lock_row);
	bin->row = row;
	hs_list_init(&bin->nonfull);
}

static void count_locked(struct hs_bin *bin, int change)
{
	uint32_t n = bin->xn_nonfull + (uint32_t)change;

	hs_store_relaxed(&bin->xn_nonfull, n);
	hs_poke(&bin->row->n_nonfull, n);
}

static void take_locked(struct hs_bin *bin, struct hs_span *span, uintptr_t owner)
{
	hs_list_remove(&span->link);
	count_locked(bin, -1);
	bin->row->n_checkouts++;
	if (hs_load_relaxed(&span->xn_samples) != 0)
		owner |= HS_OWNER_SAMPLED;
	hs_store_relaxed(&span->xowner, owner);
}

struct hs_span *hs_bin_checkout(struct hs_bin *bin, uintptr_t owner, struct hs_waited *waits)
{
	struct hs_span *span = NULL;

	/* an empty bin is the common case and needs no lock */
	if (hs_load_relaxed(&bin->xn_nonfull) == 0)
		return NULL;
	hs_lock_lock_noting(&bin->lock, waits);
	if (!hs_list_empty(&bin->nonfull)) {
		span = hs_container_of(bin->nonfull.next, struct hs_span, link);
		take_locked(bin, span, owner);
	}
	hs_lock_unlock(&bin->lock);
	return span;
}

void hs_bin_return(struct hs_bin *bin, struct hs_span *span, struct hs_waited *waits)
{
	hs_lock_lock_noting(&bin->lock, waits);
	hs_list_push_front(&bin->nonfull, &span->link);
	count_locked(bin, 1);
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
	       span->klass == bin->klass;
	if (mine)
		take_locked(bin, span, owner);
	hs_lock_unlock(&bin->lock);
	return mine;
}

void hs_bin_check(struct hs_bin *bin)
{
	uint64_t n = 0;

	hs_lock_lock(&bin->lock);
	for (struct hs_list *l = bin->nonfull.next; l != &bin->nonfull; l = l->next) {
		struct hs_span *span = hs_container_of(l, struct hs_span, link);

		hs_verify(span->xowner == HS_OWNER_BIN);
		hs_verify(span->state == HS_SPAN_SMALL);
		n++;
	}
	hs_verify(n == bin->xn_nonfull);
	hs_lock_unlock(&bin->lock);
}
