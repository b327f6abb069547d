/* SPDX-License-Identifier: MIT */
/*
 * history.h - the past: points every second, minute and hour.
 *
 * The three rings keep 10 minutes, a day and four weeks.  Ticks come when somebody has time for them, so a
 * ring gets a point with the first tick of each of its intervals; where no tick came there is no point, and the
 * times in the points show it.
 *
 * Layer:   stat/ (uses core/rows.h, events.h)
 * Locking: the caller's: one tick at a time
 * Signals: not async-signal-safe
 */
#ifndef HS_STAT_HISTORY_H
#define HS_STAT_HISTORY_H

#include "core/rows.h"

#define HS_N_HISTORY 3u

/* A pause between two ticks that leaves an event.  Without a helper thread an idle program has many short ones. */
#define HS_TICK_GAP_NS UINT64_C(10000000000)

struct hs_history_state {
	uint64_t last_ns;		   /* of the last tick; 0: none yet */
	uint64_t n_written[HS_N_HISTORY];  /* rows ever written */
	uint64_t interval[HS_N_HISTORY];   /* number of the interval of the last point */
	uint64_t min_bytes[HS_N_HISTORY];  /* least live_bytes since the last point */
};

/* Before the first tick, and in the child of a fork. */
void hs_history_init(struct hs_history_state *state);

/*
 * Records `now`, whose seq and live_min_bytes are ignored; its ns and realtime_ns are the clock, nothing else is
 * asked for the time.  Updates the heartbeat and the size of the segment.  A tick that is not later than the last one
 * is ignored.
 */
void hs_history_tick(struct hs_history_state *state, struct hs_rows *rows, const struct heapspy_history *now);

/* The kernel's figure for the process, from /proc/self/statm; 0 when there is none. */
uint64_t hs_history_read_rss(void);

#endif /* HS_STAT_HISTORY_H */
