/* SPDX-License-Identifier: MIT */
/*
 * layout.h - from the size of the terminal to rectangles.
 *
 * One pure function, computed anew for each frame; nothing is remembered between sizes.  Smaller screens
 * lose parts in a fixed order: chart, bar, meters, tabs.  The table and the title go last.
 *
 * Layer:   tui/ (uses canvas.h)
 */
#ifndef HT_TUI_LAYOUT_H
#define HT_TUI_LAYOUT_H

#include <stdbool.h>

#include "tui/canvas.h"

enum ht_layout_kind {
	HT_LAYOUT_TABLE,    /* tables: meters, bar and spark above the table */
	HT_LAYOUT_OVERVIEW, /* ledger and plots instead of a table */
	HT_LAYOUT_PAGE,	    /* findings, one site: tabs, and all the other room for the body */
	HT_LAYOUT_TEXT,	    /* help, chooser: no tabs either */
};

/* A rectangle with rows 0 is not shown.  All others lie inside the screen and do not overlap. */
struct ht_layout {
	bool too_small;
	bool compact; /* below 60x16: no tabs, title names the view */
	struct ht_rect title, headline, meters, bar, chart, tabs, body, keys;
	struct ht_rect ledger, plot, rate; /* inside body; HT_LAYOUT_OVERVIEW only */
};

/* The smallest screen that shows title, smallest ledger and status line. */
int ht_layout_min_rows(void);
int ht_layout_min_cols(void);

/* Divides rows x cols; with too_small set no rectangle has rows. */
void ht_layout_compute(struct ht_layout *ret_layout, enum ht_layout_kind kind, int rows, int cols);

#endif /* HT_TUI_LAYOUT_H */
