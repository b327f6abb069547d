/* SPDX-License-Identifier: MIT */
/* malloc_usable_size: at least what was asked, all of it writable, kept by realloc in place. */
#include <malloc.h>

#include "check.h"

int main(void)
{
	static void *p[600];

	CHECK(malloc_usable_size(NULL) == 0);
	for (size_t n = 0; n < (size_t)32 << 20; n = n < 3000 ? n + 7 : n * 3 / 2) {
		void *q = hide(malloc(n));
		size_t u = malloc_usable_size(q);

		CHECK(q && u >= n);
		CHECK(u <= n + n / 2 + 65536);
		memset(q, 0x6b, u);
		CHECK(malloc_usable_size(q) == u);
		free(q);
	}
	/* Neighbours filled to the brim must not touch each other. */
	for (size_t i = 0; i < 600; i++) {
		p[i] = hide(malloc(i * 11));
		CHECK(p[i]);
		memset(p[i], (int)(i & 0xff), malloc_usable_size(p[i]));
	}
	for (size_t i = 0; i < 600; i++) {
		unsigned char *c = p[i];
		size_t u = malloc_usable_size(c);

		for (size_t k = 0; k < u; k++)
			CHECK(c[k] == (i & 0xff));
		/* Growing within the usable size keeps everything. */
		c = hide(realloc(c, u));
		CHECK(c);
		for (size_t k = 0; k < u; k++)
			CHECK(c[k] == (i & 0xff));
		free(c);
	}
	printf("usable sizes hold\n");
	return 0;
}
