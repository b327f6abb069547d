/* SPDX-License-Identifier: MIT */
/* memory.c - what stays resident when the load has changed or gone: idle threads, spikes, fragmentation. */
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>

#include "micro.h"

/* Their objects are chained through their own first words: no table adds to a thread's memory. */
struct link {
	struct link *next;
};

struct idlers {
	pthread_barrier_t all_made; /* so that the peak is the sum, whatever order they run in */
	pthread_mutex_t lock;
	pthread_cond_t all_idle;
	pthread_cond_t go;
	int n_busy;
	int may_end;
};

struct idler {
	struct idlers *all;
	uint64_t seed;
};

static void *idler(void *arg)
{
	struct idler *self = arg;
	struct idlers *all = self->all;
	struct link *list = NULL;

	for (size_t bytes = 0; bytes < (size_t)256 << 10;) {
		size_t n = 16 + rnd(&self->seed) % 1009;
		struct link *l = make(n);

		l->next = list;
		list = l;
		bytes += n;
	}
	pthread_barrier_wait(&all->all_made);
	while (list) {
		struct link *next = list->next;

		free(list);
		list = next;
	}
	pthread_mutex_lock(&all->lock);
	if (--all->n_busy == 0)
		pthread_cond_signal(&all->all_idle);
	while (!all->may_end)
		pthread_cond_wait(&all->go, &all->lock);
	pthread_mutex_unlock(&all->lock);
	return NULL;
}

/* `count` is the number of threads.  Small stacks: it is not their memory that is in question. */
static void idle_threads(struct micro *m)
{
	int n = m->count < 8192 ? (int)m->count : 8192;
	struct idlers all = { .lock = PTHREAD_MUTEX_INITIALIZER,
			      .all_idle = PTHREAD_COND_INITIALIZER,
			      .go = PTHREAD_COND_INITIALIZER,
			      .n_busy = n };
	struct idler *self = micro_table((size_t)n * sizeof(*self));
	pthread_t *t = micro_table((size_t)n * sizeof(*t));
	pthread_attr_t small;

	pthread_barrier_init(&all.all_made, NULL, (unsigned)n);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN + ((size_t)64 << 10));
	for (int i = 0; i < n; i++) {
		self[i] = (struct idler){ &all, m->seed + (uint64_t)i };
		if (pthread_create(&t[i], &small, idler, &self[i]) != 0)
			micro_die("no thread");
	}
	pthread_mutex_lock(&all.lock);
	while (all.n_busy)
		pthread_cond_wait(&all.all_idle, &all.lock);
	pthread_mutex_unlock(&all.lock);
	micro_slow_activity(m->wait);
	m->end_rss = micro_status_kib("VmRSS:");
	pthread_mutex_lock(&all.lock);
	all.may_end = 1;
	pthread_cond_broadcast(&all.go);
	pthread_mutex_unlock(&all.lock);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	m->ops = n;
}

/*
 * Up to 200 MiB, then random ones are freed until 5 % are left, and again.  The RSS is that of the trough,
 * without the table.  Sizes in the objects themselves: whoever frees them has read them, as programs do.
 */
static void spiky(struct micro *m)
{
	enum { N = 1 << 20 };
	const size_t high = (size_t)200 << 20, low = high / 20;
	void **p = micro_table(N * sizeof(*p));
	size_t live = 0;
	uint32_t n = 0;

	for (long i = 0; i < m->count;) {
		for (; live < high && n < N && i < m->count; i++) {
			size_t size = rnd_log(&m->seed, 8);

			p[n++] = make(size);
			live += size;
		}
		while (live > low) {
			uint32_t k = rnd(&m->seed) % n;

			live -= *(uint64_t *)p[k];
			free(p[k]);
			p[k] = p[--n];
		}
	}
	micro_drop(p, N * sizeof(*p));
}

/*
 * `count` is the spike in MiB, freed in the order in which it was made except for each hundredth object, chosen
 * at random.  The survivors' pointers are dropped with the table: what is left is what the allocator keeps for
 * 1 % of the spike.
 */
static void spike_rss(struct micro *m)
{
	const size_t spike = (size_t)m->count << 20;
	const size_t table_bytes = spike / 500 * sizeof(void *); /* 520 bytes on average */
	void **p = micro_table(table_bytes);
	size_t n = 0;

	for (size_t live = 0; live < spike && n < table_bytes / sizeof(*p); n++) {
		size_t size = 16 + rnd(&m->seed) % 1009;

		p[n] = make(size);
		live += size;
	}
	for (size_t i = 0; i < n; i++)
		if (rnd(&m->seed) % 100)
			free(p[i]);
	micro_drop(p, table_bytes);
	micro_slow_activity(m->wait);
	m->ops = (long)n;
}

/*
 * 64 MiB stay live, to the last object, while what they consist of drifts: every two million operations another
 * range of sizes is allocated, and each new object takes the place of random older ones.  One in 16 objects is
 * of the kind that programs keep (by its size modulo 16): it is passed over fifteen times in sixteen when its
 * turn comes.  So each phase leaves a thinning crowd of survivors in the places that the next phase, with other
 * sizes, has to do without.  The RSS noted is without the table.
 */
static const struct {
	uint16_t low, span;
} mixes[] = {
	{ 64, 192 }, { 16, 1008 }, { 700, 800 }, { 48, 400 }, { 1024, 7168 }, { 128, 64 }, { 300, 300 }, { 2000, 2100 },
};

static void fragment(struct micro *m)
{
	enum { N = 1 << 20, PHASE = 2000000 };
	const size_t limit = (size_t)64 << 20;
	void **p = micro_table(N * sizeof(*p));
	size_t live = 0;
	uint32_t n = 0;

	for (long i = 0; i < m->count; i++) {
		size_t mix = (size_t)(i / PHASE) % (sizeof(mixes) / sizeof(mixes[0]));
		uint32_t r = rnd(&m->seed);
		size_t size = mixes[mix].low + (r >> 8) % mixes[mix].span;

		while (live + size > limit || n == N) {
			uint32_t k = rnd(&m->seed) % n;
			uint64_t old = *(uint64_t *)p[k];

			if (old % 16 == 3 && rnd(&m->seed) % 16)
				continue;
			live -= old;
			free(p[k]);
			p[k] = p[--n];
		}
		p[n++] = make(size);
		live += size;
	}
	micro_drop(p, N * sizeof(*p));
	if (m->wait > 0)
		micro_slow_activity(m->wait); /* tells fragments from free pages that have not decayed yet */
}

const struct micro_mode micro_memory[] = {
	{ "idle-threads", idle_threads, 1000, 1, 0, 3,
	  "a thread that makes 256 KiB of objects, frees them and sleeps" },
	{ "spiky", spiky, 4000000, 1, 0, 0,
	  "malloc and free of 16 B..4 KiB, log-uniform; 200 MiB live, then 10, and again" },
	{ "spike-rss", spike_rss, 1024, 1, 0, 15,
	  "malloc of 16..1024 bytes; COUNT MiB, 99 % freed again, then --wait seconds" },
	{ "fragment", fragment, 100000000, 1, 0, 0, "malloc and free; 64 MiB live while the sizes drift" },
	{ 0 },
};
