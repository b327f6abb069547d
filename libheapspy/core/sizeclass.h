/* SPDX-License-Identifier: MIT */
/*
 * sizeclass.h - request size to size class.
 *
 * 16-byte steps up to 128, then eight classes a doubling up to 32 KiB: neighbours are at most 12.5 % apart,
 * so rounding wastes 6 % on average.  All sizes are multiples of 16.
 *
 * Layer:   core/
 */
#ifndef HS_CORE_SIZECLASS_H
#define HS_CORE_SIZECLASS_H

#include "base/bits.h"

#define HS_PAGE_SHIFT 13u
#define HS_PAGE_BYTES ((size_t)1 << HS_PAGE_SHIFT)
#define HS_SLOT_ALIGN ((size_t)16)
#define HS_SMALL_MAX ((size_t)32 << 10)
#define HS_N_CLASSES 72u

struct hs_sizeclass {
	uint32_t slot_bytes;
	uint32_t span_pages;
	uint32_t n_slots;
	uint32_t n_entries; /* of hs_sizeclass_table that lead here */
	/* See hs_span_is_slot(): inverse = ceil(2^64 / slot_bytes) + 1, step = inverse * slot_bytes - 2^64. */
	uint64_t inverse, step;
};

extern struct hs_sizeclass hs_sizeclasses[HS_N_CLASSES] HS_HIDDEN;
/* By (size + 15) / 16. */
extern uint8_t hs_sizeclass_table[HS_SMALL_MAX / HS_SLOT_ALIGN + 1] HS_HIDDEN;

/* Fills the tables; idempotent.  `page_bytes`: kernel page, spans are multiples of it. */
void hs_sizeclass_init(size_t page_bytes);

/* Class of a request of at most HS_SMALL_MAX bytes. */
HS_INLINE unsigned hs_sizeclass_of(size_t bytes)
{
	return hs_sizeclass_table[(bytes + HS_SLOT_ALIGN - 1) / HS_SLOT_ALIGN];
}

/*
 * Class for an aligned request, whose slots are all aligned because the span begins on a page and the slot
 * size is a multiple of `align`.  HS_N_CLASSES when no class serves (then it becomes a large object).
 */
unsigned hs_sizeclass_of_aligned(size_t bytes, size_t align);

/* Allocator pages of a multiple of the kernel page that hold `bytes`; 0 on overflow. */
size_t hs_pages_of(size_t bytes);

#endif /* HS_CORE_SIZECLASS_H */
