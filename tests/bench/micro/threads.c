/* SPDX-License-Identifier: MIT */
/* threads.c - objects that are freed by another thread than made them, and threads that come and go. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "micro.h"

/*
 * A queue of chunks of 64 pointers: one lock a chunk, so that what is measured is malloc and not the queue.
 * Who finds it empty or full sleeps until it has changed by a quarter: without that, each chunk would cost a
 * wake-up, and busy waiting would count as CPU time.
 */
enum { CHUNK = 64, RING = 256, QUARTER = RING / 4 };

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t space;
	int n_idle, n_full; /* sleepers */
	int n_producers;    /* that have not ended */
	unsigned long made, taken;
	void *ring[RING][CHUNK];
};

struct side {
	struct queue *q;
	long chunks;
	uint64_t seed;
};

static void queue_put(struct queue *q, void **chunk)
{
	pthread_mutex_lock(&q->lock);
	if (q->made - q->taken == RING) {
		q->n_full++;
		while (q->made - q->taken > RING - QUARTER)
			pthread_cond_wait(&q->space, &q->lock);
		q->n_full--;
	}
	memcpy(q->ring[q->made++ % RING], chunk, sizeof(q->ring[0]));
	if (q->n_idle && q->made - q->taken >= QUARTER)
		pthread_cond_broadcast(&q->work);
	pthread_mutex_unlock(&q->lock);
}

/* False when there will be no more. */
static int queue_take(struct queue *q, void **chunk)
{
	int any;

	pthread_mutex_lock(&q->lock);
	if (q->made == q->taken && q->n_producers) {
		q->n_idle++;
		while (q->made - q->taken < QUARTER && q->n_producers)
			pthread_cond_wait(&q->work, &q->lock);
		q->n_idle--;
	}
	any = q->made != q->taken;
	if (any)
		memcpy(chunk, q->ring[q->taken++ % RING], sizeof(q->ring[0]));
	if (q->n_full && q->made - q->taken <= RING - QUARTER)
		pthread_cond_broadcast(&q->space);
	pthread_mutex_unlock(&q->lock);
	return any;
}

static void *producer(void *arg)
{
	struct side *s = arg;
	void *chunk[CHUNK];

	for (long i = 0; i < s->chunks; i++) {
		for (int k = 0; k < CHUNK; k++)
			chunk[k] = make(64 + (size_t)k);
		queue_put(s->q, chunk);
	}
	pthread_mutex_lock(&s->q->lock);
	s->q->n_producers--;
	pthread_cond_broadcast(&s->q->work);
	pthread_mutex_unlock(&s->q->lock);
	return NULL;
}

/* Reads the first word, as whoever gets an object does. */
static void *consumer(void *arg)
{
	struct side *s = arg;
	void *chunk[CHUNK];
	uint64_t sum = 0;

	while (queue_take(s->q, chunk))
		for (int k = 0; k < CHUNK; k++) {
			sum += *(uint64_t *)chunk[k];
			free(chunk[k]);
		}
	s->seed = sum;
	return NULL;
}

static void *either(void *arg)
{
	struct side *s = arg;

	return s->chunks ? producer(s) : consumer(s);
}

/* Half of the threads produce, half consume. */
static void prodcons(struct micro *m)
{
	int pairs = m->threads > 1 ? m->threads / 2 : 1;
	size_t bytes = (size_t)pairs * 2 * sizeof(struct side);
	struct queue *q = micro_table(sizeof(*q));
	struct side *s = micro_table(bytes);

	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	pthread_cond_init(&q->space, NULL);
	q->n_producers = pairs;
	for (int i = 0; i < 2 * pairs; i++)
		s[i] = (struct side){ q, i % 2 ? 0 : m->count / CHUNK / pairs + 1, 0 };
	micro_threads_run(2 * pairs, either, s, sizeof(*s));
	m->ops = pairs * s[0].chunks * CHUNK;
	micro_drop(s, bytes);
	micro_drop(q, sizeof(*q));
}

/*
 * Larson's server: each thread replaces random ones of its objects; after a while it starts a thread that goes
 * on with the same objects, and ends.  So most objects are freed by the thread that made them, and many by a
 * later one.  A thread joins the one before it, so that all have ended when the last one is joined.
 */
enum { LARSON_LIVE = 1000, LARSON_TURN = 50000 };

struct chain {
	void *object[LARSON_LIVE];
	uint64_t seed;
	long left; /* replacements of this and all later threads */
	int has_before;
	pthread_t before;
	sem_t end; /* `before` is the last one */
};

static void *larson_thread(void *arg)
{
	struct chain *c = arg;
	long n = c->left < LARSON_TURN ? c->left : LARSON_TURN;
	pthread_t next;

	if (c->has_before)
		pthread_join(c->before, NULL);
	for (long i = 0; i < n; i++) {
		uint32_t r = rnd(&c->seed);
		void **slot = &c->object[r % LARSON_LIVE];

		free(*slot);
		*slot = make(8 + (r >> 16) % 993);
	}
	c->left -= n;
	c->before = pthread_self();
	c->has_before = 1;
	if (c->left == 0)
		sem_post(&c->end);
	else if (pthread_create(&next, NULL, larson_thread, c) != 0)
		micro_die("no thread");
	return NULL;
}

static void larson(struct micro *m)
{
	size_t bytes = (size_t)m->threads * sizeof(struct chain);
	struct chain *c = micro_table(bytes);
	pthread_t first;

	for (int i = 0; i < m->threads; i++) {
		c[i].seed = m->seed + (uint64_t)i;
		c[i].left = m->count / m->threads + 1;
		sem_init(&c[i].end, 0, 0);
		m->ops += c[i].left;
		if (pthread_create(&first, NULL, larson_thread, &c[i]) != 0)
			micro_die("no thread");
	}
	for (int i = 0; i < m->threads; i++) {
		while (sem_wait(&c[i].end) != 0)
			;
		pthread_join(c[i].before, NULL);
		for (int k = 0; k < LARSON_LIVE; k++)
			free(c[i].object[k]);
	}
	micro_drop(c, bytes);
}

/*
 * Each thread makes 16 objects, swaps them for 16 that lie at a random place of a table, and frees those: whose
 * they were is a matter of chance.  Sixteen at a time, so that the exchange itself costs little an object.
 */
enum { HAND = 16, PLACES = 1024 };

struct hand {
	void *object[HAND];
	char pad[64]; /* no line is shared by two */
};

struct swapper {
	struct hand *_Atomic *place;
	struct hand *own;
	uint64_t seed;
	long hands;
};

static void *swapper(void *arg)
{
	struct swapper *s = arg;
	struct hand *h = s->own;

	for (long i = 0; i < s->hands; i++) {
		for (int k = 0; k < HAND; k++)
			h->object[k] = make(16 + rnd(&s->seed) % 241);
		h = atomic_exchange_explicit(&s->place[rnd(&s->seed) % PLACES], h, memory_order_acq_rel);
		for (int k = 0; k < HAND; k++)
			free(h->object[k]);
	}
	return NULL;
}

static void cross_thread(struct micro *m)
{
	size_t n = (size_t)m->threads, hands = PLACES + n;
	struct hand *_Atomic *place = micro_table(PLACES * sizeof(*place));
	struct hand *h = micro_table(hands * sizeof(*h));
	struct swapper *s = micro_table(n * sizeof(*s));

	for (int i = 0; i < PLACES; i++)
		place[i] = &h[i];
	for (size_t i = 0; i < n; i++)
		s[i] = (struct swapper){ place, &h[PLACES + i], m->seed + i, m->count / m->threads / HAND + 1 };
	micro_threads_run(m->threads, swapper, s, sizeof(*s));
	for (int i = 0; i < PLACES; i++)
		for (int k = 0; k < HAND; k++)
			free(place[i]->object[k]);
	m->ops = m->threads * s[0].hands * HAND;
	micro_drop(s, n * sizeof(*s));
	micro_drop(h, hands * sizeof(*h));
	micro_drop(place, PLACES * sizeof(*place));
}

/* A request of a server that has a thread for each: eight objects, one of which outlives it. */
static void *short_thread(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;
	void *p[8];

	for (int k = 0; k < 8; k++)
		p[k] = make(16 + rnd(&seed) % 1009);
	for (int k = 1; k < 8; k++)
		free(p[k]);
	return p[0];
}

/* As many alive at once as `threads` says. */
static void thread_churn(struct micro *m)
{
	size_t bytes = (size_t)m->threads * sizeof(pthread_t);
	pthread_t *t = micro_table(bytes);

	for (long i = 0; i < m->count + m->threads; i++) {
		pthread_t *slot = &t[i % m->threads];
		void *rest;

		if (i >= m->threads) {
			pthread_join(*slot, &rest);
			free(rest);
		}
		if (i < m->count && pthread_create(slot, NULL, short_thread, (void *)(uintptr_t)i) != 0)
			micro_die("no thread");
	}
	micro_drop(t, bytes);
}

const struct micro_mode micro_threads[] = {
	{ "prodcons", prodcons, 20000000, 2, 0, 0,
	  "an object of 64..127 bytes made by one thread, freed by the other" },
	{ "prodcons-many", prodcons, 20000000, 4, 0, 0, "as prodcons, two producers and two consumers" },
	{ "larson", larson, 50000000, 4, 0, 0,
	  "a random one of a thread's 1,000 objects replaced by one of 8..1000 bytes; a new thread each 50,000" },
	{ "cross-thread", cross_thread, 40000000, 4, 0, 0, "malloc of 16..256 bytes, free by a random thread" },
	{ "thread-churn", thread_churn, 30000, 2, 0, 0, "a thread that makes 8 objects, frees 7 and ends" },
	{ 0 },
};
