/* SPDX-License-Identifier: MIT */
/* blocks.c - zeroed, resized, aligned and large objects, in one thread. */
#include <string.h>

#include "micro.h"

enum { PAGE = 4096 };

/* One byte in each page: what makes pages resident and costs little itself. */
static void touch_pages(char *p, size_t from, size_t to)
{
	for (size_t k = from; k < to; k += PAGE)
		p[k] = 1;
	p[to - 1] = 1;
}

/* 256 live; each is dirtied in every page before it is freed, so that memory used again has to be cleared. */
static void zeroed(struct micro *m)
{
	enum { N = 256 };
	char *p[N] = { 0 };

	for (long i = 0; i < m->count; i++) {
		char **slot = &p[rnd(&m->seed) % N];
		size_t n = rnd_log(&m->seed, 12);

		free(*slot);
		*slot = hide(calloc(1, n));
		touch_pages(*slot, 0, n);
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
}

static void doubling_steps(struct micro *m, size_t first, int steps, int every_page)
{
	for (long i = 0; i < m->count; i += steps) {
		char *p = NULL;
		size_t had = 0;

		for (int k = 0; k < steps; k++) {
			size_t n = first << k;

			p = hide(realloc(p, n));
			if (every_page)
				touch_pages(p, had, n);
			else
				p[n - 1] = 1;
			had = n;
		}
		free(p);
	}
}

/* The last byte is written. */
static void doubling(struct micro *m)
{
	doubling_steps(m, 16, 13, 0);
}

/* Every page is written. */
static void doubling_large(struct micro *m)
{
	doubling_steps(m, (size_t)64 << 10, 11, 1);
}

/*
 * 1,000 vectors grow in turns by half of their size, from 16 bytes to over 16 KiB, and start again; no two in a
 * row are of one size.  The first and the last byte are written.
 */
static void append(struct micro *m)
{
	enum { N = 1000, START = 16, END = 16 << 10 };
	struct {
		char *p;
		size_t n;
	} *v = micro_table(N * sizeof(*v));

	for (int k = 0; k < N; k++)
		v[k].n = START + rnd(&m->seed) % END;
	for (long i = 0; i < m->count; i++) {
		int k = (int)(i % N);

		if (v[k].n > END) {
			free(v[k].p);
			v[k].p = NULL;
			v[k].n = START;
		}
		v[k].n += v[k].n / 2;
		v[k].p = hide(realloc(v[k].p, v[k].n));
		v[k].p[0] = v[k].p[v[k].n - 1] = 1;
	}
	for (int k = 0; k < N; k++)
		free(v[k].p);
	micro_drop(v, N * sizeof(*v));
}

/* 1,000 live. */
static void aligned(struct micro *m)
{
	enum { N = 1000 };
	void **p = micro_table(N * sizeof(*p));

	for (long i = 0; i < m->count; i++) {
		uint32_t r = rnd(&m->seed);
		void **slot = &p[r % N];

		free(*slot);
		if (posix_memalign(slot, (size_t)64 << (r >> 16) % 7, 16 + (r >> 20) % 2033) != 0)
			micro_die("posix_memalign failed");
		*(uint64_t *)hide(*slot) = 1;
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
	micro_drop(p, N * sizeof(*p));
}

static void large_blocks(struct micro *m, int every_page)
{
	enum { N = 16 };
	char *p[N] = { 0 };

	for (long i = 0; i < m->count; i++) {
		uint32_t r = rnd(&m->seed);
		size_t n = ((size_t)256 << 10) + (size_t)r % ((size_t)3840 << 10);
		char **slot = &p[r >> 8 & (N - 1)];

		free(*slot);
		*slot = make(n);
		if (every_page)
			touch_pages(*slot, 0, n);
	}
	for (int k = 0; k < N; k++)
		free(p[k]);
}

static void large(struct micro *m)
{
	large_blocks(m, 1);
}

/* Only the first word is written: what the allocator and the kernel do for the addresses alone. */
static void large_untouched(struct micro *m)
{
	large_blocks(m, 0);
}

const struct micro_mode micro_blocks[] = {
	{ "calloc", zeroed, 1500000, 1, 1, 0,
	  "a random one of 256 objects replaced by a zeroed one of 16 B..64 KiB, log-uniform" },
	{ "realloc-doubling", doubling, 15000000, 1, 1, 0, "one step of a vector that doubles from 16 B to 64 KiB" },
	{ "realloc-doubling-large", doubling_large, 600, 1, 1, 0,
	  "one step of a vector that doubles from 64 KiB to 64 MiB; all pages touched" },
	{ "realloc-append", append, 5000000, 1, 1, 0,
	  "one of 1,000 vectors grows by half; 16 B to 16 KiB, round robin" },
	{ "aligned", aligned, 8000000, 1, 1, 0,
	  "a random one of 1,000 objects replaced by one aligned to 64..4096, 16..2048 bytes" },
	{ "large", large, 12000, 1, 1, 0,
	  "a random one of 16 objects replaced by one of 256 KiB..4 MiB; all pages touched" },
	{ "large-untouched", large_untouched, 500000, 1, 1, 0, "as large, with only the first word touched" },
	{ 0 },
};
