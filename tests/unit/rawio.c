/* SPDX-License-Identifier: MIT */
/* rawio - formats, the budget of warnings, and descriptors that must not get a message. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "base/rawio.h"

static char buf[4096];

#define assert_same(...)                                                                                               \
	do {                                                                                                           \
		char want[600];                                                                                        \
		int n = snprintf(want, sizeof(want), __VA_ARGS__);                                                     \
		assert_int_equal(hs_format(buf, sizeof(buf), __VA_ARGS__), n);                                         \
		assert_string_equal(buf, want);                                                                        \
	} while (0)

static void test_format(void **state)
{
	const char *volatile nothing; /* volatile: gcc would warn of what is tested */

	assert_same("plain");
	assert_same("%s|%c|%d|%u", "text", 'x', -5, 7u);
	assert_same("%d %d %u", INT_MIN, INT_MAX, UINT_MAX);
	assert_same("%ld %ld %lu", LONG_MIN, LONG_MAX, ULONG_MAX);
	assert_same("%x %lx %zu %zx %%", 0xdeadu, 0xdeadbeefcafeUL, (size_t)12, (size_t)255);
	assert_same("%p", (void *)0x7f1234);
	assert_same("[%8d] [%-8d] [%08d] [%8s] [%-8s] [%4lu]", -42, -42, -42, "ab", "ab", 123456UL);
	assert_same("%.3s %.*s %s", "abcdef", 2, "xyz", "");
	nothing = NULL;
	hs_format(buf, sizeof(buf), "%s", nothing);
	assert_string_equal(buf, "(null)");
}

static void test_cut(void **state)
{
	char small[8];

	assert_int_equal(hs_format(small, sizeof(small), "%s", "0123456789"), 7);
	assert_string_equal(small, "0123456");
	assert_int_equal(hs_format(small, 1, "%d", 5), 0);
	assert_string_equal(small, "");
	assert_int_equal(hs_format(small, 0, "%d", 5), 0);
}

static void test_parse(void **state)
{
	const char *text = "18446744073709551615 x";
	uint64_t value = 3;

	assert_true(hs_parse_u64(&text, &value));
	assert_true(value == UINT64_MAX);
	assert_string_equal(text, " x");
	assert_false(hs_parse_u64(&text, &value));
	text = "18446744073709551616";
	assert_false(hs_parse_u64(&text, &value));
	assert_string_equal(text, "18446744073709551616");
}

/* Runs `body` in a child whose descriptor 2 is a pipe; returns the wait status, the output in buf. */
static int run(void (*body)(void))
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
		close(fds[1]);
		body();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], buf + len, sizeof(buf) - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void warn_often(void)
{
	errno = 77;
	for (int i = 0; i < 40; i++)
		hs_warn("number %d", i);
	hs_message("still");
	if (errno != 77)
		_exit(1);
}

static void test_budget(void **state)
{
	const char *line;
	int n = 0;

	assert_int_equal(run(warn_often), 0);
	assert_ptr_equal(strstr(buf, "heapspy: warning: number 0\nheapspy: warning: number 1\n"), buf);
	for (line = buf; (line = strstr(line, "warning: ")) != NULL; line++)
		n++;
	assert_int_equal(n, HS_WARN_BUDGET);
	assert_non_null(strstr(buf, "number 15\nheapspy: still\n"));
}

static void ignore(int sig)
{
}

static void be_fatal(void)
{
	sigset_t set;

	signal(SIGABRT, ignore);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	hs_fatal("double free of %p", (void *)0x1234);
}

static void be_wrong(void)
{
	hs_verify(1 + 1 == 3);
}

static void test_fatal(void **state)
{
	int status = run(be_fatal);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(buf, "heapspy: fatal: double free of 0x1234\n");
	status = run(be_wrong);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(buf, "rawio.c:"));
	assert_non_null(strstr(buf, "1 + 1 == 3 does not hold\n"));
}

static void write_long(void)
{
	char text[2000];

	memset(text, 'z', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	hs_message("%s", text);
}

static void test_long(void **state)
{
	assert_int_equal(run(write_long), 0);
	assert_int_equal(strlen(buf), HS_LINE_BYTES - 1);
	assert_int_equal(buf[strlen(buf) - 1], '\n');
}

static char path[] = "/tmp/heapspy-rawio-XXXXXX";

static void stranger_as_2(int flags)
{
	hs_rawio_init();
	close(2);
	if (open(path, O_RDWR | O_CREAT | flags, 0600) != 2)
		_exit(1);
	hs_message("data");
	hs_warn("data");
	if (lseek(2, 0, SEEK_END) != (flags & O_APPEND ? (off_t)strlen("heapspy: data\nheapspy: warning: data\n") : 0))
		_exit(2);
}

static void database_as_2(void)
{
	stranger_as_2(0);
}

static void log_as_2(void)
{
	stranger_as_2(O_APPEND);
}

/* What a server gets from accept() after it closed 2. */
static void socket_as_2(void)
{
	int fds[2];
	char got;

	hs_rawio_init();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0 || dup2(fds[1], 2) != 2)
		_exit(1);
	hs_message("not for a client");
	if (read(fds[0], &got, 1) != -1 || errno != EAGAIN)
		_exit(2);
}

static void closed_2(void)
{
	hs_rawio_init();
	close(2);
	errno = 5;
	hs_message("lost");
	if (errno != 5)
		_exit(1);
}

static void broken_pipe(void)
{
	int fds[2];
	sigset_t pending;

	if (pipe(fds) != 0 || dup2(fds[1], 2) != 2)
		_exit(1);
	close(fds[0]);
	signal(SIGPIPE, SIG_DFL);
	hs_message("nobody reads");
	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE))
		_exit(2);
}

static void test_descriptor(void **state)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(run(database_as_2), 0);
	assert_int_equal(run(log_as_2), 0);
	unlink(path);
	assert_int_equal(run(socket_as_2), 0);
	assert_int_equal(run(closed_2), 0);
	assert_int_equal(run(broken_pipe), 0);
}

static void test_prng(void **state)
{
	struct hs_prng a, b;
	double sum = 0, square = 0;
	uint32_t same = 0;

	hs_prng_init(&a, 0);
	hs_prng_init(&b, 1);
	for (int i = 0; i < 200000; i++) {
		double u = hs_prng_unit(&a);

		assert_true(u > 0.0 && u <= 1.0);
		sum += u;
		square += u * u;
	}
	/* standard errors are 0.00065 and 0.00067: five of each */
	assert_true(sum / 200000 > 0.4967 && sum / 200000 < 0.5033);
	assert_true(square / 200000 > 0.3300 && square / 200000 < 0.3367);
	for (int i = 0; i < 1000; i++)
		same += hs_prng_next(&a) == hs_prng_next(&b);
	assert_true(same < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format), cmocka_unit_test(test_cut),	  cmocka_unit_test(test_parse),
		cmocka_unit_test(test_budget), cmocka_unit_test(test_fatal),	  cmocka_unit_test(test_long),
		cmocka_unit_test(test_prng),   cmocka_unit_test(test_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
