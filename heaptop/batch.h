/* SPDX-License-Identifier: MIT */
/*
 * batch.h - frames and reports without a screen.
 *
 * Layer:   cli (uses out/, diag/, model/, seg/, util/)
 * Errors:  the exit code in reterr; a reader that went away is no error
 */
#ifndef HT_BATCH_H
#define HT_BATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "cli.h"
#include "util/err.h"

struct ht_source;

/* The process that -p or NAME means; 0 when neither was given. */
int ht_batch_resolve(const struct ht_options *o, pid_t *ret, struct ht_err *reterr);

/* Opens the target of the options. */
int ht_batch_open(struct ht_source **ret, const struct ht_options *o, struct ht_err *reterr);

/*
 * Frames until the count is reached or the target has gone; the last one then shows its last state.
 * `gone_fd`: polled while waiting (a pidfd), -1: none.
 */
int ht_batch_frames(struct ht_source *source, const struct ht_options *o, int gone_fd, struct ht_err *reterr);

/* One report. */
int ht_batch_report(struct ht_source *source, const struct ht_options *o, struct ht_err *reterr);

#endif /* HT_BATCH_H */
