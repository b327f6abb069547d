/* SPDX-License-Identifier: MIT */
/* Several threads fork at once; glibc interleaves their atfork handlers. */
#include <pthread.h>

#include "check.h"

static void *forker(void *arg)
{
	for (int i = 0; i < 25; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(30);
			exercise(300, (uintptr_t)arg + (unsigned)i);
			exit(3);
		}
		exercise(200, (uintptr_t)arg * 31 + (unsigned)i);
		reap(pid, 3);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		CHECK(pthread_create(&t[i], NULL, forker, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("100 concurrent forks\n");
	return 0;
}
