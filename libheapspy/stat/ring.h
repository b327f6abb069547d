/* SPDX-License-Identifier: MIT */
/*
 * ring.h - which row of a ring comes next.
 *
 * A ring grows page by page in its first lap, so that a process with a short past has a small one.  When the file
 * system has no room for the next page, the ring stays as large as it is and wraps earlier; the directory says
 * the same to the reader.
 *
 * Layer:   stat/ (uses core/rows.h)
 */
#ifndef HS_STAT_RING_H
#define HS_STAT_RING_H

#include "core/rows.h"

/* Rows in use by the ring now; at least 1. */
HS_INLINE uint64_t hs_ring_capacity(const struct hs_rows *rows, uint32_t id)
{
	const struct hs_rows_table *table = &rows->tables[id - 1];
	uint64_t published;

	if (!table->private_pages)
		return table->capacity;
	/* lies in shared memory: bounded before use */
	published = hs_load_relaxed(&rows->header->tables[id - 1].capacity);
	return published == 0 || published > table->capacity ? 1 : published;
}

/* Row for number `ticket` of all ever written, its page present.  False when there is no memory for even one. */
HS_INLINE bool hs_ring_row(struct hs_rows *rows, uint32_t id, uint64_t ticket, uint64_t *ret_index)
{
	uint64_t index = ticket % hs_ring_capacity(rows, id);

	if (!hs_rows_present(rows, id, index))
		return false;
	/* making it present may have shown that there is no room */
	*ret_index = ticket % hs_ring_capacity(rows, id);
	return true;
}

#endif /* HS_STAT_RING_H */
