/* SPDX-License-Identifier: MIT */
/* The program's own atfork handlers allocate and free, registered before main and after. */
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

static atomic_int stop, calls;
static void *held[4];

static void any_handler(void)
{
	calls++;
	exercise(50, (uint64_t)calls);
	for (int i = 0; i < 4; i++) {
		free(held[i]);
		held[i] = malloc((size_t)(calls % 500) + 1);
		CHECK(held[i]);
	}
}

__attribute__((constructor(101))) static void early(void)
{
	pthread_atfork(any_handler, any_handler, any_handler);
}

static void *churn(void *arg)
{
	while (!stop)
		exercise(200, (uintptr_t)arg);
	return NULL;
}

int main(void)
{
	pthread_t t[2];

	pthread_atfork(any_handler, any_handler, any_handler);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(30);
			exercise(500, (uint64_t)i);
			exit(0);
		}
		reap(pid, 0);
	}
	stop = 1;
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("handlers ran %d times in the parent\n", calls);
	return 0;
}
