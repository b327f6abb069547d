/* SPDX-License-Identifier: MIT */
/* fork while other threads allocate: no child may hang, and both heaps stay whole. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

enum { THREADS = 4, FORKS = 60 };
static atomic_int stop;

static void *churn(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!stop)
		exercise(500, ++seed);
	return NULL;
}

static void *short_thread(void *arg)
{
	exercise(500, (uintptr_t)arg);
	return malloc(100);
}

static void child(int i)
{
	pthread_t t[3];
	void *r;

	/* Nothing but this thread exists; hang here means that somebody else's lock was inherited. */
	alarm(30);
	exercise(3000, (uint64_t)i);
	for (uintptr_t k = 0; k < 3; k++)
		CHECK(pthread_create(&t[k], NULL, short_thread, (void *)(k + 1)) == 0);
	for (int k = 0; k < 3; k++) {
		pthread_join(t[k], &r);
		free(r);
	}
	if (i % 10 == 0) {
		pid_t grandchild = fork();

		if (grandchild == 0) {
			exercise(1000, 3);
			exit(0);
		}
		reap(grandchild, 0);
	}
	exit(0);
}

int main(void)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)(i + 1)) == 0);
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			child(i);
		exercise(300, (uint64_t)i);
		reap(pid, 0);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%d forks beside %d threads\n", FORKS, THREADS);
	return 0;
}
