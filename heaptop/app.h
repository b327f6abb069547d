/* SPDX-License-Identifier: MIT */
/*
 * app.h - the interactive loop: terminal, clock and target put together.
 *
 * Everything that can be tested without a terminal is in views/screen.h; here are only the things that need
 * the real world.
 *
 * Layer:   app (uses views/, tui/, diag/, model/, seg/, util/)
 * Signals: INT, TERM and HUP put the terminal back and are raised again
 * Errors:  explained in reterr, after the terminal has been put back
 */
#ifndef HT_APP_H
#define HT_APP_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/err.h"

struct ht_app_options {
	pid_t pid;	   /* 0: see input */
	const char *input; /* segment file; NULL and no pid: a chooser of all processes */
	double interval_s; /* 0: one second */
	bool ascii;
	int color;	  /* -1 auto, 0 never, 1 always */
	const char *view; /* NULL: overview */
	const char *sort; /* column of that view, NULL: its own */
	double wss_s;	  /* > 0: measure the working set at once, for so long */
};

/* Runs until the person quits: 0.  Negative errno with reterr->code for what could not be opened. */
int ht_app_run(const struct ht_app_options *opt, struct ht_err *reterr);

#endif /* HT_APP_H */
