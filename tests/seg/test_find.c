/* SPDX-License-Identifier: MIT */
/* The memory map names the segment of exactly this process, and nothing else passes for it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "seg/find.h"

static const struct ht_ident id = { .pid = 900, .ns_pid = 12, .start_ticks = 345 };

static struct ht_mapped look(const char *maps)
{
	struct ht_mapped m;

	ht_find_in_maps(maps, &id, &m);
	return m;
}

static void finds_its_own(void **state)
{
	struct ht_mapped m = look("7f00-7f10 r-xp 00000000 fe:00 5 /usr/lib/libheapspy.so.0\n"
				  "7f10-7f30 rw-s 00000000 00:1b 77    /dev/shm/heapspy-12-345\n"
				  "7ffd-7fff rw-p 00000000 00:00 0 [stack]\n");

	assert_true(m.segment && m.library && !m.deleted);
	assert_string_equal(m.path, "/dev/shm/heapspy-12-345");
	assert_int_equal(m.inode, 77);
	assert_int_equal(m.start, 0x7f10);
}

static void knows_removed_files_and_memfds(void **state)
{
	struct ht_mapped m = look("7f10-7f30 rw-s 00000000 00:1b 77 /var/tmp/x y/heapspy-12-345 (deleted)\n");

	assert_true(m.segment && m.deleted);
	assert_string_equal(m.path, "/var/tmp/x y/heapspy-12-345");
	m = look("7f10-7f30 rw-s 00000000 00:01 9 /memfd:heapspy-12-345 (deleted)");
	assert_true(m.segment && m.deleted);
}

static void passes_others_by(void **state)
{
	static const char *const others[] = {
		"7f10-7f30 rw-s 00000000 00:1b 77 /dev/shm/heapspy-11-345\n",  /* its parent's */
		"7f10-7f30 rw-s 00000000 00:1b 77 /dev/shm/heapspy-12-3456\n", /* another time */
		"7f10-7f30 rw-s 00000000 00:1b 77 /dev/shm/xheapspy-12-345\n",
		"7f10-7f30 rw-s 00000000 00:1b 77 /dev/shm/heapspy-12-345/x\n",
		"7f10-7f30 rw-p 00000000 00:00 0 \n",
		"7f10-7f30 rw-p 00000000 00:00 0 [anon:heapspy-12-345]\n",
		"nonsense\n\n7f10-\n",
		"",
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(look(others[i]).segment);
	assert_false(look("7f00-7f10 r-xp 00000000 fe:00 5 /opt/libheapspy.so/libother.so\n").library);
}

static void explains(void **state)
{
	struct ht_found f;
	struct ht_err err = { 0 };

	/* above pid_max of any kernel */
	assert_int_equal(ht_find_pid(0x7ffffff0, &f, &err), -ESRCH);
	assert_int_equal(err.code, HT_EXIT_TARGET);
	assert_non_null(strstr(err.message, "no such process"));
	assert_int_equal(ht_find_pid(getpid(), &f, &err), -ENOENT);
	assert_non_null(strstr(err.hint, "heaptop run"));
}

static void reads_itself(void **state)
{
	struct ht_ident me;
	uint8_t boot[16] = { 0 }, none[16] = { 0 };

	assert_int_equal(ht_ident_read(getpid(), &me), 0);
	assert_int_equal(me.uid, geteuid());
	assert_true(me.start_ticks > 0);
	assert_int_equal(me.ns_pid, getpid());
	assert_int_equal(ht_ident_boot(boot), 0);
	assert_memory_not_equal(boot, none, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_its_own),    cmocka_unit_test(knows_removed_files_and_memfds),
		cmocka_unit_test(passes_others_by), cmocka_unit_test(explains),
		cmocka_unit_test(reads_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
