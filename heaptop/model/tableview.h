/* SPDX-License-Identifier: MIT */
/*
 * tableview.h - what a view of table.h has to say about itself.
 *
 * Layer:   model/
 */
#ifndef HT_MODEL_TABLEVIEW_H
#define HT_MODEL_TABLEVIEW_H

#include "model/table.h"

struct ht_model;

struct ht_table_view {
	const char *name;
	const struct ht_column *columns;
	size_t n_columns;
	const char *sort; /* default column, NULL: the order of the rows */
	bool ascending;
	size_t (*count)(const struct ht_model *m);
	/* Fills the figures of row `i`; false: the row is not shown. */
	bool (*fill)(struct ht_row *row, const struct ht_model *m, size_t i);
	/* Adds texts that cost something; NULL: fill has done all. */
	void (*name_row)(struct ht_row *row, const struct ht_model *m, struct ht_sym *sym);
};

extern const struct ht_table_view ht_view_ledger, ht_view_classes, ht_view_arenas, ht_view_sites, ht_view_locks,
	ht_view_threads;

/* Cell makers; UINT64_MAX and NAN are unknown. */
void ht_cell_u64(struct ht_cell *cell, uint64_t v);
void ht_cell_num(struct ht_cell *cell, double v, double se);
void ht_cell_text(struct ht_cell *cell, const char *text);

#endif /* HT_MODEL_TABLEVIEW_H */
