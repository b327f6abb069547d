/* SPDX-License-Identifier: MIT */
/*
 * Size classes; below them how full the partly used spans are, because a class with many nearly empty spans
 * is where external fragmentation sits.
 */
#include <math.h>
#include <stdio.h>

#include "util/units.h"
#include "views/draw.h"

static void detail(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, const struct ht_row *row)
{
	const struct ht_model *m = screen->model;
	double values[10], max = 0;
	uint64_t spans = 0, free_bytes = 0;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];

	for (int i = 0; i < 10; i++) {
		values[i] = (double)m->fill_spans[i];
		max = fmax(max, values[i]);
		spans += m->fill_spans[i];
		free_bytes += m->fill_free_bytes[i];
	}
	ht_canvas_textf(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_TEXT,
			"partly used spans by fill, all classes: %s spans, %s free", ht_fmt_count(a, (double)spans),
			ht_fmt_bytes(b, (double)free_bytes));
	ht_canvas_text(canvas, r.y + 1, r.x + 1, 3, HT_ROLE_DIM, "0%");
	for (int i = 0; i < 10; i++)
		for (int k = 0; k < 3; k++)
			ht_chart_spark(canvas, r.y + 1, r.x + 4 + i * 3 + k, 1, &values[i], 1, max > 0 ? max : 1,
				       i < 5 ? HT_ROLE_WARN : HT_ROLE_CHART);
	ht_canvas_textf(canvas, r.y + 1, r.x + 35, r.cols - 35, HT_ROLE_DIM, "100%%   highest: %s spans",
			ht_fmt_count(a, max));
}

const struct ht_view ht_tab_classes = {
	.id = HT_VIEW_CLASSES,
	.title = "Classes",
	.table = "classes",
	.layout = HT_LAYOUT_TABLE,
	.draw = ht_draw_table,
	.detail = detail,
	.detail_rows = 2,
};
