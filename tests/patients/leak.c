/* SPDX-License-Identifier: MIT */
/*
 * Leak: one site of many never frees; it has a fiftieth of the traffic.  A table made at start-up is
 * larger than what is lost and must not be blamed.  Arguments: seconds, KiB lost per second.
 */
#include <malloc.h>

#include "patient.h"

#define SLOTS 4096
#define STARTUP (24 << 20)

static void *slots[SLOTS];

static NOINLINE void *leaky_append(size_t bytes)
{
	void *p = malloc(bytes);

	STAY();
	return p;
}

static NOINLINE void *request_new(size_t bytes)
{
	void *p = malloc(bytes);

	STAY();
	return p;
}

static NOINLINE void *session_new(size_t bytes)
{
	void *p = malloc(bytes);

	STAY();
	return p;
}

static NOINLINE void startup_table(void)
{
	for (size_t n = 0; n < STARTUP; n += 1024) {
		char *p = malloc(1024);

		if (!p)
			_exit(1);
		memset(p, 1, 1024);
	}
	STAY();
}

int main(int argc, char **argv)
{
	size_t seconds = argument(argc, argv, 1, 12), rate = argument(argc, argv, 2, 4096) << 10, lost = 0;
	uint32_t seed = 7;
	double start, t;

	alarm(PATIENCE_S);
	startup_table();
	start = now_s();
	while ((t = now_s() - start) < (double)seconds) {
		for (int i = 0; i < 1000; i++) {
			size_t at = draw(&seed, SLOTS), bytes = 64 + draw(&seed, 1500);

			free(slots[at]);
			slots[at] = at % 3 ? request_new(bytes) : session_new(bytes);
			if (!slots[at])
				return 1;
			memset(slots[at], 1, bytes);
		}
		while ((double)lost < t * (double)rate) {
			/* a size class, so that requested and usable bytes are one truth */
			void *p = leaky_append(208);

			if (!p)
				return 1;
			memset(p, 1, 208);
			lost += malloc_usable_size(p);
		}
		usleep(10000); /* about 80 MB/s of other traffic */
	}
	say("lost_bytes=%zu seconds=%zu site=leaky_append startup_site=startup_table\nready\n", lost, seconds);
	wait_for_line();
	return 0;
}
