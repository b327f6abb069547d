/* SPDX-License-Identifier: MIT */
/*
 * Invariants, tested over all sizes in tests/tui/layout.c:
 *   title.rows + headline.rows + meters.rows + bar.rows + chart.rows + tabs.rows + body.rows + keys.rows = rows
 *   body.rows >= BODY_MIN_ROWS
 *   ledger, plot and rate lie in body and do not overlap
 */
#include "tui/layout.h"

#include <string.h>

/* A ledger line: glyph and name 16, bytes 8, share 6, slope 10. */
enum { LEDGER_COLS = 40, TITLE_ROWS = 1, KEYS_ROWS = 1 };
/* Smallest body: headline, meters, bar, header of the ledger and four of its parts. */
enum { BODY_MIN_ROWS = 8 };
/* Below this no tabs and meters: the table needs the room. */
enum { COMPACT_ROWS = 16, COMPACT_COLS = 60 };
enum { CHART_ROWS_FROM = 20, BAR_ROWS_FROM = 18, ROOMY_ROWS = 24, WIDE_COLS = 80 };
/* A plot with less has no shape; with a scale beside it it needs the columns. */
enum { PLOT_MIN_ROWS = 4, PLOT_MIN_COLS = 30 };

int ht_layout_min_rows(void)
{
	return TITLE_ROWS + BODY_MIN_ROWS + KEYS_ROWS;
}

int ht_layout_min_cols(void)
{
	return LEDGER_COLS;
}

static struct ht_rect take_top(struct ht_rect *rest, int rows)
{
	struct ht_rect part = { rest->y, rest->x, rows, rest->cols };

	rest->y += rows;
	rest->rows -= rows;
	return part;
}

static struct ht_rect take_bottom(struct ht_rect *rest, int rows)
{
	rest->rows -= rows;
	return (struct ht_rect){ rest->y + rest->rows, rest->x, rows, rest->cols };
}

/* Ledger at the left and plots at the right when there is the width, else one above the other. */
static void divide_overview(struct ht_layout *layout)
{
	struct ht_rect body = layout->body;

	layout->ledger = body;
	if (layout->compact)
		return;
	if (body.cols >= LEDGER_COLS + 1 + PLOT_MIN_COLS && body.rows >= BODY_MIN_ROWS) {
		struct ht_rect right = { body.y, body.x + LEDGER_COLS + 1, body.rows, body.cols - LEDGER_COLS - 1 };

		layout->ledger.cols = LEDGER_COLS;
		if (right.rows >= 3 * PLOT_MIN_ROWS)
			layout->rate = take_bottom(&right, right.rows / 3);
		layout->plot = right;
	} else if (body.rows >= BODY_MIN_ROWS + PLOT_MIN_ROWS) {
		layout->plot = take_bottom(&layout->ledger, body.rows - BODY_MIN_ROWS > 8 ? 8 : PLOT_MIN_ROWS);
	}
}

void ht_layout_compute(struct ht_layout *ret_layout, enum ht_layout_kind kind, int rows, int cols)
{
	struct ht_layout layout;
	struct ht_rect rest = { 0, 0, rows, cols };

	memset(&layout, 0, sizeof(layout));
	layout.too_small = rows < ht_layout_min_rows() || cols < ht_layout_min_cols();
	if (layout.too_small) {
		*ret_layout = layout;
		return;
	}
	layout.compact = rows < COMPACT_ROWS || cols < COMPACT_COLS;
	layout.title = take_top(&rest, TITLE_ROWS);
	layout.keys = take_bottom(&rest, KEYS_ROWS);
	if (layout.compact) {
		if (kind == HT_LAYOUT_OVERVIEW) {
			layout.headline = take_top(&rest, 1);
			layout.meters = take_top(&rest, 1);
			layout.bar = take_top(&rest, 1);
		}
	} else if (kind == HT_LAYOUT_PAGE) {
		layout.tabs = take_top(&rest, 1);
	} else if (kind != HT_LAYOUT_TEXT) {
		bool overview = kind == HT_LAYOUT_OVERVIEW;

		layout.headline = take_top(&rest, overview && rows >= ROOMY_ROWS ? 2 : 1);
		layout.meters = take_top(&rest, cols < WIDE_COLS && overview ? 2 : 1);
		if (rows >= BAR_ROWS_FROM || overview)
			layout.bar = take_top(&rest, 1);
		/* the overview has a plot of its own */
		if (rows >= CHART_ROWS_FROM && !overview)
			layout.chart = take_top(&rest, 1);
		layout.tabs = take_top(&rest, 1);
	}
	layout.body = rest;
	if (kind == HT_LAYOUT_OVERVIEW)
		divide_overview(&layout);
	*ret_layout = layout;
}
