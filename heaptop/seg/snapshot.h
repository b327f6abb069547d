/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - a private, bounded copy of a segment.
 *
 * The file belongs to the target and everything in it is hostile: the header is copied first and checked,
 * then only the used rows of each table are copied with pread (a file that shrinks under us gives short
 * reads, not SIGBUS).  After this nobody looks at the file again.  Rows come out with this version's size,
 * rings oldest first, rows caught in the middle of a write left out.
 *
 * Bounded here: counts of rows.  NOT bounded here: indices and sizes inside the rows; model/ does that.
 *
 * Layer:   seg/ (uses util/)
 * Memory:  ht_snap_done() frees all tables
 * Errors:  exit class DAMAGED for another major version or a broken directory; -EAGAIN while it is being made
 */
#ifndef HT_SEG_SNAPSHOT_H
#define HT_SEG_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include <heapspy/segment.h>

#include "util/err.h"

struct ht_snap {
	struct heapspy_header header;	      /* strings in it may lack their NUL */
	uint64_t taken_ns, taken_realtime_ns; /* when the copy was made, our clocks */
	size_t n_torn;			      /* rows left out */

	struct heapspy_totals *totals;
	struct heapspy_class *classes;
	struct heapspy_arena *arenas;
	struct heapspy_bin *bins;
	struct heapspy_lock *locks;
	struct heapspy_thread *threads;
	struct heapspy_site *sites;
	uint64_t *frames;
	struct heapspy_sample *samples;
	struct heapspy_module *modules;
	struct heapspy_span *spans;
	struct heapspy_history *history_1s, *history_1m, *history_1h;
	struct heapspy_event *events;
	struct heapspy_waiter *waiters;
	size_t n_totals, n_classes, n_arenas, n_bins, n_locks, n_threads, n_sites, n_frames, n_samples, n_modules,
		n_spans, n_history_1s, n_history_1m, n_history_1h, n_events, n_waiters;
};

/*
 * Where the bytes are: a segment file (base 0), or the memory of the target (/proc/PID/mem) from address `base`
 * on, when the file has no name that we could open.
 */
struct ht_segment_at {
	int fd;
	uint64_t base;
};

/* Copies and checks; `what` names the target in messages ("pid 4711", "'file'"). */
int ht_snap_take(struct ht_snap *ret, struct ht_segment_at at, const char *what, struct ht_err *reterr);
/* The header alone, checked as for a whole copy. */
int ht_snap_header(struct heapspy_header *ret, struct ht_segment_at at, const char *what, struct ht_err *reterr);
/* One ring or table of a checked header, e.g. only the history for a list.  Free `*ret_rows`. */
int ht_snap_table(const struct heapspy_header *header, struct ht_segment_at at, uint32_t id, void **ret_rows,
		  size_t *ret_n);
void ht_snap_done(struct ht_snap *snap);

#endif /* HT_SEG_SNAPSHOT_H */
