/* SPDX-License-Identifier: MIT */
/*
 * print.h - tables and figures as plain text, for batch frames and reports.
 *
 * Layer:   out/ (uses model/, util/)
 */
#ifndef HT_OUT_PRINT_H
#define HT_OUT_PRINT_H

#include <stdio.h>

#include "model/table.h"
#include "out/writer.h"
#include "util/units.h"

/* A cell in the unit of its column; foreign text comes out escaped. */
void ht_print_cell(char *out, size_t room, const struct ht_cell *cell, enum ht_cell_kind kind, bool exact_bytes);

/*
 * Header line and rows; columns of low priority are left out until the line fits f->columns, the text column
 * is cut last.  `indent` blanks before each line.
 */
void ht_print_table(FILE *out, const struct ht_table *table, const struct ht_frame *f, unsigned indent);

/* Builds and prints one table; -ENOENT, -EINVAL as ht_table_build(). */
int ht_print_view(FILE *out, const struct ht_frame *f, const struct ht_table_request *req, unsigned indent);

/* Words of `text` (escaped here) on lines of at most `columns`, each after the first with `indent` blanks. */
void ht_print_wrapped(FILE *out, const char *text, unsigned columns, unsigned at, unsigned indent);

/* "1.24G", or "1331691520" with exact bytes; "-" for HT_UNKNOWN. */
const char *ht_print_bytes(char buf[HT_UNIT_ROOM], uint64_t bytes, bool exact);

#endif /* HT_OUT_PRINT_H */
