/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "util/units.h"
#include "views/cursor.h"
#include "views/draw.h"

static const char *figure(char unit[HT_UNIT_ROOM], uint64_t bytes)
{
	return bytes == UINT64_MAX ? "-" : ht_fmt_bytes(unit, (double)bytes);
}

static void draw_none(struct ht_canvas *canvas, struct ht_rect r)
{
	ht_canvas_text(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_WARN, "No process runs under heapspy.");
	ht_canvas_paragraph(canvas, (struct ht_rect){ r.y + 3, r.x + 1, r.rows - 3, r.cols - 2 }, HT_ROLE_TEXT,
			    "Start one with:  heaptop run -- COMMAND\n"
			    "or:              LD_PRELOAD=libheapspy.so COMMAND\n"
			    "This list looks again by itself. Processes of other users are seen by root only.");
}

static void draw(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	struct ht_cursor *list = &screen->lists[HT_VIEW_CHOOSER];
	struct ht_rect r = layout->body;
	/* a narrow list gives up age and heap, then part of the name; never part of a number */
	bool narrow = r.cols < 62;
	int name = r.cols < 46 ? 10 : 16;

	ht_cursor_fit(list, screen->n_choices, r.rows - 2);
	if (screen->n_choices == 0) {
		draw_none(canvas, r);
		return;
	}
	ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_TEXT, "Which process?  Enter opens it.");
	ht_canvas_textf(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_HEADER, "    PID %-*s STATE        RSS%s", name,
			"COMMAND", narrow ? "" : "   IN USE       AGE");
	for (int i = 0; i < r.rows - 2 && list->top + (size_t)i < screen->n_choices; i++) {
		const struct ht_list_entry *e = &screen->choices[list->top + (size_t)i];
		struct ht_rect line = { r.y + 2 + i, r.x, 1, r.cols };
		enum ht_role role = e->state == HT_LIST_LIVE ? HT_ROLE_TEXT : HT_ROLE_DIM;
		char unit[HT_UNIT_ROOM], comm[17];

		snprintf(comm, sizeof(comm), "%.16s", e->comm);
		ht_canvas_textf(canvas, line.y, r.x + 1, 8, role, "%7d", (int)e->pid);
		ht_draw_foreign(canvas, line.y, r.x + 9, name, role, comm);
		ht_canvas_text(canvas, line.y, r.x + 10 + name, 7, role, ht_list_state_name(e->state));
		ht_canvas_right(canvas, line.y, r.x + 18 + name, 8, role, figure(unit, e->rss_bytes));
		if (!narrow) {
			ht_canvas_right(canvas, line.y, r.x + 43, 8, role, figure(unit, e->live_bytes));
			ht_canvas_right(canvas, line.y, r.x + 52, 9, role,
					e->age_ns == UINT64_MAX ? "-" : ht_fmt_ns(unit, (double)e->age_ns));
		}
		if (list->top + (size_t)i == list->cursor)
			ht_canvas_paint(canvas, line, HT_ROLE_SELECTED);
	}
}

const struct ht_view ht_tab_chooser = {
	.id = HT_VIEW_CHOOSER,
	.title = "Processes",
	.layout = HT_LAYOUT_TEXT,
	.draw = draw,
};
