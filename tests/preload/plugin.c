/* SPDX-License-Identifier: MIT */
/* plugin.c - loaded and unloaded by dlopen_cycle.c: allocates in its constructor, frees what others made. */
#include <stdlib.h>
#include <string.h>

static char *own;
static __thread char big_tls[2000];

__attribute__((constructor)) static void loaded(void)
{
	own = malloc(4000);
	if (own)
		memset(own, 1, 4000);
}

__attribute__((destructor)) static void unloaded(void)
{
	free(own);
}

void *plugin_make(size_t n)
{
	big_tls[n % sizeof(big_tls)] = 1;
	return calloc(1, n);
}

void plugin_drop(void *p)
{
	free(p);
}
