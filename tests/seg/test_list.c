/* SPDX-License-Identifier: MIT */
/* The living, the dead and the kept are told apart, and prune takes nobody's file who lives. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"
#include "seg/ident.h"
#include "seg/list.h"

static uint64_t namespace_inode(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
	return st.st_ino;
}

static void write_segment(struct place *p, const char *name, uint32_t pid, uint64_t ticks, uint32_t state)
{
	struct synth s;

	synth_init(&s);
	synth_scenario(&s, "healthy");
	s.header.pid = pid;
	s.header.start_ticks = ticks;
	s.header.state = state;
	s.header.pidns_inode = namespace_inode();
	ht_ident_boot(s.header.boot_id);
	assert_int_equal(synth_write(&s, place_file(p, name)), 0);
	synth_done(&s);
}

/* A process that has mapped a segment under its own name and waits. */
static pid_t start_living(struct place *p, char *name, size_t room)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct ht_ident me;
		char path[200];

		if (ht_ident_read(getpid(), &me) < 0)
			_exit(1);
		snprintf(path, sizeof(path), "%s/heapspy-%d-%llu", p->dir, (int)me.ns_pid,
			 (unsigned long long)me.start_ticks);
		struct synth s;
		synth_init(&s);
		synth_scenario(&s, "healthy");
		s.header.pid = (uint32_t)me.ns_pid;
		s.header.start_ticks = me.start_ticks;
		s.header.pidns_inode = namespace_inode();
		ht_ident_boot(s.header.boot_id);
		synth_write(&s, path);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	struct ht_ident id;
	assert_int_equal(ht_ident_read(pid, &id), 0);
	snprintf(name, room, "heapspy-%d-%llu", (int)pid, (unsigned long long)id.start_ticks);
	return pid;
}

static const struct ht_list_entry *entry(const struct ht_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strstr(list->rows[i].path, name))
			return &list->rows[i];
	return NULL;
}

static void tells_them_apart(void **state)
{
	struct ht_list list;
	struct ht_err err;
	struct place p;
	char living[80];

	place_init(&p);
	pid_t pid = start_living(&p, living, sizeof(living));
	write_segment(&p, "heapspy-2147483000-5", 2147483000, 5, HEAPSPY_STATE_LIVE);
	write_segment(&p, "heapspy-2147483001-5", 2147483001, 5, HEAPSPY_STATE_EXITED);
	write_segment(&p, "not-a-segment", 1, 1, HEAPSPY_STATE_LIVE);
	write_segment(&p, "heapspy-2147483002-5x", 1, 1, HEAPSPY_STATE_LIVE);
	place_file(&p, "heapspy-2147483003-9");
	int fd = open(p.path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);

	assert_int_equal(ht_list_scan(&list, p.dir, &err), 0);
	assert_int_equal(entry(&list, living)->state, HT_LIST_LIVE);
	assert_int_equal(entry(&list, living)->pid, pid);
	assert_true(entry(&list, living)->rss_bytes > 0);
	assert_int_equal(entry(&list, "2147483000-5")->state, HT_LIST_DEAD);
	assert_string_equal(entry(&list, "2147483000-5")->comm, "stockd");
	assert_true(entry(&list, "2147483000-5")->live_bytes > 200 << 20);
	assert_int_equal(entry(&list, "2147483001-5")->state, HT_LIST_EXITED);
	assert_int_equal(entry(&list, "2147483003-9")->state, HT_LIST_DAMAGED);
	assert_null(entry(&list, "not-a-segment"));
	assert_null(entry(&list, "2147483002"));

	struct ht_list_entry alive = *entry(&list, living), dead = *entry(&list, "2147483000-5");
	assert_int_equal(ht_list_remove(&dead), 0);
	assert_int_equal(access(dead.path, F_OK), -1);
	assert_int_equal(ht_list_remove(&alive), -EBUSY);
	/* what was dead in an old list may belong to somebody by now */
	alive.state = HT_LIST_DEAD;
	assert_int_equal(ht_list_remove(&alive), -EBUSY);
	assert_int_equal(access(alive.path, F_OK), 0);
	ht_list_done(&list);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(ht_list_scan(&list, p.dir, &err), 0);
	assert_int_equal(entry(&list, living)->state, HT_LIST_DEAD);
	ht_list_done(&list);
	place_done(&p);
}

static void says_where_it_cannot_look(void **state)
{
	struct ht_list list;
	struct ht_err err = { 0 };

	assert_int_equal(ht_list_scan(&list, "/nonexistent/dir", &err), -ENOENT);
	assert_int_equal(err.code, HT_EXIT_TARGET);
	assert_non_null(strstr(err.message, "/nonexistent/dir"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_them_apart),
		cmocka_unit_test(says_where_it_cannot_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
