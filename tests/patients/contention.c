/* SPDX-License-Identifier: MIT */
/*
 * Lock contention: threads that do nothing but malloc and free of one class.  Ill when it runs with
 * HEAPSPY_CONF=arenas:1,tcache:off, well with the defaults.  Arguments: threads, seconds.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "patient.h"

#define THREADS_MAX 64
#define HELD 16

static atomic_int run = 1;
static atomic_size_t operations, done;

static NOINLINE void churn(void **held)
{
	for (int i = 0; i < HELD; i++)
		held[i] = malloc(64);
	for (int i = 0; i < HELD; i++)
		free(held[i]);
	STAY();
}

static void *worker(void *unused)
{
	void *held[HELD];
	size_t n = 0;

	(void)unused;
	while (atomic_load(&run)) {
		churn(held);
		n += 2 * HELD;
	}
	atomic_fetch_add(&operations, n);
	atomic_fetch_add(&done, 1);
	for (;;) /* alive, as a pool is */
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	size_t threads = argument(argc, argv, 1, 8), seconds = argument(argc, argv, 2, 3);
	pthread_t thread;

	alarm(PATIENCE_S);
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, worker, NULL) != 0)
			return 1;
	sleep((unsigned)seconds);
	atomic_store(&run, 0);
	while (atomic_load(&done) < threads)
		usleep(1000);
	say("threads=%zu operations=%zu site=churn\nready\n", threads, (size_t)atomic_load(&operations));
	wait_for_line();
	return 0;
}
