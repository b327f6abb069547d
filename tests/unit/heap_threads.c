/* SPDX-License-Identifier: MIT */
/* Real threads that exchange blocks through a shared table; when they are quiet, the figures are exact. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "model.h"
#include "os/sys.h"

#define SLOTS 4096u
#define THREADS_MAX 8u

/* What stands at the start of each exchanged block; the rest is contents by seed. */
struct head {
	uint64_t bytes, seed;
};

struct world {
	struct hs_heap *heap;
	struct head *slots[SLOTS]; /* exchanged whole, so each block has one holder */
	pthread_barrier_t barrier;
	uint32_t steps;
	bool huge, churn, decay;
};

struct worker {
	struct world *world;
	pthread_t thread;
	uint32_t id;
	struct hs_tcache *t;
};

static struct head *make_block(struct hs_tcache *t, struct hs_prng *prng, bool huge)
{
	uint32_t r = hs_prng_next(prng);
	size_t bytes = sizeof(struct head);
	struct head *h;

	if (r % 64 < 40)
		bytes += hs_prng_next(prng) % 200;
	else if (r % 64 < 60)
		bytes += hs_prng_next(prng) % 3000;
	else if (r % 64 < 63 || !huge)
		bytes += hs_prng_next(prng) % 60000;
	else
		bytes += r % 512 == 511 ? HS_HUGE_BYTES : (size_t)1 << 20;
	h = hs_heap_alloc(t, bytes, (size_t)16 << (r >> 28 == 0 ? 5 : 0), false);
	must(h != NULL);
	h->bytes = bytes;
	h->seed = (uint64_t)r << 16;
	model_fill((unsigned char *)(h + 1), bytes - sizeof(*h), h->seed);
	return h;
}

static void verify_block(const struct head *h)
{
	must(h->bytes >= sizeof(*h) && h->bytes <= HS_HUGE_BYTES * 2);
	must(hs_heap_usable(hs_pagemap_get(h), h) >= h->bytes);
	model_verify((const unsigned char *)(h + 1), h->bytes - sizeof(*h), h->seed);
}

static void kill_block(struct hs_tcache *t, struct head *h)
{
	verify_block(h);
	model_free_block(t, h);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct world *world = w->world;
	struct hs_prng prng;

	hs_prng_init(&prng, w->id * 77 + world->steps);
	w->t = hs_heap_attach(world->heap, w->id);
	must(w->t != NULL);
	for (uint32_t i = 0; i < world->steps; i++) {
		struct head **slot = &world->slots[hs_prng_next(&prng) % SLOTS];
		struct head *mine = hs_prng_next(&prng) % 16 < 9 ? make_block(w->t, &prng, world->huge) : NULL;
		struct head *old = __atomic_exchange_n(slot, mine, __ATOMIC_ACQ_REL);

		if (old != NULL)
			kill_block(w->t, old);
		if (i % 1024 == 1023)
			hs_tcache_tick(w->t);
		if (world->decay && i % 512 == 511)
			hs_heap_decay(world->heap, hs_now_ns(), true, &w->t->waits);
		if (world->churn && i % 4096 == 4095) {
			hs_heap_detach(world->heap, w->t);
			w->t = hs_heap_attach(world->heap, w->id);
			must(w->t != NULL);
		}
	}
	pthread_barrier_wait(&world->barrier); /* quiet */
	pthread_barrier_wait(&world->barrier); /* examined */
	hs_heap_detach(world->heap, w->t);
	return NULL;
}

/* The shared table as a model of what lives. */
static void examine(struct world *world)
{
	struct model m;

	model_init(&m, world->heap, SLOTS, 1);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct head *h = world->slots[i];

		if (h == NULL)
			continue;
		verify_block(h);
		m.blocks[m.n++].p = (unsigned char *)h; /* zero bytes of contents of the model's own */
	}
	model_check_heap(world->heap);
	model_check_contents(&m);
	model_check_exact(&m);
	model_done(&m);
}

static void run(struct world *world, unsigned n_threads, uint32_t n_arenas, int64_t decay_ms)
{
	struct worker workers[THREADS_MAX];
	struct hs_tcache *last;

	world->heap = model_heap(n_arenas, decay_ms);
	pthread_barrier_init(&world->barrier, NULL, n_threads + 1);
	for (unsigned i = 0; i < n_threads; i++) {
		workers[i] = (struct worker){.world = world, .id = i + 1};
		must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
	}
	pthread_barrier_wait(&world->barrier);
	examine(world);
	pthread_barrier_wait(&world->barrier);
	for (unsigned i = 0; i < n_threads; i++)
		pthread_join(workers[i].thread, NULL);
	/* all threads have ended, and their blocks live on */
	assert_int_equal(world->heap->xn_threads, 0);
	examine(world);
	last = hs_heap_attach(world->heap, 99);
	for (unsigned i = 0; i < SLOTS; i++)
		if (world->slots[i] != NULL)
			kill_block(last, world->slots[i]);
	memset(world->slots, 0, sizeof(world->slots));
	examine(world);
	hs_heap_detach(world->heap, last);
	hs_heap_check(world->heap, NULL);
	model_check_empty(world->heap);
	pthread_barrier_destroy(&world->barrier);
	model_heap_drop(world->heap);
}

static void test_exchange(void **state)
{
	static struct world world = {.steps = MODEL_STEPS(60000)};

	run(&world, 2, 2, 10000);
	run(&world, 4, 1, 10000);
	run(&world, 8, 3, 10000);
}

static void test_exchange_large(void **state)
{
	static struct world world = {.steps = MODEL_STEPS(12000), .huge = true, .decay = true};

	run(&world, 4, 1, 10000);
	run(&world, 4, 2, 0);
}

static void test_exchange_churn(void **state)
{
	static struct world world = {.steps = MODEL_STEPS(40000), .churn = true};

	run(&world, 8, 4, 1);
}

/* ---- producer and consumers ---- */

#define QUEUE 256u

struct queue {
	struct hs_heap *heap;
	void *slots[QUEUE];
	uint32_t xput, xgot;
	uint32_t n;
};

static void *consume(void *arg)
{
	struct queue *q = arg;
	struct hs_tcache *t = hs_heap_attach(q->heap, 2);

	must(t != NULL);
	for (uint32_t i = 0; i < q->n; i++) {
		while (__atomic_load_n(&q->xput, __ATOMIC_ACQUIRE) == i)
			hs_cpu_relax();
		model_free_block(t, q->slots[i % QUEUE]);
		__atomic_store_n(&q->xgot, i + 1, __ATOMIC_RELEASE);
	}
	hs_heap_detach(q->heap, t);
	return NULL;
}

static void test_producer_consumer(void **state)
{
	static struct queue q = {.n = MODEL_STEPS(400000)};
	struct hs_tcache *t;
	struct heapspy_history totals;
	pthread_t thread;

	q.heap = model_heap(2, 10000);
	t = hs_heap_attach(q.heap, 1);
	assert_int_equal(pthread_create(&thread, NULL, consume, &q), 0);
	for (uint32_t i = 0; i < q.n; i++) {
		while (i - __atomic_load_n(&q.xgot, __ATOMIC_ACQUIRE) >= QUEUE)
			hs_cpu_relax();
		q.slots[i % QUEUE] = hs_heap_alloc(t, 64 + i % 7 * 16, 16, false);
		must(q.slots[i % QUEUE] != NULL);
		__atomic_store_n(&q.xput, i + 1, __ATOMIC_RELEASE);
	}
	pthread_join(thread, NULL);
	hs_heap_totals(q.heap, &totals);
	assert_int_equal(totals.live_objects, 0);
	/* with 256 objects on their way, the heap must not have grown without bound */
	assert_true(q.heap->rows.arenas[0].peak_spans_bytes < ((size_t)16 << 20));
	hs_heap_check(q.heap, t);
	hs_heap_detach(q.heap, t);
	model_check_empty(q.heap);
	model_heap_drop(q.heap);
}

/* ---- threads that borrow ---- */

static void *borrow(void *arg)
{
	struct hs_heap *heap = arg;
	struct hs_arena *arena = hs_heap_default_arena(heap);
	void *kept[64] = {0};

	for (uint32_t i = 0; i < MODEL_STEPS(40000); i++) {
		struct hs_tcache *t = hs_heap_borrow(heap, arena);
		void **slot = &kept[i * 7 % 64];

		must(t != NULL);
		if (*slot != NULL)
			model_free_block(t, *slot);
		*slot = hs_heap_alloc(t, i % 3000, 16, false);
		must(*slot != NULL);
		hs_heap_unborrow(arena);
	}
	for (unsigned i = 0; i < 64; i++) {
		struct hs_tcache *t = hs_heap_borrow(heap, arena);

		if (kept[i] != NULL)
			model_free_block(t, kept[i]);
		hs_heap_unborrow(arena);
	}
	return NULL;
}

static void test_borrowers(void **state)
{
	struct hs_heap *heap = model_heap(1, 10000);
	struct heapspy_history totals;
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, borrow, heap), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	hs_heap_totals(heap, &totals);
	assert_int_equal(totals.live_objects, 0);
	assert_int_equal(totals.n_threads, 0);
	hs_tcache_check(heap->arenas[0]->cache);
	hs_tcache_drain(heap->arenas[0]->cache);
	hs_heap_check(heap, NULL);
	model_check_empty(heap);
	model_heap_drop(heap);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_exchange_large),
		cmocka_unit_test(test_exchange_churn),
		cmocka_unit_test(test_producer_consumer),
		cmocka_unit_test(test_borrowers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
