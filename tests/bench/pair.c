/* SPDX-License-Identifier: MIT */
/*
 * pair.c - the benchmarks of malloc itself: pair.c MODE COUNT [THREADS]
 *
 * Prints `ns-per-operation cpu-seconds peak-rss-KiB`.  CPU time, not wall time: the machine may be busy.  An
 * operation is what the mode's comment says.  run.py calls it under each allocator in turn.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

static uint32_t rnd(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(*state >> 33);
}

/* One malloc and one free of 64 bytes. */
static void pair(long count, uint64_t seed)
{
	(void)seed;
	for (long i = 0; i < count; i++)
		free(hide(malloc(64)));
}

/* Replaces a random one of 10,000 blocks by one of 8..1024 bytes: one free and one malloc. */
static void replace(long count, uint64_t seed)
{
	enum { N = 10000 };
	void **p = calloc(N, sizeof(*p));

	for (long i = 0; i < count; i++) {
		uint32_t r = rnd(&seed);
		void **slot = &p[r % N];

		free(*slot);
		*slot = hide(malloc(8 + (r >> 16) % 1017));
	}
	for (long i = 0; i < N; i++)
		free(p[i]);
	free(p);
}

/* 1,000 blocks of 64 bytes, then all freed in the same order; per pair. */
static void batch(long count, uint64_t seed)
{
	enum { N = 1000 };
	static __thread void *p[N];

	(void)seed;
	for (long i = 0; i < count; i += N) {
		for (int k = 0; k < N; k++)
			p[k] = hide(malloc(64));
		for (int k = 0; k < N; k++)
			free(p[k]);
	}
}

/* As batch, with mixed sizes and 100,000 blocks at once: caches overflow. */
static void overflow(long count, uint64_t seed)
{
	enum { N = 100000 };
	void **p = calloc(N, sizeof(*p));

	for (long i = 0; i < count; i += N) {
		for (int k = 0; k < N; k++)
			p[k] = hide(malloc(16 + rnd(&seed) % 500));
		for (int k = 0; k < N; k++)
			free(p[k]);
	}
	free(p);
}

/* A vector that doubles from 16 bytes to 64 KiB; per step. */
static void doubling(long count, uint64_t seed)
{
	(void)seed;
	for (long i = 0; i < count; i += 13) {
		char *p = NULL;

		for (int k = 0; k < 13; k++) {
			p = hide(realloc(p, (size_t)16 << k));
			p[((size_t)16 << k) - 1] = 1;
		}
		free(p);
	}
}

/* Blocks of 256 KiB to 4 MiB, 16 live, every page touched; per block. */
static void large(long count, uint64_t seed)
{
	enum { N = 16 };
	char *p[N] = { 0 };

	for (long i = 0; i < count; i++) {
		uint32_t r = rnd(&seed);
		size_t n = ((size_t)256 << 10) + (size_t)r % ((size_t)3840 << 10);

		free(p[r >> 8 & (N - 1)]);
		p[r >> 8 & (N - 1)] = hide(malloc(n));
		for (size_t k = 0; k < n; k += 4096)
			p[r >> 8 & (N - 1)][k] = 1;
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
}

/* One thread allocates, another frees, through a ring of 1,024 chunks of 64 pointers; per object. */
enum { CHUNK = 64, RING = 1024 };
static void *ring[RING][CHUNK];
static atomic_ulong made, taken;

static void *consumer(void *arg)
{
	unsigned long chunks = *(unsigned long *)arg;

	for (unsigned long i = 0; i < chunks; i++) {
		while (atomic_load_explicit(&made, memory_order_acquire) <= i)
			sched_yield();
		for (int k = 0; k < CHUNK; k++)
			free(ring[i % RING][k]);
		atomic_store_explicit(&taken, i + 1, memory_order_release);
	}
	return NULL;
}

static void prodcons(long count, uint64_t seed)
{
	unsigned long chunks = (unsigned long)count / CHUNK;
	pthread_t t;

	(void)seed;
	pthread_create(&t, NULL, consumer, &chunks);
	for (unsigned long i = 0; i < chunks; i++) {
		while (i >= atomic_load_explicit(&taken, memory_order_acquire) + RING)
			sched_yield();
		for (int k = 0; k < CHUNK; k++)
			ring[i % RING][k] = hide(malloc(64 + (size_t)k));
		atomic_store_explicit(&made, i + 1, memory_order_release);
	}
	pthread_join(t, NULL);
}

static const struct {
	const char *name;
	void (*run)(long count, uint64_t seed);
} modes[] = {
	{ "pair", pair },	  { "replace", replace }, { "batch", batch },	    { "overflow", overflow },
	{ "doubling", doubling }, { "large", large },	  { "prodcons", prodcons },
};

struct job {
	void (*run)(long count, uint64_t seed);
	long count;
	uint64_t seed;
};

static void *job_run(void *arg)
{
	struct job *j = arg;

	j->run(j->count, j->seed);
	return NULL;
}

/* Not getrusage: ru_maxrss begins with the peak of whoever forked us. */
static long peak_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmHWM: %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[2]) : 1000000;
	int threads = argc > 3 ? atoi(argv[3]) : 1;
	struct job job[64];
	pthread_t t[64];
	double start;

	for (size_t i = 0; argc > 1 && threads <= 64 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) != 0)
			continue;
		start = cpu();
		for (int k = 1; k < threads; k++) {
			job[k] = (struct job){ modes[i].run, count, (uint64_t)k };
			pthread_create(&t[k], NULL, job_run, &job[k]);
		}
		modes[i].run(count, 99);
		for (int k = 1; k < threads; k++)
			pthread_join(t[k], NULL);
		start = cpu() - start;
		printf("%.2f %.3f %ld\n", start * 1e9 / (double)count / threads, start, peak_kib());
		return 0;
	}
	fprintf(stderr, "usage: pair pair|replace|batch|overflow|doubling|large|prodcons COUNT [THREADS]\n");
	return 2;
}
