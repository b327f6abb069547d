/* SPDX-License-Identifier: MIT */
/*
 * pthread_getattr_np allocates while it holds the thread's own lock; a sampler that asks it for the bounds of the
 * stack at that moment waits for ever.  Garbage collectors and language runtimes call it when a thread starts.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "check.h"

static void *work(void *arg)
{
	pthread_attr_t attr;
	cpu_set_t set;
	void *low;
	size_t size;

	CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
	CHECK(pthread_attr_getstack(&attr, &low, &size) == 0);
	CHECK((char *)&attr >= (char *)low && (char *)&attr < (char *)low + size);
	pthread_attr_destroy(&attr);
	CHECK(pthread_getaffinity_np(pthread_self(), sizeof(set), &set) == 0);
	exercise(20, (uintptr_t)arg);
	return NULL;
}

int main(void)
{
	pthread_t t[4];

	work(NULL);
	for (uintptr_t i = 0; i < 400; i += 4) {
		for (uintptr_t k = 0; k < 4; k++)
			CHECK(pthread_create(&t[k], NULL, work, (void *)(i + k)) == 0);
		for (int k = 0; k < 4; k++)
			pthread_join(t[k], NULL);
	}
	printf("bounds of 400 stacks\n");
	return 0;
}
