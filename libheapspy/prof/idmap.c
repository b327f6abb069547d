/* SPDX-License-Identifier: MIT */
/*
 * Invariants: n <= (mask + 1) / 4 * 3, so every probe ends; a slot's key goes from 0 to its value once.
 */
#include "prof/idmap.h"

#include "base/atomic.h"

#define FIRST_SLOTS 256u

struct slot {
	uint64_t xkey; /* 0: free; stored after the value */
	uint32_t value;
	uint32_t unused;
};

struct hs_idmap_table {
	uint64_t mask;
	struct slot slots[];
};

void hs_idmap_init(struct hs_idmap *map, struct hs_meta *meta)
{
	map->xtable = NULL;
	map->n = 0;
	map->meta = meta;
}

static uint64_t first_probe(uint64_t key)
{
	key *= UINT64_C(0x9e3779b97f4a7c15);
	return key ^ key >> 32;
}

bool hs_idmap_find(const struct hs_idmap *map, uint64_t key, uint32_t *ret_value)
{
	/* [mo:idmap-table acquire] pairs with grow_locked() */
	const struct hs_idmap_table *table = hs_load_acquire(&map->xtable);

	if (table == NULL)
		return false;
	for (uint64_t i = first_probe(key);; i++) {
		const struct slot *slot = &table->slots[i & table->mask];
		/* [mo:idmap-slot acquire] pairs with put() */
		uint64_t seen = hs_load_acquire(&slot->xkey);

		if (seen == key) {
			*ret_value = slot->value;
			return true;
		}
		if (seen == 0)
			return false;
	}
}

static void put(struct hs_idmap_table *table, uint64_t key, uint32_t value)
{
	uint64_t i = first_probe(key);

	while (hs_load_relaxed(&table->slots[i & table->mask].xkey) != 0)
		i++;
	table->slots[i & table->mask].value = value;
	/* [mo:idmap-slot release] the value must be visible before its key */
	hs_store_release(&table->slots[i & table->mask].xkey, key);
}

static bool grow_locked(struct hs_idmap *map)
{
	struct hs_idmap_table *old = map->xtable;
	uint64_t n_slots = old == NULL ? FIRST_SLOTS : 2 * (old->mask + 1);
	struct hs_idmap_table *table;

	table = hs_meta_alloc(map->meta, sizeof(*table) + n_slots * sizeof(struct slot), HS_CACHE_LINE);
	if (table == NULL)
		return false;
	table->mask = n_slots - 1;
	for (uint64_t i = 0; old != NULL && i <= old->mask; i++) {
		uint64_t key = hs_load_relaxed(&old->slots[i].xkey);

		if (key != 0)
			put(table, key, old->slots[i].value);
	}
	/* [mo:idmap-table release] all slots must be visible before the table */
	hs_store_release(&map->xtable, table);
	return true;
}

bool hs_idmap_insert_locked(struct hs_idmap *map, uint64_t key, uint32_t value)
{
	if (map->xtable == NULL || map->n + 1 > (map->xtable->mask + 1) / 4 * 3)
		if (!grow_locked(map))
			return false;
	put(map->xtable, key, value);
	map->n++;
	return true;
}
