/* SPDX-License-Identifier: MIT */
/*
 * source.h - a target that is looked at again and again: a process, or a segment file.
 *
 * Ties together what a viewer needs: the open segment, the last snapshot and model, what was measured through
 * /proc and when, the viewer's own points of history, and the symbolizer fed with the target's modules.
 *
 * Layer:   model/ (uses sym/, seg/, util/)
 * Memory:  models belong to the source; one stays valid until the next refresh or close
 * Errors:  opening explains itself in `reterr`; refreshing a target that went away is no error
 */
#ifndef HT_MODEL_SOURCE_H
#define HT_MODEL_SOURCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "model/model.h"
#include "util/err.h"

struct ht_source;
struct ht_sym;

/* 0 or negative errno.  A fresh source has no model yet: refresh it. */
int ht_source_open_pid(struct ht_source **ret, pid_t pid, struct ht_err *reterr);
/* A file that a running process of this machine has mapped is treated like that process. */
int ht_source_open_file(struct ht_source **ret, const char *path, struct ht_err *reterr);

/*
 * A new snapshot and its model.  When the target has gone since the refresh before, that model is kept and its
 * state says exited or dead.  A negative errno (damaged segment) leaves
 * the model before in place.
 */
int ht_source_refresh(struct ht_source *source, const struct ht_model **ret, struct ht_err *reterr);

/* The newest model, NULL before the first refresh. */
const struct ht_model *ht_source_model(const struct ht_source *source);

/* The symbolizer, fed with the modules of the newest snapshot; made on the first call.  Never NULL. */
struct ht_sym *ht_source_sym(struct ht_source *source);

/*
 * Residency and mappings are measured again when the last time is old in relation to what it cost.  `always`:
 * with each refresh (reports).
 */
void ht_source_measure_always(struct ht_source *source, bool always);

/*
 * Working set: clears the referenced bits of the target, waits, counts.  Blocks for `seconds` and touches the
 * target's page tables, so only when a person asked.  The figures appear in the models from the next refresh
 * on.  -EPERM, -ESRCH, -EINTR (a signal came; nothing was measured).
 */
int ht_source_measure_wss(struct ht_source *source, double seconds, struct ht_err *reterr);

/*
 * The same in two steps, for a loop that goes on drawing: begin clears, end (after the wait) counts.  `end`
 * without `begin` is -EINVAL.
 */
int ht_source_wss_begin(struct ht_source *source, struct ht_err *reterr);
int ht_source_wss_end(struct ht_source *source, struct ht_err *reterr);

void ht_source_close(struct ht_source *source);

#endif /* HT_MODEL_SOURCE_H */
