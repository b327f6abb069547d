/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "util/units.h"
#include "views/draw.h"

#define IDLE_NS UINT64_C(60000000000) /* a cache idle for a minute is worth draining */

/* What all caches hold, and how much of it nobody has used for a minute. */
static void detail(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, const struct ht_row *row)
{
	const struct ht_model *m = screen->model;
	uint64_t cached = 0, idle = 0, pending = 0;
	size_t n_idle = 0, n_alive = 0;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], c[HT_UNIT_ROOM];

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct ht_thread *t = &m->threads[i];

		cached += t->cached_bytes;
		pending += t->pending_bytes;
		n_alive += t->alive;
		if (t->alive && t->idle_ns != HT_UNKNOWN && t->idle_ns > IDLE_NS) {
			n_idle++;
			idle += t->cached_bytes;
		}
	}
	ht_canvas_textf(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_TEXT,
			"%zu threads cache %s; %zu idle over 1m hold %s; %s not yet given back", n_alive,
			ht_fmt_bytes(a, (double)cached), n_idle, ht_fmt_bytes(b, (double)idle),
			ht_fmt_bytes(c, (double)pending));
}

const struct ht_view ht_tab_threads = {
	.id = HT_VIEW_THREADS,
	.title = "Threads",
	.table = "threads",
	.layout = HT_LAYOUT_TABLE,
	.draw = ht_draw_table,
	.detail = detail,
	.detail_rows = 1,
};
