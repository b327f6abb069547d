/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "util/units.h"
#include "views/draw.h"

/* Seconds the target's page tables are walked, for each byte resident: 24 ms for 2 GiB, measured. */
#define WALK_S_PER_BYTE (0.024 / 2147483648.0)

#define NARROW_COLS 60

/* Where one is in a list, and through which filter; empty in views without a table. */
static void say_where(const struct ht_screen *screen, bool narrow, char *buf, size_t size)
{
	const struct ht_cursor *list = &screen->lists[screen->view];
	size_t n = screen->table_valid ? screen->table.n_rows : 0;

	buf[0] = '\0';
	if (!ht_view_get(screen->view)->table || !screen->table_valid)
		return;
	if (list->filter[0] && narrow)
		snprintf(buf, size, " '%.8s' %zu ", list->filter, n);
	else if (list->filter[0])
		snprintf(buf, size, " filter '%.16s' %zu/%zu of %zu ", list->filter, n ? list->cursor + 1 : 0, n,
			 screen->table.n_total);
	else if (n)
		snprintf(buf, size, " %zu/%zu ", list->cursor + 1, n);
}

/* Draws " key label" pairs of this view while they fit, the most wanted first, quit always at the end. */
static void draw_keys(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	size_t n;
	const struct ht_binding *bindings = ht_keymap(&n);
	int x = r.x, end = r.x + r.cols - 8; /* room of " q Quit " */
	bool filtered = screen->lists[screen->view].filter[0] && ht_view_get(screen->view)->table;
	char where[96];
	bool can_go_back = screen->view >= HT_N_TABS || screen->lists[screen->view].filter[0] || screen->wss.running;

	if (screen->view == HT_VIEW_CHOOSER)
		can_go_back = false;
	say_where(screen, r.cols < NARROW_COLS, where, sizeof(where));
	/* a filter must be seen, a position may */
	if (filtered && (int)strlen(where) < r.cols - 24)
		end -= (int)strlen(where);
	for (size_t i = 0; i < n; i++) {
		const struct ht_binding *b = &bindings[i];
		bool quit = b->command == HT_CMD_QUIT;
		int key = b->keys[0], width;
		char name[16];

		if (!b->label || !(b->views & (1u << screen->view)) || (b->command == HT_CMD_BACK && !can_go_back))
			continue;
		/* the letter beside a function key takes less room and works everywhere */
		if (key >= HT_KEY_F1 && b->keys[1])
			key = b->keys[b->command == HT_CMD_HELP ? 2 : 1];
		ht_key_name(key, name, sizeof(name));
		width = (int)(strlen(name) + strlen(b->label)) + 3;
		if (!quit && x + width > end)
			continue;
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_KEY, " %s ", name);
		x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_TEXT, "%s ", b->label);
	}
	if (r.x + r.cols - x >= (int)strlen(where))
		ht_canvas_right(canvas, r.y, x, r.x + r.cols - x, filtered ? HT_ROLE_WARN : HT_ROLE_DIM, where);
}

void ht_draw_bottom(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	struct ht_rect r = layout->keys;

	if (screen->mode == HT_MODE_FILTER) {
		int x = r.x + ht_canvas_text(canvas, r.y, r.x, r.cols, HT_ROLE_KEY, " Filter: ");

		x += ht_canvas_textf(canvas, r.y, x, r.cols - (x - r.x), HT_ROLE_TEXT, " %s_",
				     screen->lists[screen->view].filter);
		ht_canvas_right(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_DIM, "Enter keeps, Esc clears ");
		return;
	}
	if (screen->wss.running) {
		ht_canvas_textf(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_WARN,
				"measuring the working set: %.0f of %.0f s; Esc cancels", screen->wss.done_s,
				screen->wss.total_s);
		return;
	}
	if (screen->message[0]) {
		ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, screen->message_role, screen->message);
		return;
	}
	draw_keys(screen, canvas, r);
}

/* A framed box of `rows` x `cols` inside the body, cut to it; returns the inside. */
static struct ht_rect box(struct ht_canvas *canvas, struct ht_rect body, int rows, int cols, bool right)
{
	struct ht_rect r, inside;

	rows = rows + 2 > body.rows ? body.rows : rows + 2;
	cols = cols + 4 > body.cols ? body.cols : cols + 4;
	r = (struct ht_rect){ body.y + (right ? 0 : (body.rows - rows) / 2),
			      body.x + (right ? body.cols - cols : (body.cols - cols) / 2), rows, cols };
	ht_canvas_fill(canvas, r, ' ', HT_ROLE_TEXT);
	for (int x = r.x; x < r.x + r.cols; x++) {
		ht_canvas_put(canvas, r.y, x, canvas->utf8 ? 0x2500 : '-', HT_ROLE_HEADER);
		ht_canvas_put(canvas, r.y + r.rows - 1, x, canvas->utf8 ? 0x2500 : '-', HT_ROLE_HEADER);
	}
	for (int y = r.y; y < r.y + r.rows; y++) {
		bool top = y == r.y, bottom = y == r.y + r.rows - 1;

		ht_canvas_put(canvas, y, r.x,
			      !canvas->utf8 ? (top || bottom ? '+' : '|')
			      : top	    ? 0x250c
			      : bottom	    ? 0x2514
					    : 0x2502,
			      HT_ROLE_HEADER);
		ht_canvas_put(canvas, y, r.x + r.cols - 1,
			      !canvas->utf8 ? (top || bottom ? '+' : '|')
			      : top	    ? 0x2510
			      : bottom	    ? 0x2518
					    : 0x2502,
			      HT_ROLE_HEADER);
	}
	inside = (struct ht_rect){ r.y + 1, r.x + 2, r.rows - 2, r.cols - 4 };
	return inside;
}

static void draw_sort_menu(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	const struct ht_view *view = ht_view_get(screen->view);
	size_t n, first = 0;
	const struct ht_column *columns = view->table ? ht_table_columns(view->table, &n) : NULL;
	struct ht_rect r;

	if (!columns)
		return;
	r = box(canvas, layout->body, (int)n, 64, true);
	ht_canvas_text(canvas, r.y - 1, r.x + 1, r.cols, HT_ROLE_HEADER, " sort by ");
	if (screen->menu >= (size_t)r.rows)
		first = screen->menu - (size_t)r.rows + 1;
	for (int i = 0; i < r.rows && first + (size_t)i < n; i++) {
		const struct ht_column *c = &columns[first + (size_t)i];
		struct ht_rect line = { r.y + i, r.x, 1, r.cols };

		ht_canvas_text(canvas, r.y + i, r.x, 11, HT_ROLE_TEXT, c->title);
		ht_canvas_text(canvas, r.y + i, r.x + 12, r.cols - 12, HT_ROLE_DIM, c->help ? c->help : "");
		if (first + (size_t)i == screen->menu)
			ht_canvas_paint(canvas, line, HT_ROLE_SELECTED);
	}
}

static void draw_wss_question(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	const struct ht_model *m = screen->model;
	struct ht_rect r = box(canvas, layout->body, 6, 60, false);
	char text[320], rss[HT_UNIT_ROOM], cost[HT_UNIT_ROOM];
	double bytes = m->rss_bytes != HT_UNKNOWN ? (double)m->rss_bytes : 0;

	ht_canvas_text(canvas, r.y - 1, r.x + 1, r.cols, HT_ROLE_HEADER, " working set ");
	snprintf(text, sizeof(text),
		 "Clears the referenced bits of all %s resident memory, waits 5 s and counts what was touched. Costs "
		 "the process about %s of page table walks and a slower first access to each page after them.",
		 ht_fmt_bytes(rss, bytes), ht_fmt_ns(cost, bytes * WALK_S_PER_BYTE * 1e9 + 1e6));
	ht_canvas_paragraph(canvas, (struct ht_rect){ r.y, r.x, r.rows - 1, r.cols }, HT_ROLE_TEXT, text);
	ht_canvas_text(canvas, r.y + r.rows - 1, r.x, r.cols, HT_ROLE_WARN, "Measure now?  y yes   any other key: no");
}

void ht_draw_popup(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	if (screen->mode == HT_MODE_SORT)
		draw_sort_menu(screen, canvas, layout);
	else if (screen->mode == HT_MODE_WSS && screen->model)
		draw_wss_question(screen, canvas, layout);
}
