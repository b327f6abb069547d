/* SPDX-License-Identifier: MIT */
#include "model/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "model/tableview.h"
#include "util/mem.h"
#include "util/text.h"

static const struct ht_table_view *const views[] = {
	&ht_view_ledger, &ht_view_classes, &ht_view_arenas, &ht_view_sites, &ht_view_locks, &ht_view_threads,
};

static const struct ht_table_view *find_view(const char *name)
{
	for (size_t i = 0; name && i < sizeof(views) / sizeof(views[0]); i++)
		if (strcmp(views[i]->name, name) == 0)
			return views[i];
	return NULL;
}

const struct ht_column *ht_table_columns(const char *view, size_t *ret_n)
{
	const struct ht_table_view *v = find_view(view);

	if (!v)
		return NULL;
	*ret_n = v->n_columns;
	return v->columns;
}

void ht_cell_u64(struct ht_cell *cell, uint64_t v)
{
	cell->known = v != HT_UNKNOWN;
	cell->num = cell->known ? (double)v : 0;
}

void ht_cell_num(struct ht_cell *cell, double v, double se)
{
	cell->known = isfinite(v);
	cell->num = cell->known ? v : 0;
	cell->se = se;
}

void ht_cell_text(struct ht_cell *cell, const char *text)
{
	cell->known = true;
	free(cell->text);
	cell->text = ht_xstrdup(text);
}

struct order {
	size_t column;
	bool ascending;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct ht_row *x = a, *y = b;
	const struct order *o = arg;
	const struct ht_cell *p = &x->cells[o->column], *q = &y->cells[o->column];
	int r;

	if (p->known != q->known)
		return p->known ? -1 : 1; /* unknown figures last, whatever the direction */
	/* a text that stands for a number is ordered by it */
	r = (p->num > q->num) - (p->num < q->num);
	if (r == 0 && p->text && q->text)
		r = strcmp(p->text, q->text);
	if (r == 0)
		return (x->identity > y->identity) - (x->identity < y->identity);
	return o->ascending ? r : -r;
}

static bool matches(const struct ht_row *row, size_t n, const char *filter)
{
	for (size_t i = 0; i < n; i++)
		if (row->cells[i].text && ht_contains(row->cells[i].text, filter))
			return true;
	return false;
}

static void free_row(struct ht_row *row, size_t n_columns)
{
	for (size_t i = 0; i < n_columns; i++)
		free(row->cells[i].text);
	free(row->cells);
}

static int find_column(const struct ht_table_view *v, const char *id, size_t *ret)
{
	for (size_t i = 0; i < v->n_columns; i++)
		if (strcmp(v->columns[i].id, id) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

/* Fills all rows, and names them when order or filter depend on names. */
static void fill_rows(struct ht_table *t, const struct ht_table_view *v, const struct ht_table_request *req,
		      const struct ht_model *model, struct ht_sym *sym, bool named)
{
	size_t n = v->count(model);

	t->rows = ht_xcalloc(n, sizeof(*t->rows));
	for (size_t i = 0; i < n; i++) {
		struct ht_row row = { .identity = i, .cells = ht_xcalloc(v->n_columns, sizeof(*row.cells)) };

		if (!v->fill(&row, model, i)) {
			free_row(&row, v->n_columns);
			continue;
		}
		t->n_total++;
		if (named && v->name_row)
			v->name_row(&row, model, sym);
		if (req->filter && *req->filter && !matches(&row, v->n_columns, req->filter))
			free_row(&row, v->n_columns);
		else
			t->rows[t->n_rows++] = row;
	}
}

static bool has_name(const struct ht_row *row, const struct ht_table *t)
{
	for (size_t c = 0; c < t->n_columns; c++)
		if (t->columns[c].kind == HT_CELL_TEXT && !row->cells[c].text)
			return false;
	return true;
}

void ht_table_name_rows(struct ht_table *table, size_t first, size_t n, const struct ht_model *model,
			struct ht_sym *sym)
{
	const struct ht_table_view *v = find_view(table->view);

	for (size_t i = first; v && v->name_row && i < table->n_rows && i - first < n; i++)
		if (!has_name(&table->rows[i], table))
			v->name_row(&table->rows[i], model, sym);
}

int ht_table_build(struct ht_table *table, const struct ht_table_request *req, const struct ht_model *model,
		   struct ht_sym *sym)
{
	const struct ht_table_view *v = find_view(req->view);
	struct order order = { .ascending = req->ascending };
	struct ht_table t = { 0 };
	const char *sort = req->sort;

	if (!v)
		return -ENOENT;
	if (!sort) {
		sort = v->sort;
		order.ascending = v->ascending;
	}
	if (sort && find_column(v, sort, &order.column) < 0)
		return -EINVAL;
	t.view = v->name;
	t.columns = v->columns;
	t.n_columns = v->n_columns;
	bool by_text = sort && v->columns[order.column].kind == HT_CELL_TEXT;
	bool named = by_text || (req->filter && *req->filter);

	fill_rows(&t, v, req, model, sym, named);
	if (sort && t.n_rows > 1)
		qsort_r(t.rows, t.n_rows, sizeof(*t.rows), compare, &order);
	while (req->top && t.n_rows > req->top)
		free_row(&t.rows[--t.n_rows], t.n_columns);
	/* names cost symbol lookups: only those that will be seen, when nothing else depended on them */
	if (!named && !req->lazy)
		ht_table_name_rows(&t, 0, t.n_rows, model, sym);
	*table = t;
	return 0;
}

void ht_table_done(struct ht_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->n_rows; i++)
		free_row(&table->rows[i], table->n_columns);
	free(table->rows);
	memset(table, 0, sizeof(*table));
}
