/* SPDX-License-Identifier: MIT */
/* vm and sys - mappings, alignment, purging, moving, and what a full file system does to them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "model.h"
#include "os/sys.h"
#include "os/vm.h"

#define MIB ((size_t)1 << 20)

static size_t resident(void *addr, size_t bytes)
{
	unsigned char *vec = calloc(1, bytes / hs_vm_page_bytes());
	size_t n = 0;

	must(vec != NULL && mincore(addr, bytes, vec) == 0);
	for (size_t i = 0; i < bytes / hs_vm_page_bytes(); i++)
		n += vec[i] & 1;
	free(vec);
	return n;
}

static bool mapped(void *addr)
{
	unsigned char vec;

	return mincore(addr, hs_vm_page_bytes(), &vec) == 0;
}

static void test_map(void **state)
{
	assert_int_equal(hs_vm_page_bytes(), sysconf(_SC_PAGESIZE));
	for (size_t align = 4096; align <= 64 * MIB; align *= 2) {
		uint64_t calls = hs_vm_n_calls;
		char *p = hs_vm_map(MIB, align);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % align, 0);
		assert_int_equal(resident(p, MIB), 0);
		assert_true(hs_vm_n_calls > calls);
		assert_int_equal(p[0] | p[MIB - 1], 0);
		p[0] = p[MIB - 1] = 1;
		assert_int_equal(resident(p, MIB), 2);
		hs_vm_unmap(p, MIB);
		assert_false(mapped(p));
	}
	hs_vm_unmap(NULL, 0);
}

static void test_refusal(void **state)
{
	errno = 77;
	assert_null(hs_vm_map((size_t)1 << 60, 4096));
	assert_null(hs_vm_map(4096, (size_t)1 << 62));
	assert_null(hs_vm_map(SIZE_MAX - 4095, (size_t)1 << 30));
	assert_int_equal(errno, 77); /* never touched */
}

static void test_purge(void **state)
{
	char *p = hs_vm_map(MIB, 4096);

	memset(p, 1, MIB);
	/* rounded inwards: a part of a page keeps its contents */
	assert_true(hs_vm_purge(p + 100, 2 * 4096));
	assert_int_equal(resident(p, MIB), MIB / 4096 - 1);
	assert_int_equal(p[4095], 1);
	assert_int_equal(p[4096], 0);
	assert_true(hs_vm_purge(p + 100, 200)); /* no whole page in it */
	assert_int_equal(p[100], 1);
	assert_true(hs_vm_purge(p, MIB));
	assert_int_equal(resident(p, MIB), 0);
	/* locked memory is refused, and kept (by the kernel itself: the sanitizers make mlock() do nothing) */
	if (hs_syscall2(SYS_mlock, p, 65536) == 0) {
		p[0] = 5;
		assert_false(hs_vm_purge(p, MIB));
		assert_int_equal(p[0], 5);
		hs_syscall2(SYS_munlock, p, 65536);
	}
	hs_vm_unmap(p, MIB);
}

static void test_remap_and_move(void **state)
{
	char *p = hs_vm_map(4 * MIB, 4096), *to = hs_vm_map(8 * MIB, 4096), *wall;

	p[0] = 1;
	p[MIB - 1] = 2;
	assert_ptr_equal(hs_vm_remap(p, 4 * MIB, MIB), p);
	assert_false(mapped(p + MIB));
	assert_int_equal(p[MIB - 1], 2);
	/* something behind it: refused, unchanged */
	wall = mmap(p + MIB, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	assert_ptr_equal(wall, p + MIB);
	assert_null(hs_vm_remap(p, MIB, 2 * MIB));
	assert_int_equal(p[MIB - 1], 2);
	assert_true(hs_vm_move(p, MIB, to, 8 * MIB));
	assert_false(mapped(p));
	assert_int_equal(to[0], 1);
	assert_int_equal(to[MIB - 1], 2);
	assert_int_equal(to[8 * MIB - 1], 0);
	assert_false(hs_vm_move((char *)16, MIB, to, MIB));
	munmap(wall, 4096);
	hs_vm_unmap(to, 8 * MIB);
}

static void test_touch_and_overlay(void **state)
{
	char *p = hs_vm_map(MIB, 4096);
	int fd = memfd_create("unit-vm", 0);

	p[5000] = 9;
	assert_true(hs_vm_touch(p, MIB));
	assert_int_equal(resident(p, MIB), MIB / 4096);
	assert_int_equal(p[5000], 9);
	/* beyond the end of a file there is no page to be had: false, where a store would be a SIGBUS */
	assert_true(fd >= 0 && ftruncate(fd, 8192) == 0);
	assert_ptr_equal(mmap(p, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), p);
	assert_true(hs_vm_touch(p, 8192));
	assert_false(hs_vm_touch(p, 65536));
	assert_true(hs_vm_overlay(p + 8192, 65536 - 8192));
	p[8192] = p[65535] = 3;
	p[0] = 4;
	assert_int_equal(p[65535], 3);
	assert_true(hs_vm_touch(p, 0));
	close(fd);
	hs_vm_name(p, MIB, "heapspy-unit"); /* may be refused: nothing to see */
	hs_vm_huge(p, MIB, true);
	hs_vm_huge(p, MIB, false);
	hs_vm_unmap(p, MIB);
}

static void test_sys(void **state)
{
	uint64_t a = hs_now_ns(), r = hs_now_realtime_ns(), b = hs_now_ns();

	assert_true(a != 0 && a <= b);
	assert_true(r > UINT64_C(1600000000000000000));
	assert_int_equal(hs_getpid(), getpid());
	assert_int_equal(hs_gettid(), gettid());
	errno = 78;
	assert_int_equal(hs_syscall3(SYS_read, -1, 0, 0), -EBADF);
	assert_int_equal(errno, 78);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_remap_and_move),
		cmocka_unit_test(test_touch_and_overlay),
		cmocka_unit_test(test_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
