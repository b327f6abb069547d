/* SPDX-License-Identifier: MIT */
/* Zero sizes, NULL, and the plain contract of malloc, calloc, realloc and free. */
#include <malloc.h>

#include "check.h"

static void zero_sizes(void)
{
	void *a = hide(malloc(hide_size(0)));
	void *b = hide(malloc(hide_size(0)));
	void *c = hide(calloc(hide_size(0), 8));
	void *d = hide(calloc(8, hide_size(0)));

	CHECK(a && b && c && d);
	CHECK(a != b && c != d && a != c);
	printf("malloc(0) unique and not NULL\n");
	free(a);
	free(b);
	free(c);
	free(d);
	free(NULL);
}

static void realloc_edges(void)
{
	void *p = hide(realloc(NULL, 100));

	CHECK(p);
	fill(p, 100, 3);
	errno = 0;
	/* glibc: a size of zero frees and returns NULL without an error. */
	p = hide(realloc(p, hide_size(0)));
	printf("realloc(p, 0): %s, errno %d\n", p ? "block" : "NULL", errno);
	p = hide(realloc(NULL, hide_size(0)));
	printf("realloc(NULL, 0): %s\n", p ? "block" : "NULL");
	free(p);
	p = hide(reallocarray(NULL, 10, 10));
	CHECK(p);
	p = hide(reallocarray(p, 100, 10));
	CHECK(p);
	p = hide(reallocarray(p, hide_size(0), 10));
	printf("reallocarray(p, 0, 10): %s\n", p ? "block" : "NULL");
}

static void calloc_zeroes(void)
{
	/* Dirty many blocks first: fresh pages would be zero anyway. */
	for (size_t n = 1; n <= (size_t)8 << 20; n = n * 3 + 1) {
		for (int round = 0; round < 3; round++) {
			unsigned char *p = hide(malloc(n));

			CHECK(p);
			memset(p, 0xa5, n);
			free(p);
			p = hide(calloc(round ? 1 : n, round ? n : 1));
			CHECK(p);
			for (size_t i = 0; i < n; i++)
				CHECK(p[i] == 0);
			memset(p, 0x5a, n);
			free(p);
		}
	}
	printf("calloc zeroes\n");
}

static void distinct(void)
{
	enum { N = 20000 };
	static void *p[N];

	for (int i = 0; i < N; i++) {
		size_t n = (size_t)(i % 700);

		p[i] = hide(malloc(n));
		CHECK(p[i]);
		fill(p[i], n, (unsigned)i);
	}
	for (int i = 0; i < N; i++)
		CHECK(intact(p[i], (size_t)(i % 700), (unsigned)i));
	for (int i = 0; i < N; i += 2)
		free(p[i]);
	for (int i = 0; i < N; i += 2) {
		p[i] = hide(malloc((size_t)(i % 300)));
		CHECK(p[i]);
		fill(p[i], (size_t)(i % 300), (unsigned)i);
	}
	for (int i = 0; i < N; i++)
		CHECK(intact(p[i], (size_t)(i % (i % 2 ? 700 : 300)), (unsigned)i));
	for (int i = N - 1; i >= 0; i--)
		free(p[i]);
	printf("blocks do not overlap\n");
}

int main(void)
{
	zero_sizes();
	realloc_edges();
	calloc_zeroes();
	distinct();
	return 0;
}
