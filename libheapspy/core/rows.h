/* SPDX-License-Identifier: MIT */
/*
 * rows.h - where the statistics are written: the tables of <heapspy/segment.h>, in memory.
 *
 * One range of addresses holds the header and all tables, private zero pages at first.  stat/segment.c may
 * later lay a shared file over the same addresses, so pointers to rows never change and the fast path
 * does not know which it writes to.  Rows are written, never read for a decision that the heap depends on.
 *
 * Layer:   core/ (uses os/, <heapspy/segment.h>)
 * Owns:    the range
 * Memory:  a table's pages are made present piece by piece (hs_rows_need), because a page of a full tmpfs
 *          would be a SIGBUS later; what cannot be made present is replaced by private pages
 * Locking: hs_rows_need: rows->lock, HS_RANK_META, a leaf; may be called under any other lock
 */
#ifndef HS_CORE_ROWS_H
#define HS_CORE_ROWS_H

#include <heapspy/segment.h>

#include "os/lock.h"

/* Index into rows->tables and the header's directory = HEAPSPY_T_* - 1. */
#define HS_N_TABLES 18u

struct hs_rows_table {
	char *base;
	uint32_t row_bytes;
	uint64_t capacity;	 /* rows */
	uint64_t present_bytes;	 /* from base on, page multiple: may be touched; under lock */
	uint64_t next_row;	 /* first row never given out, for tables whose rows are taken one by one */
	bool private_pages;	 /* could not be made present in the file: rows beyond are not published */
};

struct hs_rows {
	char *base;
	size_t bytes;
	bool shared; /* a file lies under the range: new pages must be populated before use */
	struct hs_lock lock; /* HS_RANK_META; protects present_bytes */
	struct heapspy_header *header;
	struct heapspy_totals *totals;
	struct heapspy_class *classes;
	struct heapspy_arena *arenas;
	struct heapspy_bin *bins;
	struct heapspy_lock *locks;
	struct heapspy_thread *threads;
	struct heapspy_thread_class *thread_classes;
	struct heapspy_site *sites;
	uint64_t *frames;
	struct heapspy_sample *samples;
	struct heapspy_module *modules;
	struct heapspy_span *spans;
	struct heapspy_history *history[3]; /* 1s, 1m, 1h */
	struct heapspy_event *events;
	struct heapspy_mail *mailbox;
	struct heapspy_waiter *waiters;
	struct hs_rows_table tables[HS_N_TABLES];
};

/*
 * Reserves the range and fills in the directory; smaller tables when address space is short
 * (RLIMIT_AS).  False when not even the least is to be had: the heap cannot start.
 */
bool hs_rows_init(struct hs_rows *rows, uint32_t n_classes);
void hs_rows_done(struct hs_rows *rows);

/*
 * Makes row `index` of a table usable and counts it in the directory.  False when the table is full; a table
 * whose pages cannot be made present goes on in private pages (usable, not published).
 * Rings call it once with capacity - 1 and keep `count` themselves.
 */
bool hs_rows_need(struct hs_rows *rows, uint32_t table_id, uint64_t index);

/* Publishes `count` rows; monotone unless the caller knows better. */
void hs_rows_publish(struct hs_rows *rows, uint32_t table_id, uint64_t count);

/* As hs_rows_need, without raising the count. */
bool hs_rows_present(struct hs_rows *rows, uint32_t table_id, uint64_t index);

/* Bytes of all pages present, header included. */
uint64_t hs_rows_present_bytes(const struct hs_rows *rows);

#endif /* HS_CORE_ROWS_H */
