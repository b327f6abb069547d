/* SPDX-License-Identifier: MIT */
/*
 * json.c - the schema "heapspy/1" of heaptop(1), OUTPUT FORMATS.
 *
 * Keys may be added, never renamed.  Unknown is null.  Figures from samples have a sibling `_se`.
 */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diag/findings.h"
#include "model/label.h"
#include "model/model.h"
#include "out/writer.h"
#include "sym/symbolize.h"
#include "util/mem.h"
#include "util/text.h"

/* Sites of one batch frame; a report has more, --top decides otherwise. */
#define FRAME_SITES 50
#define REPORT_SITES 1000

typedef struct json_object json;

static void put(json *o, const char *key, json *value)
{
	json_object_object_add(o, key, value);
}

static void put_u64(json *o, const char *key, uint64_t v)
{
	put(o, key, v == HT_UNKNOWN ? NULL : json_object_new_uint64(v));
}

/* Rounded: fractions of a byte or an object mean nothing. */
static void put_round(json *o, const char *key, double v)
{
	put(o, key, isfinite(v) ? json_object_new_int64(llround(v)) : NULL);
}

static void put_ratio(json *o, const char *key, double v)
{
	char text[40];

	snprintf(text, sizeof(text), "%.6g", v);
	put(o, key, isfinite(v) ? json_object_new_double_s(v, text) : NULL);
}

/* Foreign text: made printable, so that `jq -r` is harmless too. */
static json *new_text(const char *s)
{
	size_t n = strlen(s), room = n * 4 + 1;
	char *safe = ht_xmalloc(room);

	ht_escape(safe, room, s, n);
	json *j = json_object_new_string(safe);
	free(safe);
	return j;
}

static void put_text(json *o, const char *key, const char *s)
{
	put(o, key, s ? new_text(s) : NULL);
}

static json *ledger(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (int i = 0; i < HT_N_PARTS; i++) {
		const struct ht_ledger_part *p = &m->ledger[i];
		json *o = json_object_new_object();

		put_text(o, "part", p->name);
		put(o, "bytes", p->known ? json_object_new_int64(p->bytes) : NULL);
		put_ratio(o, "share", p->known ? p->share : NAN);
		put_round(o, "slope_bytes_per_s", p->slope);
		put(o, "untouched_bytes", json_object_new_int64(p->untouched_bytes));
		if (i == HT_PART_ROUNDING || i == HT_PART_LIVE)
			put_round(o, "bytes_se", m->rounding_bytes_se);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *classes(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_classes; i++) {
		const struct ht_class *c = &m->classes[i];
		json *o = json_object_new_object();

		put_u64(o, "size_bytes", c->size_bytes ? c->size_bytes : HT_UNKNOWN);
		put_u64(o, "live_objects", c->live_objects);
		put_u64(o, "live_bytes", c->live_bytes);
		put_u64(o, "free_slots", c->free_slots);
		put_u64(o, "free_bytes", c->free_bytes);
		put_u64(o, "cached_slots", c->cached_slots);
		put_u64(o, "spans", c->spans);
		put_u64(o, "nonfull_spans", c->nonfull_spans);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *arenas(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_arenas; i++) {
		const struct ht_arena *a = &m->arenas[i];
		json *o = json_object_new_object();

		put_u64(o, "id", a->id);
		put_text(o, "label", a->label[0] ? a->label : NULL);
		put_u64(o, "live_bytes", a->live_bytes);
		put_u64(o, "span_free_bytes", a->span_free_bytes);
		put_u64(o, "thread_cache_bytes", a->thread_cache_bytes);
		put_u64(o, "dirty_bytes", a->dirty_bytes);
		put_u64(o, "retained_bytes", a->retained_bytes);
		put_u64(o, "mapped_bytes", a->mapped_bytes);
		put_u64(o, "huge_bytes", a->huge_bytes);
		put_u64(o, "peak_spans_bytes", a->peak_spans_bytes);
		put_u64(o, "purged_bytes", a->purged_bytes);
		put_u64(o, "spans", a->n_spans);
		put_u64(o, "threads", a->threads);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *locks(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_locks; i++) {
		const struct ht_lock *l = &m->locks[i];
		json *o = json_object_new_object();

		put_text(o, "name", l->name);
		put_u64(o, "acquisitions", l->acquisitions);
		put_u64(o, "contended", l->contended);
		put_u64(o, "wait_ns", l->wait_ns);
		put_u64(o, "max_wait_ns", l->max_wait_ns);
		put_u64(o, "p50_ns", l->contended ? l->p50_ns : HT_UNKNOWN);
		put_u64(o, "p99_ns", l->contended ? l->p99_ns : HT_UNKNOWN);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *threads(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_threads; i++) {
		const struct ht_thread *t = &m->threads[i];
		json *o = json_object_new_object();

		put_u64(o, "tid", t->tid);
		put_text(o, "name", t->name);
		put_u64(o, "arena", t->arena);
		put_u64(o, "cached_bytes", t->cached_bytes);
		put_u64(o, "pending_bytes", t->pending_bytes);
		put_u64(o, "idle_ns", t->idle_ns);
		put_u64(o, "allocated_bytes", t->allocated_bytes);
		put_u64(o, "lock_wait_ns", t->lock_wait_ns);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *stack(const struct ht_site *site, struct ht_sym *sym)
{
	json *rows = json_object_new_array();
	struct ht_sym_frame *frames;
	size_t n = ht_site_frames(site, sym, /* fold */ true, &frames);

	for (size_t i = 0; i < n; i++) {
		const struct ht_sym_frame *f = &frames[i];
		json *o = json_object_new_object();

		put_text(o, "function", f->function);
		put_text(o, "file", f->file);
		put(o, "line", f->line > 0 ? json_object_new_int(f->line) : NULL);
		put_text(o, "module", f->module);
		put_u64(o, "offset", f->offset);
		put(o, "inlined", json_object_new_boolean(f->inlined));
		json_object_array_add(rows, o);
	}
	free(frames);
	return rows;
}

static int by_live(const void *a, const void *b)
{
	const struct ht_site *x = *(const struct ht_site *const *)a, *y = *(const struct ht_site *const *)b;

	if (x->live_bytes != y->live_bytes)
		return x->live_bytes > y->live_bytes ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static json *site(const struct ht_site *s, struct ht_sym *sym)
{
	json *o = json_object_new_object();

	put_u64(o, "id", s->id);
	put_round(o, "live_bytes", s->live_bytes);
	put_round(o, "live_bytes_se", s->live_bytes_se);
	put_round(o, "live_objects", s->live_objects);
	put_round(o, "live_objects_se", s->live_objects_se);
	put_round(o, "allocated_bytes", s->allocated_bytes);
	put_round(o, "allocated_bytes_se", s->allocated_bytes_se);
	put_round(o, "freed_bytes", s->freed_bytes);
	put_round(o, "pinned_bytes", s->pinned_bytes);
	put_round(o, "pinned_bytes_se", s->pinned_bytes_se);
	put_u64(o, "samples", s->live_samples);
	put_u64(o, "alloc_samples", s->n_alloc_samples);
	put_u64(o, "median_age_ns", s->live_samples ? s->median_age_ns : HT_UNKNOWN);
	put_u64(o, "oldest_ns", s->live_samples ? s->oldest_ns : HT_UNKNOWN);
	put(o, "stack", stack(s, sym));
	put(o, "truncated", json_object_new_boolean(s->truncated));
	return o;
}

static json *sites(const struct ht_model *m, struct ht_sym *sym, size_t top)
{
	const struct ht_site **order = ht_xcalloc(m->n_sites, sizeof(*order));
	json *rows = json_object_new_array();
	size_t n = 0;

	for (size_t i = 0; i < m->n_sites; i++)
		if (m->sites[i].live_samples || m->sites[i].n_alloc_samples)
			order[n++] = &m->sites[i];
	if (n)
		qsort(order, n, sizeof(*order), by_live);
	for (size_t i = 0; i < n && (!top || i < top); i++)
		json_object_array_add(rows, site(order[i], sym));
	free(order);
	return rows;
}

static json *findings(const struct ht_findings *f)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; f && i < f->n; i++) {
		const struct ht_finding *x = &f->rows[i];
		json *o = json_object_new_object(), *evidence = json_object_new_array(), *who = json_object_new_array();

		put_text(o, "id", x->id);
		put_text(o, "severity", ht_severity_name(x->severity));
		put_text(o, "confidence", ht_confidence_name(x->confidence));
		put_u64(o, "bytes", x->bytes);
		put_ratio(o, "share", x->share);
		put_text(o, "text", x->text);
		for (size_t k = 0; k < x->n_evidence; k++)
			json_object_array_add(evidence, new_text(x->evidence[k]));
		put(o, "evidence", evidence);
		put_text(o, "disproof", x->disproof);
		put_text(o, "action", x->action);
		for (size_t k = 0; k < x->n_sites; k++)
			json_object_array_add(who, json_object_new_uint64(x->sites[k]));
		put(o, "sites", who);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *lost(const struct ht_model *m)
{
	json *o = json_object_new_object();

	put_u64(o, "samples", m->lost.samples);
	put_u64(o, "stacks", m->lost.stacks);
	put_u64(o, "threads", m->lost.threads);
	put_u64(o, "spans", m->lost.spans);
	put_u64(o, "modules", m->lost.modules);
	put_u64(o, "locks", m->lost.locks);
	put_u64(o, "waiters", m->lost.waiters);
	put_u64(o, "damaged_rows", m->n_bad_rows);
	return o;
}

static void put_target(json *o, const struct ht_model *m)
{
	static const char *const states[] = { [HT_LIVE] = "live", [HT_EXITED] = "exited", [HT_DEAD] = "dead" };

	put_text(o, "schema", "heapspy/1");
	put_u64(o, "pid", (uint64_t)m->pid);
	put_text(o, "comm", m->comm);
	put_text(o, "exe", m->exe);
	put_text(o, "state", states[m->state]);
	put_u64(o, "time_ns", m->time_ns);
	put_u64(o, "uptime_ns", m->uptime_ns);
	put_text(o, "policy", m->policy);
	put_text(o, "library_version", m->version);
	put_u64(o, "sample_interval_bytes", m->sample_interval_bytes);
}

static void put_figures(json *o, const struct ht_model *m)
{
	put_u64(o, "rss_bytes", m->rss_bytes);
	put_u64(o, "wss_bytes", m->wss_bytes);
	put_u64(o, "wss_heap_bytes", m->wss_heap_bytes);
	put_u64(o, "wss_ns", m->wss_ns);
	put_u64(o, "peak_rss_bytes", m->peak_rss_bytes);
	put_u64(o, "swap_bytes", m->swap_bytes);
	put_u64(o, "live_bytes", m->live_bytes);
	put_u64(o, "live_objects", m->live_objects);
	put_u64(o, "allocated_bytes", m->allocated_bytes);
	put_u64(o, "freed_bytes", m->freed_bytes);
	put_round(o, "alloc_rate_bytes_per_s", m->alloc_rate);
	put_round(o, "rounding_bytes", m->rounding_bytes);
	put_round(o, "rounding_bytes_se", m->rounding_bytes_se);
	put_u64(o, "span_free_bytes", m->span_free_bytes);
	put_u64(o, "thread_cache_bytes", m->thread_cache_bytes);
	put_u64(o, "hole_bytes", m->hole_bytes);
	put_u64(o, "dirty_bytes", m->dirty_bytes);
	put_u64(o, "retained_bytes", m->retained_bytes);
	put_u64(o, "metadata_bytes", m->metadata_bytes);
	put_u64(o, "profiler_bytes", m->profiler_bytes);
	put_u64(o, "segment_bytes", m->segment_bytes);
	put_u64(o, "untouched_bytes", m->residency ? m->untouched_bytes : HT_UNKNOWN);
	put_text(o, "residency", m->residency);
}

static json *frame_object(const struct ht_frame *f, size_t top)
{
	const struct ht_model *m = f->model;
	json *o = json_object_new_object();

	put_target(o, m);
	put_figures(o, m);
	put(o, "ledger", ledger(m));
	put(o, "classes", classes(m));
	put(o, "arenas", arenas(m));
	put(o, "locks", locks(m));
	put(o, "threads", threads(m));
	put(o, "sites", sites(m, f->sym, f->top ? f->top : top));
	put(o, "findings", findings(f->findings));
	put(o, "lost", lost(m));
	return o;
}

static json *history(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_history; i++) {
		const struct ht_point *p = &m->history[i];
		json *o = json_object_new_object();

		put_u64(o, "time_ns", p->realtime_ns);
		put_u64(o, "rss_bytes", p->rss_bytes);
		put_u64(o, "live_bytes", p->live_bytes);
		put_u64(o, "live_objects", p->live_objects);
		put_u64(o, "allocated_bytes", p->allocated_bytes);
		put_u64(o, "span_free_bytes", p->span_free_bytes);
		put_u64(o, "thread_cache_bytes", p->thread_cache_bytes);
		put_u64(o, "dirty_bytes", p->dirty_bytes);
		put_u64(o, "retained_bytes", p->retained_bytes);
		put(o, "gap", json_object_new_boolean(p->gap));
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *span_fill(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (unsigned i = 0; i < 10; i++) {
		json *o = json_object_new_object();

		put_ratio(o, "fill_from", i / 10.0);
		put_u64(o, "spans", m->fill_spans[i]);
		put_u64(o, "free_bytes", m->fill_free_bytes[i]);
		json_object_array_add(rows, o);
	}
	return rows;
}

static json *waiters(const struct ht_model *m)
{
	json *rows = json_object_new_array();

	for (size_t i = 0; i < m->n_waiters; i++) {
		const struct ht_waiter *w = &m->waiters[i];
		json *o = json_object_new_object();
		const char *name = NULL;

		for (size_t k = 0; k < m->n_locks && !name; k++)
			name = m->locks[k].row == w->lock ? m->locks[k].name : NULL;
		put_text(o, "lock", name);
		put_u64(o, "site", w->site);
		put_u64(o, "waits", w->n_waits);
		put_u64(o, "wait_ns", w->wait_ns);
		put_u64(o, "max_wait_ns", w->max_wait_ns);
		json_object_array_add(rows, o);
	}
	return rows;
}

static int print(FILE *out, json *o, int flags)
{
	const char *text = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text) {
		fputs(text, out);
		fputc('\n', out);
	}
	json_object_put(o);
	return text ? ht_writer_status(out) : -ENOMEM;
}

static int write_frame(FILE *out, const struct ht_frame *f)
{
	return print(out, frame_object(f, FRAME_SITES), JSON_C_TO_STRING_PLAIN);
}

static int write_report(FILE *out, const struct ht_frame *f)
{
	json *o = frame_object(f, REPORT_SITES);

	put(o, "waiters", waiters(f->model));
	put(o, "span_fill", span_fill(f->model));
	put(o, "history", history(f->model));
	return print(out, o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);
}

const struct ht_writer ht_writer_json = { .name = "json", .frame = write_frame };
const struct ht_writer ht_report_json = { .name = "json", .frame = write_report };
