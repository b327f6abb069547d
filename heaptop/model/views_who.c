/* SPDX-License-Identifier: MIT */
/* views_who.c - tables of who: sites, locks, threads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/label.h"
#include "model/model.h"
#include "model/tableview.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
/* Below this an estimate is little more than a guess. */
#define FEW_SAMPLES 10
#define LABEL_CALLERS 4

static const struct ht_column site_columns[] = {
	{ "live_bytes", "IN USE", HT_CELL_BYTES, 0, 8, "bytes alive, estimated from samples" },
	{ "share", "%", HT_CELL_PERCENT, 1, 5, "share of all live bytes" },
	{ "live_objects", "OBJECTS", HT_CELL_COUNT, 3, 7, "objects alive, estimated" },
	{ "pinned_bytes", "PINNED", HT_CELL_BYTES, 1, 8, "free bytes of partly used spans that its objects hold" },
	{ "allocated_bytes", "TOTAL", HT_CELL_BYTES, 2, 8, "allocated since the start, estimated" },
	{ "age", "AGE", HT_CELL_NS, 4, 7, "median age of what is alive" },
	{ "samples", "SAMPLES", HT_CELL_COUNT, 5, 7, "live samples the estimate rests on" },
	{ "site", "SITE", HT_CELL_TEXT, 0, 0, "innermost function of the program, then its callers" },
};

static size_t site_count(const struct ht_model *m)
{
	return m->n_sites;
}

static bool site_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_site *s = &m->sites[i];
	double total = (double)m->live_bytes;

	if (!s->live_samples && !s->n_alloc_samples)
		return false; /* a stack of lock waits only */
	row->identity = s->id;
	row->weak = s->live_samples < FEW_SAMPLES;
	ht_cell_num(&row->cells[0], s->live_bytes, s->live_bytes_se);
	ht_cell_num(&row->cells[1], total > 0 ? s->live_bytes / total : NAN, 0);
	ht_cell_num(&row->cells[2], s->live_objects, s->live_objects_se);
	ht_cell_num(&row->cells[3], s->pinned_bytes, s->pinned_bytes_se);
	ht_cell_num(&row->cells[4], s->allocated_bytes, s->allocated_bytes_se);
	ht_cell_num(&row->cells[5], s->live_samples ? (double)s->median_age_ns : NAN, 0);
	ht_cell_u64(&row->cells[6], s->live_samples);
	return true;
}

static void site_name(struct ht_row *row, const struct ht_model *m, struct ht_sym *sym)
{
	char *label = ht_site_label(&m->sites[row->identity], sym, LABEL_CALLERS);

	ht_cell_text(&row->cells[7], label);
	free(label);
}

const struct ht_table_view ht_view_sites = {
	.name = "sites",
	.columns = site_columns,
	.n_columns = N(site_columns),
	.sort = "live_bytes",
	.count = site_count,
	.fill = site_fill,
	.name_row = site_name,
};

static const struct ht_column lock_columns[] = {
	{ "wait_ns", "WAITED", HT_CELL_NS, 0, 8, "time all threads waited for it" },
	{ "contended", "WAITS", HT_CELL_COUNT, 0, 8, "acquisitions that had to wait" },
	{ "contended_share", "%WAITS", HT_CELL_PERCENT, 1, 6, "share of acquisitions that had to wait" },
	{ "acquisitions", "TAKEN", HT_CELL_COUNT, 2, 8, "acquisitions" },
	{ "p50_ns", "P50", HT_CELL_NS, 3, 7, "median wait" },
	{ "p99_ns", "P99", HT_CELL_NS, 2, 7, "99 % of waits are shorter" },
	{ "max_wait_ns", "MAX", HT_CELL_NS, 1, 7, "longest wait" },
	{ "name", "LOCK", HT_CELL_TEXT, 0, 0,
	  "page heap of an arena, bin of a size class, or one of the library's own" },
};

static size_t lock_count(const struct ht_model *m)
{
	return m->n_locks;
}

static bool lock_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_lock *l = &m->locks[i];

	row->identity = l->row;
	ht_cell_u64(&row->cells[0], l->wait_ns);
	ht_cell_u64(&row->cells[1], l->contended);
	ht_cell_num(&row->cells[2], l->acquisitions ? (double)l->contended / (double)l->acquisitions : NAN, 0);
	ht_cell_u64(&row->cells[3], l->acquisitions);
	ht_cell_u64(&row->cells[4], l->contended ? l->p50_ns : HT_UNKNOWN);
	ht_cell_u64(&row->cells[5], l->contended ? l->p99_ns : HT_UNKNOWN);
	ht_cell_u64(&row->cells[6], l->contended ? l->max_wait_ns : HT_UNKNOWN);
	ht_cell_text(&row->cells[7], l->name);
	return true;
}

const struct ht_table_view ht_view_locks = {
	.name = "locks",
	.columns = lock_columns,
	.n_columns = N(lock_columns),
	.sort = "wait_ns",
	.count = lock_count,
	.fill = lock_fill,
};

static const struct ht_column thread_columns[] = {
	{ "tid", "TID", HT_CELL_TEXT, 0, 7, "thread id as the target sees it" },
	{ "name", "NAME", HT_CELL_TEXT, 0, 15, "name" },
	{ "cached_bytes", "CACHED", HT_CELL_BYTES, 0, 8, "free slots in its cache" },
	{ "idle_ns", "IDLE", HT_CELL_NS, 0, 7, "since it last left the fast path" },
	{ "allocated_bytes", "ALLOCATED", HT_CELL_BYTES, 1, 9, "requested since it started" },
	{ "arena", "ARENA", HT_CELL_COUNT, 2, 5, "arena it takes spans from" },
	{ "pending_bytes", "PENDING", HT_CELL_BYTES, 4, 8, "freed by other threads, not yet taken back" },
	{ "remote_freed", "REMOTE", HT_CELL_COUNT, 3, 8, "objects of other threads that it freed" },
	{ "lock_wait_ns", "WAITED", HT_CELL_NS, 3, 8, "time waited for the allocator's locks" },
	{ "samples", "SAMPLES", HT_CELL_COUNT, 5, 7, "samples taken" },
};

static size_t thread_count(const struct ht_model *m)
{
	return m->n_threads;
}

static bool thread_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_thread *t = &m->threads[i];
	char tid[16];

	row->identity = t->row;
	/* a tid is a name, not an amount: 12.3K would be no use */
	snprintf(tid, sizeof(tid), "%u", t->tid);
	ht_cell_text(&row->cells[0], tid);
	row->cells[0].num = t->tid;
	ht_cell_text(&row->cells[1], t->name);
	ht_cell_u64(&row->cells[2], t->cached_bytes);
	ht_cell_u64(&row->cells[3], t->idle_ns);
	ht_cell_u64(&row->cells[4], t->allocated_bytes);
	ht_cell_u64(&row->cells[5], t->arena);
	ht_cell_u64(&row->cells[6], t->pending_bytes);
	ht_cell_u64(&row->cells[7], t->remote_freed);
	ht_cell_u64(&row->cells[8], t->lock_wait_ns);
	ht_cell_u64(&row->cells[9], t->n_samples);
	return true;
}

const struct ht_table_view ht_view_threads = {
	.name = "threads",
	.columns = thread_columns,
	.n_columns = N(thread_columns),
	.sort = "cached_bytes",
	.count = thread_count,
	.fill = thread_fill,
};
