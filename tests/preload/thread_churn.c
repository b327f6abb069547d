/* SPDX-License-Identifier: MIT */
/* 2,000 short threads; blocks outlive the thread that made them; memory does not pile up. */
#include <pthread.h>

#include "check.h"

enum { THREADS = 2000, AT_ONCE = 8 };

static void *work(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	char *p;

	exercise(60, i);
	p = malloc(200);
	CHECK(p);
	fill(p, 200, (unsigned)i);
	return p;
}

static long rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
	fclose(f);
	return pages * 4;
}

int main(void)
{
	static void *kept[THREADS];
	long early = 0;

	for (uintptr_t i = 0; i < THREADS; i += AT_ONCE) {
		pthread_t t[AT_ONCE];

		for (uintptr_t k = 0; k < AT_ONCE; k++)
			CHECK(pthread_create(&t[k], NULL, work, (void *)(i + k)) == 0);
		for (uintptr_t k = 0; k < AT_ONCE; k++)
			pthread_join(t[k], &kept[i + k]);
		if (i == 400)
			early = rss_kib();
	}
	/* 1,600 more threads with one small block each are no reason to grow by many MiB. */
	long grown = rss_kib() - early;
	if (grown > 24 << 10)
		fprintf(stderr, "grew by %ld KiB\n", grown);
	CHECK(grown <= 24 << 10);
	for (int i = 0; i < THREADS; i++) {
		CHECK(intact(kept[i], 200, (unsigned)i));
		free(kept[i]);
	}
	printf("%d threads\n", THREADS);
	return 0;
}
