/* SPDX-License-Identifier: MIT */
/*
 * text.c - a batch frame: what top -b is to top.
 *
 * Head, findings, then the ledger and the sites, or the one table that was asked for.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diag/findings.h"
#include "model/model.h"
#include "out/print.h"
#include "out/writer.h"
#include "util/text.h"

#define DEFAULT_SITES 10

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void put_head(FILE *out, const struct ht_frame *f)
{
	static const char *const states[] = { [HT_LIVE] = "", [HT_EXITED] = "  EXITED", [HT_DEAD] = "  DEAD" };
	const struct ht_model *m = f->model;
	char a[HT_UNIT_ROOM], b[HT_UNIT_ROOM], c[HT_UNIT_ROOM], d[HT_UNIT_ROOM], name[256];

	/* the program as it calls itself: its file may be a link to something else */
	const char *shown = m->comm[0] ? m->comm : base_name(m->exe);
	ht_escape(name, sizeof(name), shown, strlen(shown));
	fprintf(out, "%sheaptop  %s  pid %d %s  up %s", f->color ? "\033[1m" : "", ht_fmt_time(a, m->time_ns, f->utc),
		(int)m->pid, name, ht_fmt_ns(b, (double)m->uptime_ns));
	if (m->sample_interval_bytes)
		fprintf(out, "  sample 1/%s", ht_fmt_bytes(c, (double)m->sample_interval_bytes));
	else
		fputs("  sampling off", out);
	if (strcmp(m->policy, "default") != 0) {
		ht_escape(name, sizeof(name), m->policy, sizeof(m->policy));
		fprintf(out, "  policy %s", name);
	}
	fprintf(out, "%s%s\n", states[m->state], f->color ? "\033[0m" : "");
	fprintf(out, "rss %s", ht_print_bytes(a, m->rss_bytes, f->exact_bytes));
	fprintf(out, "  live %s", ht_print_bytes(a, m->live_bytes, f->exact_bytes));
	fprintf(out, "  objects %s", ht_fmt_count(a, (double)m->live_objects));
	fprintf(out, "  alloc %s", ht_fmt_rate(b, m->alloc_rate));
	if (m->swap_bytes != HT_UNKNOWN && m->swap_bytes)
		fprintf(out, "  swap %s", ht_print_bytes(c, m->swap_bytes, f->exact_bytes));
	if (m->wss_bytes != HT_UNKNOWN)
		fprintf(out, "  wss %s in %s (heap %s)", ht_print_bytes(a, m->wss_bytes, f->exact_bytes),
			ht_fmt_ns(b, (double)m->wss_ns), ht_print_bytes(c, m->wss_heap_bytes, f->exact_bytes));
	uint64_t lost = m->lost.samples + m->lost.stacks + m->lost.threads + m->lost.spans + m->lost.modules +
			m->lost.locks + m->lost.waiters;
	if (lost)
		fprintf(out, "  lost %s records", ht_fmt_count(d, (double)lost));
	fputc('\n', out);
}

static void put_findings(FILE *out, const struct ht_frame *f)
{
	static const char *const marks[] = { [HT_INFO] = "i ", [HT_WARN] = "! ", [HT_CRITICAL] = "!!" };

	for (size_t i = 0; f->findings && i < f->findings->n; i++) {
		const struct ht_finding *x = &f->findings->rows[i];
		const char *color = x->severity == HT_CRITICAL ? "\033[31m" : x->severity == HT_WARN ? "\033[33m" : "";

		fprintf(out, "%s%s %s%s ", f->color ? color : "", marks[x->severity], x->id, f->color ? "\033[0m" : "");
		ht_print_wrapped(out, x->text ? x->text : "", f->columns, (unsigned)strlen(x->id) + 4, 3);
	}
}

static int write_frame(FILE *out, const struct ht_frame *f)
{
	struct ht_table_request req = {
		.view = f->view ? f->view : "sites",
		.sort = f->sort,
		.ascending = f->ascending,
		.top = f->top	 ? f->top
		       : f->view ? 0
				 : DEFAULT_SITES,
	};
	int r;

	if (f->number)
		fputc('\n', out);
	put_head(out, f);
	put_findings(out, f);
	fputc('\n', out);
	if (!f->view) {
		struct ht_table_request ledger = { .view = "ledger" };

		r = ht_print_view(out, f, &ledger, 0);
		if (r < 0)
			return r;
		fputc('\n', out);
	}
	r = ht_print_view(out, f, &req, 0);
	return r < 0 ? r : ht_writer_status(out);
}

const struct ht_writer ht_writer_table = { .name = "table", .takes_view = true, .frame = write_frame };
