/* SPDX-License-Identifier: MIT */
/*
 * Cold memory: of all live bytes only a part is ever read again, over and over.  Arguments: MiB, percent
 * that stays hot.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "patient.h"

#define BLOCK (256 << 10)
#define BLOCKS_MAX 4096

static char *blocks[BLOCKS_MAX];
static size_t n_hot;

static NOINLINE char *archive_new(void)
{
	char *p = malloc(BLOCK);

	if (!p)
		_exit(1);
	memset(p, 1, BLOCK);
	STAY();
	return p;
}

static void *reader(void *unused)
{
	volatile size_t sum = 0;

	(void)unused;
	for (;;) {
		for (size_t i = 0; i < n_hot; i++)
			for (size_t k = 0; k < BLOCK; k += 4096)
				sum += (size_t)blocks[i][k];
		usleep(50000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t mib = argument(argc, argv, 1, 128), percent = argument(argc, argv, 2, 20), n = (mib << 20) / BLOCK;
	pthread_t thread;

	alarm(PATIENCE_S);
	if (n > BLOCKS_MAX)
		return 2;
	for (size_t i = 0; i < n; i++)
		blocks[i] = archive_new();
	n_hot = n * percent / 100;
	if (pthread_create(&thread, NULL, reader, NULL) != 0)
		return 1;
	say("cold_bytes=%zu hot_bytes=%zu site=archive_new\nready\n", (n - n_hot) * BLOCK, n_hot * BLOCK);
	wait_for_line();
	return 0;
}
