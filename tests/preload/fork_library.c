/* SPDX-License-Identifier: MIT */
/*
 * A library that the program links registers atfork handlers in its constructor, which runs before that of a
 * plain preload: its prepare then runs after ours, with our locks held, and allocates.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

unsigned atfork_library_calls(void);

static atomic_int stop;

static void *churn(void *arg)
{
	while (!stop)
		exercise(200, (uintptr_t)arg);
	return NULL;
}

static void forks(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(30);
			exercise(500, (uint64_t)i);
			exit(0);
		}
		reap(pid, 0);
	}
}

int main(void)
{
	pthread_t t[2];

	forks(10);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	forks(30);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("handlers of the library ran %u times\n", atfork_library_calls());
	return 0;
}
