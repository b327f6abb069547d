/* SPDX-License-Identifier: MIT */
#include "core/pagemap.h"

#include "os/vm.h"

struct hs_span **hs_pagemap_root[(size_t)1 << HS_ROOT_BITS];
uint64_t hs_pagemap_touched_bytes;

/* One bit for each 4 KiB of a leaf, kept behind its entries, so that metadata is counted when it is touched. */
#define TOUCH_WORDS (HS_LEAF_ENTRIES * sizeof(void *) / 4096 / 64)

static bool make_leaf(uintptr_t address)
{
	struct hs_span ***slot = &hs_pagemap_root[address >> HS_LEAF_SHIFT];
	struct hs_span **none = NULL;
	size_t bytes = HS_LEAF_ENTRIES * sizeof(void *) + hs_max(TOUCH_WORDS * 8, hs_vm_page_bytes());
	struct hs_span **leaf;

	if (address >> (HS_LEAF_SHIFT + HS_ROOT_BITS) != 0)
		return false;
	if (hs_load_relaxed(slot) != NULL)
		return true;
	leaf = hs_vm_map(bytes, 4096);
	if (leaf == NULL)
		return false;
	hs_vm_name(leaf, bytes, "heapspy-meta");
	/* fresh pages are zero for every thread, so the pointer alone is published */
	if (!hs_cas_relaxed(slot, &none, leaf))
		hs_vm_unmap(leaf, bytes);
	return true;
}

bool hs_pagemap_prepare(const void *base, size_t bytes)
{
	uintptr_t first = (uintptr_t)base >> HS_LEAF_SHIFT;
	uintptr_t last = ((uintptr_t)base + bytes - 1) >> HS_LEAF_SHIFT;

	for (uintptr_t i = first; i <= last; i++)
		if (!make_leaf(i << HS_LEAF_SHIFT))
			return false;
	return true;
}

void hs_pagemap_set(const void *page, struct hs_span *span)
{
	uintptr_t a = (uintptr_t)page;
	struct hs_span **leaf = hs_load_relaxed(&hs_pagemap_root[a >> HS_LEAF_SHIFT]);
	size_t index = (a >> HS_PAGE_SHIFT) & (HS_LEAF_ENTRIES - 1);
	uint64_t *touched = (uint64_t *)(void *)(leaf + HS_LEAF_ENTRIES);
	size_t bit = index * sizeof(void *) / 4096;

	if (hs_unlikely((hs_load_relaxed(&touched[bit / 64]) >> (bit % 64) & 1) == 0)) {
		uint64_t mask = (uint64_t)1 << (bit % 64);

		if ((hs_or_relaxed(&touched[bit / 64], mask) & mask) == 0)
			hs_add_relaxed(&hs_pagemap_touched_bytes, 4096);
	}
	hs_store_relaxed(&leaf[index], span);
}

void hs_pagemap_set_ends(struct hs_span *span, struct hs_span *value)
{
	hs_pagemap_set(span->base, value);
	if (span->n_pages > 1)
		hs_pagemap_set(span->base + hs_span_bytes(span) - HS_PAGE_BYTES, value);
}

void hs_pagemap_set_all(struct hs_span *span, struct hs_span *value)
{
	for (size_t i = 0; i < span->n_pages; i++)
		hs_pagemap_set(span->base + (i << HS_PAGE_SHIFT), value);
}
