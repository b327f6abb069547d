/* SPDX-License-Identifier: MIT */
/* options - every option, and what is wrong with it: values, warnings, defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shim/options.h"

static struct hs_options o;
static char said[16384];

/* Parses in a child, so that the budget of warnings is fresh, and returns what went to descriptor 2. */
static const char *warnings_of(const char *text, bool want_ok)
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		_exit(hs_options_parse(&o, text) == want_ok ? 0 : 1);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	said[len] = '\0';
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return said;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* Runs first: nothing has been taken from this process's budget of warnings yet. */
static void test_budget(void **state)
{
	char text[8192];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 == 0 ? ',' : 'x';
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(lines(warnings_of(text, false)), 16);
}

static void test_defaults(void **state)
{
	assert_true(hs_options_parse(&o, NULL));
	assert_int_equal(o.policy, HS_POLICY_DEFAULT);
	assert_int_equal(o.arenas, 0);
	assert_int_equal(o.tcache, 1);
	assert_int_equal(o.decay_ms, 10000);
	assert_int_equal(o.thp, HS_THP_DEFAULT);
	assert_int_equal(o.sample, 512 << 10);
	assert_int_equal(o.helper, HS_HELPER_AUTO);
	assert_int_equal(o.control, 1);
	assert_int_equal(o.keep, 0);
	assert_int_equal(o.stats_print, 0);
	assert_int_equal(o.on_corruption, HS_CORRUPTION_ABORT);
	assert_int_equal(o.hardening, 0);
	assert_string_equal(o.dir, "/dev/shm");
	assert_true(hs_options_parse(&o, ""));
	assert_true(hs_options_parse(&o, ",,,"));
}

static void test_each(void **state)
{
	assert_true(hs_options_parse(&o, "policy:default,arenas:4,tcache:off,decay_ms:-1,thp:never,sample:64k,"
					 "helper:off,control:0,dir:/tmp/a:b,keep:true,stats_print:1,"
					 "on_corruption:warn,hardening:0"));
	assert_int_equal(o.arenas, 4);
	assert_int_equal(o.tcache, 0);
	assert_int_equal(o.decay_ms, -1);
	assert_int_equal(o.thp, HS_THP_NEVER);
	assert_int_equal(o.sample, 64 << 10);
	assert_int_equal(o.helper, HS_HELPER_OFF);
	assert_int_equal(o.control, 0);
	assert_int_equal(o.keep, 1);
	assert_int_equal(o.stats_print, 1);
	assert_int_equal(o.on_corruption, HS_CORRUPTION_WARN);
	assert_string_equal(o.dir, "/tmp/a:b");
	assert_true(hs_options_parse(&o, "thp:always,helper:on,arenas:256,sample:1,decay_ms:0"));
	assert_int_equal(o.thp, HS_THP_ALWAYS);
	assert_int_equal(o.helper, HS_HELPER_ON);
	assert_int_equal(o.arenas, 256);
	assert_int_equal(o.sample, 1);
	assert_int_equal(o.decay_ms, 0);
	assert_int_equal(o.tcache, 1);
	assert_true(hs_options_parse(&o, "sample:2M"));
	assert_int_equal(o.sample, 2 << 20);
	assert_true(hs_options_parse(&o, "sample:1024g"));
	assert_int_equal(o.sample, INT64_C(1) << 40);
	assert_true(hs_options_parse(&o, "arenas:3,arenas:5,"));
	assert_int_equal(o.arenas, 5);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"policy:jemalloc", "policy:", "arenas:257", "arenas:-1", "arenas:4k", "arenas:", "arenas", "arenas: 4",
		"tcache:maybe", "tcache:ON", "decay_ms:-2", "decay_ms:-", "decay_ms:10s",
		"decay_ms:99999999999999999999", "thp:alway", "thp:always ", "sample:k", "sample:1kk", "sample:1025g",
		"sample:9223372036854775807g", "sample:-1", "sample:0x10", "helper:yes", "control:2", "dir:relative",
		"dir:", "keep:", "stats_print:1.0", "on_corruption:ignore", "hardening:1",
	};
	char wanted[64];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *out = warnings_of(bad[i], false);

		assert_int_equal(lines(out), 1);
		snprintf(wanted, sizeof(wanted), "heapspy: warning: HEAPSPY_CONF: option %.*s does not accept '",
			 (int)strcspn(bad[i], ":"), bad[i]);
		assert_ptr_equal(strstr(out, wanted), out);
		assert_non_null(strstr(out, "; accepted: "));
		assert_non_null(strstr(out, "; using "));
	}
	assert_true(!hs_options_parse(&o, "arenas:4,sample:x,decay_ms:7"));
	assert_int_equal(o.arenas, 4);
	assert_int_equal(o.sample, 512 << 10);
	assert_int_equal(o.decay_ms, 7);
}

static void test_unknown(void **state)
{
	static const char *const later[] = {"sample_cpu:1", "free_stacks:on", "own_arena:f", "report_at_exit:on",
					    "dump_signal:10", "dump_at_limit:on", "nonsense:1", ":1", "Arenas:1"};
	size_t n;
	const struct hs_option *t = hs_options_table(&n);

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		const char *out = warnings_of(later[i], false);

		assert_int_equal(lines(out), 1);
		assert_non_null(strstr(out, "unknown option '"));
		for (size_t k = 0; k < n; k++)
			assert_non_null(strstr(out, t[k].name));
	}
	assert_int_equal(lines(warnings_of("arenas:x,what:1,keep:on,sample:q", false)), 3);
}

static void test_garbage(void **state)
{
	char text[8192];
	uint32_t seed = 1;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(lines(warnings_of(text, false)), 1);
	memcpy(text, "dir:/", 5);
	assert_int_equal(lines(warnings_of(text, false)), 1);
	text[4 + HS_DIR_BYTES] = '\0';
	assert_false(hs_options_parse(&o, text));
	assert_string_equal(o.dir, "/dev/shm");
	text[3 + HS_DIR_BYTES] = '\0';
	assert_true(hs_options_parse(&o, text));
	assert_int_equal(strlen(o.dir), HS_DIR_BYTES - 1);
	/* control characters and newlines cannot make a second line */
	assert_int_equal(lines(warnings_of("x\ny\033[2J:\377", false)), 1);
	assert_null(strchr(said, '\033'));
	for (int round = 0; round < 2000; round++) {
		for (size_t i = 0; i < 63; i++) {
			seed = seed * 1103515245u + 12345u;
			text[i] = "arenas:sample,dir/-0129kmg\001\377"[(seed >> 16) % 28];
		}
		text[63] = '\0';
		(void)hs_options_parse(&o, text);
		assert_in_range(o.arenas, 0, 256);
		assert_true(o.sample >= 0);
	}
}

static void test_find_env(void **state)
{
	char *empty[] = {NULL};
	char other[] = "HEAPSPY_CONF2=x", prefixed[] = "XHEAPSPY_CONF=x";
	char first[] = "HEAPSPY_CONF=arenas:2", second[] = "HEAPSPY_CONF=b";
	char *some[] = {other, prefixed, first, second, NULL};

	assert_null(hs_options_find_env(empty));
	assert_string_equal(hs_options_find_env(some), "arenas:2");
	setenv("HEAPSPY_CONF", "keep:on", 1);
	assert_string_equal(hs_options_find_env(NULL), "keep:on");
	unsetenv("HEAPSPY_CONF");
	assert_null(hs_options_find_env(NULL));
}

static void test_table(void **state)
{
	size_t n;
	const struct hs_option *t = hs_options_table(&n);

	assert_int_equal(n, 13);
	for (size_t i = 0; i < n; i++) {
		char text[128];

		/* each default is accepted when the user writes it */
		snprintf(text, sizeof(text), "%s:%s", t[i].name, t[i].fallback);
		assert_true(hs_options_parse(&o, text));
		assert_true(strlen(t[i].accepted) > 0 && strlen(t[i].help) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),	  cmocka_unit_test(test_defaults), cmocka_unit_test(test_each),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_unknown),  cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_find_env),  cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
