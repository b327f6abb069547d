/* SPDX-License-Identifier: MIT */
/*
 * report.c - the fragmentation report as text: verdicts first, then what they rest on, then how it was measured.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diag/findings.h"
#include "model/label.h"
#include "model/model.h"
#include "out/print.h"
#include "out/writer.h"
#include "sym/symbolize.h"
#include "util/text.h"

#define REPORT_COLUMNS 80
#define REPORT_ROWS 15
#define STACK_SITES 5
#define STACK_FRAMES 12

static void heading(FILE *out, const struct ht_frame *f, const char *title)
{
	fprintf(out, "\n%s%s%s\n", f->color ? "\033[1m" : "", title, f->color ? "\033[0m" : "");
	for (size_t i = strlen(title); i > 0; i--)
		fputc('-', out);
	fputc('\n', out);
}

static void put_target(FILE *out, const struct ht_frame *f)
{
	static const char *const states[] = {
		[HT_LIVE] = "live", [HT_EXITED] = "exited; its last state", [HT_DEAD] = "dead; its last state"
	};
	const struct ht_model *m = f->model;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], c[HT_UNIT_ROOM], name[sizeof(m->comm) * 4], exe[300];

	ht_escape(name, sizeof(name), m->comm, sizeof(m->comm));
	ht_escape(exe, sizeof(exe), m->exe, sizeof(m->exe));
	fprintf(out, "heaptop report of pid %d (%s)\n", (int)m->pid, states[m->state]);
	fprintf(out, "program   %s (%s)\n", name[0] ? name : "-", exe[0] ? exe : "-");
	fprintf(out, "time      %s%s, up %s\n", ht_fmt_time(a, m->time_ns, f->utc), f->utc ? " UTC" : "",
		ht_fmt_ns(b, (double)m->uptime_ns));
	fprintf(out, "memory    rss %s", ht_print_bytes(a, m->rss_bytes, f->exact_bytes));
	fprintf(out, ", peak %s", ht_print_bytes(b, m->peak_rss_bytes, f->exact_bytes));
	if (m->swap_bytes != HT_UNKNOWN && m->swap_bytes)
		fprintf(out, ", swapped %s", ht_print_bytes(c, m->swap_bytes, f->exact_bytes));
	fprintf(out, "\nheap      live %s in %s objects", ht_print_bytes(a, m->live_bytes, f->exact_bytes),
		ht_fmt_count(b, (double)m->live_objects));
	if (isfinite(m->alloc_rate))
		fprintf(out, ", allocating %s", ht_fmt_rate(c, m->alloc_rate));
	fputc('\n', out);
	if (m->wss_bytes != HT_UNKNOWN) {
		fprintf(out, "touched   %s within %s", ht_print_bytes(a, m->wss_bytes, f->exact_bytes),
			ht_fmt_ns(b, (double)m->wss_ns));
		fprintf(out, ", %s of it heap\n", ht_print_bytes(c, m->wss_heap_bytes, f->exact_bytes));
	}
}

static void put_labelled(FILE *out, const char *label, const char *text)
{
	fprintf(out, "   %-9s ", label);
	ht_print_wrapped(out, text, REPORT_COLUMNS, 13, 13);
}

static void put_findings(FILE *out, const struct ht_frame *f)
{
	heading(out, f, "Verdicts");
	if (!f->findings || !f->findings->n)
		fputs("Nothing is wrong with this heap.\n", out);
	for (size_t i = 0; f->findings && i < f->findings->n; i++) {
		const struct ht_finding *x = &f->findings->rows[i];
		char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM];

		fprintf(out, "%s%zu. %s  [%s, confidence %s]", i ? "\n" : "", i + 1, x->id,
			ht_severity_name(x->severity), ht_confidence_name(x->confidence));
		if (x->bytes)
			fprintf(out, "  %s, %s %%", ht_print_bytes(a, x->bytes, f->exact_bytes),
				ht_fmt_percent(b, x->share));
		fputs("\n   ", out);
		ht_print_wrapped(out, x->text ? x->text : "", REPORT_COLUMNS, 3, 3);
		for (size_t k = 0; k < x->n_evidence; k++)
			put_labelled(out, k ? "" : "evidence", x->evidence[k]);
		if (x->disproof)
			put_labelled(out, "unless", x->disproof);
		if (x->action)
			put_labelled(out, "action", x->action);
		fprintf(out, "   see heaptop(1), FINDINGS, %s\n", x->id);
	}
}

static int put_table(FILE *out, const struct ht_frame *f, const char *title, const char *view, const char *sort,
		     size_t top)
{
	struct ht_table_request req = { .view = view, .sort = sort, .top = top };
	struct ht_table t;
	int r = ht_table_build(&t, &req, f->model, f->sym);

	if (r < 0)
		return r;
	heading(out, f, title);
	if (t.n_rows)
		ht_print_table(out, &t, f, 0);
	else
		fputs("(none)\n", out);
	size_t all = t.n_total;
	if (t.n_rows < all)
		fprintf(out, "... and %zu more\n", all - t.n_rows);
	ht_table_done(&t);
	return 0;
}

static int by_weight(const void *a, const void *b)
{
	const struct ht_site *x = *(const struct ht_site *const *)a, *y = *(const struct ht_site *const *)b;
	double p = x->live_bytes + x->pinned_bytes, q = y->live_bytes + y->pinned_bytes;

	if (p != q)
		return p > q ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void put_stack(FILE *out, const struct ht_frame *f, const struct ht_site *s)
{
	struct ht_sym_frame *frames;
	size_t n = ht_site_frames(s, f->sym, /* fold */ true, &frames);

	for (size_t i = 0; i < n && i < STACK_FRAMES; i++) {
		char text[600], safe[1200];

		ht_frame_text(text, sizeof(text), &frames[i], /* with_line */ true);
		ht_escape(safe, sizeof(safe), text, sizeof(text));
		ht_cut(safe, REPORT_COLUMNS - 6, /* middle */ false, /* ascii */ true);
		fprintf(out, "      %s\n", safe);
	}
	if (n > STACK_FRAMES)
		fprintf(out, "      ... %zu more frames\n", n - STACK_FRAMES);
	free(frames);
}

static void put_stacks(FILE *out, const struct ht_frame *f)
{
	const struct ht_model *m = f->model;
	const struct ht_site **order = calloc(m->n_sites ? m->n_sites : 1, sizeof(*order));
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], c[HT_UNIT_ROOM];
	size_t n = 0;

	if (!order)
		return;
	for (size_t i = 0; i < m->n_sites; i++)
		if (m->sites[i].live_samples)
			order[n++] = &m->sites[i];
	if (n)
		qsort(order, n, sizeof(*order), by_weight);
	heading(out, f, "Stacks of the largest sites");
	if (!n)
		fputs("(no live samples)\n", out);
	for (size_t i = 0; i < n && i < STACK_SITES; i++) {
		const struct ht_site *s = order[i];

		fprintf(out, "   live %s +- %s", ht_fmt_bytes(a, s->live_bytes), ht_fmt_bytes(b, s->live_bytes_se));
		fprintf(out, ", pins %s +- %s", ht_fmt_bytes(a, s->pinned_bytes), ht_fmt_bytes(b, s->pinned_bytes_se));
		fprintf(out, ", %" PRIu64 " samples, oldest %s\n", s->live_samples, ht_fmt_ns(c, (double)s->oldest_ns));
		put_stack(out, f, s);
	}
	free(order);
}

static void put_fill(FILE *out, const struct ht_frame *f)
{
	const struct ht_model *m = f->model;
	char a[HT_UNIT_ROOM];
	uint64_t most = 0;

	for (unsigned i = 0; i < 10; i++)
		most = m->fill_free_bytes[i] > most ? m->fill_free_bytes[i] : most;
	heading(out, f, "Fill of partly used spans");
	if (!most) {
		fputs("(no partly used spans)\n", out);
		return;
	}
	fputs("FILL      SPANS     FREE\n", out);
	for (unsigned i = 0; i < 10; i++) {
		unsigned bar = (unsigned)((double)m->fill_free_bytes[i] * 40 / (double)most + 0.5);

		fprintf(out, "%2u-%3u%% %7" PRIu64 " %8s%s", i * 10, i * 10 + 10, m->fill_spans[i],
			ht_print_bytes(a, m->fill_free_bytes[i], f->exact_bytes), bar ? "  " : "");
		for (unsigned k = 0; k < bar; k++)
			fputc('#', out);
		fputc('\n', out);
	}
}

static void put_method(FILE *out, const struct ht_frame *f)
{
	const struct ht_model *m = f->model;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], version[80], policy[80];
	char text[800];

	ht_escape(version, sizeof(version), m->version, sizeof(m->version));
	ht_escape(policy, sizeof(policy), m->policy, sizeof(m->policy));
	heading(out, f, "How it was measured");
	snprintf(text, sizeof(text),
		 "libheapspy %s, policy %s. Counts of classes, arenas, threads and locks are exact. Sites, pins and "
		 "rounding are estimated from samples of one in %s on average; +- is one standard error.",
		 version[0] ? version : "-", policy[0] ? policy : "-",
		 m->sample_interval_bytes ? ht_fmt_bytes(a, (double)m->sample_interval_bytes) : "(off)");
	ht_print_wrapped(out, text, REPORT_COLUMNS, 0, 0);
	if (m->residency)
		snprintf(text, sizeof(text),
			 "Residency was measured with %s: %s was handed out or kept free but never touched, and is "
			 "not part of RSS. The parts of the ledger add up to the kernel's RSS; what nobody accounts "
			 "for is 'unexplained'.",
			 m->residency, ht_print_bytes(b, m->untouched_bytes, f->exact_bytes));
	else
		snprintf(text, sizeof(text),
			 "Residency could not be measured: the parts are what the allocator counts, "
			 "and RSS is the last one that the library saw.");
	ht_print_wrapped(out, text, REPORT_COLUMNS, 0, 0);
	fprintf(out, "Cost: segment %s", ht_print_bytes(a, m->segment_bytes, f->exact_bytes));
	fprintf(out, ", sampler's tables %s", ht_print_bytes(a, m->profiler_bytes, f->exact_bytes));
	fprintf(out, ", %s stack walks in %s.\n", ht_fmt_count(a, (double)m->n_stack_walks),
		ht_fmt_ns(b, (double)m->stack_walk_ns));
	fprintf(out,
		"Lost: samples %" PRIu64 ", stacks %" PRIu64 ", threads %" PRIu64 ", spans %" PRIu64
		", modules %" PRIu64 ".\n",
		m->lost.samples, m->lost.stacks, m->lost.threads, m->lost.spans, m->lost.modules);
}

static int write_report(FILE *out, const struct ht_frame *frame)
{
	static const struct {
		const char *title, *view, *sort;
	} tables[] = {
		{ "Where the memory is", "ledger", NULL },
		{ "Size classes, by free bytes in spans", "classes", "free_bytes" },
		{ "Arenas", "arenas", NULL },
		{ "Sites, by live bytes", "sites", NULL },
		{ "Sites, by the bytes they pin", "sites", "pinned_bytes" },
		{ "Locks, by time waited", "locks", NULL },
		{ "Threads, by cached bytes", "threads", NULL },
	};
	struct ht_frame f = *frame;
	int r = 0;

	f.columns = REPORT_COLUMNS;
	put_target(out, &f);
	put_findings(out, &f);
	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
		r = put_table(out, &f, tables[i].title, tables[i].view, tables[i].sort, f.top ? f.top : REPORT_ROWS);
		if (i == 1)
			put_fill(out, &f);
		if (i == 4)
			put_stacks(out, &f);
	}
	put_method(out, &f);
	return r < 0 ? r : ht_writer_status(out);
}

const struct ht_writer ht_report_text = { .name = "text", .frame = write_report };
