/* SPDX-License-Identifier: MIT */
/* segment - promotion into a file, and every way in which a machine can refuse it. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stat/events.h"
#include "stat/history.h"
#include "stat/mailbox.h"
#include "stat/segment.h"

#define N_CLASSES 40

static char dir[64];
static char path[160]; /* where the file of this process belongs */
static struct hs_rows rows;
static struct hs_segment seg;
static struct hs_segment_conf conf = {
	.dir = dir, .policy = "default", .sample_interval_bytes = 524288, .decay_ms = 10000, .page_bytes = 8192,
	.n_arenas = 4, .thp = 0, .helper = 2, .control = true,
};

static void set_path(void)
{
	struct heapspy_header h;

	memset(&h, 0, sizeof(h));
	hs_identity_name(&h, 0);
	assert_true(h.start_ticks > 0);
	snprintf(path, sizeof(path), "%s/heapspy-%u-%lu", dir, h.pid, (unsigned long)h.start_ticks);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/heapspy-test-XXXXXX");
	if (mkdtemp(dir) == NULL || !hs_rows_init(&rows, N_CLASSES))
		return -1;
	set_path();
	hs_segment_init(&seg, &rows);
	rows.totals->n_forks = 7;
	return hs_rows_need(&rows, HEAPSPY_T_SPANS, 3) ? 0 : -1;
}

static int teardown(void **state)
{
	hs_segment_retire(&seg, &rows, false);
	hs_rows_done(&rows);
	(void)unlink(path);
	return rmdir(dir); /* fails when anything was left behind */
}

/* Runs `body` in a child; it must leave by itself, with at most `n_lines` on descriptor 2. */
static void in_child(void (*body)(void), unsigned n_lines)
{
	char text[4096];
	unsigned lines = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		set_path();
		body();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		for (ssize_t i = 0; i < n; i++)
			lines += text[i] == '\n';
		if (n_lines == 0)
			print_message("%s", text);
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		print_message("child: status %x\n", status);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(lines, n_lines);
}

#define need(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                          \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static unsigned n_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* Is the range of the rows a mapping whose file name contains `text`? */
static bool mapped_as(const char *text)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	while (fgets(line, sizeof(line), f) != NULL)
		if (strtoul(line, NULL, 16) == (unsigned long)rows.base)
			found = strstr(line, text) != NULL;
	fclose(f);
	return found;
}

static bool read_header(const char *name, struct heapspy_header *h)
{
	int fd = open(name, O_RDONLY);
	bool ok = fd >= 0 && read(fd, h, sizeof(*h)) == sizeof(*h);

	if (fd >= 0)
		close(fd);
	return ok;
}

static uint64_t forks_in_file(const char *name)
{
	struct heapspy_totals t;
	int fd = open(name, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &t, sizeof(t), (off_t)rows.header->tables[HEAPSPY_T_TOTALS - 1].offset), sizeof(t));
	close(fd);
	return t.n_forks;
}

static void test_want(void **state)
{
	uint64_t t = seg.start_ns;

	assert_false(hs_segment_want(&seg, &rows, 1000, t + 1000));
	assert_true(hs_segment_want(&seg, &rows, 256 << 10, t));
	assert_true(hs_segment_want(&seg, &rows, 0, t + 100000000));
	hs_segment_retire(&seg, &rows, true); /* what runs after the exit handler makes no file */
	assert_false(hs_segment_want(&seg, &rows, 256 << 10, t));
	assert_false(hs_segment_promote(&seg, &rows, &conf));
}

static void check_file(void)
{
	struct heapspy_header h;
	struct stat st;
	sigset_t before, after;
	unsigned n_before;

	sigprocmask(SIG_SETMASK, NULL, &before);
	n_before = n_descriptors();
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	assert_int_equal(n_descriptors(), n_before);
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
	assert_true(rows.shared);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, rows.bytes);
	assert_true((uint64_t)st.st_blocks * 512 <= hs_rows_present_bytes(&rows) + 16384);
	assert_true(mapped_as(path));
	assert_true(read_header(path, &h));
	assert_true(h.magic == HEAPSPY_MAGIC);
	assert_int_equal(h.state, HEAPSPY_STATE_LIVE);
	assert_int_equal(h.pid, getpid());
	assert_int_equal(h.uid, geteuid());
	assert_true(h.start_ticks > 0 && h.pidns_inode > 0 && h.n_cpus > 0 && h.start_realtime_ns > 0);
	assert_int_equal(h.segment_bytes, rows.bytes);
	assert_int_equal(h.n_arenas, 4);
	assert_int_equal(h.helper, 2);
	assert_string_equal(h.policy, "default");
	assert_true(strlen(h.exe) > 0 && strlen(h.comm) > 0 && strlen(h.version) > 0);
	assert_int_equal(h.build_id_bytes, 20);
	/* figures of before and after */
	assert_int_equal(forks_in_file(path), 7);
	rows.totals->n_forks = 8;
	assert_int_equal(forks_in_file(path), 8);
	assert_int_equal(h.tables[HEAPSPY_T_SPANS - 1].count, 4);
	/* tables grow in the file */
	assert_true(hs_rows_need(&rows, HEAPSPY_T_SAMPLES, 5000));
	rows.samples[5000].size_bytes = 4711;
	assert_true(read_header(path, &h));
	assert_int_equal(h.tables[HEAPSPY_T_SAMPLES - 1].count, 5001);
	assert_true(hs_segment_promote(&seg, &rows, &conf));
}

static void test_shm(void **state)
{
	char own[64];
	struct stat st;

	strcpy(own, dir);
	strcpy(dir, "/dev/shm");
	set_path();
	check_file();
	hs_segment_retire(&seg, &rows, false);
	assert_int_equal(rows.header->state, HEAPSPY_STATE_EXITED);
	assert_int_equal(stat(path, &st), -1);
	strcpy(dir, own);
}

static void test_keep(void **state)
{
	struct heapspy_header h;

	check_file();
	hs_segment_retire(&seg, &rows, true);
	assert_true(read_header(path, &h));
	assert_int_equal(h.state, HEAPSPY_STATE_EXITED);
}

/* What exec leaves: the same process, a file of its earlier image. */
static void test_after_exec(void **state)
{
	struct heapspy_header h;

	assert_true(hs_segment_promote(&seg, &rows, &conf));
	rows.totals->n_forks = 99;
	hs_rows_done(&rows);
	assert_true(hs_rows_init(&rows, N_CLASSES));
	hs_segment_init(&seg, &rows);
	rows.totals->n_forks = 5;
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	assert_true(mapped_as(path));
	assert_int_equal(forks_in_file(path), 5);
	/* and an image that is never promoted */
	hs_rows_done(&rows);
	assert_true(hs_rows_init(&rows, N_CLASSES));
	hs_segment_init(&seg, &rows);
	hs_segment_sweep(&seg, &conf);
	assert_false(read_header(path, &h));
	hs_segment_sweep(&seg, &conf);
}

static void test_symlink(void **state)
{
	char victim[96];
	struct stat st;
	int fd;

	snprintf(victim, sizeof(victim), "%s/victim", dir);
	fd = open(victim, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(symlink(victim, path), 0);
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	assert_true(mapped_as("/memfd:heapspy-"));
	hs_segment_sweep(&seg, &conf);
	hs_segment_retire(&seg, &rows, false);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(victim);
}

static void test_others_file(void **state)
{
	struct heapspy_header h;
	struct stat st;
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	/* a well-made header of another process */
	memset(&h, 0, sizeof(h));
	h.magic = HEAPSPY_MAGIC;
	h.pid = (uint32_t)getpid();
	h.start_ticks = 1;
	assert_int_equal(write(fd, &h, sizeof(h)), sizeof(h));
	close(fd);
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	assert_true(mapped_as("/memfd:heapspy-"));
	hs_segment_retire(&seg, &rows, false);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, sizeof(h));
}

static void test_fifo(void **state)
{
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	assert_true(mapped_as("/memfd:heapspy-"));
}

static void test_no_directory(void **state)
{
	conf.dir = "/nowhere/at/all";
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	conf.dir = dir;
	assert_true(mapped_as("/memfd:heapspy-"));
	assert_int_equal(rows.totals->n_forks, 7);
	assert_true(rows.header->magic == HEAPSPY_MAGIC);
}

/* After a refusal: private, usable, no second try. */
static void need_refused(void)
{
	need(!hs_segment_promote(&seg, &rows, &conf));
	need(!rows.shared && seg.refused && rows.header->magic == 0);
	need(access(path, F_OK) != 0);
	need(rows.totals->n_forks == 7);
	rows.totals->n_forks = 8;
	need(hs_rows_need(&rows, HEAPSPY_T_SAMPLES, 9000));
	rows.samples[9000].birth_ns = 1;
	need(!hs_segment_promote(&seg, &rows, &conf));
	hs_segment_retire(&seg, &rows, false);
}

static void small_fsize(void)
{
	struct rlimit limit = {1 << 20, 1 << 20};

	need(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	need_refused();
}

static void no_descriptors(void)
{
	struct rlimit limit = {0, 0};

	need(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	need_refused();
}

static uint64_t vm_bytes(void)
{
	char text[128];
	const char *at = text;

	need(hs_read_file("/proc/self/statm", text, sizeof(text)) > 0);
	return strtoull(at, NULL, 10) * (uint64_t)getpagesize();
}

static void short_of_addresses(void)
{
	struct rlimit limit = {vm_bytes() + (8 << 20), RLIM_INFINITY};

	need(setrlimit(RLIMIT_AS, &limit) == 0);
	need_refused();
}

static void test_refusals(void **state)
{
	in_child(small_fsize, 1);
	in_child(no_descriptors, 1);
	in_child(short_of_addresses, 1);
}

static void without_stdio(void)
{
	int keep = dup2(2, 100);

	close(0);
	close(1);
	close(2);
	if (!hs_segment_promote(&seg, &rows, &conf) || !mapped_as(path))
		_exit(3);
	for (int fd = 0; fd < 100; fd++)
		if (fcntl(fd, F_GETFD) != -1 && fd < 3)
			_exit(4);
	close(keep);
	seg.pid = seg.owner_pid; /* this child stands for a process of its own */
	hs_segment_retire(&seg, &rows, false);
}

static void test_low_descriptors(void **state)
{
	in_child(without_stdio, 0);
}

static bool mount_small(const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%s", size);
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", dir, "tmpfs", 0, options) == 0;
}

static void full_tmpfs(void)
{
	if (!mount_small("64k"))
		_exit(77);
	need(hs_rows_need(&rows, HEAPSPY_T_SAMPLES, 2000)); /* 128 KiB of what must be copied */
	need(hs_segment_promote(&seg, &rows, &conf));
	need(mapped_as("/memfd:heapspy-"));
	need(access(path, F_OK) != 0);
	need(rows.totals->n_forks == 7);
}

static void fills_later(void)
{
	struct hs_history_state history;
	struct heapspy_history now;
	struct heapspy_header h;
	uint64_t i;

	if (!mount_small("1m"))
		_exit(77);
	need(hs_segment_promote(&seg, &rows, &conf));
	need(mapped_as(path));
	for (i = 0; i < 100000; i++) {
		need(hs_rows_need(&rows, HEAPSPY_T_SAMPLES, i));
		rows.samples[i].birth_ns = i;
	}
	need(read_header(path, &h));
	need(h.tables[HEAPSPY_T_SAMPLES - 1].capacity < 20000);
	need(rows.samples[99999].birth_ns == 99999);
	/* the rings find no room at all and do without, or with what their first page gave */
	hs_history_init(&history);
	memset(&now, 0, sizeof(now));
	for (i = 1; i < 3000; i++) {
		now.ns = i * 20000000000u;
		hs_history_tick(&history, &rows, &now);
		hs_events_add(&rows, HEAPSPY_EV_PURGE, i, 0, 0);
	}
	/* a fork child has all its room again */
	seg.owner_pid = 0;
	need(hs_segment_detach_child(&seg, &rows));
	need(rows.header->tables[HEAPSPY_T_SAMPLES - 1].capacity == rows.tables[HEAPSPY_T_SAMPLES - 1].capacity);
	need(rows.samples[99999].birth_ns == 99999);
	umount(dir);
}

static void read_only(void)
{
	if (!mount_small("1m") || mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
		_exit(77);
	need(hs_segment_promote(&seg, &rows, &conf));
	need(mapped_as("/memfd:heapspy-"));
}

static void test_full_tmpfs(void **state)
{
	in_child(full_tmpfs, 0);
}

static void test_fills_later(void **state)
{
	in_child(fills_later, 0);
}

static void test_read_only(void **state)
{
	in_child(read_only, 0);
}

static bool tight;

static void child_of_fork(void)
{
	char parents[160];
	struct heapspy_header h;
	struct rlimit limit = {vm_bytes() + (8 << 20), RLIM_INFINITY};

	strcpy(parents, seg.path);
	if (tight)
		need(setrlimit(RLIMIT_AS, &limit) == 0);
	need(hs_segment_detach_child(&seg, &rows));
	limit.rlim_cur = RLIM_INFINITY;
	need(setrlimit(RLIMIT_AS, &limit) == 0);
	need(!rows.shared && rows.totals->n_forks == 7 && rows.spans[2].base == 222);
	need(rows.header->magic == 0 && rows.header->parent_pid == (uint32_t)getppid());
	need(rows.header->tables[HEAPSPY_T_EVENTS - 1].count == 0);
	need(rows.header->tables[HEAPSPY_T_SPANS - 1].count == 4);
	need(rows.events[0].kind == 0 && rows.events[0].seq == 0 && rows.history[0][0].ns == 0);
	need(rows.mailbox[0].command == 0);
	rows.totals->n_forks = 100;
	hs_events_add(&rows, HEAPSPY_EV_FORK, rows.header->parent_pid, 0, 0);
	need(hs_segment_promote(&seg, &rows, &conf));
	need(strcmp(seg.path, parents) != 0 && strcmp(seg.path, path) == 0);
	need(read_header(path, &h) && h.pid == (uint32_t)getpid() && h.magic == HEAPSPY_MAGIC);
	need(h.parent_pid == (uint32_t)getppid());
	rows.totals->n_forks = 101;
	hs_segment_retire(&seg, &rows, false);
	need(access(path, F_OK) != 0 && access(parents, F_OK) == 0);
}

static void raw_child(void)
{
	/* no handler ran: exit handlers of such a child must not end the parent's segment */
	hs_segment_retire(&seg, &rows, false);
	need(rows.header->state == HEAPSPY_STATE_LIVE && access(seg.path, F_OK) == 0);
}

static void test_fork(void **state)
{
	struct hs_history_state history;
	struct heapspy_history now = {.ns = 5000000000, .live_bytes = 3};
	struct hs_mailbox box;

	hs_history_init(&history);
	assert_true(hs_segment_promote(&seg, &rows, &conf));
	rows.spans[2].base = 222;
	hs_history_tick(&history, &rows, &now);
	hs_events_add(&rows, HEAPSPY_EV_START, 1, 2, 3);
	assert_true(hs_mailbox_init(&box, &rows, true));
	rows.mailbox[0].command = 1;
	for (int i = 0; i < 2; i++) {
		tight = i == 1;
		in_child(child_of_fork, 0);
		assert_int_equal(forks_in_file(path), 7);
		assert_int_equal(rows.header->pid, getpid());
		assert_int_equal(rows.events[0].kind, HEAPSPY_EV_START);
		assert_int_equal(rows.history[0][0].live_bytes, 3);
		assert_true(rows.header->magic == HEAPSPY_MAGIC && rows.header->parent_pid == 0);
	}
	in_child(raw_child, 0);
	hs_segment_retire(&seg, &rows, false);
}

static void private_child(void)
{
	seg.refused = true;
	need(hs_segment_detach_child(&seg, &rows));
	need(!hs_segment_promote(&seg, &rows, &conf)); /* silently */
	need(rows.totals->n_forks == 7 && rows.events[0].kind == 0);
	need(rows.header->parent_pid == (uint32_t)getppid());
}

static void test_fork_private(void **state)
{
	hs_events_add(&rows, HEAPSPY_EV_START, 1, 2, 3);
	in_child(private_child, 0);
	assert_int_equal(rows.events[0].kind, HEAPSPY_EV_START);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_want),	     T(test_shm),	  T(test_keep),	       T(test_after_exec),
		T(test_symlink),     T(test_others_file), T(test_fifo),	       T(test_no_directory),
		T(test_refusals),    T(test_low_descriptors), T(test_full_tmpfs), T(test_fills_later),
		T(test_read_only),   T(test_fork),	  T(test_fork_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
