/* SPDX-License-Identifier: MIT */
/*
 * Overview: the ledger at the left, its history and the allocation rate at the right (or below).  What is
 * wrong stands above it, in the headline of the frame.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/units.h"
#include "views/draw.h"

#define N_VALUES_MAX 1024
#define TOP_SITES_FROM 4 /* a header and three sites; fewer say nothing */
#define SCALE_COLS 8	 /* "512K/s " at the left of a plot */

static const char *const part_words[HT_N_PARTS] = {
	[HT_PART_LIVE] = "live",
	[HT_PART_ROUNDING] = "rounding",
	[HT_PART_SPAN_FREE] = "free in spans",
	[HT_PART_THREAD_CACHE] = "thread caches",
	[HT_PART_DIRTY] = "dirty pages",
	[HT_PART_METADATA] = "metadata",
	[HT_PART_HEAPSPY] = "heapspy",
	[HT_PART_THP_SLACK] = "THP slack",
	[HT_PART_STACKS] = "stacks",
	[HT_PART_FILE] = "file pages",
	[HT_PART_SHMEM] = "shared memory",
	[HT_PART_OTHER_ANON] = "other anonymous",
	[HT_PART_UNEXPLAINED] = "unexplained",
};

/* What a part is worth pointing at: much of RSS and not the program's own data. */
static enum ht_role part_role(int part, const struct ht_ledger_part *p)
{
	bool waste = part == HT_PART_ROUNDING || part == HT_PART_SPAN_FREE || part == HT_PART_THREAD_CACHE ||
		     part == HT_PART_DIRTY || part == HT_PART_THP_SLACK || part == HT_PART_UNEXPLAINED;

	if (p->bytes == 0)
		return HT_ROLE_DIM;
	return waste && p->share >= 0.15 ? HT_ROLE_WARN : HT_ROLE_TEXT;
}

static void draw_slope(struct ht_canvas *canvas, int y, int x, int cols, double slope)
{
	char unit[HT_UNIT_ROOM], text[HT_UNIT_ROOM + 1], *point;

	/* below a KiB a minute is noise of the reading */
	if (isnan(slope) || fabs(slope) < 17)
		return;
	snprintf(text, sizeof(text), "%s%s", slope > 0 ? "+" : "", ht_fmt_rate(unit, slope));
	/* "+1007.2K/s" is one too long: its last figure says nothing that the next frame would not change */
	point = strchr(text, '.');
	if ((int)strlen(text) > cols && point)
		memmove(point, point + 2, strlen(point + 2) + 1);
	ht_canvas_right(canvas, y, x, cols, HT_ROLE_DIM, text);
}

static double size_of(const struct ht_model *model, int part)
{
	return fabs((double)model->ledger[part].bytes);
}

/*
 * Which parts are drawn when the rows do not suffice: the greatest, in the ledger's order.  Parts of zero
 * bytes go first.
 */
static int choose_parts(const struct ht_model *model, int rows, bool *ret_shown)
{
	int n = HT_N_PARTS;

	for (int i = 0; i < HT_N_PARTS; i++)
		ret_shown[i] = true;
	while (n > rows) {
		int least = -1;

		for (int i = 0; i < HT_N_PARTS; i++)
			if (ret_shown[i] && (least < 0 || size_of(model, i) < size_of(model, least)))
				least = i;
		ret_shown[least] = false;
		n--;
	}
	return n;
}

/* Whose it is, in the room that a tall screen leaves below the ledger: the first rows of the sites view. */
static void draw_top_sites(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	struct ht_table_request request = { .view = "sites", .sort = "live_bytes", .top = (size_t)(r.rows - 1) };
	struct ht_table table = { 0 };
	size_t text = 0;

	if (ht_table_build(&table, &request, screen->model, screen->sym) < 0)
		return;
	for (size_t c = 0; c < table.n_columns; c++)
		if (table.columns[c].kind == HT_CELL_TEXT)
			text = c;
	ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_HEADER, "WHO HOLDS MOST (3: all sites)");
	for (size_t i = 0; i < table.n_rows && (int)i + 1 < r.rows && table.rows[i].cells[0].num > 0; i++) {
		const struct ht_row *row = &table.rows[i];
		enum ht_role role = row->weak ? HT_ROLE_DIM : HT_ROLE_TEXT;
		char unit[HT_UNIT_ROOM];
		int y = r.y + 1 + (int)i;

		ht_canvas_right(canvas, y, r.x + 1, 7, role, ht_fmt_bytes(unit, row->cells[0].num));
		ht_draw_foreign(canvas, y, r.x + 9, r.cols - 10, role,
				row->cells[text].text ? row->cells[text].text : "-");
	}
	ht_table_done(&table);
}

static void draw_ledger(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_model *m = screen->model;
	struct ht_bar_part parts[HT_N_PARTS];
	bool shown[HT_N_PARTS];
	int rows = r.rows - 1, y = r.y + 1, x = r.x + 1;
	double sum = 0;
	char unit[HT_UNIT_ROOM];
	bool total = rows > HT_N_PARTS;

	ht_draw_parts(m, parts);
	choose_parts(m, rows, shown);
	ht_canvas_text(canvas, r.y, x, 16, HT_ROLE_HEADER, "  WHERE RSS IS");
	ht_canvas_right(canvas, r.y, x + 17, 7, HT_ROLE_HEADER, "BYTES");
	ht_canvas_right(canvas, r.y, x + 24, 5, HT_ROLE_HEADER, "%");
	ht_canvas_right(canvas, r.y, x + 30, 9, HT_ROLE_HEADER, "TREND");
	for (int i = 0; i < HT_N_PARTS; i++) {
		const struct ht_ledger_part *p = &m->ledger[i];
		enum ht_role role = part_role(i, p);

		sum += (double)p->bytes;
		if (!shown[i])
			continue;
		ht_canvas_put(canvas, y, x, canvas->utf8 ? parts[i].glyph : parts[i].ascii, parts[i].role);
		ht_canvas_text(canvas, y, x + 2, 15, role, part_words[i]);
		ht_canvas_right(canvas, y, x + 17, 7, role, ht_fmt_bytes(unit, (double)p->bytes));
		ht_canvas_right(canvas, y, x + 24, 5, role, isfinite(p->share) ? ht_fmt_percent(unit, p->share) : "-");
		draw_slope(canvas, y, x + 30, 9, p->slope);
		y++;
	}
	if (total) {
		ht_canvas_text(canvas, y, x + 2, 15, HT_ROLE_HEADER, "RSS");
		ht_canvas_right(canvas, y, x + 17, 7, HT_ROLE_HEADER, ht_fmt_bytes(unit, sum));
		y++;
	}
	if (y < r.y + r.rows - 1 && m->retained_bytes != HT_UNKNOWN)
		ht_canvas_textf(canvas, y + 1, x + 2, r.cols - 3, HT_ROLE_DIM, "retained %s (address space only)",
				ht_fmt_bytes(unit, (double)m->retained_bytes));
	y += 3;
	if (r.y + r.rows - y >= TOP_SITES_FROM)
		draw_top_sites(screen, canvas, (struct ht_rect){ y, r.x, r.y + r.rows - y, r.cols });
}

/* Scale at the left, time below; returns the rectangle of the area itself. */
static struct ht_rect draw_axes(struct ht_canvas *canvas, struct ht_rect r, double scale, bool rate, uint64_t span_ns)
{
	struct ht_rect area = { r.y + 1, r.x + SCALE_COLS, r.rows - 2, r.cols - SCALE_COLS };
	char unit[HT_UNIT_ROOM];

	ht_canvas_right(canvas, area.y, r.x, SCALE_COLS - 1, HT_ROLE_DIM,
			ht_draw_short(rate ? ht_fmt_rate(unit, scale) : ht_fmt_bytes(unit, scale)));
	if (area.rows > 4)
		ht_canvas_right(canvas, area.y + area.rows / 2, r.x, SCALE_COLS - 1, HT_ROLE_DIM,
				ht_draw_short(rate ? ht_fmt_rate(unit, scale / 2) : ht_fmt_bytes(unit, scale / 2)));
	if (area.rows > 1)
		ht_canvas_right(canvas, area.y + area.rows - 1, r.x, SCALE_COLS - 1, HT_ROLE_DIM, "0");
	ht_canvas_textf(canvas, area.y + area.rows, area.x, area.cols, HT_ROLE_DIM, "-%s",
			ht_fmt_ns(unit, (double)span_ns));
	ht_canvas_right(canvas, area.y + area.rows, area.x, area.cols, HT_ROLE_DIM, "now");
	return area;
}

static uint64_t step_of(const struct ht_screen *screen, size_t n)
{
	uint64_t span = ht_draw_history_span(screen->model);

	for (int i = screen->zoom; i < 0; i++)
		span /= 2;
	return ht_draw_step(span, n);
}

static void draw_history(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_model *m = screen->model;
	double rss[N_VALUES_MAX], live[N_VALUES_MAX], max;
	size_t n = r.cols > SCALE_COLS ? (size_t)(r.cols - SCALE_COLS) : 0;
	struct ht_chart_area area = { rss, live, n, 0, HT_ROLE_CHART, HT_ROLE_BAR_A };
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];
	uint64_t step;
	int x = r.x;

	if (r.rows < 4 || n < 8 || n > N_VALUES_MAX)
		return;
	if (m->n_history == 0) {
		ht_canvas_text(canvas, r.y, r.x, r.cols, HT_ROLE_DIM, "no history yet");
		return;
	}
	step = step_of(screen, n);
	max = ht_draw_series(m, HT_SERIES_RSS, step, n, rss);
	max = fmax(max, ht_draw_series(m, HT_SERIES_LIVE, step, n, live));
	area.scale = screen->scale_history = ht_chart_scale(screen->scale_history, max);
	ht_canvas_put(canvas, r.y, x++, canvas->utf8 ? 0x2591 : '.', HT_ROLE_CHART);
	x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_HEADER, " RSS %s  ",
			     m->rss_bytes == HT_UNKNOWN ? "-" : ht_fmt_bytes(a, (double)m->rss_bytes));
	ht_canvas_put(canvas, r.y, x++, canvas->utf8 ? 0x2588 : '#', HT_ROLE_BAR_A);
	x += ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_HEADER, " in use %s",
			     ht_fmt_bytes(a, (double)m->live_bytes));
	if (r.x + r.cols - x > 12)
		ht_canvas_textf(canvas, r.y, x, r.x + r.cols - x, HT_ROLE_DIM, "  max %s", ht_fmt_bytes(b, max));
	ht_chart_area(canvas, draw_axes(canvas, r, area.scale, false, step * n), &area);
}

static void draw_rate(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_model *m = screen->model;
	double values[N_VALUES_MAX], max;
	size_t n = r.cols > SCALE_COLS ? (size_t)(r.cols - SCALE_COLS) : 0;
	struct ht_chart_area area = { values, NULL, n, 0, HT_ROLE_CHART, HT_ROLE_CHART };
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];
	uint64_t step;

	if (r.rows < 3 || n < 8 || n > N_VALUES_MAX || m->n_history == 0)
		return;
	step = step_of(screen, n);
	max = ht_draw_series(m, HT_SERIES_RATE, step, n, values);
	area.scale = screen->scale_rate = ht_chart_scale(screen->scale_rate, max);
	ht_canvas_textf(canvas, r.y, r.x, r.cols, HT_ROLE_HEADER, "allocated %s, max %s",
			isnan(m->alloc_rate) ? "-" : ht_fmt_rate(a, m->alloc_rate), ht_fmt_rate(b, max));
	ht_chart_area(canvas, draw_axes(canvas, r, area.scale, true, step * n), &area);
}

static void draw(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	draw_ledger(screen, canvas, layout->ledger);
	if (layout->plot.rows)
		draw_history(screen, canvas, layout->plot);
	if (layout->rate.rows)
		draw_rate(screen, canvas, layout->rate);
}

const struct ht_view ht_tab_overview = {
	.id = HT_VIEW_OVERVIEW,
	.title = "Overview",
	.layout = HT_LAYOUT_OVERVIEW,
	.draw = draw,
};
