/* SPDX-License-Identifier: MIT */
/* decay - dirty pages leave along the curve, with a clock of the test's own; and the kernel really gets them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "core/ranges.h"
#include "model.h"
#include "os/sys.h"
#include "os/vm.h"

#define MS UINT64_C(1000000)
#define N 512u
#define PAGES 8u

static struct hs_waited waits;
static struct hs_span *spans[2 * N];

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

/* N dirty ranges of PAGES pages each that cannot merge, because what lies between them lives. */
static void make_dirty(struct hs_arena *a)
{
	for (unsigned i = 0; i < 2 * N; i++) {
		spans[i] = hs_arena_alloc(a, PAGES, HS_PAGE_BYTES, &waits);
		must(spans[i] != NULL);
		memset(spans[i]->base, 1, hs_span_bytes(spans[i]));
	}
	for (unsigned i = 0; i < 2 * N; i += 2)
		hs_arena_free(a, spans[i], &waits);
	assert_int_equal(a->dirty.n_pages, N * PAGES);
}

/* What jemalloc's smoothstep leaves of a burst, x of the decay time later. */
static double kept(double x)
{
	return x >= 1 ? 0 : 1 - (3 * x * x - 2 * x * x * x);
}

static void test_curve(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	uint64_t start = a->decay.step_start_ns;
	size_t before = N * PAGES, purged = 0;

	make_dirty(a);
	/* within the first step, all of it may stay */
	assert_int_equal(hs_arena_decay(a, start + 100 * MS, false, &waits), 0);
	for (unsigned ms = 650; ms <= 11500; ms += 50) {
		double x = (ms - 625) / 10000.0; /* the burst is seen at the end of its step */
		size_t low = (size_t)(kept(x + 0.0625 * 2) * N * PAGES), now;

		purged += hs_arena_decay(a, start + ms * MS, false, &waits);
		now = a->dirty.n_pages;
		assert_true(now <= before);
		assert_true(now + PAGES >= low);
		assert_true(now <= (size_t)(kept(x - 0.0625) * N * PAGES) + PAGES || x < 0.0625);
		before = now;
		if (ms % 1000 == 0)
			hs_arena_check(a);
	}
	assert_int_equal(a->dirty.n_pages, 0);
	assert_int_equal(purged, N * PAGES * HS_PAGE_BYTES);
	assert_int_equal(a->row->purged_bytes, purged);
	assert_true(a->row->n_purges >= 10);
	assert_int_equal(a->row->oldest_dirty_ns, 0);
	assert_int_equal(a->row->retained_bytes, a->clean.n_pages * HS_PAGE_BYTES);
	for (unsigned i = 0; i < 2 * N; i++)
		assert_int_equal(resident(spans[i]->base, PAGES * HS_PAGE_BYTES),
				 i % 2 == 0 ? 0 : PAGES * HS_PAGE_BYTES / hs_vm_page_bytes());
	model_heap_drop(heap);
}

/* Pages that are used again within the time are never given back. */
static void test_reuse_stays(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	uint64_t now = a->decay.step_start_ns;
	size_t purged = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct hs_span *s = hs_arena_alloc(a, 100, HS_PAGE_BYTES, &waits);

		now += 300 * MS;
		hs_arena_free(a, s, &waits);
		purged += hs_arena_decay(a, now, false, &waits);
	}
	/* the clock says a minute has passed, in which the pages were never idle for more than 300 ms */
	assert_true(purged <= 12 * 100 * HS_PAGE_BYTES);
	hs_arena_check(a);
	model_heap_drop(heap);
}

static void test_clock_backwards(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	uint64_t start = a->decay.step_start_ns;

	make_dirty(a);
	assert_int_equal(hs_arena_decay(a, start - 5000 * MS, false, &waits), 0);
	assert_int_equal(hs_arena_decay(a, 0, false, &waits), 0);
	assert_int_equal(a->dirty.n_pages, N * PAGES);
	/* the first look is at the end of all time: the burst is seen now, so it may stay, and then it goes */
	hs_arena_decay(a, UINT64_MAX / 4, false, &waits);
	hs_arena_decay(a, UINT64_MAX / 2, false, &waits);
	assert_int_equal(a->dirty.n_pages, 0);
	hs_arena_check(a);
	model_heap_drop(heap);
}

static void test_all(void **state)
{
	struct hs_heap *heap = model_heap(2, -1);
	struct hs_arena *a = hs_heap_default_arena(heap);

	make_dirty(a);
	assert_true(resident(spans[0]->base, hs_span_bytes(spans[0])) > 0);
	/* decay_ms:-1 never purges by itself */
	assert_int_equal(hs_heap_decay(heap, UINT64_MAX / 2, false, &waits), 0);
	assert_int_equal(a->dirty.n_pages, N * PAGES);
	assert_int_equal(hs_heap_decay(heap, 1, true, &waits), N * PAGES * HS_PAGE_BYTES);
	assert_int_equal(a->dirty.n_pages, 0);
	assert_int_equal(resident(spans[0]->base, PAGES * HS_PAGE_BYTES), 0);
	assert_int_equal(hs_heap_decay(heap, 1, true, &waits), 0);
	/* what was purged is zero when it comes back, and says so */
	for (unsigned i = 0; i < N; i++) {
		struct hs_span *s = hs_arena_alloc(a, PAGES, HS_PAGE_BYTES, &waits);

		assert_true(s->zeroed);
		for (size_t k = 0; k < hs_span_bytes(s); k += 64)
			must(s->base[k] == 0);
	}
	hs_arena_check(a);
	model_heap_drop(heap);
}

static void test_at_once(void **state)
{
	struct hs_heap *heap = model_heap(1, 0);
	struct hs_arena *a = hs_heap_default_arena(heap);
	struct hs_span *s = hs_arena_alloc(a, 100, HS_PAGE_BYTES, &waits);
	char *base = s->base;

	memset(base, 1, 100 * HS_PAGE_BYTES);
	/* the tail that a shrink gives back, too */
	assert_true(hs_arena_resize(a, s, 40, &waits));
	assert_int_equal(a->dirty.n_pages, 0);
	assert_int_equal(resident(base + 40 * HS_PAGE_BYTES, 60 * HS_PAGE_BYTES), 0);
	hs_arena_free(a, s, &waits);
	assert_int_equal(a->dirty.n_pages, 0);
	assert_int_equal(resident(base, 100 * HS_PAGE_BYTES), 0);
	hs_arena_check(a);
	model_heap_drop(heap);
}

/* Locked memory cannot be purged: it stays dirty, and nothing turns round and round. */
static void test_refused(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	struct hs_span *s = hs_arena_alloc(a, 4, HS_PAGE_BYTES, &waits);
	char *base = s->base;

	/* by the kernel itself: the sanitizers make mlock() do nothing */
	if (hs_syscall2(SYS_mlock, base, 4096) != 0)
		skip();
	hs_arena_free(a, s, &waits);
	assert_int_equal(hs_arena_decay(a, hs_now_ns(), true, &waits), 0);
	assert_int_equal(a->dirty.n_pages, 4);
	hs_arena_check(a);
	hs_syscall2(SYS_munlock, base, 4096);
	assert_int_equal(hs_arena_decay(a, hs_now_ns(), true, &waits), 4 * HS_PAGE_BYTES);
	hs_arena_check(a);
	model_heap_drop(heap);
}

/* ---- purging while others allocate ---- */

static void *purge(void *arg)
{
	struct hs_waited mine = {0};

	for (unsigned i = 0; i < MODEL_STEPS(2000u); i++)
		hs_arena_decay(arg, hs_now_ns(), true, &mine);
	return NULL;
}

static void *churn(void *arg)
{
	struct hs_waited mine = {0};
	struct hs_prng prng;

	hs_prng_init(&prng, (uintptr_t)&prng);
	for (unsigned i = 0; i < MODEL_STEPS(10000u); i++) {
		size_t pages = 1 + hs_prng_next(&prng) % 64;
		struct hs_span *s = hs_arena_alloc(arg, pages, HS_PAGE_BYTES, &mine);

		must(s != NULL);
		if (s->zeroed)
			must(s->base[0] == 0 && s->base[hs_span_bytes(s) - 1] == 0);
		s->base[0] = s->base[hs_span_bytes(s) - 1] = 1;
		if (i % 3 == 0)
			(void)hs_arena_resize(arg, s, 1 + hs_prng_next(&prng) % 64, &mine);
		must(s->base[0] == 1);
		hs_arena_free(arg, s, &mine);
	}
	return NULL;
}

static void test_concurrent(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_arena *a = hs_heap_default_arena(heap);
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 2 ? purge : churn, a), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	hs_arena_check(a);
	assert_int_equal(a->span_pages + a->purging_pages, 0);
	hs_arena_decay(a, hs_now_ns(), true, &waits);
	assert_int_equal(a->clean.n_pages, a->mapped_pages);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_curve),
		cmocka_unit_test(test_reuse_stays),
		cmocka_unit_test(test_clock_backwards),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_concurrent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
