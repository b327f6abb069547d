/* SPDX-License-Identifier: MIT */
/*
 * prof_walk.h - what the tests of prof/unwind.c share: one walk by us and one by libunwind, and the
 * comparison of both.  Each test program includes it once.
 */
#ifndef HS_TESTS_PROF_WALK_H
#define HS_TESTS_PROF_WALK_H

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "prof/unwind.h"

#define PLAIN HS_NOINLINE __attribute__((optimize("omit-frame-pointer")))
#define MAX HS_UNWIND_FRAMES_MAX

static struct hs_stack_bounds bounds; /* of the main thread */
static bool busy;
static uintptr_t chain[8]; /* return addresses as the compiler knows them */
static volatile int sink;
static struct hs_rows rows;
static struct hs_meta meta;
static uint64_t meta_bytes;
static struct hs_modules modules;
static int (*other_walker)(void **, int);

static struct hs_stack_bounds bounds_of_self(void)
{
	pthread_attr_t attr;
	void *low;
	size_t bytes;

	assert_int_equal(pthread_getattr_np(pthread_self(), &attr), 0);
	pthread_attr_getstack(&attr, &low, &bytes);
	pthread_attr_destroy(&attr);
	return (struct hs_stack_bounds){(uintptr_t)low, (uintptr_t)low + bytes};
}

struct result {
	uint64_t pcs[MAX];
	size_t n;
	bool truncated;
	void *other[MAX + 8];
	int n_other;
};

PLAIN static void take(const struct hs_stack_bounds *b, struct result *r)
{
	bool mine = false;

	r->n = hs_unwind_capture(b, &mine, r->pcs, MAX, &r->truncated);
	r->n_other = other_walker != NULL ? other_walker(r->other, MAX + 8) : 0;
	assert_false(mine);
	__asm__ volatile("" ::: "memory");
}

static bool alike(uint64_t ours, const void *theirs)
{
	return ours == (uintptr_t)theirs || ours == (uintptr_t)theirs + 1;
}

/* From the frame after take() on, both walkers must agree; they may end differently behind the root. */
static void assert_agrees(const struct result *r)
{
	int at = 0;
	size_t same = 0;

	if (r->n_other == 0)
		return;
	assert_true(r->n >= 2);
	while (at < r->n_other && !alike(r->pcs[1], r->other[at]))
		at++;
	assert_true(at < r->n_other);
	while (same + 1 < r->n && at + (int)same < r->n_other && alike(r->pcs[1 + same], r->other[at + same]))
		same++;
	if (same + 1 != r->n)
		fail_msg("walkers part at frame %zu of %zu: %lx and %p", same + 1, r->n, (long)r->pcs[1 + same],
			 r->other[at + same]);
	/* theirs goes on at most to the root's own 0 */
	if (!r->truncated)
		assert_true(r->n_other - at - (int)same <= 1);
}

/* What the library's constructor would do. */
static int set_up_walks(void **state)
{
	void *handle = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);

	/* it allocates in signal handlers, which TSan reports */
	if (handle != NULL && !HS_TSAN)
		other_walker = (int (*)(void **, int))dlsym(handle, "unw_backtrace");
	if (!hs_rows_init(&rows, 40))
		return 1;
	hs_meta_init(&meta, NULL, &meta_bytes);
	if (!hs_modules_init(&modules, &rows, &meta))
		return 1;
	hs_modules_refresh(&modules);
	hs_unwind_init(&modules, 0, 0);
	bounds = bounds_of_self();
	return 0;
}

#endif /* HS_TESTS_PROF_WALK_H */
