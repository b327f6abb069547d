/* SPDX-License-Identifier: MIT */
/*
 * Invariants:
 *   n_sites == map.n + 1 <= capacity of SITES (row 0 has no key)
 *   n_frames == sum of n_frames of the rows <= capacity of FRAMES
 */
#include "prof/sitetab.h"

#include "base/bits.h"
#include "prof/bounded.h"
#include "prof/sampler.h"

#define TEMPORARY_NS UINT64_C(1000000)

bool hs_sitetab_init(struct hs_sitetab *tab, struct hs_rows *rows, struct hs_meta *meta, struct heapspy_lock *lock_row)
{
	hs_idmap_init(&tab->map, meta);
	hs_lock_init(&tab->lock, HS_RANK_SAMPLES, lock_row);
	tab->rows = rows;
	tab->n_sites = 0;
	tab->n_frames = 0;
	if (!hs_rows_present(rows, HEAPSPY_T_SITES, HS_SITE_UNKNOWN))
		return false;
	hs_store_relaxed(&rows->sites[HS_SITE_UNKNOWN].flags, HEAPSPY_SITE_TRUNCATED);
	if (!hs_rows_need(rows, HEAPSPY_T_SITES, HS_SITE_UNKNOWN))
		return false;
	tab->n_sites = 1;
	return true;
}

bool hs_sitetab_fork_prepare(struct hs_sitetab *tab)
{
	return hs_bounded_lock(&tab->lock);
}

void hs_sitetab_fork_parent(struct hs_sitetab *tab, bool prepared)
{
	if (prepared)
		hs_lock_unlock(&tab->lock);
}

/* A lock that prepare did not get is held by the code that a fork in a handler interrupted: it will let go. */
void hs_sitetab_fork_child(struct hs_sitetab *tab, bool prepared)
{
	if (prepared) {
		hs_lock_rank_pop(HS_RANK_SAMPLES);
		hs_lock_init_child(&tab->lock);
	}
}

static uint64_t hash_stack(const uint64_t *pcs, size_t n, bool truncated)
{
	uint64_t h = (n << 1 | truncated) * UINT64_C(0x9ddfea08eb382d69);

	for (size_t i = 0; i < n; i++) {
		h ^= pcs[i];
		h *= UINT64_C(0xd6e8feb86659fd93);
		h ^= h >> 32;
	}
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 29;
	return h != 0 ? h : 1; /* 0 marks a free slot of the map */
}

static void write_row(struct hs_sitetab *tab, uint32_t site, uint64_t hash, const uint64_t *pcs, size_t n, bool truncated,
		      uint64_t now_ns)
{
	struct heapspy_site *row = &tab->rows->sites[site];

	for (size_t i = 0; i < n; i++)
		hs_store_relaxed(&tab->rows->frames[tab->n_frames + i], pcs[i]);
	hs_store_relaxed(&row->hash, hash);
	hs_store_relaxed(&row->frame, tab->n_frames);
	hs_store_relaxed(&row->n_frames, (uint32_t)n);
	hs_store_relaxed(&row->flags, truncated ? HEAPSPY_SITE_TRUNCATED : 0u);
	hs_store_relaxed(&row->first_ns, now_ns);
	hs_store_relaxed(&row->last_ns, now_ns);
}

static uint32_t add_locked(struct hs_sitetab *tab, uint64_t hash, const uint64_t *pcs, size_t n, bool truncated,
			   uint64_t now_ns)
{
	uint32_t site = tab->n_sites;

	if (!hs_rows_present(tab->rows, HEAPSPY_T_SITES, site) ||
	    !hs_rows_present(tab->rows, HEAPSPY_T_FRAMES, tab->n_frames + n - 1))
		return HS_SITE_UNKNOWN;
	write_row(tab, site, hash, pcs, n, truncated, now_ns);
	if (!hs_idmap_insert_locked(&tab->map, hash, site))
		return HS_SITE_UNKNOWN; /* the row was not published yet and will be written again */
	tab->n_frames += n;
	tab->n_sites++;
	/* frames first: who sees the site must see them */
	(void)hs_rows_need(tab->rows, HEAPSPY_T_FRAMES, tab->n_frames - 1);
	(void)hs_rows_need(tab->rows, HEAPSPY_T_SITES, site);
	return site;
}

uint32_t hs_sitetab_intern(struct hs_sitetab *tab, const uint64_t *pcs, size_t n, bool truncated, uint64_t now_ns)
{
	uint32_t site = HS_SITE_UNKNOWN;
	uint64_t hash;

	if (n == 0)
		return HS_SITE_UNKNOWN;
	if (n > HS_SITE_FRAMES_MAX) {
		n = HS_SITE_FRAMES_MAX;
		truncated = true;
	}
	hash = hash_stack(pcs, n, truncated);
	if (hs_idmap_find(&tab->map, hash, &site))
		return site;
	if (hs_bounded_lock(&tab->lock)) {
		if (!hs_idmap_find(&tab->map, hash, &site))
			site = add_locked(tab, hash, pcs, n, truncated, now_ns);
		hs_lock_unlock(&tab->lock);
	}
	if (site == HS_SITE_UNKNOWN)
		hs_add_relaxed(&tab->rows->header->lost_stacks, 1);
	return site;
}

void hs_sitetab_count_alloc(struct hs_sitetab *tab, uint32_t site, uint64_t size_bytes, uint64_t interval_bytes,
			    uint64_t now_ns)
{
	struct heapspy_site *row = &tab->rows->sites[site];
	struct hs_estimate e = hs_sampler_estimate(size_bytes, interval_bytes);

	hs_add_relaxed(&row->n_alloc_samples, 1);
	hs_add_relaxed(&row->alloc_bytes, e.bytes);
	hs_add_relaxed(&row->alloc_objects_k, e.objects_k);
	if (e.var_kib2 != 0)
		hs_add_relaxed(&row->alloc_var, e.var_kib2);
	hs_store_relaxed(&row->last_ns, now_ns);
}

static unsigned lifetime_bucket(uint64_t ns)
{
	unsigned b = ns < 1024 ? 0 : hs_log2(ns) - 9;

	return b < HEAPSPY_LIFE_HIST ? b : HEAPSPY_LIFE_HIST - 1;
}

void hs_sitetab_count_free(struct hs_sitetab *tab, uint32_t site, uint64_t size_bytes, uint64_t interval_bytes,
			   uint64_t birth_ns, uint64_t now_ns, bool remote)
{
	struct heapspy_site *row = &tab->rows->sites[site];
	struct hs_estimate e = hs_sampler_estimate(size_bytes, interval_bytes);
	uint64_t lived = now_ns > birth_ns ? now_ns - birth_ns : 0;

	hs_add_relaxed(&row->n_free_samples, 1);
	hs_add_relaxed(&row->freed_bytes, e.bytes);
	hs_add_relaxed(&row->freed_objects_k, e.objects_k);
	hs_add_relaxed(&row->lifetimes[lifetime_bucket(lived)], 1);
	if (lived < TEMPORARY_NS)
		hs_add_relaxed(&row->n_temporary, 1);
	if (remote)
		hs_add_relaxed(&row->n_remote, 1);
}

void hs_sitetab_count_grown(struct hs_sitetab *tab, uint32_t site, uint64_t old_bytes, uint64_t size_bytes,
			    uint64_t interval_bytes)
{
	struct heapspy_site *row = &tab->rows->sites[site];
	struct hs_estimate old = hs_sampler_estimate(old_bytes, interval_bytes);
	struct hs_estimate now = hs_sampler_estimate(size_bytes, interval_bytes);

	hs_add_relaxed(&row->n_alloc_samples, 1);
	hs_add_relaxed(&row->alloc_bytes, now.bytes);
	hs_add_relaxed(&row->alloc_objects_k, now.objects_k);
	if (now.var_kib2 != 0)
		hs_add_relaxed(&row->alloc_var, now.var_kib2);
	hs_add_relaxed(&row->n_free_samples, 1);
	hs_add_relaxed(&row->freed_bytes, old.bytes);
	hs_add_relaxed(&row->freed_objects_k, old.objects_k);
}
