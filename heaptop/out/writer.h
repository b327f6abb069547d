/* SPDX-License-Identifier: MIT */
/*
 * writer.h - one frame of a target in some format.
 *
 * A writer turns a model and its findings into bytes on a stream and knows nothing of targets, clocks or
 * terminals.  Formats are found by name, so the command line needs no list of its own.
 *
 * Layer:   out/ (uses diag/, model/, sym/, util/)
 * Errors:  0, or -EIO after a failed write (errno tells more; -EPIPE when the reader went away)
 */
#ifndef HT_OUT_WRITER_H
#define HT_OUT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ht_findings;
struct ht_model;
struct ht_sym;

struct ht_frame {
	const struct ht_model *model;
	const struct ht_findings *findings;
	struct ht_sym *sym;
	/* how */
	const char *view; /* NULL: the writer's own choice */
	const char *sort;
	bool ascending;
	size_t top;	  /* rows of a table, 0: all */
	bool exact_bytes; /* 1234567 instead of 1.2M */
	bool color, ascii;
	unsigned columns; /* width of a line, 0: as long as it takes */
	bool utc;	  /* times in UTC (tests, reports) */
	size_t number;	  /* of this frame, from 0 */
};

struct ht_writer {
	const char *name; /* of -O, or --text, --json */
	bool takes_view;  /* one table a frame: --view and --sort mean something */
	int (*frame)(FILE *out, const struct ht_frame *frame);
};

/* "table", "json", "csv", "openmetrics"; NULL if there is none of that name. */
const struct ht_writer *ht_writer_find(const char *name);
/* Names of all writers, for messages: "table, json, csv, openmetrics". */
const char *ht_writer_names(void);

/* The fragmentation report: text of 80 columns, or JSON with everything in it. */
extern const struct ht_writer ht_report_text, ht_report_json;
extern const struct ht_writer ht_writer_table, ht_writer_json, ht_writer_csv, ht_writer_openmetrics;

/* 0, -EPIPE or -EIO from the state of a stream. */
int ht_writer_status(FILE *out);

#endif /* HT_OUT_WRITER_H */
