/* SPDX-License-Identifier: MIT */
/* Layout as arithmetic: every size of 1..200 columns by 1..60 rows, every kind of view. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/layout.h"

static int failures;

static void expect(int ok, int rows, int cols, int kind, const char *what)
{
	if (!ok && failures++ < 20)
		fprintf(stderr, "%dx%d kind %d: %s\n", cols, rows, kind, what);
}

/* Counts each cell of the rectangle; false when it leaves the screen. */
static int cover(unsigned char *cells, int rows, int cols, struct ht_rect r)
{
	if (r.rows == 0)
		return 1;
	if (r.rows < 0 || r.cols < 1 || r.y < 0 || r.x < 0 || r.y + r.rows > rows || r.x + r.cols > cols)
		return 0;
	for (int y = r.y; y < r.y + r.rows; y++)
		for (int x = r.x; x < r.x + r.cols; x++)
			cells[y * cols + x]++;
	return 1;
}

static int all_equal(const unsigned char *cells, int n, int value)
{
	for (int i = 0; i < n; i++)
		if (cells[i] != value)
			return 0;
	return 1;
}

static int inside(struct ht_rect in, struct ht_rect out)
{
	return in.rows == 0 || (in.y >= out.y && in.x >= out.x && in.y + in.rows <= out.y + out.rows &&
				in.x + in.cols <= out.x + out.cols);
}

static void check_size(int kind, int rows, int cols)
{
	static unsigned char cells[200 * 60];
	struct ht_layout l;
	int max = 0;

	ht_layout_compute(&l, (enum ht_layout_kind)kind, rows, cols);
	expect(l.too_small == (rows < ht_layout_min_rows() || cols < ht_layout_min_cols()), rows, cols, kind,
	       "too_small is the minimum and nothing else");
	if (l.too_small) {
		expect(l.title.rows + l.body.rows + l.keys.rows == 0, rows, cols, kind, "too small shows nothing");
		return;
	}
	const struct ht_rect parts[] = { l.title, l.headline, l.meters, l.bar, l.chart, l.tabs, l.body, l.keys };

	memset(cells, 0, sizeof(cells));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect(cover(cells, rows, cols, parts[i]), rows, cols, kind, "a part leaves the screen");
	expect(all_equal(cells, rows * cols, 1), rows, cols, kind, "parts overlap or leave a hole");
	expect(l.title.rows == 1 && l.keys.rows == 1, rows, cols, kind, "title and keys stay");
	/* header, and the selected row with one neighbour at least */
	expect(l.body.rows >= 4, rows, cols, kind, "the table keeps its rows");
	memset(cells, 0, sizeof(cells));
	cover(cells, rows, cols, l.ledger);
	cover(cells, rows, cols, l.plot);
	cover(cells, rows, cols, l.rate);
	for (int i = 0; i < rows * cols; i++)
		max = cells[i] > max ? cells[i] : max;
	expect(max <= 1, rows, cols, kind, "ledger and plots overlap");
	expect(inside(l.ledger, l.body) && inside(l.plot, l.body) && inside(l.rate, l.body), rows, cols, kind,
	       "ledger and plots lie in the body");
	expect((l.ledger.rows > 0) == (kind == HT_LAYOUT_OVERVIEW), rows, cols, kind, "the overview has a ledger");
	expect(l.ledger.rows == 0 || (l.ledger.cols >= ht_layout_min_cols() && l.ledger.rows >= 5), rows, cols, kind,
	       "the ledger keeps its columns and four parts");
}

int main(void)
{
	struct ht_layout l;

	for (int kind = 0; kind <= HT_LAYOUT_TEXT; kind++)
		for (int rows = 1; rows <= 60; rows++)
			for (int cols = 1; cols <= 200; cols++)
				check_size(kind, rows, cols);
	/* the steps of the design, each at its edge */
	ht_layout_compute(&l, HT_LAYOUT_TABLE, 24, 80);
	expect(l.headline.rows && l.meters.rows && l.bar.rows && l.chart.rows && l.tabs.rows, 24, 80, 0,
	       "80x24 has all");
	ht_layout_compute(&l, HT_LAYOUT_TABLE, 17, 80);
	expect(!l.chart.rows && !l.bar.rows && l.meters.rows == 1, 17, 80, 0, "below 18 rows: one line of meters");
	ht_layout_compute(&l, HT_LAYOUT_TABLE, 15, 60);
	expect(l.compact && l.body.rows == 13, 15, 60, 0, "below 16 rows: table and status line");
	ht_layout_compute(&l, HT_LAYOUT_TABLE, 10, 40);
	expect(!l.too_small, 10, 40, 0, "40x10 is enough");
	ht_layout_compute(&l, HT_LAYOUT_TABLE, 9, 40);
	expect(l.too_small, 9, 40, 0, "40x9 is not");
	return failures ? 1 : 0;
}
