/* SPDX-License-Identifier: MIT */
/* holes - free pages of partly used spans go back and come back, and nothing that lives is touched by it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/holes.h"
#include "model.h"
#include "os/sys.h"
#include "os/vm.h"

#define MS UINT64_C(1000000)
#define SLOTS 2048u

static size_t resident(const void *addr, size_t bytes)
{
	size_t page = hs_vm_page_bytes(), n = 0;
	unsigned char vec[512];

	must(bytes / page <= sizeof(vec) && mincore((void *)(uintptr_t)addr, bytes, vec) == 0);
	for (size_t i = 0; i < bytes / page; i++)
		n += vec[i] & 1;
	return n;
}

/* All objects of `spans` spans of one class; the thread keeps none of them. */
static size_t fill_spans(struct model *m, struct hs_tcache *t, unsigned klass, size_t spans)
{
	size_t n = spans * hs_sizeclasses[klass].n_slots;

	for (size_t i = 0; i < n; i++)
		must(model_alloc(m, t, hs_sizeclasses[klass].slot_bytes, 16, false));
	return n;
}

/* Each class, with survivors at some distance: what is purged is exactly the pages on which nothing lives. */
static void test_each_class(void **state)
{
	for (unsigned c = 0; c < HS_N_CLASSES; c++) {
		struct hs_heap *heap = model_heap(1, 10000);
		struct hs_tcache *t = hs_heap_attach(heap, 1);
		size_t n, page = hs_vm_page_bytes(), want = 0, got = 0;
		struct hs_span *s;
		struct model m;

		model_init(&m, heap, 16384, c + 1);
		n = fill_spans(&m, t, c, 1);
		s = hs_pagemap_get(m.blocks[0].p);
		for (size_t i = n; i-- > 0;) /* every one but few; taken from behind, so that indices stay */
			if (i % (n / 3 + 1) != 1)
				model_free(&m, t, i);
		hs_tcache_drain(t);
		assert_int_equal(s->xowner, HS_OWNER_BIN);
		for (size_t k = 0; k < hs_span_bytes(s) / page; k++) {
			bool lives = k * page >= (size_t)s->n_slots * s->slot_bytes;

			for (size_t i = 0; i < m.n; i++) {
				size_t from = (size_t)(m.blocks[i].p - (unsigned char *)s->base);

				lives |= from < (k + 1) * page && from + s->slot_bytes > k * page;
			}
			want += lives ? 0 : page;
		}
		got = hs_heap_comb(heap, t, hs_now_ns(), true);
		assert_int_equal(got, want);
		assert_int_equal(s->row->hole_pages, want / page);
		assert_true(resident(s->base, hs_span_bytes(s)) <= (hs_span_bytes(s) - want) / page);
		model_check_exact(&m);
		model_check_contents(&m);
		assert_int_equal(hs_heap_comb(heap, t, hs_now_ns(), true), 0);
		/* and all slots can be had again, from this span alone */
		while (m.n < n)
			must(model_alloc(&m, t, hs_sizeclasses[c].slot_bytes, 16, false));
		for (size_t i = 0; i < m.n; i++)
			assert_ptr_equal(hs_pagemap_get(m.blocks[i].p), s);
		assert_int_equal(s->row->hole_pages, 0);
		assert_int_equal(s->xowner & HS_OWNER_HOLES, 0);
		model_check_contents(&m);
		model_free_all(&m, t);
		hs_heap_detach(heap, t);
		model_check_empty(heap);
		model_done(&m);
		model_heap_drop(heap);
	}
}

/* Any operations, with purges at any time in between, by any thread's tcache. */
static void random_ops(int64_t decay_ms, size_t steps, uint64_t seed)
{
	struct hs_heap *heap = model_heap(2, decay_ms);
	uint64_t now = hs_now_ns();
	struct hs_tcache *t[3];
	struct model m;

	for (uint32_t i = 0; i < 3; i++)
		t[i] = hs_heap_attach(heap, i + 1);
	model_init(&m, heap, 6000, seed);
	for (size_t i = 0; i < steps; i++) {
		struct hs_tcache *who = t[model_random(&m, 3)];
		/* waves: spans fill and become sparse */
		size_t up = i / 4000 % 2 == 0 ? 3 : 1;

		if (m.n < m.cap && model_random(&m, 4) < up)
			must(model_alloc(&m, who, model_random_size(&m, false), 16, model_random(&m, 8) == 0));
		else if (m.n > 0)
			model_free(&m, who, model_random(&m, m.n));
		if (i % 512 == 0)
			hs_tcache_age(who);
		if (i % 2000 == 1999)
			hs_tcache_drain(who);
		if (i % 300 == 299) {
			now += 700 * MS;
			hs_heap_comb(heap, i % 900 == 299 ? NULL : who, now, model_random(&m, 3) == 0);
		}
		if (i % 3000 == 0) {
			model_check_heap(heap);
			model_check_contents(&m);
			model_check_exact(&m);
		}
	}
	assert_true(heap->rows.arenas[0].purged_bytes > 0 || decay_ms < 0);
	model_free_all(&m, t[0]);
	for (uint32_t i = 0; i < 3; i++)
		hs_heap_detach(heap, t[i]);
	if (heap->arenas[0]->cache != NULL)
		hs_tcache_drain(heap->arenas[0]->cache);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static void test_random(void **state)
{
	random_ops(10000, MODEL_STEPS(80000u), 41);
	random_ops(0, MODEL_STEPS(40000u), 42);
	random_ops(-1, MODEL_STEPS(20000u), 43);
}

/* Young spans stay, old ones go, a share at a time; decay_ms:-1 keeps all. */
static void test_age(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	struct hs_bin *bin = &heap->arenas[0]->bins[20];
	uint64_t now;
	struct model m;
	size_t n;

	model_init(&m, heap, 200 * 200, 3);
	n = fill_spans(&m, t, 20, 200);
	for (size_t i = n; i-- > 0;)
		if (i % hs_sizeclasses[20].n_slots != 0)
			model_free(&m, t, i);
	hs_tcache_drain(t);
	assert_int_equal(bin->xn_nonfull, 200);
	now = hs_now_ns();
	assert_int_equal(hs_heap_comb(heap, t, now, false), 0);
	assert_int_equal(hs_heap_comb(heap, t, now + 2400 * MS, false), 0);
	assert_int_equal(bin->xn_combed, 0);
	assert_true(hs_heap_comb(heap, t, now + 2600 * MS, false) > 0);
	assert_in_range(bin->xn_combed, 4, 40);
	for (unsigned i = 0; i < 200; i++)
		hs_heap_comb(heap, t, now + (2700 + i * 100) * MS, false);
	assert_int_equal(bin->xn_combed, 200);
	hs_bin_check(bin);
	/* they serve last, and no more of one is filled than is needed */
	must(model_alloc(&m, t, hs_sizeclasses[20].slot_bytes, 16, false));
	assert_int_equal(bin->xn_combed, 199);
	/* others free what lives in a combed one: it is looked at again */
	model_check_contents(&m);
	model_free_all(&m, t);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)*(void *const *)a, y = (uintptr_t)*(void *const *)b;

	return (x > y) - (x < y);
}

static void test_second_free(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1), *u = hs_heap_attach(heap, 2);
	unsigned n = hs_sizeclasses[20].n_slots;
	enum hs_corruption what;
	struct hs_span *s;
	void **p = calloc(n, sizeof(*p));

	for (unsigned i = 0; i < n; i++)
		p[i] = hs_heap_alloc(t, hs_sizeclasses[20].slot_bytes, 16, false);
	qsort(p, n, sizeof(*p), by_address); /* a span does not begin with its first slot */
	s = hs_pagemap_get(p[0]);
	for (unsigned i = 1; i < n; i++)
		model_free_block(t, p[i]);
	hs_tcache_drain(t);
	assert_true(hs_heap_comb(heap, t, hs_now_ns(), true) > 0);
	assert_true(hs_holes_at(s, p[n - 1]));
	/* in the bin, by anybody */
	model_corruption_begin();
	for (unsigned i = 1; i < n; i++)
		model_free_block(i % 2 ? t : u, p[i]);
	assert_int_equal(model_corruption_end(&what), n - 1);
	assert_int_equal(what, HS_DOUBLE_FREE);
	/* and with an owner: his fast path says no */
	assert_ptr_equal(hs_heap_alloc(t, hs_sizeclasses[20].slot_bytes, 16, false), p[1]);
	assert_int_equal(s->xowner, (uintptr_t)t | HS_OWNER_HOLES);
	assert_false(hs_tcache_push(t, s, p[n - 1]));
	model_corruption_begin();
	for (unsigned i = 2; i < n; i++)
		model_free_block(i % 2 ? t : u, p[i]);
	assert_int_equal(model_corruption_end(&what), n - 2);
	hs_tcache_check(t);
	/* an owner who goes on freeing into it gets his fast path back */
	for (unsigned i = 0; i < 20; i++) {
		model_free_block(t, p[1]);
		p[1] = hs_heap_alloc(t, hs_sizeclasses[20].slot_bytes, 16, false);
		assert_ptr_equal(hs_pagemap_get(p[1]), s);
	}
	assert_int_equal(s->xholes, 0);
	assert_int_equal(s->xowner, (uintptr_t)t);
	hs_tcache_check(t);
	/* a hole, and then the last object goes: the span retires at once */
	model_free_block(t, p[1]);
	hs_tcache_drain(t);
	hs_heap_comb(heap, t, hs_now_ns(), true);
	model_free_block(u, p[0]);
	hs_tcache_flush(u);
	assert_int_equal(s->state, HS_SPAN_DIRTY);
	hs_heap_detach(heap, t);
	hs_heap_detach(heap, u);
	model_check_empty(heap);
	free(p);
	model_heap_drop(heap);
}

/* Bytes of a live object that look like a seal do not make its page a hole; a damaged list is left to its finder. */
static void test_not_by_seals(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	unsigned n = hs_sizeclasses[20].n_slots;
	enum hs_corruption what;
	struct hs_span *s;
	void **p = calloc(n, sizeof(*p));

	for (unsigned i = 0; i < n; i++)
		p[i] = hs_heap_alloc(t, hs_sizeclasses[20].slot_bytes, 16, false);
	s = hs_pagemap_get(p[0]);
	for (unsigned i = 0; i < n; i++)
		((struct hs_slot *)p[i])->seal = s; /* all of them lie */
	for (unsigned i = 1; i < n; i++) {
		((struct hs_slot *)p[i])->seal = NULL;
		if (i != n / 2)
			model_free_block(t, p[i]);
	}
	((struct hs_slot *)p[n / 2])->seal = s;
	hs_tcache_drain(t);
	assert_true(hs_heap_comb(heap, t, hs_now_ns(), true) > 0);
	assert_ptr_equal(((struct hs_slot *)p[0])->seal, s);
	assert_ptr_equal(((struct hs_slot *)p[n / 2])->seal, s);
	assert_false(hs_holes_at(s, p[n / 2]));
	/* use after free of what is still on the list */
	s = hs_pagemap_get(hs_heap_alloc(t, 5000, 16, false));
	p[1] = hs_heap_alloc(t, 5000, 16, false);
	p[2] = hs_heap_alloc(t, 5000, 16, false);
	model_free_block(t, p[2]);
	model_free_block(t, p[1]);
	memset(p[1], 0x41, 5000);
	hs_tcache_drain(t);
	assert_int_equal(hs_holes_purge(s), 0);
	model_corruption_begin();
	assert_non_null(hs_heap_alloc(t, 5000, 16, false));
	assert_int_equal(model_corruption_end(&what), 1);
	assert_int_equal(what, HS_BAD_LIST);
	free(p);
	model_heap_drop(heap);
}

/* Locked pages stay, and the span is as it was. */
static void test_refused(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	struct hs_span *s;
	struct model m;
	size_t n;

	model_init(&m, heap, 1000, 3);
	n = fill_spans(&m, t, 20, 1);
	s = hs_pagemap_get(m.blocks[0].p);
	if (hs_syscall2(SYS_mlock, s->base, hs_span_bytes(s)) != 0)
		skip();
	for (size_t i = n; i-- > 1;)
		model_free(&m, t, i);
	hs_tcache_drain(t);
	assert_int_equal(hs_heap_comb(heap, t, hs_now_ns(), true), 0);
	assert_int_equal(s->xholes, 0);
	assert_int_equal(s->row->hole_pages, 0);
	hs_syscall2(SYS_munlock, s->base, hs_span_bytes(s));
	while (m.n < n)
		must(model_alloc(&m, t, hs_sizeclasses[20].slot_bytes, 16, false));
	model_check_contents(&m);
	model_check_exact(&m);
	model_free_all(&m, t);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

/* ---- threads: some exchange blocks, one purges as the helper does; forks in between ---- */

static struct {
	struct hs_heap *heap;
	uint64_t *slots[SLOTS];
	uint32_t xstop;
} all;

static void verify(const uint64_t *p)
{
	must(*p >= 16 && *p < 4000);
	model_verify((const unsigned char *)(p + 1), *p - 8, *p);
}

static void exchange(struct hs_tcache *t, struct hs_prng *prng)
{
	uint64_t bytes = 16 + hs_prng_next(prng) % 1500, *mine = NULL, *old;

	if (hs_prng_next(prng) % 16 < 9) {
		mine = hs_heap_alloc(t, bytes, 16, false);
		must(mine != NULL);
		*mine = bytes;
		model_fill((unsigned char *)(mine + 1), bytes - 8, bytes);
	}
	old = __atomic_exchange_n(&all.slots[hs_prng_next(prng) % SLOTS], mine, __ATOMIC_ACQ_REL);
	if (old != NULL) {
		verify(old);
		model_free_block(t, old);
	}
}

static void *busy(void *arg)
{
	struct hs_tcache *t = hs_heap_attach(all.heap, 1);
	struct hs_prng prng;

	hs_prng_init(&prng, (uintptr_t)arg);
	for (uint32_t i = 0; hs_load_relaxed(&all.xstop) == 0; i++) {
		exchange(t, &prng);
		if (i % 200 == 0)
			hs_tcache_age(t);
		if (i % 500 == 0)
			hs_tcache_drain(t);
		if (i % 1000 == 0)
			hs_heap_comb(all.heap, t, hs_now_ns(), true);
	}
	hs_heap_detach(all.heap, t);
	return NULL;
}

static void *comb(void *arg)
{
	while (hs_load_relaxed(&all.xstop) == 0)
		hs_heap_comb(all.heap, NULL, hs_now_ns(), true);
	return arg;
}

static void in_child(bool prepared, struct hs_tcache *t)
{
	struct hs_prng prng;

	alarm(60);
	hs_heap_fork_child(all.heap, t, prepared);
	if (prepared)
		hs_lock_unlock(&all.heap->threads_lock);
	hs_prng_init(&prng, 5);
	for (unsigned i = 0; i < 4000; i++) {
		exchange(t, &prng);
		if (i % 500 == 0)
			hs_heap_comb(all.heap, i % 1000 == 0 ? t : NULL, hs_now_ns(), true);
	}
	hs_heap_check(all.heap, t);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (all.slots[i] != NULL) {
			verify(all.slots[i]);
			model_free_block(t, all.slots[i]);
		}
	}
	hs_heap_detach(all.heap, t);
	_exit(0);
}

static void test_threads_and_forks(void **state)
{
	struct hs_tcache *mine;
	pthread_t threads[4];
	struct hs_prng prng;

	memset(&all, 0, sizeof(all));
	all.heap = model_heap(2, 10000);
	mine = hs_heap_attach(all.heap, hs_gettid());
	hs_prng_init(&prng, 77);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 3 ? busy : comb, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < MODEL_STEPS(60u); i++) {
		int status;
		pid_t pid;

		for (unsigned k = 0; k < 300; k++)
			exchange(mine, &prng);
#if HS_TSAN
		continue; /* a child of a threaded program is beyond it */
#endif
		fflush(NULL);
		hs_lock_lock(&all.heap->threads_lock);
		hs_heap_fork_prepare(all.heap);
		hs_heap_fork_prepare_meta(all.heap);
		pid = fork();
		must(pid >= 0);
		if (pid == 0)
			in_child(true, mine);
		hs_heap_fork_parent(all.heap);
		hs_lock_unlock(&all.heap->threads_lock);
		must(waitpid(pid, &status, 0) == pid);
		assert_int_equal(status, 0);
	}
	hs_store_relaxed(&all.xstop, 1);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (all.slots[i] != NULL) {
			verify(all.slots[i]);
			model_free_block(mine, all.slots[i]);
		}
	}
	hs_heap_detach(all.heap, mine);
	for (unsigned i = 0; i < 2; i++)
		if (all.heap->arenas[i]->cache != NULL)
			hs_tcache_drain(all.heap->arenas[i]->cache);
	hs_heap_check(all.heap, NULL);
	model_check_empty(all.heap);
	model_heap_drop(all.heap);
}

/* Between any two stores of purge and fill, a child finds each slot: here at the points where a fork may come. */
static void test_made_anew(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct hs_tcache *t = hs_heap_attach(heap, 1);
	struct hs_span *s;
	struct model m;
	uint32_t used;
	size_t n;

	model_init(&m, heap, 1000, 3);
	n = fill_spans(&m, t, 30, 1);
	s = hs_pagemap_get(m.blocks[0].p);
	for (size_t i = n; i-- > 0;)
		if (i % 20 != 3)
			model_free(&m, t, i);
	used = s->row->used & ~HEAPSPY_USED_BIAS;
	/* slots off the list, holes not yet told of */
	s->free = NULL;
	hs_tcache_make_anew(s);
	hs_tcache_check(t);
	assert_int_equal(s->row->used & ~HEAPSPY_USED_BIAS, used);
	hs_tcache_drain(t);
	assert_true(hs_heap_comb(heap, t, hs_now_ns(), true) > 0);
	must(model_alloc(&m, t, hs_sizeclasses[30].slot_bytes, 16, false));
	assert_int_equal(s->xowner, (uintptr_t)t | HS_OWNER_HOLES);
	hs_tcache_make_anew(s);
	hs_tcache_check(t);
	model_check_exact(&m);
	model_check_contents(&m);
	model_free_all(&m, t);
	hs_heap_detach(heap, t);
	model_check_empty(heap);
	model_done(&m);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_class),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_second_free),
		cmocka_unit_test(test_not_by_seals),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_threads_and_forks),
		cmocka_unit_test(test_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
