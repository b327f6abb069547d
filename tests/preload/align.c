/* SPDX-License-Identifier: MIT */
/* Alignment: 16 bytes for everything, what was asked for otherwise, and the rules for wrong requests. */
#include <malloc.h>

#include "check.h"

static int aligned(const void *p, size_t a)
{
	return p && ((uintptr_t)p & (a - 1)) == 0;
}

static void natural(void)
{
	for (size_t n = 0; n < 5000; n++) {
		void *p = hide(malloc(n)), *q = hide(calloc(1, n)), *r;

		CHECK(aligned(p, 16) && aligned(q, 16));
		r = hide(realloc(p, n + 1));
		CHECK(aligned(r, 16));
		free(r);
		free(q);
	}
	for (size_t n = 5000; n < (size_t)64 << 20; n = n * 5 / 4 + 3) {
		void *p = hide(malloc(n));

		CHECK(aligned(p, 16));
		free(p);
	}
	printf("16-byte alignment\n");
}

static void requested(void)
{
	static const size_t sizes[] = { 0, 1, 8, 16, 63, 100, 1000, 4096, 5000, 70000, 300000, 3000000 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };

	for (size_t a = 8; a <= (size_t)32 << 20; a *= 2) {
		void *p[N], *q[N], *r[N];

		for (int i = 0; i < N; i++) {
			p[i] = hide(memalign(a, sizes[i]));
			q[i] = hide(aligned_alloc(a, sizes[i]));
			r[i] = NULL;
			CHECK(posix_memalign(&r[i], a, sizes[i]) == 0);
			CHECK(aligned(p[i], a) && aligned(q[i], a) && aligned(r[i], a));
			CHECK(malloc_usable_size(p[i]) >= sizes[i]);
			fill(p[i], sizes[i], (unsigned)i);
			fill(q[i], sizes[i], (unsigned)i + 1);
			fill(r[i], sizes[i], (unsigned)i + 2);
		}
		for (int i = 0; i < N; i++) {
			CHECK(intact(p[i], sizes[i], (unsigned)i));
			CHECK(intact(q[i], sizes[i], (unsigned)i + 1));
			CHECK(intact(r[i], sizes[i], (unsigned)i + 2));
			/* realloc of an aligned block keeps the contents, not the alignment */
			q[i] = hide(realloc(q[i], sizes[i] + 500));
			CHECK(q[i]);
			if (sizes[i] > 1)
				CHECK(*(unsigned char *)q[i] == (unsigned char)(i + 1));
			free(p[i]);
			free(q[i]);
			free(r[i]);
		}
	}
	printf("requested alignment\n");
}

static void rules(void)
{
	static const size_t wrong[] = { 0, 1, 2, 3, 4, 7, 12, 24, 100, 4097 };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p = (void *)0x77;
		errno = 55;
		int r = posix_memalign(&p, hide_size(wrong[i]), 64);

		printf("posix_memalign(%zu): %s errno %d pointer %s\n", wrong[i],
		       r == EINVAL ? "EINVAL"
		       : r	   ? "other"
				   : "0",
		       errno, p == (void *)0x77 ? "kept" : "changed");
		if (!r)
			free(p);
	}
	/* glibc's memalign and 2.36's aligned_alloc take any alignment and round it up. */
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p = hide(memalign(hide_size(wrong[i]), 64));
		printf("memalign(%zu): %s\n", wrong[i], p ? "block" : "NULL");
		CHECK(!p || wrong[i] == 0 || aligned(p, 16));
		free(p);
	}
	errno = 0;
	p = hide(memalign(hide_size(SIZE_MAX / 2 + 2), 64));
	printf("memalign(huge): %s %s\n", p ? "block" : "NULL", errno == EINVAL ? "EINVAL" : "other");
	p = hide(valloc(100));
	CHECK(aligned(p, page) && malloc_usable_size(p) >= 100);
	free(p);
	p = hide(pvalloc(100));
	CHECK(aligned(p, page) && malloc_usable_size(p) >= page);
	memset(p, 1, page);
	free(p);
	p = hide(pvalloc(hide_size(0)));
	CHECK(aligned(p, page));
	free(p);
	p = hide(pvalloc(page + 1));
	CHECK(malloc_usable_size(p) >= 2 * page);
	memset(p, 1, 2 * page);
	free(p);
}

int main(void)
{
	natural();
	requested();
	rules();
	return 0;
}
