/* SPDX-License-Identifier: MIT */
/*
 * Healthy: a server in its steady state.  Four threads answer requests of mixed sizes from a heap that is
 * as large after ten seconds as after one.  Arguments: seconds, MiB of the data set.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "patient.h"

#define THREADS 4
#define OBJECTS_MAX 200000

static atomic_int run = 1;
static void **data;
static size_t n_data;

static NOINLINE void *answer(uint32_t *seed)
{
	size_t bytes = 32 + draw(seed, 2000);
	char *p = malloc(bytes);

	if (!p)
		_exit(1);
	memset(p, 1, bytes);
	STAY();
	return p;
}

static void *worker(void *argument_of_thread)
{
	size_t me = (size_t)argument_of_thread;
	uint32_t seed = (uint32_t)me * 77 + 5;

	while (atomic_load(&run)) {
		for (int i = 0; i < 200; i++) {
			/* each thread keeps a part of the data up to date */
			size_t at = draw(&seed, (uint32_t)(n_data / THREADS)) * THREADS + me;
			void *request = answer(&seed);

			free(data[at]);
			data[at] = answer(&seed);
			free(request);
		}
		usleep(2000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t seconds = argument(argc, argv, 1, 12), mib = argument(argc, argv, 2, 64);
	uint32_t seed = 3;
	pthread_t threads[THREADS];

	alarm(PATIENCE_S);
	n_data = (mib << 20) / 1032 / THREADS * THREADS; /* mean of the sizes */
	if (n_data > OBJECTS_MAX || n_data == 0)
		return 2;
	data = calloc(n_data, sizeof(*data));
	for (size_t i = 0; i < n_data; i++)
		data[i] = answer(&seed);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)i) != 0)
			return 1;
	sleep((unsigned)seconds);
	say("data_mib=%zu seconds=%zu\nready\n", mib, seconds);
	wait_for_line();
	atomic_store(&run, 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
