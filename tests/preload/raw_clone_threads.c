/* SPDX-License-Identifier: MIT */
/*
 * A raw clone (no CLONE_VM, no handlers) while other threads are inside the allocator: the child finds their locks held and
 * their changes half made, and must still be able to allocate.  glibc's malloc cannot, so the run without the library
 * leaves the clones out.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "check.h"

enum { THREADS = 4, CHILDREN = 200 };
static atomic_int stop;

static void *churn(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!stop)
		exercise(500, ++seed);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)(i + 1)) == 0);
	for (int i = 0; i < CHILDREN && getenv("LD_PRELOAD"); i++) {
		pid_t pid = (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

		if (pid == 0) {
			alarm(20);
			exercise(1500, (uint64_t)i);
			_exit(0);
		}
		exercise(200, (uint64_t)i);
		reap(pid, 0);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	printf("%d raw clones beside %d threads\n", CHILDREN, THREADS);
	return 0;
}
