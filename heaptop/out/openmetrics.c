/* SPDX-License-Identifier: MIT */
/*
 * openmetrics.c - one exposition of OpenMetrics 1.0: families not interleaved, "# EOF" last.
 *
 * Unknown figures are left out: a missing sample is what the format has for them.  Stacks are no labels.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "diag/findings.h"
#include "model/model.h"
#include "out/writer.h"
#include "util/text.h"

static const char *const verdicts[] = {
	"leak",
	"cache-filling",
	"external-fragmentation",
	"internal-fragmentation",
	"arena-accumulation",
	"thread-cache",
	"retained-dirty",
	"thp-slack",
	"non-malloc",
	"lock-contention",
	"cold-memory",
	"churn",
	"map-count",
	"swap",
	"unknown",
};

static void family(FILE *out, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(out, "# TYPE %s %s\n", name, type);
	if (unit)
		fprintf(out, "# UNIT %s %s\n", name, unit);
	fprintf(out, "# HELP %s %s\n", name, help);
}

/* A label's value: escaped for people first, then for the format. */
static void label(FILE *out, const char *value)
{
	char safe[1024];

	ht_escape(safe, sizeof(safe), value, strlen(value));
	for (const char *p = safe; *p; p++) {
		if (*p == '\\' || *p == '"')
			fputc('\\', out);
		fputc(*p, out);
	}
}

static void gauge(FILE *out, const char *name, const char *unit, const char *help, uint64_t v)
{
	if (v == HT_UNKNOWN)
		return;
	family(out, name, "gauge", unit, help);
	fprintf(out, "%s %" PRIu64 "\n", name, v);
}

static void counter(FILE *out, const char *name, const char *unit, const char *help, uint64_t v)
{
	family(out, name, "counter", unit, help);
	fprintf(out, "%s_total %" PRIu64 "\n", name, v);
}

static void ledger(FILE *out, const struct ht_model *m)
{
	gauge(out, "process_resident_memory_bytes", "bytes", "Resident memory as the kernel counts it.", m->rss_bytes);
	family(out, "heapspy_rss_bytes", "gauge", "bytes", "Resident memory by part; adds up to the whole.");
	for (int i = 0; i < HT_N_PARTS; i++)
		if (m->ledger[i].known)
			fprintf(out, "heapspy_rss_bytes{part=\"%s\"} %" PRId64 "\n", m->ledger[i].name,
				m->ledger[i].bytes);
}

static void classes(FILE *out, const struct ht_model *m)
{
	family(out, "heapspy_class_live_bytes", "gauge", "bytes", "Bytes handed out, by size class.");
	for (size_t i = 0; i + 1 < m->n_classes; i++)
		if (m->classes[i].spans)
			fprintf(out, "heapspy_class_live_bytes{class_bytes=\"%u\"} %" PRIu64 "\n",
				m->classes[i].size_bytes, m->classes[i].live_bytes);
	family(out, "heapspy_class_span_free_bytes", "gauge", "bytes",
	       "Free slots in partly used spans, by size class.");
	for (size_t i = 0; i + 1 < m->n_classes; i++)
		if (m->classes[i].spans)
			fprintf(out, "heapspy_class_span_free_bytes{class_bytes=\"%u\"} %" PRIu64 "\n",
				m->classes[i].size_bytes, m->classes[i].free_bytes);
}

static void arenas(FILE *out, const struct ht_model *m)
{
	family(out, "heapspy_arena_live_bytes", "gauge", "bytes", "Bytes handed out, by arena.");
	for (size_t i = 0; i < m->n_arenas; i++)
		fprintf(out, "heapspy_arena_live_bytes{arena=\"%u\"} %" PRIu64 "\n", m->arenas[i].id,
			m->arenas[i].live_bytes);
	family(out, "heapspy_arena_dirty_bytes", "gauge", "bytes", "Free pages that may be resident, by arena.");
	for (size_t i = 0; i < m->n_arenas; i++)
		fprintf(out, "heapspy_arena_dirty_bytes{arena=\"%u\"} %" PRIu64 "\n", m->arenas[i].id,
			m->arenas[i].dirty_bytes);
}

static void locks(FILE *out, const struct ht_model *m)
{
	family(out, "heapspy_lock_wait_seconds", "counter", "seconds", "Time waited for a lock by all threads.");
	for (size_t i = 0; i < m->n_locks; i++) {
		fputs("heapspy_lock_wait_seconds_total{lock=\"", out);
		label(out, m->locks[i].name);
		fprintf(out, "\"} %.17g\n", (double)m->locks[i].wait_ns / 1e9);
	}
	family(out, "heapspy_lock_contended", "counter", NULL, "Acquisitions that had to wait.");
	for (size_t i = 0; i < m->n_locks; i++) {
		fputs("heapspy_lock_contended_total{lock=\"", out);
		label(out, m->locks[i].name);
		fprintf(out, "\"} %" PRIu64 "\n", m->locks[i].contended);
	}
}

static void verdict(FILE *out, const struct ht_findings *f)
{
	family(out, "heapspy_verdict", "stateset", NULL, "Findings that hold now.");
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		int holds = 0;

		for (size_t k = 0; f && k < f->n; k++)
			holds |= strcmp(f->rows[k].id, verdicts[i]) == 0;
		fprintf(out, "heapspy_verdict{heapspy_verdict=\"%s\"} %d\n", verdicts[i], holds);
	}
}

static int write_frame(FILE *out, const struct ht_frame *f)
{
	const struct ht_model *m = f->model;

	family(out, "heapspy_build", "info", NULL, "The library in the process.");
	fputs("heapspy_build_info{version=\"", out);
	label(out, m->version);
	fputs("\",policy=\"", out);
	label(out, m->policy);
	fputs("\"} 1\n", out);
	ledger(out, m);
	gauge(out, "heapspy_working_set_bytes", "bytes", "Memory referenced during the last measurement.",
	      m->wss_bytes);
	gauge(out, "heapspy_live_bytes", "bytes", "Bytes handed out, rounded up to their slots.", m->live_bytes);
	gauge(out, "heapspy_live_objects", NULL, "Objects handed out.", m->live_objects);
	counter(out, "heapspy_allocated_bytes", "bytes", "Bytes requested since the start.", m->allocated_bytes);
	counter(out, "heapspy_freed_bytes", "bytes", "Bytes freed since the start.", m->freed_bytes);
	classes(out, m);
	arenas(out, m);
	locks(out, m);
	counter(out, "heapspy_samples_dropped", NULL, "Samples that could not be recorded.", m->lost.samples);
	gauge(out, "heapspy_sampler_interval_bytes", "bytes", "Mean bytes between samples.", m->sample_interval_bytes);
	verdict(out, f->findings);
	fputs("# EOF\n", out);
	return ht_writer_status(out);
}

const struct ht_writer ht_writer_openmetrics = { .name = "openmetrics", .frame = write_frame };
