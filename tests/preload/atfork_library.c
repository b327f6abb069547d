/* SPDX-License-Identifier: MIT */
/* atfork_library.c - linked by fork_library.c: its atfork handlers allocate enough to need locks. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static unsigned calls;
static void *held[300];

static void handler(void)
{
	calls++;
	for (size_t i = 0; i < 300; i++) {
		free(held[i]);
		held[i] = malloc(i * 97 + calls % 50);
		if (!held[i])
			abort();
		memset(held[i], 1, i * 97 + calls % 50);
	}
	free(malloc(3 << 20));
}

__attribute__((constructor)) static void loaded(void)
{
	pthread_atfork(handler, handler, handler);
}

unsigned atfork_library_calls(void)
{
	return calls;
}
