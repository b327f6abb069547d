/* SPDX-License-Identifier: MIT */
/*
 * External fragmentation: one object of sixteen survives a burst, spread evenly, so that every span keeps
 * a few.  Arguments: MiB of the burst, seed, 0 when nothing shall survive (and the process is well).
 */
#include <malloc.h>

#include "patient.h"

#define KEEP 16

static NOINLINE void *survivor_new(size_t bytes)
{
	void *p = malloc(bytes);

	STAY();
	return p;
}

static NOINLINE void *burst_new(size_t bytes)
{
	void *p = malloc(bytes);

	STAY();
	return p;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 48, 96, 160, 320 };
	size_t target = argument(argc, argv, 1, 192) << 20, total = 0, n = 0, room = target / 48 + 1;
	uint32_t seed = (uint32_t)argument(argc, argv, 2, 1);
	size_t survive = argument(argc, argv, 3, 1), free_bytes = 0, live_bytes = 0, survivors = 0;
	void **objects;

	alarm(PATIENCE_S);
	objects = calloc(room, sizeof(*objects));
	while (objects && total < target && n < room) {
		/* by class and turn, not by chance: the truth has no variance */
		size_t bytes = sizes[(n / KEEP + draw(&seed, 2)) % 4];

		objects[n] = n % KEEP == 0 ? survivor_new(bytes) : burst_new(bytes);
		if (!objects[n])
			return 1;
		memset(objects[n], 1, bytes);
		total += malloc_usable_size(objects[n]);
		n++;
	}
	for (size_t i = 0; i < n; i++) {
		size_t bytes = malloc_usable_size(objects[i]);

		if (survive && i % KEEP == 0) {
			live_bytes += bytes;
			survivors++;
			continue;
		}
		free_bytes += bytes;
		free(objects[i]);
	}
	say("free_bytes=%zu live_bytes=%zu survivors=%zu site=survivor_new\nready\n", free_bytes, live_bytes,
	    survivors);
	wait_for_line();
	return 0;
}
