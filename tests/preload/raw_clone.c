/* SPDX-License-Identifier: MIT */
/*
 * A child made by a raw clone without CLONE_VM: no handler runs, private memory is copied, shared memory
 * is not.  It allocates heavily while the parent goes on; the parent's heap must not notice.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "check.h"

enum { N = 4000 };

static void population(void **p, size_t *n, uint64_t seed)
{
	for (int i = 0; i < N; i++) {
		n[i] = rnd(&seed) % 1500;
		p[i] = malloc(n[i]);
		CHECK_RAW(p[i]);
		fill(p[i], n[i], (unsigned)i);
	}
}

static void drop(void **p, size_t *n)
{
	for (int i = 0; i < N; i++) {
		CHECK_RAW(intact(p[i], n[i], (unsigned)i));
		free(p[i]);
		p[i] = NULL;
	}
}

static pid_t raw(void)
{
	return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
}

int main(void)
{
	static void *before[N], *after[N];
	static size_t n_before[N], n_after[N];

	for (int round = 0; round < 8; round++) {
		pid_t pid;

		population(before, n_before, (uint64_t)round);
		pid = raw();
		if (pid == 0) {
			/* frees what the parent still holds, and the other way round */
			drop(before, n_before);
			for (unsigned k = 0; k < 6; k++) {
				exercise(3000, k);
				population(before, n_before, k + 50);
				drop(before, n_before);
			}
			_exit(6);
		}
		for (unsigned k = 0; k < 6; k++) {
			population(after, n_after, k + 10);
			exercise(2000, k + 20);
			drop(after, n_after);
		}
		reap(pid, 6);
		drop(before, n_before);
		population(before, n_before, 99);
		drop(before, n_before);
	}
	exercise(20000, 8);
	printf("the parent's heap is whole\n");
	return 0;
}
