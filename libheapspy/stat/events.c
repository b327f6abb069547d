/* SPDX-License-Identifier: MIT */
#include "stat/events.h"

#include "base/atomic.h"
#include "os/sys.h"
#include "stat/ring.h"

void hs_events_add(struct hs_rows *rows, uint32_t kind, uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t ticket, lap, index, seq;
	struct heapspy_event *row;

	/* the count lies in shared memory: whatever stands there, the remainder is a row of ours */
	ticket = hs_add_relaxed(&rows->header->tables[HEAPSPY_T_EVENTS - 1].count, 1);
	if (!hs_ring_row(rows, HEAPSPY_T_EVENTS, ticket, &index))
		return;
	row = &rows->events[index];
	lap = ticket / hs_ring_capacity(rows, HEAPSPY_T_EVENTS);
	/* whoever is overtaken by a whole lap, or finds the row in other hands, gives its event up: rows stay whole */
	seq = hs_load_relaxed(&row->seq);
	if (seq % 2 != 0 || seq > 2 * lap || !hs_cas_relaxed(&row->seq, &seq, 2 * lap + 1))
		return;
	hs_fence_release(); /* [mo:row-seq release] the odd value before any word of the row */
	hs_store_relaxed(&row->realtime_ns, hs_now_realtime_ns());
	hs_store_relaxed(&row->ns, hs_now_ns());
	hs_store_relaxed(&row->kind, kind);
	hs_store_relaxed(&row->tid, hs_gettid());
	hs_store_relaxed(&row->a, a);
	hs_store_relaxed(&row->b, b);
	hs_store_relaxed(&row->c, c);
	/* [mo:row-seq release] all words of the row before the even value */
	hs_store_release(&row->seq, 2 * lap + 2);
}
