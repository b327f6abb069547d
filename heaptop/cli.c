/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "model/table.h"
#include "out/writer.h"
#include "util/mem.h"
#include "util/text.h"
#include "util/units.h"

/* Long options without a letter get codes above all characters. */
enum {
	OPT_INPUT = 256,
	OPT_VIEW,
	OPT_SORT,
	OPT_TOP,
	OPT_WSS,
	OPT_COLOR,
	OPT_ASCII,
	OPT_BYTES,
	OPT_JSON,
	OPT_TEXT,
	OPT_DIR,
	OPT_ALL,
	OPT_KEYS,
};

static const struct row {
	int code; /* a letter, or OPT_* */
	struct ht_cli_option o;
} options[] = {
	{ 'p', { 'p', "pid", "PID", "the process to look at" } },
	{ OPT_INPUT, { 0, "input", "FILE", "a segment file, for example of a process that died" } },
	{ 'b', { 'b', "batch", NULL, "print frames instead of drawing a screen" } },
	{ 'n', { 'n', "count", "N", "end after N frames; implies -b" } },
	{ 'd', { 'd', "delay", "SECONDS", "time between frames (1)" } },
	{ 'O', { 'O', "format", "FORMAT", "of batch frames: table, json, csv, openmetrics; implies -b" } },
	{ OPT_VIEW, { 0, "view", "NAME", "overview, ledger, classes, arenas, sites, locks, threads" } },
	{ OPT_SORT, { 0, "sort", "COLUMN", "order of the view's table; +COLUMN: smallest first" } },
	{ OPT_TOP, { 0, "top", "N", "rows of a table; 0: all" } },
	{ OPT_WSS, { 0, "wss", "SECONDS", "measure the working set first; touches the target's page tables" } },
	{ 'o', { 'o', "output", "FILE", "write frames or the report there" } },
	{ OPT_JSON, { 0, "json", NULL, "report or list as JSON" } },
	{ OPT_TEXT, { 0, "text", NULL, "report as text of 80 columns (default)" } },
	{ OPT_DIR, { 0, "dir", "DIR", "where list and prune look (dir: of HEAPSPY_CONF, else /dev/shm)" } },
	{ OPT_ALL, { 0, "all", NULL, "prune also what was kept after a normal exit" } },
	{ OPT_COLOR, { 0, "color", "WHEN", "always, never, auto" } },
	{ OPT_ASCII, { 0, "ascii", NULL, "no characters beyond ASCII" } },
	{ OPT_BYTES, { 0, "bytes", NULL, "exact figures instead of 1.2M" } },
	{ OPT_KEYS, { 0, "help-keys", NULL, "print the keys of the screen" } },
	{ 'h', { 'h', "help", NULL, "print this" } },
	{ 'V', { 'V', "version", NULL, "print the version" } },
};
#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct ht_cli_command commands[] = {
	{ "list", HT_DO_LIST, "[--dir DIR] [--json]", "segments of this machine: live, dead, exited" },
	{ "prune", HT_DO_PRUNE, "[--dir DIR] [--all]", "remove the segments of the dead" },
	{ "run", HT_DO_RUN, "[OPTIONS] -- COMMAND [ARG ...]", "start a command under libheapspy.so and watch it" },
	{ "report", HT_DO_REPORT, "-p PID | NAME | --input FILE [--json | --text] [-o FILE]",
	  "where the memory is, whose it is and what would help" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct ht_cli_option *ht_cli_options(size_t *ret_n)
{
	static struct ht_cli_option copy[N_OPTIONS];

	for (size_t i = 0; i < N_OPTIONS; i++)
		copy[i] = options[i].o;
	*ret_n = N_OPTIONS;
	return copy;
}

const struct ht_cli_command *ht_cli_commands(size_t *ret_n)
{
	*ret_n = N_COMMANDS;
	return commands;
}

void ht_cli_help(FILE *out)
{
	fputs("usage: heaptop [OPTIONS] [-p PID | NAME | --input FILE]\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "       heaptop %s %s\n", commands[i].name, commands[i].synopsis);
	fputs("\nWithout a target: a list of all processes that run under libheapspy.so.\n\nCommands:\n", out);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
	fputs("\nOptions:\n", out);
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct ht_cli_option *o = &options[i].o;
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		fprintf(out, "  %-24s %s\n", left, o->help);
	}
}

static int usage(struct ht_err *reterr, const char *format, const char *foreign)
{
	char shown[256];

	ht_escape(shown, sizeof(shown), foreign ? foreign : "", foreign ? strlen(foreign) : 0);
	/* each format below takes one string */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	ht_err_set(reterr, -EINVAL, HT_EXIT_USAGE, format, shown);
#pragma GCC diagnostic pop
	ht_err_hint(reterr, "'heaptop --help' lists commands and options");
	return -EINVAL;
}

static int set_value(struct ht_options *o, int code, const char *arg, struct ht_err *reterr)
{
	uint64_t v;

	switch (code) {
	case 'p':
		if (!ht_parse_u64(arg, INT32_MAX, &v) || v == 0)
			return usage(reterr, "-p takes a process id, not '%s'", arg);
		o->pid = (pid_t)v;
		return 0;
	case 'n':
		if (!ht_parse_u64(arg, UINT32_MAX, &v) || v == 0)
			return usage(reterr, "-n takes a number of frames from 1 on, not '%s'", arg);
		o->count = v;
		o->count_given = o->batch = true;
		return 0;
	case 'd':
		if (!ht_parse_seconds(arg, 0.05, &o->delay_s))
			return usage(reterr, "-d takes seconds from 0.05 on, not '%s'", arg);
		return 0;
	case 'O':
		if (!ht_writer_find(arg))
			return usage(reterr, "unknown format '%s'; there are table, json, csv and openmetrics", arg);
		o->format = arg;
		o->batch = true;
		return 0;
	case OPT_TOP:
		if (!ht_parse_u64(arg, UINT32_MAX, &v))
			return usage(reterr, "--top takes a number of rows, not '%s'", arg);
		o->top = v ? v : SIZE_MAX;
		return 0;
	case OPT_WSS:
		if (!ht_parse_seconds(arg, 0.01, &o->wss_s))
			return usage(reterr, "--wss takes seconds, not '%s'", arg);
		return 0;
	case OPT_COLOR:
		if (strcmp(arg, "always") != 0 && strcmp(arg, "never") != 0 && strcmp(arg, "auto") != 0)
			return usage(reterr, "--color takes always, never or auto, not '%s'", arg);
		o->color = arg[0] == 'n' ? 0 : strcmp(arg, "always") == 0 ? 1 : -1;
		return 0;
	default:
		return -ENOENT;
	}
}

static void set_flag(struct ht_options *o, int code, const char *arg)
{
	switch (code) {
	case OPT_INPUT:
		o->input = arg;
		break;
	case OPT_VIEW:
		o->view = arg;
		break;
	case OPT_SORT:
		o->sort = arg;
		break;
	case 'o':
		o->output = arg;
		break;
	case OPT_DIR:
		o->dir = arg;
		break;
	case 'b':
		o->batch = o->batch_asked = true;
		break;
	case OPT_JSON:
		o->json = true;
		break;
	case OPT_TEXT:
		o->text = true;
		break;
	case OPT_ALL:
		o->all = true;
		break;
	case OPT_ASCII:
		o->ascii = true;
		break;
	case OPT_BYTES:
		o->exact_bytes = true;
		break;
	case OPT_KEYS:
		o->show_keys = true;
		break;
	case 'h':
		o->show_help = true;
		break;
	case 'V':
		o->show_version = true;
		break;
	}
}

/* The sentence that both a wrong word and a wrong combination end with. */
static int unknown_command(const char *word, struct ht_err *reterr)
{
	struct ht_text names = { 0 };

	usage(reterr, "unknown command '%s'", word);
	for (size_t i = 0; i < N_COMMANDS; i++)
		ht_text_printf(&names, "%s%s", i ? ", " : "", commands[i].name);
	ht_err_hint(reterr, "commands are %s; 'heaptop --help' tells more", names.s);
	ht_text_done(&names);
	return -EINVAL;
}

/* A word that is no option: a command, or the target's name or number. */
static int set_word(struct ht_options *o, const char *word, bool first, struct ht_err *reterr)
{
	uint64_t v;

	for (size_t i = 0; first && i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0) {
			o->command = commands[i].id;
			return 0;
		}
	if (o->command == HT_DO_LIST || o->command == HT_DO_PRUNE)
		return usage(reterr, "'%s' is one word too many", word);
	/* two words and no command: the first one was meant as a command */
	if (o->name)
		return o->command == HT_DO_WATCH ? unknown_command(o->name, reterr)
						 : usage(reterr, "'%s' is one word too many", word);
	if (!o->pid && ht_parse_u64(word, INT32_MAX, &v) && v)
		o->pid = (pid_t)v;
	else
		o->name = word;
	return 0;
}

static int check_view(struct ht_options *o, struct ht_err *reterr)
{
	const struct ht_column *columns;
	size_t n;

	if (o->view && strcmp(o->view, "overview") == 0)
		o->view = NULL;
	columns = ht_table_columns(o->view ? o->view : "sites", &n);
	/* the screen has views that are no tables */
	if (!columns && !o->batch && strcmp(o->view, "findings") == 0)
		return 0;
	if (!columns)
		return usage(reterr,
			     "unknown view '%s'; there are overview, ledger, classes, arenas, sites, locks and "
			     "threads",
			     o->view);
	if (!o->sort)
		return 0;
	const char *sort = o->sort + (o->sort[0] == '+');
	struct ht_text names = { 0 };
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		found = found || strcmp(columns[i].id, sort) == 0;
		ht_text_printf(&names, "%s%s", i ? ", " : "", columns[i].id);
	}
	if (!found) {
		usage(reterr, "--sort: the view has no column '%s'", sort);
		ht_err_hint(reterr, "columns are %.230s", names.s);
	}
	ht_text_done(&names);
	return found ? 0 : -EINVAL;
}

static int check(struct ht_options *o, struct ht_err *reterr)
{
	bool takes_target = o->command == HT_DO_WATCH || o->command == HT_DO_REPORT;

	if (o->show_help || o->show_version || o->show_keys)
		return 0;
	if (o->name && (o->pid || o->input) && o->command == HT_DO_WATCH)
		return unknown_command(o->name, reterr);
	if ((o->pid != 0) + (o->name != NULL) + (o->input != NULL) > 1)
		return usage(reterr, "give one target: -p PID, a NAME or --input FILE%s", NULL);
	if (!takes_target && (o->pid || o->name || o->input))
		return usage(reterr, "this command takes no target%s", NULL);
	if (o->command == HT_DO_REPORT && !o->pid && !o->name && !o->input)
		return usage(reterr, "report needs a target: -p PID, a NAME or --input FILE%s", NULL);
	if (o->command == HT_DO_RUN && !o->command_argv)
		return usage(reterr, "run needs a command: heaptop run -- COMMAND%s", NULL);
	if (o->json && o->text)
		return usage(reterr, "--json and --text exclude each other%s", NULL);
	if (o->json && o->command != HT_DO_REPORT && o->command != HT_DO_LIST)
		return usage(reterr, "--json belongs to report and list; frames take -O json%s", NULL);
	if (o->all && o->command != HT_DO_PRUNE)
		return usage(reterr, "--all belongs to prune%s", NULL);
	return check_view(o, reterr);
}

static void build_getopt(char *letters, struct option *longs)
{
	size_t n = 0;

	/* '-': words come in order, so that what follows run's COMMAND stays untouched; ':': own messages */
	letters[n++] = '-';
	letters[n++] = ':';
	for (size_t i = 0; i < N_OPTIONS; i++) {
		longs[i] = (struct option){ options[i].o.name, options[i].o.arg ? required_argument : no_argument, NULL,
					    options[i].code };
		if (!options[i].o.letter)
			continue;
		letters[n++] = (char)options[i].o.letter;
		if (options[i].o.arg)
			letters[n++] = ':';
	}
	letters[n] = '\0';
	longs[N_OPTIONS] = (struct option){ 0 };
}

int ht_cli_parse(struct ht_options *ret, int argc, char **argv, struct ht_err *reterr)
{
	struct ht_options o = { .color = -1, .delay_s = 1 };
	struct option longs[N_OPTIONS + 1];
	char letters[3 * N_OPTIONS + 3];
	bool first = true;
	int code, r;

	build_getopt(letters, longs);
	optind = 0; /* tests parse more than once */
	while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (code == '?' || code == ':')
			return usage(reterr, code == ':' ? "option '%s' needs an argument" : "unknown option '%s'",
				     argv[optind - 1]);
		if (code == 1 && o.command == HT_DO_RUN) {
			o.command_argv = argv + optind - 1;
			break;
		}
		r = code == 1 ? set_word(&o, optarg, first, reterr) : set_value(&o, code, optarg, reterr);
		if (code == 1)
			first = false;
		if (r == -ENOENT) {
			set_flag(&o, code, optarg);
			r = 0;
		}
		if (r < 0)
			return r;
	}
	if (code == -1 && o.command == HT_DO_RUN && optind < argc)
		o.command_argv = argv + optind;
	for (; code == -1 && o.command != HT_DO_RUN && optind < argc; optind++, first = false) {
		r = set_word(&o, argv[optind], first, reterr);
		if (r < 0)
			return r;
	}
	r = check(&o, reterr);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}
