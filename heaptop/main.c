/* SPDX-License-Identifier: MIT */
/*
 * main.c - heaptop: shows where the memory of a process under libheapspy.so is, and whose it is.
 *
 * Map of the files; a folder uses those above it and never those below.
 *
 *   util/    err      errors for people and exit codes        mem      allocation that cannot fail
 *            text     growing strings, escaping               units    1.24G, 3h12m
 *            file     small files, pread
 *   seg/     ident    who a process is                        find     the segment of a process
 *            snapshot a checked private copy of a segment     list     all segments of the machine
 *   sym/     symbolize addresses to functions and lines       demangle, elffile, symcache, own
 *   model/   model.h  all figures of one frame                source   a target, refreshed again and again
 *            spans    exact sums over the span map            sites    estimates from samples, pins
 *            threads, locks, history                          ledger   RSS split into parts
 *            proc     /proc/PID/status and smaps              resident which pages are really there
 *            wss      working set                             table    what screen and batch print alike
 *            views_heap, views_who  the tables' columns       label    one line that names a site
 *   diag/    findings what is wrong, with evidence; one file a rule
 *   out/     writer   one frame in some format: text, json, csv, openmetrics; report
 *   tui/     canvas, chart, keymap, layout: pure; term: curses
 *   views/   one file a screen
 *
 *   cli      options and commands, described once             batch    frames without a screen
 *   run      starts a command and watches it                  commands list, prune
 *   app      the interactive loop
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "batch.h"
#include "cli.h"
#include "commands.h"
#include "model/source.h"
#include "run.h"
#include "tui/keymap.h"

#ifndef HEAPTOP_VERSION
#define HEAPTOP_VERSION "0.1.0"
#endif

/* A screen needs both ends to be a terminal; anything else gets one frame, or as many as were asked for. */
static bool wants_screen(struct ht_options *o)
{
	if (!o->batch && !o->output && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))
		return true;
	if (!o->batch_asked && !o->count_given && o->command == HT_DO_WATCH)
		o->count = 1;
	o->batch = true;
	return false;
}

static int watch_screen(const struct ht_options *o, struct ht_err *err)
{
	struct ht_app_options app = ht_run_screen_options(o);
	int r;

	app.input = o->input;
	r = ht_batch_resolve(o, &app.pid, err);
	return r < 0 ? r : ht_app_run(&app, err);
}

static int with_target(const struct ht_options *o, struct ht_err *err)
{
	struct ht_source *source;
	int r = ht_batch_open(&source, o, err);

	if (r < 0)
		return r;
	r = o->command == HT_DO_REPORT ? ht_batch_report(source, o, err) : ht_batch_frames(source, o, -1, err);
	ht_source_close(source);
	return r;
}

static int dispatch(struct ht_options *o, struct ht_err *err, int *ret_status)
{
	switch (o->command) {
	case HT_DO_LIST:
		return ht_command_list(o, err);
	case HT_DO_PRUNE:
		return ht_command_prune(o, err);
	case HT_DO_REPORT:
		return with_target(o, err);
	case HT_DO_RUN:
		*ret_status = ht_run(o, wants_screen(o), err);
		return 0;
	case HT_DO_WATCH:
		break;
	}
	return wants_screen(o) ? watch_screen(o, err) : with_target(o, err);
}

int main(int argc, char **argv)
{
	struct ht_options o = { 0 };
	struct ht_err err = { 0 };
	int status = 0, r;

	setlocale(LC_CTYPE, "");
	/* a reader that goes away shows as EPIPE, which ends quietly */
	signal(SIGPIPE, SIG_IGN);
	r = ht_cli_parse(&o, argc, argv, &err);
	if (r < 0) {
		ht_err_print(stderr, &err);
		return HT_EXIT_USAGE;
	}
	if (o.show_help)
		ht_cli_help(stdout);
	else if (o.show_version)
		puts("heaptop " HEAPTOP_VERSION);
	else if (o.show_keys)
		ht_keymap_print(stdout);
	else
		r = dispatch(&o, &err, &status);
	if (r < 0 && !err.message[0])
		ht_err_set(&err, r, HT_EXIT_TARGET, "%s", strerror(-r));
	if (err.message[0] && (r < 0 || o.command == HT_DO_RUN))
		ht_err_print(stderr, &err);
	if (r < 0)
		return err.code ? (int)err.code : HT_EXIT_TARGET;
	return status;
}
