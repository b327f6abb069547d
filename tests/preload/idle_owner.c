/* SPDX-License-Identifier: MIT */
/*
 * One thread fills the heap and goes to sleep; others free nearly all of it.  The memory must come back even though
 * the owner never looks again (promise P4).
 */
#include <malloc.h>
#include <pthread.h>

#include "check.h"

enum { N = 1000000, SIZE = 100 };
static void **blocks;
static pthread_barrier_t gate;

static long rss_mib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
	fclose(f);
	return pages / 256;
}

static void *owner(void *arg)
{
	for (size_t i = 0; i < N; i++) {
		blocks[i] = malloc(SIZE);
		CHECK(blocks[i]);
		memset(blocks[i], 1, SIZE);
	}
	/* Some of its own, so that it has partly used spans at hand. */
	for (size_t i = 0; i < N; i += 150) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate);
	return arg;
}

int main(void)
{
	pthread_t t;
	long full, rest;

	blocks = calloc(N, sizeof(*blocks));
	CHECK(blocks);
	pthread_barrier_init(&gate, NULL, 2);
	CHECK(pthread_create(&t, NULL, owner, NULL) == 0);
	pthread_barrier_wait(&gate);
	full = rss_mib();
	CHECK(full > 90);
	for (size_t i = 0; i < N; i++)
		free(blocks[i]);
	malloc_trim(0);
	rest = rss_mib();
	if (rest > 24 && getenv("LD_PRELOAD"))
		fprintf(stderr, "%ld MiB of %ld MiB did not come back\n", rest, full);
	/* glibc keeps 50 MiB here; that is its business. */
	CHECK(rest <= 24 || !getenv("LD_PRELOAD"));
	pthread_barrier_wait(&gate);
	pthread_join(t, NULL);
	free(blocks);
	printf("memory of a sleeping owner came back\n");
	return 0;
}
