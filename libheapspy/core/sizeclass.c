/* SPDX-License-Identifier: MIT */
#include "core/sizeclass.h"

struct hs_sizeclass hs_sizeclasses[HS_N_CLASSES];
uint8_t hs_sizeclass_table[HS_SMALL_MAX / HS_SLOT_ALIGN + 1];
static size_t quantum = HS_PAGE_BYTES;

static uint32_t slot_bytes_of(unsigned class)
{
	unsigned doubling = (class - 8) / 8, step = (class - 8) % 8 + 1;

	if (class < 8)
		return (class + 1) * 16;
	return (128u << doubling) + step * (16u << doubling);
}

/*
 * Bytes of a span: long enough to make the lock rare (32 KiB, 64 KiB, or 8 slots), then extended until the tail
 * that holds no slot is below 1/64 - or, where no length within half as much again does that, the best.
 */
static size_t span_bytes_of(uint32_t slot)
{
	size_t least = slot <= 512 ? 32 << 10 : slot <= 4096 ? 64 << 10 : 8 * (size_t)slot;
	size_t bytes = hs_align_up(least, quantum);
	size_t best = bytes, limit = bytes + bytes / 2;

	for (; bytes <= limit; bytes += quantum) {
		if ((bytes % slot) * best < (best % slot) * bytes)
			best = bytes;
		if ((best % slot) * 64 <= best)
			break;
	}
	return best;
}

void hs_sizeclass_init(size_t page_bytes)
{
	unsigned class = 0;

	quantum = hs_max(page_bytes, HS_PAGE_BYTES);
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		struct hs_sizeclass *s = &hs_sizeclasses[c];
		size_t bytes;

		s->slot_bytes = slot_bytes_of(c);
		bytes = span_bytes_of(s->slot_bytes);
		s->span_pages = (uint32_t)(bytes >> HS_PAGE_SHIFT);
		s->n_slots = (uint32_t)(bytes / s->slot_bytes);
		s->inverse = UINT64_MAX / s->slot_bytes + 2;
		s->step = s->inverse * s->slot_bytes;
		s->n_entries = 0;
	}
	for (size_t i = 0; i < hs_array_size(hs_sizeclass_table); i++) {
		while (hs_sizeclasses[class].slot_bytes < i * HS_SLOT_ALIGN)
			class++;
		hs_sizeclass_table[i] = (uint8_t)class;
		hs_sizeclasses[class].n_entries++;
	}
}

unsigned hs_sizeclass_of_aligned(size_t bytes, size_t align)
{
	if (bytes > HS_SMALL_MAX || align > HS_PAGE_BYTES)
		return HS_N_CLASSES;
	/* a multiple of the alignment: its class is one, too, so the loop ends at once */
	bytes = hs_align_up(hs_max(bytes, 1), align);
	if (bytes > HS_SMALL_MAX)
		return HS_N_CLASSES;
	for (unsigned c = hs_sizeclass_of(bytes); c < HS_N_CLASSES; c++)
		if (hs_sizeclasses[c].slot_bytes % align == 0)
			return c;
	return HS_N_CLASSES;
}

size_t hs_pages_of(size_t bytes)
{
	size_t rounded = hs_align_up(bytes, quantum);

	if (rounded < bytes)
		return 0;
	return rounded >> HS_PAGE_SHIFT;
}
