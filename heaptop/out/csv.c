/* SPDX-License-Identifier: MIT */
/* csv.c - one table as RFC 4180; the first column is the frame's time, figures are in base units. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "model/model.h"
#include "model/table.h"
#include "out/writer.h"
#include "util/text.h"

static void put_field(FILE *out, const char *s)
{
	char safe[4096];

	ht_escape(safe, sizeof(safe), s, strlen(s));
	if (!strpbrk(safe, ",\"")) {
		fputs(safe, out);
		return;
	}
	fputc('"', out);
	for (const char *p = safe; *p; p++) {
		if (*p == '"')
			fputc('"', out);
		fputc(*p, out);
	}
	fputc('"', out);
}

static void put_cell(FILE *out, const struct ht_cell *cell, enum ht_cell_kind kind)
{
	if (!cell->known)
		return; /* an empty field: unknown */
	if (kind == HT_CELL_TEXT)
		put_field(out, cell->text);
	else if (kind == HT_CELL_PERCENT)
		fprintf(out, "%.6g", cell->num);
	else
		fprintf(out, "%.0f", cell->num);
}

static int write_frame(FILE *out, const struct ht_frame *f)
{
	struct ht_table_request req = {
		.view = f->view ? f->view : "sites", .sort = f->sort, .ascending = f->ascending, .top = f->top
	};
	struct ht_table t;
	int r = ht_table_build(&t, &req, f->model, f->sym);

	if (r < 0)
		return r;
	if (f->number == 0) {
		fputs("time_ns", out);
		for (size_t c = 0; c < t.n_columns; c++)
			fprintf(out, ",%s", t.columns[c].id);
		fputc('\n', out);
	}
	for (size_t i = 0; i < t.n_rows; i++) {
		fprintf(out, "%llu", (unsigned long long)f->model->time_ns);
		for (size_t c = 0; c < t.n_columns; c++) {
			fputc(',', out);
			put_cell(out, &t.rows[i].cells[c], t.columns[c].kind);
		}
		fputc('\n', out);
	}
	ht_table_done(&t);
	return ht_writer_status(out);
}

const struct ht_writer ht_writer_csv = { .name = "csv", .takes_view = true, .frame = write_frame };
