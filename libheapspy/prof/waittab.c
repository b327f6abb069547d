/* SPDX-License-Identifier: MIT */
/* Invariant: n == map.n <= capacity of WAITERS. */
#include "prof/waittab.h"

#include "prof/bounded.h"

void hs_waittab_init(struct hs_waittab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row)
{
	hs_idmap_init(&tab->map, meta);
	hs_lock_init(&tab->lock, HS_RANK_SAMPLES, lock_row);
	tab->rows = rows;
	tab->n = 0;
}

bool hs_waittab_fork_prepare(struct hs_waittab *tab)
{
	return hs_bounded_lock(&tab->lock);
}

void hs_waittab_fork_parent(struct hs_waittab *tab, bool prepared)
{
	if (prepared)
		hs_lock_unlock(&tab->lock);
}

void hs_waittab_fork_child(struct hs_waittab *tab, bool prepared)
{
	if (prepared) {
		hs_lock_rank_pop(HS_RANK_SAMPLES);
		hs_lock_init_child(&tab->lock);
	}
}

static bool add_locked(struct hs_waittab *tab, uint64_t key, uint32_t lock_row, uint32_t site, uint32_t *ret_index)
{
	uint32_t index = tab->n;

	if (!hs_rows_present(tab->rows, HEAPSPY_T_WAITERS, index))
		return false;
	hs_store_relaxed(&tab->rows->waiters[index].lock, lock_row);
	hs_store_relaxed(&tab->rows->waiters[index].site, site);
	if (!hs_idmap_insert_locked(&tab->map, key, index))
		return false;
	tab->n++;
	(void)hs_rows_need(tab->rows, HEAPSPY_T_WAITERS, index);
	*ret_index = index;
	return true;
}

static bool find_or_add(struct hs_waittab *tab, uint32_t lock_row, uint32_t site, uint32_t *ret_index)
{
	/* + 1 in the upper half: 0 is no key */
	uint64_t key = ((uint64_t)lock_row + 1) << 32 | site;
	bool ok;

	if (hs_idmap_find(&tab->map, key, ret_index))
		return true;
	if (!hs_bounded_lock(&tab->lock))
		return false;
	ok = hs_idmap_find(&tab->map, key, ret_index) || add_locked(tab, key, lock_row, site, ret_index);
	hs_lock_unlock(&tab->lock);
	return ok;
}

void hs_waittab_add(struct hs_waittab *tab, uint32_t lock_row, uint32_t site, uint64_t n_waits, uint64_t wait_ns,
		  uint64_t longest_ns)
{
	struct heapspy_waiter *row;
	uint64_t seen;
	uint32_t index;

	if (!find_or_add(tab, lock_row, site, &index)) {
		hs_add_relaxed(&tab->rows->header->lost_waiters, n_waits);
		return;
	}
	row = &tab->rows->waiters[index];
	hs_add_relaxed(&row->n_waits, n_waits);
	hs_add_relaxed(&row->wait_ns, wait_ns);
	seen = hs_load_relaxed(&row->max_wait_ns);
	while (seen < longest_ns && !hs_cas_relaxed(&row->max_wait_ns, &seen, longest_ns))
		;
}
