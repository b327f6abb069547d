/* SPDX-License-Identifier: MIT */
/* Sizes that cannot be had: NULL and ENOMEM from every function, and the old block stays. */
#include <malloc.h>

#include "check.h"

static const size_t bad[] = {
	(size_t)PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX,	       SIZE_MAX - 1,
	SIZE_MAX - 4095,     SIZE_MAX - 65536,	      (size_t)1 << 62,
};

#define REFUSED(call)                                                                                                  \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		void *p_ = hide(call);                                                                                 \
		printf("%-40s %s %s\n", #call, p_ ? "block" : "NULL",                                                  \
		       errno == ENOMEM ? "ENOMEM"                                                                      \
		       : errno	       ? "other errno"                                                                 \
				       : "0");                                                                                 \
		CHECK(!p_);                                                                                            \
	} while (0)

static void one(size_t n)
{
	void *keep = malloc(100), *p;
	int r;

	CHECK(keep);
	fill(keep, 100, 9);
	REFUSED(malloc(n));
	REFUSED(calloc(1, n));
	REFUSED(calloc(n, 1));
	REFUSED(realloc(NULL, n));
	REFUSED(realloc(keep, n));
	REFUSED(reallocarray(keep, 1, n));
	REFUSED(memalign(64, n));
	REFUSED(memalign(1 << 20, n));
	REFUSED(aligned_alloc(64, n));
	REFUSED(valloc(n));
	REFUSED(pvalloc(n));
	p = (void *)0x1234;
	errno = 0;
	r = posix_memalign(&p, 64, n);
	CHECK(p == (void *)0x1234);
	printf("posix_memalign %s\n", r == ENOMEM ? "ENOMEM" : "other");
	CHECK(intact(keep, 100, 9));
	free(keep);
}

int main(void)
{
	char *block = malloc(64);
	size_t half = hide_size((size_t)1 << 33);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		one(hide_size(bad[i]));
	REFUSED(calloc(half, half));
	REFUSED(calloc(hide_size(SIZE_MAX / 2), 3));
	REFUSED(reallocarray(NULL, half, half));
	REFUSED(reallocarray(block, half, half));
	REFUSED(reallocarray(block, hide_size(SIZE_MAX), 2));
	/* An alignment that leaves no room for the size. */
	REFUSED(memalign((size_t)1 << 62, hide_size(1)));
	/* A success leaves errno alone. */
	errno = 123;
	free(hide(malloc(1000)));
	free(hide(calloc(10, 1000)));
	free(hide(malloc(3 << 20)));
	printf("errno after success %d\n", errno);
	free(block);
	return 0;
}
