/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "util/units.h"
#include "views/draw.h"

/* Where the address space of the selected arena goes, as a bar. */
static void detail(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, const struct ht_row *row)
{
	const struct ht_arena *a = NULL;
	char units[5][HT_UNIT_ROOM];

	for (size_t i = 0; i < screen->model->n_arenas; i++)
		if (screen->model->arenas[i].id == row->identity)
			a = &screen->model->arenas[i];
	if (!a)
		return;
	struct ht_bar_part parts[] = {
		{ (double)a->live_bytes, 0x2588, '|', HT_ROLE_BAR_A },
		{ (double)a->span_free_bytes, 0x2593, '#', HT_ROLE_BAR_C },
		{ (double)a->thread_cache_bytes, 't', 't', HT_ROLE_BAR_B },
		{ (double)a->dirty_bytes, 0x2592, 'd', HT_ROLE_BAR_B },
		{ (double)a->retained_bytes, 0x2591, '.', HT_ROLE_DIM },
	};
	double total = 0;

	for (int i = 0; i < 5; i++) {
		total += parts[i].value;
		ht_fmt_bytes(units[i], parts[i].value);
	}
	ht_canvas_textf(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_TEXT,
			"arena %u: live %s, free in spans %s, thread caches %s, dirty %s, retained %s", a->id, units[0],
			units[1], units[2], units[3], units[4]);
	ht_canvas_put(canvas, r.y + 1, r.x + 1, '[', HT_ROLE_DIM);
	ht_chart_stack(canvas, r.y + 1, r.x + 2, r.cols - 4, parts, 5, total);
	ht_canvas_put(canvas, r.y + 1, r.x + r.cols - 2, ']', HT_ROLE_DIM);
}

const struct ht_view ht_tab_arenas = {
	.id = HT_VIEW_ARENAS,
	.title = "Arenas",
	.table = "arenas",
	.layout = HT_LAYOUT_TABLE,
	.draw = ht_draw_table,
	.detail = detail,
	.detail_rows = 2,
};
