/* SPDX-License-Identifier: MIT */
#include "util/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void out_of_memory(void)
{
	static const char text[] = "heaptop: out of memory\n";

	/* nothing can be done when this fails too */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(71);
	exit(71);
}

void *ht_xmalloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *ht_xcalloc(size_t n, size_t bytes)
{
	void *p = calloc(n ? n : 1, bytes ? bytes : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *ht_xrealloc(void *p, size_t n, size_t bytes)
{
	void *q = reallocarray(p, n ? n : 1, bytes);

	if (!q)
		out_of_memory();
	return q;
}

char *ht_xstrdup(const char *s)
{
	char *p = strdup(s);

	if (!p)
		out_of_memory();
	return p;
}

void ht_grow(void **p, size_t n, size_t *room, size_t bytes)
{
	if (n < *room)
		return;
	*room = *room ? *room * 2 : 16;
	*p = ht_xrealloc(*p, *room, bytes);
}
