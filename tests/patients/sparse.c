/* SPDX-License-Identifier: MIT */
/*
 * A spike that left survivors: MiB of 16 to 1024 bytes, of which one object in so many lives on, and then the purge of
 * free pages inside spans.  Arguments: MiB, one survivor in this many.
 */
#include <malloc.h>

#include "patient.h"

int main(int argc, char **argv)
{
	size_t mib = argument(argc, argv, 1, 192), apart = argument(argc, argv, 2, 100), bytes = 0, n = 0, live = 0;
	size_t most = (mib << 20) / 256, kept = 0;
	void **blocks = malloc(most * sizeof(*blocks));
	uint32_t seed = 7;

	alarm(PATIENCE_S);
	if (!blocks)
		return 1;
	while (bytes < mib << 20 && n < most) {
		size_t size = 16 + draw(&seed, 1009);

		blocks[n] = malloc(size);
		if (!blocks[n])
			return 1;
		memset(blocks[n++], 1, size);
		bytes += size;
	}
	for (size_t i = 0; i < n; i++) {
		if (draw(&seed, (uint32_t)apart) != 0) {
			free(blocks[i]);
		} else {
			live += malloc_usable_size(blocks[i]);
			kept++;
		}
	}
	/* how much of the pages with survivors there can be: each lies on two of them at most */
	malloc_trim(0);
	say("spike_bytes=%zu survivors=%zu live_bytes=%zu page_bytes=%zu\nready\n", bytes, kept,
	    live + malloc_usable_size(blocks), kept * 2 * (size_t)sysconf(_SC_PAGESIZE));
	wait_for_line();
	return 0;
}
