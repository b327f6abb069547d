/* SPDX-License-Identifier: MIT */
/* views_heap.c - tables of the allocator: ledger, classes, arenas. */
#include <math.h>

#include "model/model.h"
#include "model/tableview.h"
#include "util/units.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct ht_column ledger_columns[] = {
	{ "part", "PART", HT_CELL_TEXT, 0, 14, "where the memory is" },
	{ "bytes", "BYTES", HT_CELL_BYTES, 0, 8, "resident bytes; the parts add up to RSS" },
	{ "share", "%RSS", HT_CELL_PERCENT, 1, 6, "share of RSS" },
	{ "slope", "SLOPE", HT_CELL_RATE, 2, 9, "growth over the last ten minutes" },
	{ "untouched_bytes", "UNTOUCHED", HT_CELL_BYTES, 3, 9, "handed out but not resident, not part of BYTES" },
};

static size_t ledger_count(const struct ht_model *m)
{
	return HT_N_PARTS;
}

static bool ledger_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_ledger_part *p = &m->ledger[i];

	ht_cell_text(&row->cells[0], p->name);
	ht_cell_num(&row->cells[1], p->known ? (double)p->bytes : NAN, 0);
	ht_cell_num(&row->cells[2], p->known ? p->share : NAN, 0);
	ht_cell_num(&row->cells[3], p->slope, 0);
	ht_cell_num(&row->cells[4], p->untouched_bytes ? (double)p->untouched_bytes : NAN, 0);
	if (i == HT_PART_ROUNDING)
		row->cells[1].se = m->rounding_bytes_se;
	return true;
}

const struct ht_table_view ht_view_ledger = {
	.name = "ledger",
	.columns = ledger_columns,
	.n_columns = N(ledger_columns),
	.count = ledger_count,
	.fill = ledger_fill,
};

static const struct ht_column class_columns[] = {
	{ "class", "CLASS", HT_CELL_TEXT, 0, 6, "slot size; large: above the size classes" },
	{ "live_bytes", "LIVE", HT_CELL_BYTES, 0, 8, "bytes handed out" },
	{ "live_objects", "OBJECTS", HT_CELL_COUNT, 1, 8, "objects handed out" },
	{ "free_bytes", "FREE", HT_CELL_BYTES, 0, 8, "free slots in spans that no thread owns" },
	{ "cached_bytes", "CACHED", HT_CELL_BYTES, 3, 8, "free slots in threads' caches" },
	{ "fill", "%FILL", HT_CELL_PERCENT, 1, 6, "live of all touched slots" },
	{ "spans", "SPANS", HT_CELL_COUNT, 2, 7, "spans of this class" },
	{ "nonfull_spans", "PARTLY", HT_CELL_COUNT, 4, 7, "spans with a free slot" },
	{ "free_slots", "FREESLOTS", HT_CELL_COUNT, 5, 9, "free slots, cached ones included" },
	{ "samples", "SAMPLES", HT_CELL_COUNT, 6, 7, "live samples" },
};

static size_t class_count(const struct ht_model *m)
{
	return m->n_classes;
}

static bool class_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_class *c = &m->classes[i];
	uint64_t slots = c->live_objects + c->free_slots;
	char buf[HT_UNIT_ROOM];

	if (!c->spans)
		return false;
	row->identity = c->id;
	ht_cell_text(&row->cells[0], c->size_bytes ? ht_fmt_bytes(buf, c->size_bytes) : "large");
	row->cells[0].num = c->size_bytes ? c->size_bytes : INFINITY;
	ht_cell_u64(&row->cells[1], c->live_bytes);
	ht_cell_u64(&row->cells[2], c->live_objects);
	ht_cell_u64(&row->cells[3], c->free_bytes);
	ht_cell_u64(&row->cells[4], (uint64_t)c->cached_slots * c->size_bytes);
	ht_cell_num(&row->cells[5], slots ? (double)c->live_objects / (double)slots : NAN, 0);
	ht_cell_u64(&row->cells[6], c->spans);
	ht_cell_u64(&row->cells[7], c->nonfull_spans);
	ht_cell_u64(&row->cells[8], c->free_slots);
	ht_cell_u64(&row->cells[9], c->samples);
	return true;
}

const struct ht_table_view ht_view_classes = {
	.name = "classes",
	.columns = class_columns,
	.n_columns = N(class_columns),
	.sort = "live_bytes",
	.count = class_count,
	.fill = class_fill,
};

static const struct ht_column arena_columns[] = {
	{ "id", "ARENA", HT_CELL_COUNT, 0, 5, "number" },
	{ "live_bytes", "LIVE", HT_CELL_BYTES, 0, 8, "bytes handed out" },
	{ "span_free_bytes", "FREE", HT_CELL_BYTES, 0, 8, "free slots in spans that no thread owns" },
	{ "thread_cache_bytes", "CACHED", HT_CELL_BYTES, 2, 8, "free slots in threads' caches" },
	{ "dirty_bytes", "DIRTY", HT_CELL_BYTES, 1, 8, "free pages that may be resident" },
	{ "retained_bytes", "RETAINED", HT_CELL_BYTES, 3, 8, "address space without memory" },
	{ "huge_bytes", "HUGE", HT_CELL_BYTES, 4, 8, "objects with a mapping of their own" },
	{ "threads", "THREADS", HT_CELL_COUNT, 1, 7, "threads assigned to it" },
	{ "spans", "SPANS", HT_CELL_COUNT, 5, 7, "spans" },
	{ "peak_spans_bytes", "PEAK", HT_CELL_BYTES, 4, 8, "most pages in spans so far" },
	{ "purged_bytes", "PURGED", HT_CELL_BYTES, 6, 8, "given back to the kernel, cumulative" },
	{ "label", "LABEL", HT_CELL_TEXT, 6, 0, "own_arena name" },
};

static size_t arena_count(const struct ht_model *m)
{
	return m->n_arenas;
}

static bool arena_fill(struct ht_row *row, const struct ht_model *m, size_t i)
{
	const struct ht_arena *a = &m->arenas[i];

	ht_cell_u64(&row->cells[0], a->id);
	ht_cell_u64(&row->cells[1], a->live_bytes);
	ht_cell_u64(&row->cells[2], a->span_free_bytes);
	ht_cell_u64(&row->cells[3], a->thread_cache_bytes);
	ht_cell_u64(&row->cells[4], a->dirty_bytes);
	ht_cell_u64(&row->cells[5], a->retained_bytes);
	ht_cell_u64(&row->cells[6], a->huge_bytes);
	ht_cell_u64(&row->cells[7], a->threads);
	ht_cell_u64(&row->cells[8], a->n_spans);
	ht_cell_u64(&row->cells[9], a->peak_spans_bytes);
	ht_cell_u64(&row->cells[10], a->purged_bytes);
	ht_cell_text(&row->cells[11], a->label);
	return true;
}

const struct ht_table_view ht_view_arenas = {
	.name = "arenas",
	.columns = arena_columns,
	.n_columns = N(arena_columns),
	.sort = "live_bytes",
	.count = arena_count,
	.fill = arena_fill,
};
