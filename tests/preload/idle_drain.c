/* SPDX-License-Identifier: MIT */
/*
 * The helper drains the caches of threads that sleep (shim/idle.c), with decay_ms so short that it does so all the time:
 * threads that sleep now and then, in several ways, find their heap whole; so do threads whose malloc was interrupted by a
 * handler that sleeps.  And what threads that sleep for good have freed comes back.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

enum { N_BUSY = 6, N_HIT = 2, N_IDLE = 100, N_OPEN = 300, LEFT_MIB = 16 };
static atomic_int stop;
static unsigned char *shared[64];
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static unsigned draw(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static unsigned char *make(unsigned *seed)
{
	/* many of one class, so that a span which is taken from its owner finds another soon */
	size_t bytes = draw(seed) % 2 ? 48 : 4 + draw(seed) % 1500;
	unsigned char *p = malloc(bytes);

	CHECK(p);
	memset(p, (int)(bytes & 0xff), bytes);
	p[0] = (unsigned char)bytes;
	p[1] = (unsigned char)(bytes >> 8);
	return p;
}

static void drop(unsigned char *p)
{
	size_t bytes;

	if (!p)
		return;
	bytes = p[0] | (size_t)p[1] << 8;
	for (size_t i = 2; i < bytes; i++)
		CHECK(p[i] == (bytes & 0xff));
	free(p);
}

static void nap(unsigned *seed)
{
	struct timespec t = {0, (long)(draw(seed) % 60) * 1000000};

	switch (draw(seed) % 3) {
	case 0:
		nanosleep(&t, NULL);
		break;
	case 1:
		poll(NULL, 0, (int)(draw(seed) % 60));
		break;
	default:
		pthread_mutex_lock(&gate);
		if (draw(seed) % 2)
			nanosleep(&t, NULL);
		pthread_mutex_unlock(&gate);
	}
}

static void *busy(void *arg)
{
	unsigned char *mine[N_OPEN] = {0};
	unsigned seed = (unsigned)(size_t)arg;

	while (!stop) {
		for (unsigned i = draw(&seed) % 4000; i > 0; i--) {
			unsigned k = draw(&seed) % N_OPEN;

			drop(mine[k]);
			mine[k] = draw(&seed) % 3 ? make(&seed) : NULL;
			if (draw(&seed) % 16 == 0) {
				k = draw(&seed) % 64;
				drop(__atomic_exchange_n(&shared[k], make(&seed), __ATOMIC_ACQ_REL));
			}
		}
		nap(&seed);
	}
	for (unsigned k = 0; k < N_OPEN; k++)
		drop(mine[k]);
	return NULL;
}

/* Longer than the helper needs to look twice. */
static void doze(int sig)
{
	struct timespec t = {0, 150000000};
	int saved = errno;

	(void)sig;
	nanosleep(&t, NULL);
	errno = saved;
}

/* Is nearly always inside malloc and free; one of the two runs its handlers on another stack. */
static void *hit(void *arg)
{
	static char other[2][65536];
	size_t me = (size_t)arg;
	stack_t stack = {.ss_sp = other[me], .ss_size = sizeof(other[me])};
	void *kept[40] = {0};

	if (me == 1)
		CHECK(sigaltstack(&stack, NULL) == 0);
	while (!stop) {
		for (unsigned i = 0; i < 40; i++) {
			size_t *p = malloc(48);

			CHECK(p);
			p[0] = (size_t)p;
			p[5] = i;
			if (kept[i]) {
				CHECK(((size_t *)kept[i])[0] == (size_t)kept[i] && ((size_t *)kept[i])[5] == i);
				free(kept[i]);
			}
			kept[i] = p;
		}
	}
	for (unsigned i = 0; i < 40; i++)
		free(kept[i]);
	return NULL;
}

static sem_t ready, done;

static void *idle(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg;
	unsigned char *p[1000];

	for (unsigned i = 0; i < 1000; i++)
		p[i] = make(&seed);
	for (unsigned i = 0; i < 1000; i++)
		if (i % 100)
			drop(p[i]);
	sem_post(&ready);
	while (sem_wait(&done) != 0)
		;
	for (unsigned i = 0; i < 1000; i += 100)
		drop(p[i]);
	return NULL;
}

static long rss_mib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%*d %ld", &pages) == 1);
	fclose(f);
	return pages / 256;
}

static void comes_back(void)
{
	pthread_t t[N_IDLE];
	long before = rss_mib(), now = 0;

	sem_init(&ready, 0, 0);
	sem_init(&done, 0, 0);
	for (size_t i = 0; i < N_IDLE; i++)
		CHECK(pthread_create(&t[i], NULL, idle, (void *)(i + 1)) == 0);
	for (size_t i = 0; i < N_IDLE; i++)
		while (sem_wait(&ready) != 0)
			;
	/* 40 MiB were allocated; glibc keeps them, and that is its business */
	for (unsigned i = 0; i < 100 && getenv("LD_PRELOAD"); i++) {
		now = rss_mib();
		if (now - before < LEFT_MIB)
			break;
		poll(NULL, 0, 100);
	}
	if (now - before >= LEFT_MIB)
		fprintf(stderr, "%ld MiB before, %ld MiB with idle threads\n", before, now);
	CHECK(now - before < LEFT_MIB);
	for (size_t i = 0; i < N_IDLE; i++)
		sem_post(&done);
	for (size_t i = 0; i < N_IDLE; i++)
		pthread_join(t[i], NULL);
}

int main(void)
{
	struct sigaction action = {.sa_handler = doze};
	pthread_t t[N_BUSY + N_HIT];

	comes_back();
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
	for (size_t i = 0; i < N_BUSY; i++)
		CHECK(pthread_create(&t[i], NULL, busy, (void *)(i + 1)) == 0);
	for (size_t i = 0; i < N_HIT; i++)
		CHECK(pthread_create(&t[N_BUSY + i], NULL, hit, (void *)i) == 0);
	for (unsigned i = 0; i < 40; i++) {
		poll(NULL, 0, 152 + (int)(i % 7));
		pthread_kill(t[N_BUSY], SIGUSR1);
		pthread_kill(t[N_BUSY + 1], SIGUSR2);
	}
	stop = 1;
	for (size_t i = 0; i < N_BUSY + N_HIT; i++)
		pthread_join(t[i], NULL);
	for (unsigned k = 0; k < 64; k++)
		drop(shared[k]);
	printf("ok\n");
	return 0;
}
