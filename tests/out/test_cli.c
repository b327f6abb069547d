/* SPDX-License-Identifier: MIT */
/* The command line: every form that the manual shows is understood, every mistake gets a sentence and exit 2. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli.h"

static struct ht_options o;
static struct ht_err err;

/* `line`: words separated by one blank. */
static int parse(const char *line)
{
	static char copy[256];
	static char *argv[32];
	int argc = 0;

	snprintf(copy, sizeof(copy), "heaptop %s", line);
	char *save;
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	memset(&err, 0, sizeof(err));
	return ht_cli_parse(&o, argc, argv, &err);
}

static void understands_targets(void **state)
{
	assert_int_equal(parse("-p 4711"), 0);
	assert_int_equal(o.pid, 4711);
	assert_false(o.batch);
	assert_int_equal(parse("4711"), 0);
	assert_int_equal(o.pid, 4711);
	assert_int_equal(parse("redis-server -b -n 3 -d 0.5 --view sites --sort +age --top 0"), 0);
	assert_string_equal(o.name, "redis-server");
	assert_true(o.batch && o.batch_asked && o.count == 3 && o.delay_s == 0.5);
	assert_string_equal(o.view, "sites");
	assert_string_equal(o.sort, "+age");
	assert_int_equal(o.top, SIZE_MAX);
	assert_int_equal(parse("--input=x.seg -O json"), 0);
	assert_true(o.batch && !o.batch_asked);
	assert_int_equal(parse(""), 0);
	assert_true(o.command == HT_DO_WATCH && !o.pid && !o.name && !o.input);
	assert_int_equal(parse("--view overview"), 0);
	assert_null(o.view);
}

static void understands_commands(void **state)
{
	assert_int_equal(parse("list --json --dir /x"), 0);
	assert_true(o.command == HT_DO_LIST && o.json);
	assert_string_equal(o.dir, "/x");
	assert_int_equal(parse("prune --all"), 0);
	assert_true(o.command == HT_DO_PRUNE && o.all);
	assert_int_equal(parse("report -p 5 --text -o out --wss 2"), 0);
	assert_true(o.command == HT_DO_REPORT && o.pid == 5 && o.wss_s == 2);
	assert_int_equal(parse("-b report redis"), 0);
	assert_true(o.command == HT_DO_REPORT);
	assert_string_equal(o.name, "redis");
	/* everything behind run's command is the command's */
	assert_int_equal(parse("run -b -- ls -l --frob"), 0);
	assert_true(o.command == HT_DO_RUN && o.batch);
	assert_string_equal(o.command_argv[0], "ls");
	assert_string_equal(o.command_argv[2], "--frob");
	assert_null(o.command_argv[3]);
	assert_int_equal(parse("run ls -b list"), 0);
	assert_false(o.batch);
	assert_string_equal(o.command_argv[1], "-b");
}

static void explains_mistakes(void **state)
{
	static const char *const lines[] = {
		"--frob",
		"-x",
		"-p",
		"-p abc",
		"-p 0",
		"-p 1 --input x",
		"-n 0",
		"-n many",
		"-d 0",
		"-d soon",
		"-O papyrus",
		"--view nonsense -b",
		"--sort nonsense",
		"--top x",
		"--wss 0",
		"--color sometimes",
		"export -p 1",
		"diff a b",
		"report",
		"run",
		"run --",
		"list redis",
		"prune -p 3",
		"report a b",
		"report -p 1 --json --text",
		"--json -p 1",
		"--all",
		"check --input x",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (parse(lines[i]) != -EINVAL)
			fail_msg("'%s' was understood", lines[i]);
		assert_int_equal(err.code, HT_EXIT_USAGE);
		assert_true(strlen(err.message) > 5 && strlen(err.hint) > 5);
	}
	parse("export -p 1");
	assert_non_null(strstr(err.hint, "list, prune, run, report"));
	parse("-b --sort \033[2J");
	assert_null(strchr(err.message, '\033'));
}

static void help_has_every_option(void **state)
{
	const struct ht_cli_option *options;
	const struct ht_cli_command *commands;
	char *text = NULL;
	size_t n, bytes;
	FILE *f = open_memstream(&text, &bytes);

	ht_cli_help(f);
	fclose(f);
	options = ht_cli_options(&n);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(strstr(text, options[i].name));
		assert_non_null(strstr(text, options[i].help));
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(options[i].name, options[k].name);
			assert_true(!options[i].letter || options[i].letter != options[k].letter);
		}
	}
	commands = ht_cli_commands(&n);
	for (size_t i = 0; i < n; i++)
		assert_non_null(strstr(text, commands[i].synopsis));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands_targets),
		cmocka_unit_test(understands_commands),
		cmocka_unit_test(explains_mistakes),
		cmocka_unit_test(help_has_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
