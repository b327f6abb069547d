/* SPDX-License-Identifier: MIT */
/*
 * run.h - heaptop run: starts a command under the library and watches it.
 *
 * Layer:   cli (uses app, batch.h, model/, seg/, util/)
 * Signals: INT and TERM are passed on to the command while it is waited for
 * Errors:  returns the exit status for main: the command's own, 128+n when a signal ended it, 126 or 127 when
 *          it could not be started
 */
#ifndef HT_RUN_H
#define HT_RUN_H

#include "app.h"
#include "cli.h"
#include "util/err.h"

/* The status to exit with; an error to be printed is left in reterr (its code is then HT_EXIT_OK or the status). */
int ht_run(const struct ht_options *o, bool interactive, struct ht_err *reterr);

/* What the options say about the screen; the target is the caller's to set. */
struct ht_app_options ht_run_screen_options(const struct ht_options *o);

/* Path of libheapspy.so: $HEAPSPY_LIB, beside this program, in the build tree, where it was installed. */
int ht_run_library(char *ret, size_t room, struct ht_err *reterr);

#endif /* HT_RUN_H */
