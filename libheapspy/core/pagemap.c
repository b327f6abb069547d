/* SPDX-License-Identifier: MIT */
#include "core/pagemap.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "os/sys.h"
#include "os/vm.h"

struct hs_span **hs_pagemap_root[(size_t)1 << HS_ROOT_BITS];
uint64_t hs_pagemap_touched_bytes;

/* One bit for each 4 KiB of a leaf, kept behind its entries, so that metadata is counted when it is touched. */
#define TOUCH_WORDS (HS_LEAF_ENTRIES * sizeof(void *) / 4096 / 64)

/* Sets the bit; true if it was not set before. */
static bool first_time(uint64_t *bits, size_t index)
{
	uint64_t mask = (uint64_t)1 << (index % 64);

	return (hs_load_relaxed(&bits[index / 64]) & mask) == 0 && (hs_or_relaxed(&bits[index / 64], mask) & mask) == 0;
}

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

	if (hs_unlikely(first_time(touched, index * sizeof(void *) / 4096)))
		hs_add_relaxed(&hs_pagemap_touched_bytes, 4096);
	hs_store_relaxed(&leaf[index], span);
}

void hs_pagemap_set_ends(struct hs_span *span, struct hs_span *value)
{
	hs_pagemap_set(span->base, value);
	if (span->n_pages > 1)
		hs_pagemap_set(span->base + hs_span_bytes(span) - HS_PAGE_BYTES, value);
}

/* ---- the front ---- */

/* Words before the table; the last one is its length - 1.  Entries are aligned as the span that they seem to be. */
#define BEFORE (HS_CACHE_LINE / sizeof(uintptr_t))
/* Length 1, and nothing in it. */
static uintptr_t no_front[BEFORE + HS_FRONT_NONE] HS_ALIGNED_LINE;
uintptr_t *hs_front = no_front + BEFORE;

/*
 * The table may be read as a whole but is made writable piece by piece, so that its length is no burden where the
 * kernel counts every writable page (overcommit_memory = 2).  A piece serves 64 MiB of addresses.
 */
#define PIECE_BYTES ((size_t)64 << 10)
#define FRONT_BITS_LEAST 17u
#define FRONT_BITS_MOST 27u
#define FRONT_BYTES_MOST (PIECE_BYTES + (sizeof(uintptr_t) << FRONT_BITS_MOST))
/* One bit for each piece that is writable, and for each 4 KiB that were written (metadata is counted when touched). */
static uint64_t writable[FRONT_BYTES_MOST / PIECE_BYTES / 64 + 1];
static uint64_t written[FRONT_BYTES_MOST / 4096 / 64 + 1];

/* Twice the memory that the process may have, so that a heap seldom meets itself. */
static unsigned front_bits(void)
{
	struct {
		uint64_t soft, hard;
	} limit = {UINT64_MAX, UINT64_MAX};
	struct sysinfo info = {.totalram = 1, .mem_unit = 1u << 30};
	uint64_t bytes;

	(void)hs_syscall4(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit);
	(void)hs_syscall1(SYS_sysinfo, &info);
	bytes = hs_min((uint64_t)info.totalram * info.mem_unit, limit.soft);
	return hs_max(FRONT_BITS_LEAST, hs_min(FRONT_BITS_MOST, hs_log2(hs_max(bytes, 1)) + 2 - HS_PAGE_SHIFT));
}

void hs_front_init(void)
{
	size_t n = (size_t)1 << front_bits();
	size_t bytes = hs_align_up((BEFORE + n) * sizeof(uintptr_t), PIECE_BYTES);
	uintptr_t *base;

	if (hs_front != no_front + BEFORE)
		return;
	base = hs_vm_map_readable(bytes);
	if (base == NULL)
		return;
	hs_vm_name(base, bytes, "heapspy-meta");
	if (!hs_vm_make_writable(base, PIECE_BYTES)) {
		hs_vm_unmap(base, bytes);
		return;
	}
	writable[0] = 1;
	hs_front = base + BEFORE;
	hs_front[-1] = n - 1;
}

static bool may_write(const uintptr_t *entry)
{
	const char *base = (const char *)(hs_front - BEFORE);
	size_t offset = (size_t)((const char *)entry - base), piece = offset / PIECE_BYTES;

	if (hs_front == no_front + BEFORE || entry < hs_front + HS_FRONT_NONE)
		return false;
	/* before the bit is set: whoever sees it may write */
	if ((hs_load_acquire(&writable[piece / 64]) >> (piece % 64) & 1) == 0) { /* [mo:front-piece acquire] */
		if (!hs_vm_make_writable((char *)(uintptr_t)base + piece * PIECE_BYTES, PIECE_BYTES))
			return false;
		hs_or_release(&writable[piece / 64], (uint64_t)1 << (piece % 64)); /* [mo:front-piece release] */
	}
	if (first_time(written, offset / 4096))
		hs_add_relaxed(&hs_pagemap_touched_bytes, 4096);
	return true;
}

static void front_set(const char *page, const struct hs_span *span, bool present)
{
	uintptr_t *entry = &hs_front[((uintptr_t)page >> HS_PAGE_SHIFT) & hs_front[-1]];
	uintptr_t value = (uintptr_t)span - (uintptr_t)hs_front;

	if (!may_write(entry))
		return;
	/* another arena's span may have taken the place meanwhile; losing an entry costs time, nothing else */
	if (present || hs_load_relaxed(entry) == value)
		hs_store_relaxed(entry, present ? value : 0);
}

void hs_pagemap_set_all(struct hs_span *span, struct hs_span *value)
{
	for (size_t i = 0; i < span->n_pages; i++) {
		hs_pagemap_set(span->base + (i << HS_PAGE_SHIFT), value);
		front_set(span->base + (i << HS_PAGE_SHIFT), span, value != NULL);
	}
}
