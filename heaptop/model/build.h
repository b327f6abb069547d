/* SPDX-License-Identifier: MIT */
/*
 * build.h - from a snapshot and what the kernel says to a model.
 *
 * One function a group of figures, each in a file of its own; ht_model_build() calls them in the order in
 * which they need each other.  All indices and sizes of the snapshot's rows are bounded here.
 *
 * Layer:   model/ (uses seg/, util/)
 * Memory:  the model borrows stacks from the snapshot, which must live as long
 */
#ifndef HT_MODEL_BUILD_H
#define HT_MODEL_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "model/proc.h"
#include "model/resident.h"
#include "seg/snapshot.h"

struct ht_build {
	const struct ht_snap *snap;
	const struct ht_proc *proc;	    /* NULL: the process is not there */
	const struct ht_resident *resident; /* NULL: not measured */
	const struct ht_model *before;	    /* NULL: first frame */
	const struct ht_point *seen;	    /* the viewer's own points, oldest first */
	size_t n_seen;
	enum ht_state state;
	pid_t pid;
};

/* What the span map says, by span; made once for all who need it. */
struct ht_span_fact {
	bool ok;	     /* the row makes sense */
	uint32_t live, free; /* slots: handed out; touched and free (pending ones included) */
	uint32_t pending;    /* of `free`: freed by others, not yet taken back */
	uint32_t gathered;   /* of `pending`: still in the rings of those who freed them, so in their caches */
	uint64_t hole_bytes; /* of the free slots: given back page by page, so not in memory */
	bool cached;	     /* a thread's active span, or an empty one that it keeps: its free slots are cache */
};

void ht_model_build(struct ht_model *ret, const struct ht_build *in);
void ht_model_done(struct ht_model *model);

/* spans.c: classes, arenas, threads' caches, fill and the totals made of them. */
struct ht_span_fact *ht_span_facts(const struct ht_snap *snap);
void ht_build_spans(struct ht_model *m, const struct ht_build *in, const struct ht_span_fact *facts);
/* threads.c: one row a living thread; needs nothing, is filled further by spans */
void ht_build_threads(struct ht_model *m, const struct ht_build *in);
/* sites.c: estimates from the samples, pins, rounding, waiters */
void ht_build_sites(struct ht_model *m, const struct ht_build *in, const struct ht_span_fact *facts);
/* locks.c */
void ht_build_locks(struct ht_model *m, const struct ht_build *in);
/* history.c: merges the rings and what the viewer saw; the last point is this frame */
void ht_build_history(struct ht_model *m, const struct ht_build *in);
/* Least squares over the newest `window_ns`; NAN with fewer than 3 points.  `field_at`: offset in ht_point. */
double ht_history_slope(const struct ht_model *m, size_t field_at, uint64_t window_ns);
/* ledger.c: needs all the others */
void ht_build_ledger(struct ht_model *m, const struct ht_build *in);
const char *ht_part_name(enum ht_part part);

#endif /* HT_MODEL_BUILD_H */
