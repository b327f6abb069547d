/* SPDX-License-Identifier: MIT */
/*
 * population.c - allocates a known population and waits to be looked at (population.py).
 *
 * 8 threads and main; each phase ends with the truth on stdout, one line `USABLE COUNT` a size, then `done`,
 * and waits for a byte on stdin.  No stdio and no allocation besides the population itself: what the frame
 * before the first phase shows is all the rest.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, EACH = 12500, KINDS = 4096 };

struct block {
	void *p;
	size_t usable;
};

static struct block blocks[THREADS][EACH];
static pthread_barrier_t gate;
static int phase;

static size_t size_of(int thread, int i)
{
	uint32_t r = (uint32_t)(i * 2654435761u) ^ (uint32_t)(thread * 40503);

	r ^= r >> 15;
	if (i % 1000 == 7)
		return 40000 + r % 400000; /* above the size classes */
	if (i % 5000 == 9)
		return (size_t)6 << 20; /* a mapping of its own, perhaps */
	if (i % 10 == 3)
		return 1 + r % 16384;
	return 1 + r % 600; /* realloc to 0 would free */
}

static void take(int thread, int i)
{
	struct block *b = &blocks[thread][i];
	size_t n = size_of(thread, i);

	switch (i % 7) {
	case 0:
		b->p = calloc(1, n);
		break;
	case 1:
		b->p = aligned_alloc((size_t)32 << i % 5, n);
		break;
	case 2:
		b->p = realloc(malloc(n / 2), n);
		break;
	default:
		b->p = malloc(n);
	}
	if (!b->p)
		abort();
	b->usable = malloc_usable_size(b->p);
}

static void drop(int thread, int i)
{
	free(blocks[thread][i].p);
	blocks[thread][i].p = NULL;
}

/* What each thread does in each phase: allocate all; free some of its own; free some of its neighbour's; free
   and allocate again; free the rest of its neighbour's. */
static void act(int thread)
{
	int other = (thread + 1) % THREADS;

	for (int i = 0; i < EACH; i++)
		switch (phase) {
		case 1:
			take(thread, i);
			break;
		case 2:
			if (i % 3 == 0)
				drop(thread, i);
			break;
		case 3:
			if (i % 3 == 1)
				drop(other, i);
			break;
		case 4:
			if (i % 3 == 0 && i % 2)
				take(thread, i);
			break;
		case 5:
			drop(other, i);
			break;
		}
}

static void *work(void *arg)
{
	int thread = (int)(intptr_t)arg;

	for (int n = 0; n < 5; n++) {
		pthread_barrier_wait(&gate);
		act(thread);
		pthread_barrier_wait(&gate);
	}
	return NULL;
}

static void say(const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t k = write(1, text, n);

		if (k <= 0)
			_exit(3);
		text += k;
		n -= (size_t)k;
	}
}

/* The truth, and a wait for the observer. */
static void report(void)
{
	static size_t usable[KINDS], count[KINDS];
	size_t n = 0, k;
	char line[64], byte;

	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < EACH; i++) {
			if (!blocks[t][i].p)
				continue;
			for (k = 0; k < n && usable[k] != blocks[t][i].usable; k++)
				;
			if (k == KINDS)
				_exit(4);
			if (k == n) {
				usable[n] = blocks[t][i].usable;
				count[n++] = 0;
			}
			count[k]++;
		}
	for (k = 0; k < n; k++) {
		snprintf(line, sizeof(line), "%zu %zu\n", usable[k], count[k]);
		say(line);
	}
	say("done\n");
	if (read(0, &byte, 1) != 1)
		_exit(0);
}

int main(void)
{
	pthread_t t[THREADS];
	pthread_attr_t attr;

	/* Small stacks stay in glibc's cache with what libc allocated for them; big ones are freed at exit. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	pthread_barrier_init(&gate, NULL, THREADS + 1);
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], &attr, work, (void *)i))
			return 2;
	report();
	for (phase = 1; phase <= 5; phase++) {
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
		report();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	report();
	return 0;
}
