/* SPDX-License-Identifier: MIT */
/*
 * segment.h - makes the statistics visible: lays a file under the rows.
 *
 * Every process starts with private rows, so that a short-lived command costs nothing.  When it has lived
 * or allocated enough to matter, hs_segment_promote() copies what is there into a file and puts that file at
 * the same addresses.  A child of fork goes back to private rows first, then gets a file of its own.
 *
 * Layer:   stat/ (uses core/rows.h)
 * Owns:    the file's name until hs_segment_retire(); no descriptor
 * Locking: none; promote and detach need a process in which no other thread writes rows
 * Order:   a reader looks at nothing before it has seen the magic [mo:segment-magic acquire], and takes the
 *          figures for final after it has seen EXITED [mo:segment-state acquire]
 * Signals: promote and detach block all signals meanwhile, so that no handler's malloc is lost in the copy
 * Fork:    hs_segment_detach_child()
 * Errors:  the program never notices: no file means private rows, one warning, and statistics that only this
 *          process can see
 */
#ifndef HS_STAT_SEGMENT_H
#define HS_STAT_SEGMENT_H

#include "core/rows.h"
#include "stat/identity.h"

#define HS_SEGMENT_PATH_BYTES 256

/* Why these: a shell's commands end below both, a service that anybody would look at passes one at once. */
#define HS_SEGMENT_WANT_BYTES ((uint64_t)256 << 10)
#define HS_SEGMENT_WANT_NS UINT64_C(100000000)
/* A child of fork often ends by _exit(), which runs no handler of ours and leaves the file: it has to earn it. */
#define HS_SEGMENT_CHILD_BYTES ((uint64_t)8 << 20)
#define HS_SEGMENT_CHILD_NS UINT64_C(1000000000)

struct hs_segment {
	uint64_t start_ns;  /* when this process's statistics began */
	uint32_t pid;	    /* whose statistics they are */
	uint32_t owner_pid; /* who made the file; 0: there is none */
	bool refused;	    /* no file was to be had: do not try again */
	char path[HS_SEGMENT_PATH_BYTES]; /* of the file; empty for a memfd */
};

/* Notes when statistics began, here and in the header.  Once per process, early. */
void hs_segment_init(struct hs_segment *seg, struct hs_rows *rows);

/* True when it is time to promote: pure arithmetic, for slow paths. */
HS_INLINE bool hs_segment_want(const struct hs_segment *seg, const struct hs_rows *rows, uint64_t allocated_bytes,
			       uint64_t now_ns)
{
	bool child = rows->header->parent_pid != 0;

	return !rows->shared && !seg->refused &&
	       (allocated_bytes >= (child ? HS_SEGMENT_CHILD_BYTES : HS_SEGMENT_WANT_BYTES) ||
		now_ns - seg->start_ns >= (child ? HS_SEGMENT_CHILD_NS : HS_SEGMENT_WANT_NS));
}

/*
 * Makes <dir>/heapspy-<pid>-<start ticks>, or a memfd of that name when the directory is unusable, full, or has
 * somebody else's file there; copies all present pages and maps it over rows->base.  Then rows->shared is true
 * and the header says LIVE.  False: rows are as before (private), seg->refused is set, one warning was written.
 * Pre: no other thread writes rows.  True at once when already shared.
 */
bool hs_segment_promote(struct hs_segment *seg, struct hs_rows *rows, const struct hs_segment_conf *conf);

/*
 * In the child of a fork: private pages with the same content in place of the parent's file, which is not written
 * to.  History, events and mailbox start empty; counters go on from the parent's.  The header gets the parent's
 * pid and new start times.  Also right for a process that was not shared.
 * False when there is no memory for it: the rows still are the parent's, and must not be written to.
 */
bool hs_segment_detach_child(struct hs_segment *seg, struct hs_rows *rows);

/*
 * At normal exit: the state becomes EXITED, and the file is removed unless `keep`; a process without a file gets none
 * any more.  Does nothing in another process (children of vfork or raw clone that run exit handlers).
 */
void hs_segment_retire(struct hs_segment *seg, struct hs_rows *rows, bool keep);

/*
 * Removes the file that this very process left before it called exec(); a program that ends before it is
 * promoted would leave it for good.  Three system calls when there is none.
 */
void hs_segment_sweep(const struct hs_segment *seg, const struct hs_segment_conf *conf);

#endif /* HS_STAT_SEGMENT_H */
