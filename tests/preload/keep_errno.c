/* SPDX-License-Identifier: MIT */
/* free leaves errno alone, whatever it has to do: small, large, given back to the kernel, NULL. */
#include <malloc.h>

#include "check.h"

int main(void)
{
	static void *p[5000];

	for (size_t n = 1; n < (size_t)256 << 20; n *= 3) {
		void *q = hide(malloc(n));

		CHECK(q);
		errno = 4711;
		free(q);
		CHECK(errno == 4711);
	}
	for (int i = 0; i < 5000; i++)
		CHECK((p[i] = hide(malloc((size_t)(i % 3000) * 7))));
	for (int i = 0; i < 5000; i++) {
		errno = i;
		free(p[i]);
		CHECK(errno == i);
	}
	errno = 99;
	free(NULL);
	CHECK(errno == 99);
	/* A trim that gives pages back between two frees. */
	p[0] = hide(malloc(8 << 20));
	p[1] = hide(malloc(100));
	free(p[0]);
	malloc_trim(0);
	errno = 98;
	free(p[1]);
	CHECK(errno == 98);
	printf("errno kept\n");
	return 0;
}
