/* SPDX-License-Identifier: MIT */
/*
 * Invariants, for each ring r:
 *   count in the directory == n_written[r]
 *   interval[r] == ns of the newest point / interval_ns[r]
 *   live_min of the newest point <= its live_bytes
 */
#include "stat/history.h"

#include <string.h>

#include "base/rawio.h"
#include "os/vm.h"
#include "stat/events.h"
#include "stat/identity.h"
#include "stat/ring.h"

static const uint64_t interval_ns[HS_N_HISTORY] = {
	UINT64_C(1000000000),
	UINT64_C(60000000000),
	UINT64_C(3600000000000),
};

void hs_history_init(struct hs_history_state *state)
{
	memset(state, 0, sizeof(*state));
	for (unsigned r = 0; r < HS_N_HISTORY; r++)
		state->min_bytes[r] = UINT64_MAX;
}

static void write_row(struct heapspy_history *row, const struct heapspy_history *now, uint64_t min_bytes)
{
	const size_t skip = offsetof(struct heapspy_history, realtime_ns);

	hs_seq_begin(&row->seq);
	memcpy((char *)row + skip, (const char *)now + skip, sizeof(*row) - skip);
	row->live_min_bytes = min_bytes;
	hs_seq_end(&row->seq);
}

static void add_point(struct hs_history_state *state, struct hs_rows *rows, unsigned r,
		      const struct heapspy_history *now)
{
	uint32_t id = HEAPSPY_T_HISTORY_1S + r;
	uint64_t index;

	if (!hs_ring_row(rows, id, state->n_written[r], &index))
		return;
	write_row(&rows->history[r][index], now, state->min_bytes[r]);
	state->n_written[r]++;
	hs_rows_publish(rows, id, state->n_written[r]);
	state->interval[r] = now->ns / interval_ns[r];
	state->min_bytes[r] = UINT64_MAX;
}

void hs_history_tick(struct hs_history_state *state, struct hs_rows *rows, const struct heapspy_history *now)
{
	if (state->last_ns != 0 && now->ns <= state->last_ns)
		return;
	if (state->last_ns != 0 && now->ns - state->last_ns > HS_TICK_GAP_NS)
		hs_events_add(rows, HEAPSPY_EV_TICK_GAP, now->ns - state->last_ns, 0, 0);
	state->last_ns = now->ns;
	for (unsigned r = 0; r < HS_N_HISTORY; r++) {
		if (now->live_bytes < state->min_bytes[r])
			state->min_bytes[r] = now->live_bytes;
		if (state->n_written[r] == 0 || now->ns / interval_ns[r] != state->interval[r])
			add_point(state, rows, r, now);
	}
	hs_poke(&rows->totals->segment_bytes, hs_rows_present_bytes(rows));
	hs_store_relaxed(&rows->header->heartbeat_realtime_ns, now->realtime_ns);
	hs_store_relaxed(&rows->header->heartbeat_ns, now->ns);
}

uint64_t hs_history_read_rss(void)
{
	char text[128];
	const char *at = text;
	uint64_t size, resident;

	/* "size resident shared ...", in pages */
	if (hs_read_file("/proc/self/statm", text, sizeof(text)) <= 0 || !hs_parse_u64(&at, &size) || *at++ != ' ' ||
	    !hs_parse_u64(&at, &resident))
		return 0;
	return resident * hs_vm_page_bytes();
}
