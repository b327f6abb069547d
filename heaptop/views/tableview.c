/* SPDX-License-Identifier: MIT */
/*
 * All table views: columns fitted to the width, rows, and the detail of the selected row below.
 *
 * Fitting: every column is as wide as its widest cell on this page, so a number is never cut.  While the
 * columns do not fit, the one with the greatest priority number goes (the sorted one last); then the errors
 * of sampled figures come in while the text column keeps a readable width.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"
#include "views/cursor.h"
#include "views/draw.h"

#define N_COLUMNS_MAX 32
#define ERR_ROOM 8     /* errors of figures come in while the text has this much more than it needs */
#define ERR_COLS 5     /* "±12%" and a blank */
#define DETAIL_FROM 12 /* body rows from which the selected row is explained */

struct fit {
	int n;
	size_t column[N_COLUMNS_MAX];
	int width[N_COLUMNS_MAX]; /* without the blank after it */
	bool err[N_COLUMNS_MAX];
	bool right[N_COLUMNS_MAX]; /* flush right */
};

static const char *format_cell(const struct ht_column *column, const struct ht_cell *cell, char buf[HT_UNIT_ROOM])
{
	if (!cell->known)
		return strcpy(buf, "-");
	switch (column->kind) {
	case HT_CELL_BYTES:
		return ht_fmt_bytes(buf, cell->num);
	case HT_CELL_COUNT:
		/* up to six figures in full: ids and thread numbers are counts as well */
		if (cell->num == floor(cell->num) && fabs(cell->num) < 1e6)
			snprintf(buf, HT_UNIT_ROOM, "%.0f", cell->num);
		else
			ht_fmt_count(buf, cell->num);
		return buf;
	case HT_CELL_PERCENT:
		return ht_fmt_percent(buf, cell->num);
	case HT_CELL_NS:
		return ht_fmt_ns(buf, cell->num);
	case HT_CELL_RATE:
		return ht_fmt_rate(buf, cell->num);
	case HT_CELL_TEXT:
		break;
	}
	return strcpy(buf, "");
}

void ht_draw_table_sync(struct ht_screen *screen)
{
	const struct ht_view *view = ht_view_get(screen->view);
	struct ht_cursor *list = &screen->lists[view->id];
	struct ht_table_request request = { .view = view->table,
					    .sort = list->sort,
					    .ascending = list->ascending,
					    .filter = list->filter[0] ? list->filter : NULL,
					    .top = 0 };

	if (!view->table || !screen->model)
		return;
	if (!screen->table_valid || screen->table_view != view->id) {
		if (screen->table_valid)
			ht_table_done(&screen->table);
		memset(&screen->table, 0, sizeof(screen->table));
		screen->table_valid = ht_table_build(&screen->table, &request, screen->model, screen->sym) == 0;
		screen->table_view = view->id;
	}
	if (!screen->table_valid)
		return;
	/* also with an unchanged table: the cursor may have moved to another object */
	ht_cursor_follow(list, screen->table.rows, screen->table.n_rows);
	list->n_rows = screen->table.n_rows;
}

static int widest(const struct ht_table *table, size_t c, size_t first, size_t n)
{
	const struct ht_column *column = &table->columns[c];
	int width = (int)strlen(column->title) + 1; /* the mark of the order */
	char buf[HT_UNIT_ROOM];

	for (size_t i = first; i < first + n && i < table->n_rows; i++) {
		const struct ht_cell *cell = &table->rows[i].cells[c];
		int w;

		if (column->kind == HT_CELL_TEXT)
			w = cell->text ? (int)ht_columns(cell->text) : 1;
		else
			w = (int)strlen(format_cell(column, cell, buf));
		if (w > width)
			width = w;
	}
	/* a name of fixed width is cut, a number never */
	if (column->kind == HT_CELL_TEXT && column->width > 0 && width > column->width)
		width = column->width;
	return width;
}

static int fit_sum(const struct fit *fit)
{
	int sum = 0;

	for (int i = 0; i < fit->n; i++)
		sum += fit->width[i] + 1 + (fit->err[i] ? ERR_COLS : 0);
	return sum;
}

static bool is_sorted(const struct ht_table *table, const struct ht_cursor *list, size_t c)
{
	return list->sort && strcmp(table->columns[c].id, list->sort) == 0;
}

static bool has_errors(const struct ht_table *table, size_t c, size_t first, size_t n)
{
	for (size_t i = first; i < first + n && i < table->n_rows; i++)
		if (table->rows[i].cells[c].known && table->rows[i].cells[c].se > 0)
			return true;
	return false;
}

/* Names that stand for numbers carry them along (thread ids, class sizes); they go right like numbers. */
static bool goes_right(const struct ht_table *table, size_t c, size_t first, size_t n)
{
	const struct ht_column *column = &table->columns[c];

	if (column->kind != HT_CELL_TEXT)
		return true;
	for (size_t i = first; column->width > 0 && i < first + n && i < table->n_rows; i++)
		if (table->rows[i].cells[c].num != 0)
			return true;
	return false;
}

static void remove_column(struct fit *fit, int at)
{
	fit->n--;
	for (int i = at; i < fit->n; i++) {
		fit->column[i] = fit->column[i + 1];
		fit->width[i] = fit->width[i + 1];
	}
}

static void drop_columns(const struct ht_table *table, const struct ht_cursor *list, int cols, struct fit *fit)
{
	while (fit->n > 1 && fit_sum(fit) > cols + 1) {
		int worst = -1, worst_priority = -1;

		for (int i = 0; i < fit->n; i++) {
			int priority = table->columns[fit->column[i]].priority;

			if (is_sorted(table, list, fit->column[i]))
				priority = 0;
			/* of two alike the right one goes */
			if (priority >= worst_priority) {
				worst = i;
				worst_priority = priority;
			}
		}
		remove_column(fit, worst);
	}
}

/* What a function and its place need to be told apart: two fifths of the line. */
static int text_min(int cols)
{
	int min = cols * 2 / 5;

	return min < 16 ? 16 : min > 60 ? 60 : min;
}

/* Columns that fit into `cols`; the flexible text column gets what is left. */
static void fit_columns(const struct ht_table *table, const struct ht_cursor *list, int cols, size_t first, size_t n,
			struct fit *fit)
{
	int flexible = -1, skip = list->scroll;

	memset(fit, 0, sizeof(*fit));
	for (size_t c = 0; c < table->n_columns && fit->n < N_COLUMNS_MAX; c++) {
		const struct ht_column *column = &table->columns[c];
		bool text = column->kind == HT_CELL_TEXT;

		if (!text && skip > 0 && c + 1 < table->n_columns) {
			skip--;
			continue;
		}
		fit->column[fit->n] = c;
		fit->width[fit->n++] = text && column->width == 0 ? text_min(cols) : widest(table, c, first, n);
	}
	drop_columns(table, list, cols, fit);
	for (int i = 0; i < fit->n; i++) {
		const struct ht_column *column = &table->columns[fit->column[i]];

		if (column->kind == HT_CELL_TEXT && column->width == 0)
			flexible = i;
	}
	for (int i = 0; i < fit->n; i++) {
		int room = cols + 1 - fit_sum(fit) - ERR_COLS - (flexible >= 0 ? ERR_ROOM : 0);

		fit->right[i] = goes_right(table, fit->column[i], first, n);
		fit->err[i] = room >= 0 && has_errors(table, fit->column[i], first, n);
	}
	if (flexible >= 0 && cols + 1 > fit_sum(fit))
		fit->width[flexible] += cols + 1 - fit_sum(fit);
}

static void draw_header(struct ht_canvas *canvas, struct ht_rect r, const struct ht_table *table,
			const struct ht_cursor *list, const struct fit *fit)
{
	int x = r.x;

	for (int i = 0; i < fit->n; i++) {
		const struct ht_column *column = &table->columns[fit->column[i]];
		bool sorted = is_sorted(table, list, fit->column[i]);
		enum ht_role role = sorted ? HT_ROLE_SORTED : HT_ROLE_HEADER;
		char title[64];

		snprintf(title, sizeof(title), "%s%s", column->title, !sorted ? "" : list->ascending ? "^" : "v");
		if (fit->right[i])
			ht_canvas_right(canvas, r.y, x, fit->width[i], role, title);
		else
			ht_canvas_text(canvas, r.y, x, fit->width[i], role, title);
		x += fit->width[i] + 1 + (fit->err[i] ? ERR_COLS : 0);
	}
}

static void draw_error(struct ht_canvas *canvas, int y, int x, const struct ht_cell *cell)
{
	double ratio = cell->num > 0 ? cell->se / cell->num : 1;

	if (!cell->known || !(cell->se > 0))
		return;
	if (ratio > 0.995)
		ratio = 0.99;
	ht_canvas_textf(canvas, y, x, ERR_COLS - 1, HT_ROLE_DIM, "%s%.0f%%", canvas->utf8 ? "\xc2\xb1" : "~",
			ratio * 100);
}

static void draw_row(struct ht_canvas *canvas, struct ht_rect r, const struct ht_table *table, const struct fit *fit,
		     const struct ht_row *row)
{
	enum ht_role role = row->weak ? HT_ROLE_DIM : HT_ROLE_TEXT;
	int x = r.x;

	for (int i = 0; i < fit->n; i++) {
		const struct ht_column *column = &table->columns[fit->column[i]];
		const struct ht_cell *cell = &row->cells[fit->column[i]];
		char buf[HT_UNIT_ROOM];

		if (column->kind != HT_CELL_TEXT)
			ht_canvas_right(canvas, r.y, x, fit->width[i], role, format_cell(column, cell, buf));
		else if (fit->right[i] && cell->text)
			ht_canvas_right(canvas, r.y, x, fit->width[i], role, cell->text);
		else
			ht_draw_foreign(canvas, r.y, x, fit->width[i], role,
					cell->known && cell->text ? cell->text : "-");
		x += fit->width[i] + 1;
		if (fit->err[i]) {
			draw_error(canvas, r.y, x - 1, cell);
			x += ERR_COLS;
		}
	}
}

static void draw_empty(struct ht_screen *screen, struct ht_canvas *canvas, struct ht_rect r)
{
	const struct ht_cursor *list = &screen->lists[screen->view];

	if (!screen->table_valid)
		ht_canvas_text(canvas, r.y, r.x + 1, r.cols - 1, HT_ROLE_WARN, "this table is not available");
	else if (list->filter[0])
		ht_canvas_textf(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_DIM,
				"none of %zu rows contains '%s'; Esc clears the filter", screen->table.n_total,
				list->filter);
	else
		ht_canvas_text(canvas, r.y + 1, r.x + 1, r.cols - 1, HT_ROLE_DIM, "nothing recorded yet");
}

void ht_draw_table(struct ht_screen *screen, struct ht_canvas *canvas, const struct ht_layout *layout)
{
	const struct ht_view *view = ht_view_get(screen->view);
	struct ht_cursor *list = &screen->lists[screen->view];
	struct ht_rect r = layout->body, below;
	struct fit fit;
	int page = r.rows - 1;

	ht_draw_table_sync(screen);
	if (view->detail && r.rows >= DETAIL_FROM)
		page -= view->detail_rows + 1;
	ht_cursor_fit(list, screen->table_valid ? screen->table.n_rows : 0, page);
	if (!screen->table_valid || screen->table.n_rows == 0) {
		draw_empty(screen, canvas, r);
		return;
	}
	fit_columns(&screen->table, list, r.cols, list->top, (size_t)page, &fit);
	draw_header(canvas, r, &screen->table, list, &fit);
	for (int i = 0; i < page && list->top + (size_t)i < screen->table.n_rows; i++) {
		size_t at = list->top + (size_t)i;
		struct ht_rect line = { r.y + 1 + i, r.x, 1, r.cols };

		draw_row(canvas, line, &screen->table, &fit, &screen->table.rows[at]);
		if (at == list->cursor)
			ht_canvas_paint(canvas, line, HT_ROLE_SELECTED);
	}
	if (view->detail && r.rows >= DETAIL_FROM && list->cursor < screen->table.n_rows) {
		below = (struct ht_rect){ r.y + 1 + page, r.x, 1, r.cols };
		ht_canvas_fill(canvas, below, canvas->utf8 ? 0x2500 : '-', HT_ROLE_DIM);
		below.y++;
		below.rows = view->detail_rows;
		view->detail(screen, canvas, below, &screen->table.rows[list->cursor]);
	}
}
