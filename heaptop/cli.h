/* SPDX-License-Identifier: MIT */
/*
 * cli.h - the command line, described once.
 *
 * Parsing, --help and the test against heaptop(1) read the same two tables, so they cannot disagree.
 *
 * Layer:   cli (uses everything to its left)
 * Errors:  exit class USAGE
 */
#ifndef HT_CLI_H
#define HT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "util/err.h"

enum ht_command_id { HT_DO_WATCH, HT_DO_LIST, HT_DO_PRUNE, HT_DO_RUN, HT_DO_REPORT };

struct ht_options {
	enum ht_command_id command;
	/* target */
	pid_t pid;	   /* 0: not given */
	const char *name;  /* NULL: not given */
	const char *input; /* NULL: not given */
	/* how to look */
	bool batch; /* frames on stdout, asked for or implied by another option */
	bool batch_asked;
	uint64_t count; /* frames; 0: without end */
	bool count_given;
	double delay_s;
	const char *format; /* of -O, NULL: table */
	const char *view, *sort;
	size_t top;
	bool top_given;
	double wss_s; /* 0: do not measure */
	int color;    /* -1 auto, 0 never, 1 always */
	bool ascii, exact_bytes, json, text, all;
	const char *output;  /* NULL: stdout */
	const char *dir;     /* of segments, NULL: as HEAPSPY_CONF says, else /dev/shm */
	char **command_argv; /* of run */
	bool show_help, show_version, show_keys;
};

struct ht_cli_option {
	int letter;	  /* 0: none */
	const char *name; /* long form */
	const char *arg;  /* NULL: takes none */
	const char *help;
};

struct ht_cli_command {
	const char *name;
	enum ht_command_id id;
	const char *synopsis; /* after the name */
	const char *help;
};

const struct ht_cli_option *ht_cli_options(size_t *ret_n);
const struct ht_cli_command *ht_cli_commands(size_t *ret_n);

/* 0 or -EINVAL with a sentence.  Strings point into argv. */
int ht_cli_parse(struct ht_options *ret, int argc, char **argv, struct ht_err *reterr);
void ht_cli_help(FILE *out);

#endif /* HT_CLI_H */
