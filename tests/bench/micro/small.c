/* SPDX-License-Identifier: MIT */
/* small.c - small objects in one thread: the fast path, and what happens when a thread's cache runs over or dry. */
#include "micro.h"

static void pair(struct micro *m)
{
	for (long i = 0; i < m->count; i++)
		free(make(64));
}

/* Sizes from a table, so that the loop has no more work of its own than `pair`. */
static void pair_mixed(struct micro *m)
{
	enum { N = 1024 };
	uint16_t size[N];

	for (int k = 0; k < N; k++)
		size[k] = (uint16_t)(16 + rnd(&m->seed) % 1009);
	for (long i = 0; i < m->count; i++)
		free(make(size[i % N]));
}

static void free_all(void **p, long n)
{
	for (long i = 0; i < n; i++)
		free(p[i]);
	micro_drop(p, (size_t)n * sizeof(*p));
}

static void replace(struct micro *m)
{
	enum { N = 10000 };
	void **p = micro_table(N * sizeof(*p));

	for (long i = 0; i < m->count; i++) {
		uint32_t r = rnd(&m->seed);
		void **slot = &p[r % N];

		free(*slot);
		*slot = make(8 + (r >> 16) % 1017);
	}
	free_all(p, N);
}

/* 50,000 objects are 215 MiB: more than any cache, little enough for every machine.  Only first words are touched. */
static void replace_wide(struct micro *m)
{
	enum { N = 50000 };
	void **p = micro_table(N * sizeof(*p));

	for (long i = 0; i < m->count; i++) {
		void **slot = &p[rnd(&m->seed) % N];

		free(*slot);
		*slot = make(rnd_log(&m->seed, 11));
	}
	free_all(p, N);
}

enum { BATCH = 1000 };

static void batch(struct micro *m)
{
	void *p[BATCH];

	for (long i = 0; i < m->count; i += BATCH) {
		for (int k = 0; k < BATCH; k++)
			p[k] = make(64);
		for (int k = 0; k < BATCH; k++)
			free(p[k]);
	}
}

static void batch_reverse(struct micro *m)
{
	void *p[BATCH];

	for (long i = 0; i < m->count; i += BATCH) {
		for (int k = 0; k < BATCH; k++)
			p[k] = make(64);
		for (int k = BATCH; k-- > 0;)
			free(p[k]);
	}
}

static void overflow(struct micro *m)
{
	enum { N = 100000 };
	void **p = micro_table(N * sizeof(*p));

	for (long i = 0; i < m->count; i += N) {
		for (int k = 0; k < N; k++)
			p[k] = make(16 + rnd(&m->seed) % 501);
		for (int k = 0; k < N; k++)
			free(p[k]);
	}
	micro_drop(p, N * sizeof(*p));
}

/* The order is shuffled while the objects live: between malloc and free their pointers are moved about. */
static void random_free(struct micro *m)
{
	enum { N = 1000000 };
	void **p = micro_table(N * sizeof(*p));

	for (long i = 0; i < m->count; i += N) {
		for (int k = 0; k < N; k++) {
			int other = (int)(rnd(&m->seed) % (uint32_t)(k + 1));

			p[k] = p[other];
			p[other] = make(64);
		}
		for (int k = 0; k < N; k++)
			free(p[k]);
	}
	micro_drop(p, N * sizeof(*p));
}

const struct micro_mode micro_small[] = {
	{ "pair", pair, 100000000, 1, 1, 0, "malloc and free of 64 bytes" },
	{ "pair-mixed", pair_mixed, 100000000, 1, 1, 0, "malloc and free of 16..1024 bytes" },
	{ "replace", replace, 40000000, 1, 1, 0, "a random one of 10,000 objects replaced by one of 8..1024 bytes" },
	{ "replace-wide", replace_wide, 8000000, 1, 1, 0,
	  "a random one of 50,000 objects replaced by one of 16 B..32 KiB, log-uniform" },
	{ "batch", batch, 100000000, 1, 1, 0, "malloc and free of 64 bytes; 1,000 made, then freed in order" },
	{ "batch-reverse", batch_reverse, 100000000, 1, 1, 0, "as batch, freed in reverse" },
	{ "overflow", overflow, 15000000, 1, 1, 0, "malloc and free of 16..516 bytes; 100,000 made, then freed" },
	{ "random-free", random_free, 6000000, 1, 1, 0,
	  "malloc and free of 64 bytes; 1,000,000 made, then freed in random order" },
	{ 0 },
};
