/* SPDX-License-Identifier: MIT */
/* Locks; below them the call stacks that waited longest for the selected one. */
#include <stdio.h>

#include "util/units.h"
#include "views/draw.h"

#define N_SHOWN 3

/* The `n` waiters of a lock with the longest waits, longest first. */
static size_t longest(const struct ht_model *model, uint64_t lock, const struct ht_waiter **ret, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < model->n_waiters; i++) {
		const struct ht_waiter *w = &model->waiters[i];
		size_t at = n;

		if (w->lock != lock)
			continue;
		while (at > 0 && ret[at - 1]->wait_ns < w->wait_ns)
			at--;
		if (at >= cap)
			continue;
		n = n < cap ? n + 1 : cap;
		for (size_t k = n - 1; k > at; k--)
			ret[k] = ret[k - 1];
		ret[at] = w;
	}
	return n;
}

static void draw_waiter(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r,
			const struct ht_waiter *waiter)
{
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];
	int x = r.x + 1;

	x += ht_canvas_textf(canvas, r.y, x, 32, HT_ROLE_TEXT, "%8s in %s waits", ht_fmt_ns(a, (double)waiter->wait_ns),
			     ht_fmt_count(b, (double)waiter->n_waits));
	x += 2;
	for (size_t i = 0; i < screen->model->n_sites; i++) {
		const struct ht_site *site = &screen->model->sites[i];

		if (site->id != waiter->site)
			continue;
		for (uint32_t k = 0; k < site->n_frames; k++) {
			struct ht_sym_frame frames[8];
			size_t n = screen->sym ? ht_sym_lookup(screen->sym, site->frames[k], false, frames, 8) : 0;

			if (n > 0 && (!ht_sym_is_own(&frames[0]) || k + 1 == site->n_frames)) {
				ht_draw_stack_frame(canvas, r.y, x, r.x + r.cols - x - 1, HT_ROLE_TEXT, &frames[0]);
				return;
			}
		}
	}
}

static void detail(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r, const struct ht_row *row)
{
	const struct ht_waiter *waiters[N_SHOWN];
	size_t n = longest(screen->model, row->identity, waiters, N_SHOWN);

	ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_TEXT,
		       n ? "who waited longest for it (sampled):" : "no waits for it recorded");
	for (size_t i = 0; i < n; i++)
		draw_waiter(screen, canvas, (struct ht_rect){ r.y + 1 + (int)i, r.x, 1, r.cols }, waiters[i]);
}

const struct ht_view ht_tab_locks = {
	.id = HT_VIEW_LOCKS,
	.title = "Locks",
	.table = "locks",
	.layout = HT_LAYOUT_TABLE,
	.draw = ht_draw_table,
	.detail = detail,
	.detail_rows = 1 + N_SHOWN,
};
