/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <errno.h>
#include <langinfo.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "diag/findings.h"
#include "model/source.h"
#include "out/writer.h"
#include "seg/find.h"
#include "util/text.h"
#include "util/units.h"

int ht_batch_resolve(const struct ht_options *o, pid_t *ret, struct ht_err *reterr)
{
	int r = o->name ? ht_find_name(o->name, ret, reterr) : 0;

	if (!o->name)
		*ret = o->pid;
	if (r == -ENOENT && strncmp(reterr->message, "no process", 10) == 0) {
		const struct ht_cli_command *commands;
		struct ht_text names = { 0 };
		size_t n;

		/* the word may have been meant as a command */
		commands = ht_cli_commands(&n);
		for (size_t i = 0; i < n; i++)
			ht_text_printf(&names, ", %s", commands[i].name);
		ht_err_hint(reterr, "'heaptop list' shows the processes that can be watched; commands are%s",
			    names.s + 1);
		ht_text_done(&names);
	}
	return r;
}

int ht_batch_open(struct ht_source **ret, const struct ht_options *o, struct ht_err *reterr)
{
	pid_t pid;
	int r;

	if (o->input)
		return ht_source_open_file(ret, o->input, reterr);
	if (!o->pid && !o->name) {
		ht_err_set(reterr, -EINVAL, HT_EXIT_USAGE, "no target: give -p PID, a NAME or --input FILE");
		ht_err_hint(reterr, "'heaptop list' shows what there is");
		return -EINVAL;
	}
	r = ht_batch_resolve(o, &pid, reterr);
	return r < 0 ? r : ht_source_open_pid(ret, pid, reterr);
}

/* Width of the terminal, of COLUMNS, or none: a file has no width. */
static unsigned line_columns(FILE *out)
{
	const char *env = getenv("COLUMNS");
	struct winsize size;
	uint64_t v;

	if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return env && ht_parse_u64(env, 10000, &v) ? (unsigned)v : 0;
}

static int open_output(const struct ht_options *o, FILE **ret, struct ht_err *reterr)
{
	char shown[300];

	*ret = stdout;
	if (!o->output || strcmp(o->output, "-") == 0)
		return 0;
	*ret = fopen(o->output, "we");
	if (*ret)
		return 0;
	int e = errno;
	ht_escape(shown, sizeof(shown), o->output, strlen(o->output));
	return ht_err_set(reterr, -e, HT_EXIT_OUTPUT, "cannot write '%s': %s", shown, strerror(e));
}

static int close_output(FILE *out, const struct ht_options *o, int r, struct ht_err *reterr)
{
	char shown[300];

	if (out != stdout && fclose(out) != 0 && r == 0)
		r = -EIO;
	if (r == -EPIPE)
		return 0; /* head has seen enough */
	if (r == -EIO) {
		ht_escape(shown, sizeof(shown), o->output ? o->output : "-", o->output ? strlen(o->output) : 1);
		return ht_err_set(reterr, r, HT_EXIT_OUTPUT, "cannot write '%s': %s",
				  o->output ? shown : "standard output", errno ? strerror(errno) : "write error");
	}
	return r;
}

static int measure_wss(struct ht_source *source, const struct ht_options *o, struct ht_err *reterr)
{
	char time[HT_UNIT_ROOM];

	if (o->wss_s <= 0)
		return 0;
	fprintf(stderr,
		"heaptop: measuring the working set for %s; this walks the target's page tables twice "
		"(about 12 ms a GiB)\n",
		ht_fmt_ns(time, o->wss_s * 1e9));
	return ht_source_measure_wss(source, o->wss_s, reterr);
}

static int write_one(const struct ht_writer *writer, FILE *out, struct ht_source *source, const struct ht_options *o,
		     size_t number, enum ht_state *ret_state, struct ht_err *reterr)
{
	struct ht_findings findings = { 0 };
	const struct ht_model *model;
	int r = ht_source_refresh(source, &model, reterr);

	if (r < 0)
		return r;
	struct ht_sym *sym = ht_source_sym(source);
	ht_findings_run(&findings, model, sym);
	struct ht_frame frame = {
		.model = model,
		.findings = &findings,
		.sym = sym,
		.view = o->view,
		.sort = o->sort && o->sort[0] == '+' ? o->sort + 1 : o->sort,
		.ascending = o->sort && o->sort[0] == '+',
		.top = o->top,
		.exact_bytes = o->exact_bytes,
		.color = o->color == 1,
		.ascii = o->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
		.columns = line_columns(out),
		.utc = o->input != NULL, /* a recording reads the same everywhere */
		.number = number,
	};
	r = writer->frame(out, &frame);
	ht_findings_done(&findings);
	*ret_state = model->state;
	return r;
}

/* Sleeps until the next frame is due; true when the target went away meanwhile. */
static bool wait_for(double seconds, int gone_fd)
{
	struct pollfd p = { .fd = gone_fd, .events = POLLIN };
	struct timespec ts = { .tv_sec = (time_t)seconds,
			       .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };

	return ppoll(&p, gone_fd >= 0 ? 1 : 0, &ts, NULL) > 0;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int ht_batch_frames(struct ht_source *source, const struct ht_options *o, int gone_fd, struct ht_err *reterr)
{
	const struct ht_writer *writer = ht_writer_find(o->format ? o->format : "table");
	enum ht_state state = HT_LIVE;
	FILE *out;
	int r = open_output(o, &out, reterr);

	if (r < 0)
		return r;
	r = measure_wss(source, o, reterr);
	double due = now_s();
	for (size_t i = 0; r == 0; i++) {
		r = write_one(writer, out, source, o, i, &state, reterr);
		if (r < 0 || (o->count && i + 1 == o->count) || state != HT_LIVE)
			break;
		/* on the beat: what a frame costs does not add up */
		due += o->delay_s;
		double rest = due - now_s();
		if (rest < 0)
			due -= rest;
		wait_for(rest > 0 ? rest : 0, gone_fd);
	}
	return close_output(out, o, r, reterr);
}

int ht_batch_report(struct ht_source *source, const struct ht_options *o, struct ht_err *reterr)
{
	const struct ht_writer *writer = o->json ? &ht_report_json : &ht_report_text;
	enum ht_state state;
	FILE *out;
	int r = open_output(o, &out, reterr);

	if (r < 0)
		return r;
	ht_source_measure_always(source, true);
	r = measure_wss(source, o, reterr);
	if (r == 0)
		r = write_one(writer, out, source, o, 0, &state, reterr);
	return close_output(out, o, r, reterr);
}
