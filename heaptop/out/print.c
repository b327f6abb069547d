/* SPDX-License-Identifier: MIT */
#include "out/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "util/mem.h"
#include "util/text.h"

#define CELL_ROOM 1024
/* Columns that a text keeps at least; below that others are left out instead. */
#define TEXT_LEAST 20
#define COLUMNS_MOST 32

const char *ht_print_bytes(char buf[HT_UNIT_ROOM], uint64_t bytes, bool exact)
{
	if (bytes == HT_UNKNOWN)
		return "-";
	if (!exact)
		return ht_fmt_bytes(buf, (double)bytes);
	snprintf(buf, HT_UNIT_ROOM, "%" PRIu64, bytes);
	return buf;
}

void ht_print_cell(char *out, size_t room, const struct ht_cell *cell, enum ht_cell_kind kind, bool exact_bytes)
{
	char buf[HT_UNIT_ROOM];
	const char *s = buf;

	if (!cell->known) {
		snprintf(out, room, "-");
		return;
	}
	switch (kind) {
	case HT_CELL_BYTES:
		if (exact_bytes)
			snprintf(buf, sizeof(buf), "%.0f", cell->num);
		else
			ht_fmt_bytes(buf, cell->num);
		break;
	case HT_CELL_RATE:
		if (exact_bytes)
			snprintf(buf, sizeof(buf), "%.0f", cell->num);
		else
			ht_fmt_rate(buf, cell->num);
		break;
	case HT_CELL_COUNT:
		if (exact_bytes || (cell->num >= 0 && cell->num < 10000))
			snprintf(buf, sizeof(buf), "%.0f", cell->num);
		else
			ht_fmt_count(buf, cell->num);
		break;
	case HT_CELL_PERCENT:
		ht_fmt_percent(buf, cell->num);
		break;
	case HT_CELL_NS:
		ht_fmt_ns(buf, cell->num);
		break;
	case HT_CELL_TEXT:
		ht_escape(out, room, cell->text, strlen(cell->text));
		return;
	}
	snprintf(out, room, "%s", s);
}

struct plan {
	bool shown[COLUMNS_MOST];
	size_t width[COLUMNS_MOST];
	char **cells; /* n_rows * n_columns texts */
};

static const char *cell_at(const struct plan *p, const struct ht_table *t, size_t row, size_t column)
{
	return p->cells[row * t->n_columns + column];
}

static size_t line_columns(const struct plan *p, const struct ht_table *t)
{
	size_t sum = 0;

	for (size_t c = 0; c < t->n_columns; c++) {
		bool flexible = t->columns[c].kind == HT_CELL_TEXT && t->columns[c].width == 0;
		size_t w = flexible && p->width[c] > TEXT_LEAST ? TEXT_LEAST : p->width[c];

		sum += p->shown[c] ? w + 1 : 0;
	}
	return sum ? sum - 1 : 0;
}

/* Leaves out columns until the line fits, the least important first; then the flexible text gets the rest. */
static void fit(struct plan *p, const struct ht_table *t, unsigned columns)
{
	if (!columns)
		return;
	while (line_columns(p, t) > columns) {
		size_t worst = t->n_columns;

		for (size_t c = 0; c < t->n_columns; c++)
			if (p->shown[c] && t->columns[c].priority > 0 &&
			    (worst == t->n_columns || t->columns[c].priority >= t->columns[worst].priority))
				worst = c;
		if (worst == t->n_columns)
			break;
		p->shown[worst] = false;
	}
	size_t used = 0, text = t->n_columns;
	for (size_t c = 0; c < t->n_columns; c++) {
		if (!p->shown[c])
			continue;
		if (t->columns[c].kind == HT_CELL_TEXT && t->columns[c].width == 0)
			text = c;
		else
			used += p->width[c] + 1;
	}
	if (text < t->n_columns && used + p->width[text] > columns)
		p->width[text] = columns > used + 1 ? columns - used : 1;
}

static void put_line(FILE *out, const struct plan *p, const struct ht_table *t, size_t row, bool header, bool ascii,
		     unsigned indent)
{
	bool first = true;

	fprintf(out, "%*s", (int)indent, "");
	for (size_t c = 0; c < t->n_columns; c++) {
		char text[CELL_ROOM];
		bool left = t->columns[c].kind == HT_CELL_TEXT, last = true;

		if (!p->shown[c])
			continue;
		for (size_t k = c + 1; k < t->n_columns; k++)
			last = last && !p->shown[k];
		snprintf(text, sizeof(text), "%s", header ? t->columns[c].title : cell_at(p, t, row, c));
		ht_cut(text, p->width[c], /* middle */ false, ascii);
		size_t pad = p->width[c] - ht_columns(text);
		fprintf(out, "%s%*s%s%*s", first ? "" : " ", left ? 0 : (int)pad, "", text,
			left && !last ? (int)pad : 0, "");
		first = false;
	}
	fputc('\n', out);
}

void ht_print_table(FILE *out, const struct ht_table *t, const struct ht_frame *f, unsigned indent)
{
	struct plan p = { .cells = ht_xcalloc(t->n_rows * t->n_columns, sizeof(*p.cells)) };

	for (size_t c = 0; c < t->n_columns && c < COLUMNS_MOST; c++) {
		p.shown[c] = true;
		p.width[c] = ht_columns(t->columns[c].title);
	}
	for (size_t i = 0; i < t->n_rows; i++)
		for (size_t c = 0; c < t->n_columns; c++) {
			char cell[CELL_ROOM];

			ht_print_cell(cell, sizeof(cell), &t->rows[i].cells[c], t->columns[c].kind, f->exact_bytes);
			p.cells[i * t->n_columns + c] = ht_xstrdup(cell);
			size_t width = ht_columns(cell);
			if (width > p.width[c])
				p.width[c] = width;
		}
	/* an empty text column says nothing */
	for (size_t c = 0; c < t->n_columns; c++) {
		bool empty = t->columns[c].kind == HT_CELL_TEXT && t->columns[c].priority > 0;

		for (size_t i = 0; i < t->n_rows && empty; i++)
			empty = !*cell_at(&p, t, i, c);
		if (empty)
			p.shown[c] = false;
	}
	fit(&p, t, f->columns > indent ? f->columns - indent : 0);
	if (f->color)
		fputs("\033[1m", out);
	put_line(out, &p, t, 0, /* header */ true, f->ascii, indent);
	if (f->color)
		fputs("\033[0m", out);
	for (size_t i = 0; i < t->n_rows; i++)
		put_line(out, &p, t, i, false, f->ascii, indent);
	for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
		free(p.cells[i]);
	free(p.cells);
}

int ht_print_view(FILE *out, const struct ht_frame *f, const struct ht_table_request *req, unsigned indent)
{
	struct ht_table t;
	int r = ht_table_build(&t, req, f->model, f->sym);

	if (r < 0)
		return r;
	ht_print_table(out, &t, f, indent);
	ht_table_done(&t);
	return 0;
}

void ht_print_wrapped(FILE *out, const char *text, unsigned columns, unsigned at, unsigned indent)
{
	size_t room = strlen(text) * 4 + 1;
	char *safe = ht_xmalloc(room), *save = NULL;
	bool first = true;

	ht_escape(safe, room, text, strlen(text));
	for (char *word = strtok_r(safe, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t n = ht_columns(word);

		if (!first && columns && at + 1 + n > columns) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', out);
			at++;
		}
		fputs(word, out);
		at += (unsigned)n;
		first = false;
	}
	fputc('\n', out);
	free(safe);
}
