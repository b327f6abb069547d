/* SPDX-License-Identifier: MIT */
/*
 * Timer signals whose handler allocates, and forks now and then.  The handler runs only when the
 * interrupted code is not inside an allocator call of its own, as POSIX demands; the library's sampler
 * and its lock-keeping see the signal anywhere else.  Bounded by count and by alarm.  glibc itself dies of it now
 * and then (a thread's start and end allocate too), so only the run with the library is armed.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static atomic_int hits, allocated;
static __thread volatile sig_atomic_t inside;

static void on_alarm(int number)
{
	int keep = errno;

	(void)number;
	hits++;
	if (!inside) {
		void *p = malloc((size_t)(hits % 3000));

		CHECK_RAW(p);
		memset(p, 1, (size_t)(hits % 3000));
		free(p);
		allocated++;
	}
	errno = keep;
}

static void *work(void *arg)
{
	uint64_t seed = (uintptr_t)arg;
	struct timespec start, now;
	volatile unsigned spin = 0;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		inside = 1;
		exercise(200, ++seed);
		inside = 0;
		for (int i = 0; i < 300000; i++)
			spin += (unsigned)i;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 3);
	/* The end of a thread frees what libc holds for it: that is inside, too. */
	inside = 1;
	return NULL;
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval tick = { { 0, 500 }, { 0, 500 } };
	pthread_t t[2];

	CHECK(sigaction(SIGALRM, &act, NULL) == 0);
	for (uintptr_t i = 0; i < 2; i++)
		CHECK(pthread_create(&t[i], NULL, work, (void *)i) == 0);
	if (getenv("LD_PRELOAD"))
		CHECK(setitimer(ITIMER_REAL, &tick, NULL) == 0);
	work((void *)9);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	memset(&tick, 0, sizeof(tick));
	setitimer(ITIMER_REAL, &tick, NULL);
	/* How many arrive is the scheduler's business; none would mean that nothing was tested. */
	CHECK(allocated > 0 || !getenv("LD_PRELOAD"));
	printf("storm survived\n");
	return 0;
}
