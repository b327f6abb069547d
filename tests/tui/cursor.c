/* SPDX-License-Identifier: MIT */
/* The cursor follows its object, and history becomes columns with gaps where nothing is known. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "views/cursor.h"
#include "views/draw.h"

#define SECOND UINT64_C(1000000000)

static int failures;

static void expect(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s\n", what);
		failures++;
	}
}

static void follows(void)
{
	struct ht_row rows[5] = {
		{ .identity = 10 }, { .identity = 11 }, { .identity = 12 }, { .identity = 13 }, { .identity = 14 }
	};
	struct ht_row turned[5] = { rows[4], rows[3], rows[2], rows[1], rows[0] };
	struct ht_cursor list = { 0 };

	ht_cursor_follow(&list, rows, 5);
	ht_cursor_fit(&list, 5, 3);
	expect(list.selected == 10, "starts on the first row");
	ht_cursor_follow(&list, turned, 5);
	expect(list.selected == 14 && list.cursor == 0, "a row that nobody chose is not followed");
	ht_cursor_command(&list, HT_CMD_DOWN);
	ht_cursor_follow(&list, turned, 5);
	expect(list.selected == 13 && list.cursor == 1, "down selects the next object");
	ht_cursor_follow(&list, rows, 5);
	expect(list.selected == 13 && list.cursor == 3, "the cursor follows its object when the order turns");
	ht_cursor_fit(&list, 5, 3);
	expect(list.top == 1, "and stays on the screen");
	ht_cursor_follow(&list, rows, 2);
	expect(list.cursor == 1 && list.selected == 11, "an object that is gone leaves the cursor near");
	ht_cursor_follow(&list, rows, 0);
	ht_cursor_fit(&list, 0, 3);
	expect(list.cursor == 0 && !list.has_selected, "an empty list selects nothing");
	ht_cursor_command(&list, HT_CMD_DOWN);
	ht_cursor_command(&list, HT_CMD_LAST);
	ht_cursor_fit(&list, 0, 3);
	expect(list.cursor == 0 && list.top == 0, "and moving in it goes nowhere");
}

static void scrolls(void)
{
	struct ht_cursor list = { 0 };

	ht_cursor_scroll(&list, 10, 4);
	ht_cursor_command(&list, HT_CMD_LAST);
	ht_cursor_scroll(&list, 10, 4);
	expect(list.top == 6, "the end of a text is its last page");
	ht_cursor_command(&list, HT_CMD_PAGE_UP);
	ht_cursor_scroll(&list, 10, 4);
	expect(list.top == 3, "a page keeps one line of the one before");
	ht_cursor_scroll(&list, 2, 4);
	expect(list.top == 0, "a short text does not scroll");
}

static void series(void)
{
	struct ht_point points[] = {
		{ .realtime_ns = 100 * SECOND, .rss_bytes = 10, .allocated_bytes = 0 },
		{ .realtime_ns = 101 * SECOND, .rss_bytes = 20, .allocated_bytes = 50 },
		{ .realtime_ns = 102 * SECOND, .rss_bytes = HT_UNKNOWN, .allocated_bytes = 150 },
		{ .realtime_ns = 106 * SECOND, .rss_bytes = 40, .allocated_bytes = 1000, .gap = true },
		{ .realtime_ns = 107 * SECOND, .rss_bytes = 30, .allocated_bytes = 1007 },
	};
	struct ht_model model = { .history = points, .n_history = 5 };
	double v[10], max;

	max = ht_draw_series(&model, HT_SERIES_RSS, SECOND, 10, v);
	expect(max == 40, "the greatest value is told");
	expect(isnan(v[0]) && isnan(v[1]), "before the first point nothing is known");
	expect(v[2] == 10 && v[3] == 20, "a column shows its point");
	expect(isnan(v[4]), "an unknown figure is a gap");
	expect(isnan(v[6]) && isnan(v[7]), "between two points with a gap nothing is known");
	expect(v[8] == 40 && v[9] == 30, "the newest is at the right");
	ht_draw_series(&model, HT_SERIES_RATE, SECOND, 10, v);
	expect(v[3] == 50 && v[4] == 100, "a rate is a difference in time");
	expect(isnan(v[8]), "there is no rate over a gap");
	expect(v[9] == 7, "and there is one after it");
	model.n_history = 0;
	expect(ht_draw_series(&model, HT_SERIES_RSS, SECOND, 10, v) == 0 && isnan(v[9]), "no history, no values");
	expect(ht_draw_step(0, 50) == SECOND, "the least step is a second");
	for (uint64_t span = SECOND; span < 4000000 * SECOND; span += span / 3 + 1) {
		uint64_t step = ht_draw_step(span, 50);

		expect(step * 50 >= span, "the step shows the whole span");
		expect(step == SECOND || step * 50 < span * 5 / 2 + 60 * SECOND, "and not much more");
	}
}

int main(void)
{
	follows();
	scrolls();
	series();
	return failures ? 1 : 0;
}
