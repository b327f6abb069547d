/* SPDX-License-Identifier: MIT */
/*
 * sharing.c - small objects of two threads on one cache line.
 *
 * Each thread writes its own object a thousand times between malloc and free, as a counter or a flag is
 * written.  When an allocator has put the objects of two threads on one line, each write waits for the line:
 * ten times as slow.
 */
#include "micro.h"

enum { WRITES = 1000, SMALL = 16 };

struct writer {
	void *given; /* freed first, or NULL */
	long count;
};

static void *writer(void *arg)
{
	struct writer *w = arg;

	free(w->given);
	for (long i = 0; i < w->count; i++) {
		volatile uint64_t *p = make(SMALL);

		for (int k = 0; k < WRITES; k++)
			*p += 1;
		free((void *)p);
	}
	return NULL;
}

static void writers(struct micro *m, int give)
{
	size_t bytes = (size_t)m->threads * sizeof(struct writer);
	struct writer *w = micro_table(bytes);

	for (int i = 0; i < m->threads; i++) {
		w[i].given = give ? make(SMALL) : NULL;
		w[i].count = m->count / m->threads + 1;
	}
	micro_threads_run(m->threads, writer, w, sizeof(*w));
	m->ops = m->threads * w[0].count;
	micro_drop(w, bytes);
}

/* Passive: one thread made adjacent objects and gave one to each; what they free must not be handed to them again. */
static void cache_scratch(struct micro *m)
{
	writers(m, 1);
}

/* Active: do two threads that ask at the same time get neighbours? */
static void cache_thrash(struct micro *m)
{
	writers(m, 0);
}

const struct micro_mode micro_sharing[] = {
	{ "cache-scratch", cache_scratch, 4000000, 2, 0, 0,
	  "malloc of 16 bytes, 1,000 writes, free; each thread first frees a neighbour of what the others free" },
	{ "cache-thrash", cache_thrash, 4000000, 2, 0, 0, "malloc of 16 bytes, 1,000 writes, free" },
	{ 0 },
};
