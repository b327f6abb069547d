/* SPDX-License-Identifier: MIT */
/*
 * A library opened with RTLD_DEEPBIND binds malloc and free to libc, not to the preload: its free() gets our
 * blocks and we get libc's.  (Debian's php does this; jemalloc, tcmalloc and mimalloc crash.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>

#include "check.h"

int main(int argc, char **argv)
{
	void *(*make)(size_t);
	void (*drop)(void *);
	void *h, *p;

	CHECK(argc > 1);
	h = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	CHECK(h);
	make = (void *(*)(size_t))dlsym(h, "plugin_make");
	drop = (void (*)(void *))dlsym(h, "plugin_drop");
	CHECK(make && drop);
	for (size_t n = 1; n < 1000000; n *= 3) {
		drop(malloc(n));
		free(make(n));
		p = make(n);
		CHECK(malloc_usable_size(p) >= n);
		fill(p, n, 7);
		p = realloc(p, n + 10000);
		CHECK(p && (n < 2 || *(unsigned char *)p == 7));
		drop(p);
	}
	dlclose(h);
	exercise(1000, 1);
	printf("deep binding survived\n");
	return 0;
}
