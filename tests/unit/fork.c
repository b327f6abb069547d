/* SPDX-License-Identifier: MIT */
/* fork at any moment: the child has one thread, whole structures and every block of the parent. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "model.h"
#include "os/sys.h"

#define SLOTS 2048u

/* As shim/lifecycle.c does; the child runs body(arg) and is waited for. */
static int forked(struct hs_heap *heap, struct hs_tcache *mine, void (*body)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	hs_lock_lock(&heap->threads_lock);
	hs_heap_fork_prepare(heap);
	hs_heap_fork_prepare_meta(heap);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		alarm(60);
		hs_heap_fork_child(heap, mine, true);
		hs_lock_unlock(&heap->threads_lock);
		body(arg);
		_exit(0);
	}
	hs_heap_fork_parent(heap);
	hs_lock_unlock(&heap->threads_lock);
	must(waitpid(pid, &status, 0) == pid);
	return status;
}

/* ---- one thread ---- */

struct single {
	struct model m;
	struct hs_tcache *t;
	unsigned depth;
};

static void mix(struct model *m, struct hs_tcache *t, size_t steps)
{
	for (size_t i = 0; i < steps; i++) {
		if (m->n < 500 || (m->n < m->cap && model_random(m, 2) == 0))
			must(model_alloc(m, t, model_random_size(m, true), 16, false));
		else
			model_free(m, t, model_random(m, m->n));
	}
}

static void single_child(void *arg)
{
	struct single *s = arg;

	must(s->t->row->tid == hs_gettid());
	model_check_heap(s->m.heap);
	model_check_contents(&s->m);
	model_check_exact(&s->m);
	mix(&s->m, s->t, 3000);
	model_check_exact(&s->m);
	if (s->depth-- > 0)
		must(forked(s->m.heap, s->t, single_child, s) == 0);
	model_free_all(&s->m, s->t);
	hs_heap_detach(s->m.heap, s->t);
	model_check_empty(s->m.heap);
}

static void test_single(void **state)
{
	struct single s = {.depth = 2};
	struct hs_heap *heap = model_heap(2, 10000);

	s.t = hs_heap_attach(heap, hs_gettid());
	model_init(&s.m, heap, 2000, 31);
	mix(&s.m, s.t, 5000);
	assert_int_equal(forked(heap, s.t, single_child, &s), 0);
	/* the child has changed nothing here */
	model_check_heap(heap);
	model_check_contents(&s.m);
	model_check_exact(&s.m);
	model_free_all(&s.m, s.t);
	hs_heap_detach(heap, s.t);
	model_check_empty(heap);
	model_done(&s.m);
	model_heap_drop(heap);
}

/* ---- many threads ---- */

struct many {
	struct hs_heap *heap;
	struct hs_tcache *mine;
	uint64_t *slots[SLOTS]; /* word 0: bytes; contents by that number */
	uint32_t xstop;
	bool purge, threads_in_child;
};

static uint64_t *make(struct hs_tcache *t, struct hs_prng *prng)
{
	uint64_t bytes = 16 + hs_prng_next(prng) % (hs_prng_next(prng) % 16 == 0 ? 100000 : 1500);
	uint64_t *p = hs_heap_alloc(t, bytes, 16, false);

	must(p != NULL);
	*p = bytes;
	model_fill((unsigned char *)(p + 1), bytes - 8, bytes);
	return p;
}

static void verify(const uint64_t *p)
{
	must(*p >= 16 && *p < 101000);
	must(hs_heap_usable(hs_pagemap_get(p), p) >= *p);
	model_verify((const unsigned char *)(p + 1), *p - 8, *p);
}

static void exchange(struct many *many, struct hs_tcache *t, struct hs_prng *prng)
{
	uint64_t *mine = hs_prng_next(prng) % 16 < 9 ? make(t, prng) : NULL;
	uint64_t *old = __atomic_exchange_n(&many->slots[hs_prng_next(prng) % SLOTS], mine, __ATOMIC_ACQ_REL);

	if (old != NULL) {
		verify(old);
		model_free_block(t, old);
	}
}

static void *busy(void *arg)
{
	struct many *many = arg;
	struct hs_tcache *t = hs_heap_attach(many->heap, 1);
	struct hs_prng prng;

	hs_prng_init(&prng, (uintptr_t)t);
	must(t != NULL);
	for (uint32_t i = 0; hs_load_relaxed(&many->xstop) == 0; i++) {
		exchange(many, t, &prng);
		if (i % 256 == 0)
			hs_tcache_tick(t);
		if (many->purge && i % 64 == 0)
			hs_heap_decay(many->heap, hs_now_ns(), true, &t->waits);
		if (i % 5000 == 4999) { /* threads come and go */
			hs_heap_detach(many->heap, t);
			t = hs_heap_attach(many->heap, 1);
		}
		if (i % 128 == 0) { /* and some have no cache of their own */
			struct hs_arena *arena = hs_heap_default_arena(many->heap);
			struct hs_tcache *shared = hs_heap_borrow(many->heap, arena);

			must(shared != NULL);
			for (unsigned k = 0; k < 8; k++)
				exchange(many, shared, &prng);
			hs_heap_unborrow(arena);
		}
	}
	hs_heap_detach(many->heap, t);
	return NULL;
}

static void *child_thread(void *arg)
{
	struct many *many = arg;
	struct hs_tcache *t = hs_heap_attach(many->heap, 1);
	struct hs_prng prng;

	must(t != NULL);
	hs_prng_init(&prng, (uintptr_t)t + 5);
	for (unsigned i = 0; i < 20000; i++)
		exchange(many, t, &prng);
	hs_heap_detach(many->heap, t);
	return NULL;
}

static void many_child(void *arg)
{
	struct many *many = arg;
	struct hs_tcache *t = many->mine != NULL ? many->mine : hs_heap_attach(many->heap, 1);
	pthread_t threads[3];
	struct hs_prng prng;

	must(many->heap->xn_threads == 1);
	hs_heap_check(many->heap, t);
	for (unsigned i = 0; i < SLOTS; i++)
		if (many->slots[i] != NULL)
			verify(many->slots[i]);
	for (unsigned i = 0; many->threads_in_child && i < 3; i++)
		must(pthread_create(&threads[i], NULL, child_thread, many) == 0);
	hs_prng_init(&prng, 9);
	for (unsigned i = 0; i < 6000; i++)
		exchange(many, t, &prng);
	for (unsigned i = 0; many->threads_in_child && i < 3; i++)
		pthread_join(threads[i], NULL);
	hs_heap_check(many->heap, t);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (many->slots[i] != NULL) {
			verify(many->slots[i]);
			model_free_block(t, many->slots[i]);
		}
	}
	hs_heap_detach(many->heap, t);
	hs_heap_check(many->heap, NULL);
	must(many->heap->xn_threads == 0);
}

static void run_many(bool attached, bool purge, bool threads_in_child, unsigned n_forks)
{
	static struct many many;
	pthread_t threads[4];

	memset(&many, 0, sizeof(many));
	many.heap = model_heap(2, 10000);
	many.purge = purge;
	many.threads_in_child = threads_in_child;
	many.mine = attached ? hs_heap_attach(many.heap, hs_gettid()) : NULL;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, busy, &many), 0);
	for (unsigned i = 0; i < n_forks; i++) {
		struct hs_prng prng;

		hs_prng_init(&prng, i);
		for (unsigned k = 0; attached && k < 300; k++)
			exchange(&many, many.mine, &prng);
		assert_int_equal(forked(many.heap, many.mine, many_child, &many), 0);
	}
	hs_store_relaxed(&many.xstop, 1);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	if (!attached)
		many.mine = hs_heap_attach(many.heap, 1);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (many.slots[i] != NULL) {
			verify(many.slots[i]);
			model_free_block(many.mine, many.slots[i]);
		}
	}
	hs_tcache_drain(many.heap->arenas[0]->cache);
	hs_heap_detach(many.heap, many.mine);
	hs_heap_check(many.heap, NULL);
	model_check_empty(many.heap);
	model_heap_drop(many.heap);
}

static void test_many(void **state)
{
	run_many(true, false, false, MODEL_STEPS(16));
	run_many(false, false, false, MODEL_STEPS(12));
}

static void test_many_purging(void **state)
{
	run_many(true, true, false, MODEL_STEPS(16));
}

static void test_threads_in_child(void **state)
{
	if (HS_TSAN)
		skip(); /* its run-time library cannot start threads after such a fork */
	run_many(true, false, true, MODEL_STEPS(12));
}

/* ---- what the dead had gathered ---- */

struct rings {
	struct hs_heap *heap;
	struct hs_tcache *mine, *dead;
	unsigned char *p[512];
	uint32_t n;
};

/* All slots of the class that can be had are different ones, whoever publishes what later. */
static void rings_child(void *arg)
{
	struct rings *r = arg;
	struct model m;

	model_free_block(r->mine, r->p[1]); /* takes the dead thread's span and makes its list anew */
	model_init(&m, r->heap, 4096, 3);
	for (unsigned i = 0; i < 1000; i++)
		must(model_alloc(&m, r->mine, 2048, 16, false));
	hs_tcache_drain(r->heap->arenas[0]->cache);
	for (unsigned i = 0; i < 1000; i++)
		must(model_alloc(&m, r->mine, 2048, 16, false));
	model_check_contents(&m);
	for (uint32_t i = 2; i < r->n; i++) { /* blocks of the parent, not in the model */
		for (size_t k = 0; k < m.n; k++)
			must(m.blocks[k].p != r->p[i]);
		model_free_block(r->mine, r->p[i]);
	}
	model_check_contents(&m);
	model_check_exact(&m);
	model_free_all(&m, r->mine);
	hs_heap_detach(r->heap, r->mine);
	model_check_empty(r->heap);
}

static void test_shared_ring(void **state)
{
	struct rings r = {.heap = model_heap(1, 10000), .n = 20};
	struct hs_arena *arena;

	r.mine = hs_heap_attach(r.heap, 1);
	r.dead = hs_heap_attach(r.heap, 2);
	arena = r.mine->arena;
	for (uint32_t i = 0; i < r.n; i++)
		r.p[i] = hs_heap_alloc(r.dead, 2048, 16, false);
	model_free_block(hs_heap_borrow(r.heap, arena), r.p[0]); /* gathered by the shared cache */
	hs_heap_unborrow(arena);
	assert_int_equal(hs_pagemap_get(r.p[0])->xowner, (uintptr_t)r.dead);
	assert_int_equal(arena->cache->row->n_remote_freed, 1);
	assert_int_equal(forked(r.heap, r.mine, rings_child, &r), 0);
}

/* A dead thread's ring names spans of the living, of bins, and full ones: nothing of it may be lost. */
static void dead_ring_child(void *arg)
{
	struct rings *r = arg;
	struct heapspy_history totals;
	struct model m = {.heap = r->heap};

	hs_heap_totals(r->heap, &totals);
	for (uint32_t i = 0; i < r->n; i++)
		if (i % 4 != 0)
			model_free_block(r->mine, r->p[i]);
	hs_tcache_drain(r->mine);
	model_check_exact(&m);
	model_check_empty(r->heap);
}

static void test_dead_ring(void **state)
{
	for (unsigned how = 0; how < 3; how++) {
		struct rings r = {.heap = model_heap(1, 10000), .n = how == 2 ? hs_sizeclasses[39].n_slots : 40};
		struct hs_tcache *owner;

		r.mine = hs_heap_attach(r.heap, 1);
		r.dead = hs_heap_attach(r.heap, 2);
		owner = how == 0 ? r.mine : hs_heap_attach(r.heap, 3);
		for (uint32_t i = 0; i < r.n; i++)
			r.p[i] = hs_heap_alloc(owner, 2048, 16, false);
		for (uint32_t i = 0; i < r.n; i += 4)
			model_free_block(r.dead, r.p[i]);
		if (how == 1)
			hs_heap_detach(r.heap, owner); /* the span goes to the bin */
		assert_int_equal(forked(r.heap, r.mine, dead_ring_child, &r), 0);
	}
}

/* ---- a raw clone's child: no prepare ---- */

static pthread_barrier_t holding;

static void *hold(void *arg)
{
	struct hs_lock *lock = arg;

	hs_lock_lock(lock);
	pthread_barrier_wait(&holding);
	pthread_barrier_wait(&holding);
	hs_lock_unlock(lock);
	return NULL;
}

static void test_unprepared(void **state)
{
	struct hs_heap *heap = model_heap(2, 10000);
	struct single s = {.t = hs_heap_attach(heap, hs_gettid())};
	pthread_t holder;
	int status;
	pid_t pid;

	model_init(&s.m, heap, 2000, 33);
	mix(&s.m, s.t, 3000);
	pthread_barrier_init(&holding, NULL, 2);
	assert_int_equal(pthread_create(&holder, NULL, hold, &heap->meta.lock), 0);
	pthread_barrier_wait(&holding);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		hs_heap_fork_child(heap, s.t, false);
		single_child(&s);
		_exit(0);
	}
	pthread_barrier_wait(&holding);
	pthread_join(holder, NULL);
	must(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	hs_heap_check(heap, s.t);
	model_done(&s.m);
	model_heap_drop(heap);
}

/* Another thread has the shared cache in its hands, with slots of ours in its rings. */
static struct {
	struct hs_heap *heap;
	unsigned char *blocks[64], *given[8];
} held;

static void *hold_shared(void *arg)
{
	struct hs_arena *arena = hs_heap_default_arena(held.heap);
	struct hs_tcache *shared = hs_heap_borrow(held.heap, arena);

	for (unsigned i = 0; i < 64; i++) {
		held.blocks[i] = hs_heap_alloc(shared, 1000 + i, 16, false);
		model_fill(held.blocks[i], 1000 + i, i);
	}
	for (unsigned i = 0; i < 8; i++)
		model_free_block(shared, held.given[i]);
	pthread_barrier_wait(&holding);
	pthread_barrier_wait(&holding);
	hs_heap_unborrow(arena);
	return NULL;
}

static void shared_child(struct hs_tcache *mine)
{
	struct hs_arena *arena = hs_heap_default_arena(held.heap);
	struct model m;

	alarm(60);
	hs_heap_fork_child(held.heap, mine, false);
	hs_heap_check(held.heap, mine);
	model_init(&m, held.heap, 4000, 8);
	for (unsigned i = 0; i < 4000; i++) {
		struct hs_tcache *t = hs_heap_borrow(held.heap, arena);

		must(model_alloc(&m, i % 2 ? t : mine, i % 3 ? 1000 : 500, 16, false));
		if (i % 100 == 0)
			hs_tcache_check(t);
		hs_heap_unborrow(arena);
	}
	for (unsigned i = 0; i < 64; i++) {
		struct hs_tcache *t = hs_heap_borrow(held.heap, arena);

		model_verify(held.blocks[i], 1000 + i, i);
		model_free_block(i % 2 ? t : mine, held.blocks[i]);
		hs_heap_unborrow(arena);
	}
	model_check_contents(&m);
	hs_tcache_flush(mine);
	hs_tcache_flush(arena->cache);
	model_free_all(&m, mine);
	hs_heap_check(held.heap, mine);
	_exit(0);
}

static void test_unprepared_shared(void **state)
{
	struct hs_tcache *mine;
	pthread_t holder;
	int status;
	pid_t pid;

	held.heap = model_heap(1, 10000);
	mine = hs_heap_attach(held.heap, 1);
	for (unsigned i = 0; i < 8; i++)
		held.given[i] = hs_heap_alloc(mine, 500, 16, false);
	pthread_barrier_init(&holding, NULL, 2);
	assert_int_equal(pthread_create(&holder, NULL, hold_shared, NULL), 0);
	pthread_barrier_wait(&holding);
	pid = fork();
	if (pid == 0)
		shared_child(mine);
	pthread_barrier_wait(&holding);
	pthread_join(holder, NULL);
	must(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	model_heap_drop(held.heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_many_purging),
		cmocka_unit_test(test_threads_in_child),
		cmocka_unit_test(test_shared_ring),
		cmocka_unit_test(test_dead_ring),
		cmocka_unit_test(test_unprepared),
		cmocka_unit_test(test_unprepared_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
