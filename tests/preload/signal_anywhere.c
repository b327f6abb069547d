/* SPDX-License-Identifier: MIT */
/*
 * A handler that allocates whatever it interrupts: malloc, free, the start and the end of a thread.  POSIX forbids it
 * and glibc deadlocks, so only the run with the library is armed; it must end, and the blocks must be whole.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

static atomic_uint hits;

static void on_alarm(int number)
{
	int keep = errno;
	unsigned n = hits++;
	char *p[8];

	(void)number;
	for (size_t i = 0; i < 8; i++) {
		p[i] = malloc((n * 37 + i * 211) % 5000);
		CHECK_RAW(p[i]);
		fill(p[i], (n * 37 + i * 211) % 5000, n);
	}
	for (size_t i = 0; i < 8; i++) {
		CHECK_RAW(intact(p[i], (n * 37 + i * 211) % 5000, n));
		free(p[i]);
	}
	errno = keep;
}

static void *work(void *arg)
{
	exercise(300, (uintptr_t)arg);
	return malloc(100);
}

int main(void)
{
	struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval tick = { { 0, 700 }, { 0, 700 } };
	struct timespec start, now;
	uint64_t seed = 1;

	if (getenv("LD_PRELOAD")) {
		alarm(0);
		CHECK(sigaction(SIGPROF, &act, NULL) == 0 && sigaction(SIGALRM, &act, NULL) == 0);
		CHECK(setitimer(ITIMER_REAL, &tick, NULL) == 0);
		CHECK(setitimer(ITIMER_PROF, &tick, NULL) == 0);
		clock_gettime(CLOCK_MONOTONIC, &start);
		do {
			pthread_t t[3];
			void *block;

			for (uintptr_t i = 0; i < 3; i++)
				CHECK(pthread_create(&t[i], NULL, work, (void *)i) == 0);
			exercise(1000, ++seed);
			for (int i = 0; i < 3; i++) {
				pthread_join(t[i], &block);
				free(block);
			}
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (now.tv_sec - start.tv_sec < 4);
		memset(&tick, 0, sizeof(tick));
		setitimer(ITIMER_REAL, &tick, NULL);
		setitimer(ITIMER_PROF, &tick, NULL);
		CHECK(hits > 50);
	}
	printf("handlers allocated\n");
	return 0;
}
