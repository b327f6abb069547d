/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"
#include "batch.h"
#include "model/source.h"
#include "util/text.h"

#ifndef HEAPTOP_LIBDIR
#define HEAPTOP_LIBDIR "/usr/local/lib"
#endif

struct child {
	pid_t pid;
	int pidfd;
	int output; /* what it prints while the screen is ours; -1: not caught */
};

static volatile sig_atomic_t passed_to;

static void pass_on(int number)
{
	if (passed_to > 0)
		kill((pid_t)passed_to, number);
}

int ht_run_library(char *ret, size_t room, struct ht_err *reterr)
{
	static const char *const beside[] = { "/../lib/libheapspy.so", "/../libheapspy/libheapspy.so" };
	const char *env = getenv("HEAPSPY_LIB");
	char self[PATH_MAX], path[PATH_MAX + 64], real[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	bool found = false;

	if (env && *env) {
		found = realpath(env, real);
	} else if (n > 0) {
		self[n] = '\0';
		*strrchr(self, '/') = '\0';
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]) && !found; i++) {
			snprintf(path, sizeof(path), "%s%s", self, beside[i]);
			found = realpath(path, real);
		}
	}
	if (!found && !(env && *env))
		found = realpath(HEAPTOP_LIBDIR "/libheapspy.so", real);
	if (!found || access(real, R_OK) < 0) {
		char shown[256];

		ht_escape(shown, sizeof(shown), env ? env : "", env ? strlen(env) : 0);
		ht_err_set(reterr, -ENOENT, HT_EXIT_TARGET, "cannot find libheapspy.so%s%s%s", env && *env ? ": '" : "",
			   env && *env ? shown : "", env && *env ? "'" : "");
		ht_err_hint(reterr, "set HEAPSPY_LIB to its path");
		return -ENOENT;
	}
	if (strpbrk(real, " :") || strlen(real) >= room) {
		ht_err_set(reterr, -EINVAL, HT_EXIT_TARGET,
			   "LD_PRELOAD cannot name a path with blanks or colons: '%.300s'", real);
		ht_err_hint(reterr, "set HEAPSPY_LIB to a link without them");
		return -EINVAL;
	}
	strcpy(ret, real);
	return 0;
}

static void preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	struct ht_text t = { 0 };

	ht_text_puts(&t, library);
	if (old && *old)
		ht_text_printf(&t, " %s", old);
	setenv("LD_PRELOAD", t.s, 1);
	ht_text_done(&t);
}

/* In the child: never returns.  The pipe closes by itself when exec works. */
static void become(const struct ht_options *o, const char *library, int output, bool apart, int report)
{
	if (apart) {
		/* Ctrl-C on our screen is meant for us */
		setpgid(0, 0);
		int null = open("/dev/null", O_RDONLY);

		if (null >= 0)
			dup2(null, STDIN_FILENO);
	}
	if (output >= 0) {
		dup2(output, STDOUT_FILENO);
		if (apart)
			dup2(output, STDERR_FILENO);
	}
	signal(SIGPIPE, SIG_DFL);
	preload(library);
	execvp(o->command_argv[0], o->command_argv);
	int e = errno;
	if (write(report, &e, sizeof(e)) < 0)
		_exit(126);
	_exit(e == ENOENT ? 127 : 126);
}

/* 0, or the status to exit with after a failed start. */
static int start(struct child *ret, const struct ht_options *o, bool apart, struct ht_err *reterr)
{
	struct child c = { .pidfd = -1, .output = -1 };
	char library[PATH_MAX], shown[256];
	int report[2], e = 0;

	if (ht_run_library(library, sizeof(library), reterr) < 0)
		return HT_EXIT_TARGET;
	if (apart) {
		char path[] = "/tmp/heaptop-output-XXXXXX";

		c.output = mkostemp(path, O_CLOEXEC | O_APPEND);
		if (c.output >= 0)
			unlink(path);
	}
	if (pipe2(report, O_CLOEXEC) < 0) {
		ht_err_set(reterr, -errno, HT_EXIT_TARGET, "cannot make a pipe: %s", strerror(errno));
		return HT_EXIT_TARGET;
	}
	/* frames own standard output, unless they go to a file: the command prints to standard error then */
	int output = apart ? c.output : o->output ? -1 : STDERR_FILENO;
	c.pid = fork();
	if (c.pid == 0)
		become(o, library, output, apart, report[1]);
	close(report[1]);
	if (c.pid < 0)
		e = errno;
	else if (read(report[0], &e, sizeof(e)) != (ssize_t)sizeof(e))
		e = 0;
	close(report[0]);
	if (e) {
		if (c.pid > 0)
			waitpid(c.pid, NULL, 0);
		ht_escape(shown, sizeof(shown), o->command_argv[0], strlen(o->command_argv[0]));
		ht_err_set(reterr, -e, HT_EXIT_TARGET, "cannot run '%s': %s", shown, strerror(e));
		return e == ENOENT ? 127 : 126;
	}
	c.pidfd = pidfd_open(c.pid, 0);
	*ret = c;
	return 0;
}

static bool has_ended(const struct child *c, int timeout_ms)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

/* The library makes its segment when the process has lived or allocated a little. */
static int open_when_there(struct ht_source **ret, const struct child *c, struct ht_err *reterr)
{
	int r;

	do {
		r = ht_source_open_pid(ret, c->pid, reterr);
		if (r == 0) {
			memset(reterr, 0, sizeof(*reterr)); /* it was only not there yet */
			return 0;
		}
	} while (!has_ended(c, 20));
	return r;
}

/* Waits for the end; what the person sends us is for the command. */
static int wait_for_end(const struct child *c)
{
	struct sigaction act = { .sa_handler = pass_on };
	int status = 0;

	passed_to = c->pid;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	passed_to = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void copy_output(int fd)
{
	char buf[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		if (write(STDOUT_FILENO, buf, (size_t)n) != n)
			break;
		at += n;
	}
}

struct ht_app_options ht_run_screen_options(const struct ht_options *o)
{
	return (struct ht_app_options){
		.interval_s = o->delay_s,
		.ascii = o->ascii,
		.color = o->color,
		.view = o->view,
		.sort = o->sort,
		.wss_s = o->wss_s,
	};
}

static int watch_screen(const struct child *c, const struct ht_options *o, struct ht_err *reterr)
{
	struct ht_app_options app = ht_run_screen_options(o);
	struct ht_source *source;
	int r = open_when_there(&source, c, reterr);

	if (r < 0)
		return r;
	ht_source_close(source);
	app.pid = c->pid;
	return ht_app_run(&app, reterr);
}

static int watch_batch(const struct child *c, const struct ht_options *o, struct ht_err *reterr)
{
	struct ht_source *source;
	int r = open_when_there(&source, c, reterr);

	if (r < 0)
		return r;
	r = ht_batch_frames(source, o, c->pidfd, reterr);
	ht_source_close(source);
	return r;
}

int ht_run(const struct ht_options *o, bool interactive, struct ht_err *reterr)
{
	struct child c;
	int status = start(&c, o, interactive, reterr), r;

	if (status)
		return status;
	r = interactive ? watch_screen(&c, o, reterr) : watch_batch(&c, o, reterr);
	if (interactive && !has_ended(&c, 0))
		fprintf(stderr, "heaptop: waiting for pid %d to end\n", (int)c.pid);
	status = wait_for_end(&c);
	if (c.output >= 0) {
		copy_output(c.output);
		close(c.output);
	}
	if (c.pidfd >= 0)
		close(c.pidfd);
	/* a command that was too short to be seen has still done its work: its status is what counts */
	if (r == -EAGAIN || r == -ENOENT || r == -ESRCH) {
		ht_err_set(reterr, r, HT_EXIT_OK, "the command ended before it had a segment");
		ht_err_hint(reterr, "processes that allocate less than 256 KiB within 100 ms make none");
	} else if (r < 0 && reterr->code == HT_EXIT_OUTPUT) {
		return HT_EXIT_OUTPUT;
	}
	return status;
}
