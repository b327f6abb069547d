/* SPDX-License-Identifier: MIT */
/*
 * A known population: 8 threads allocate 100,000 blocks, some are freed by their own thread, some by
 * another, and all threads stay alive with whatever they cache.  Arguments: blocks, seed.
 *
 * The truth is a difference: first "truth blocks=0" and "ready" while the threads wait with their first
 * malloc behind them, then, after a line of input, the population.  The program itself allocates nothing
 * in between.
 */
#include <malloc.h>
#include <pthread.h>

#include "patient.h"

#define THREADS 8
#define BLOCKS_MAX 400000
#define CLASSES_MAX 256

static const uint32_t sizes[] = { 1, 16, 24, 40, 64, 100, 200, 333, 512, 1000, 1500, 3000, 5000, 10000, 30000 };
static const uint32_t large[] = { 40000, 100000, 300000, 1500000 };

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define N_LARGE (sizeof(large) / sizeof(large[0]))

static void *blocks[BLOCKS_MAX];
static size_t n_blocks;
static uint32_t seed0;
static pthread_barrier_t barrier;

static uint32_t size_of_block(uint32_t *seed)
{
	/* mostly small: a thousandth is large, and the larger of the small ones are rarer */
	uint32_t i, j;

	if (draw(seed, 1000) == 0)
		return large[draw(seed, N_LARGE)];
	i = draw(seed, N_SIZES);
	j = draw(seed, N_SIZES);
	return sizes[i < j ? i : j];
}

/*
 * Whatever the first calls of a thread cost belongs to the baseline; so does the block that libc allocates
 * for the library's helper thread, which starts on a slow path of a program with several threads.
 */
static void warm_up(void)
{
	for (int i = 0; i < 1000; i++) {
		char *volatile p = malloc(20000);

		free(p);
	}
	usleep(100000);
	free(malloc(1));
}

static void *worker(void *argument_of_thread)
{
	size_t me = (size_t)argument_of_thread, first = n_blocks / THREADS * me, n = n_blocks / THREADS;
	size_t other = n_blocks / THREADS * ((me + 1) % THREADS);
	uint32_t seed = seed0 * 2654435761u + (uint32_t)me + 1;

	warm_up();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	for (size_t i = first; i < first + n; i++) {
		blocks[i] = malloc(size_of_block(&seed));
		if (!blocks[i])
			_exit(1);
	}
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < n; i++) {
		if (i % 5 == 1) {
			free(blocks[first + i]);
			blocks[first + i] = NULL;
		} else if (i % 7 == 3) { /* the neighbour's */
			free(blocks[other + i]);
			blocks[other + i] = NULL;
		}
	}
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static void tell_truth(void)
{
	static struct {
		size_t usable, objects;
	} classes[CLASSES_MAX];
	size_t n = 0, live = 0, bytes = 0;

	for (size_t i = 0; i < n_blocks; i++) {
		size_t usable = blocks[i] ? malloc_usable_size(blocks[i]) : 0, k = 0;

		if (!usable)
			continue;
		while (k < n && classes[k].usable != usable)
			k++;
		if (k == n) {
			if (n == CLASSES_MAX)
				_exit(3);
			classes[n++].usable = usable;
		}
		classes[k].objects++;
		live++;
		bytes += usable;
	}
	say("blocks=%zu live_objects=%zu live_bytes=%zu", n_blocks, live, bytes);
	for (size_t k = 0; k < n; k++)
		say(" class:%zu=%zu", classes[k].usable, classes[k].objects);
	say("\nready\n");
}

int main(int argc, char **argv)
{
	pthread_t thread;

	alarm(PATIENCE_S);
	n_blocks = argument(argc, argv, 1, 100000) / THREADS * THREADS;
	seed0 = (uint32_t)argument(argc, argv, 2, 1);
	if (n_blocks > BLOCKS_MAX)
		return 2;
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, worker, (void *)i) != 0)
			return 1;
	pthread_barrier_wait(&barrier);
	say("blocks=0\nready\n");
	wait_for_line();
	for (int i = 0; i < 3; i++)
		pthread_barrier_wait(&barrier);
	tell_truth();
	wait_for_line();
	return 0;
}
