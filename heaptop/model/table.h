/* SPDX-License-Identifier: MIT */
/*
 * table.h - the tables that both the screen and batch output print.
 *
 * A table is a list of columns, described once, and rows of typed cells.  Whoever prints decides about
 * widths, escaping and units; whoever builds decides about order, filter and content.
 *
 * Layer:   model/
 * Memory:  ht_table_done() frees cells and strings
 */
#ifndef HT_MODEL_TABLE_H
#define HT_MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ht_cell_kind { HT_CELL_BYTES, HT_CELL_COUNT, HT_CELL_PERCENT, HT_CELL_NS, HT_CELL_TEXT, HT_CELL_RATE };

struct ht_column {
	const char *id;	   /* --sort and JSON/CSV name: "live_bytes" */
	const char *title; /* "LIVE" */
	enum ht_cell_kind kind;
	int priority; /* 0 is dropped last when the screen is narrow */
	int width;    /* wanted columns; the TEXT column with width 0 takes what is left */
	const char *help;
};

struct ht_cell {
	bool known; /* false prints '-' */
	double num; /* bytes, count, ratio 0..1, ns, bytes per second */
	double se;  /* standard error of a sampled figure, 0 when exact */
	char *text; /* HT_CELL_TEXT only; hostile, unescaped */
};

struct ht_row {
	uint64_t identity; /* follows the object when the order changes */
	bool weak;	   /* fewer than 10 samples: dim */
	struct ht_cell *cells;
};

struct ht_table {
	const char *view; /* "sites" */
	const struct ht_column *columns;
	size_t n_columns;
	struct ht_row *rows;
	size_t n_rows;
	size_t n_total; /* before the filter */
};

struct ht_model;
struct ht_sym; /* sym/symbolize.h; NULL: addresses only */

struct ht_table_request {
	const char *view; /* "classes", "arenas", "sites", "locks", "threads", "ledger" */
	const char *sort; /* column id, NULL: the view's own */
	bool ascending;
	const char *filter; /* case-insensitive part of any text cell, NULL: all */
	size_t top;	    /* at most that many rows, 0: all */
	bool lazy;	    /* texts that cost symbol lookups are left to ht_table_name_rows() */
};

/* Builds a table; 0, or -ENOENT (no such view), -EINVAL (no such column). */
int ht_table_build(struct ht_table *table, const struct ht_table_request *req, const struct ht_model *model,
		   struct ht_sym *sym);
void ht_table_done(struct ht_table *table);

/*
 * Fills in what a lazy build left out, for rows [first, first + n): those on the screen.  Nothing happens to
 * rows that have it already (a filter or the order needed it), nor to views without such texts.
 */
void ht_table_name_rows(struct ht_table *table, size_t first, size_t n, const struct ht_model *model,
			struct ht_sym *sym);

/* The columns of a view, NULL if there is none of that name. */
const struct ht_column *ht_table_columns(const char *view, size_t *ret_n);

#endif /* HT_MODEL_TABLE_H */
