/* SPDX-License-Identifier: MIT */
/* dlopen and dlclose in several threads, blocks that outlive their plugin, beside a walker of the loaded objects. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>

#include "check.h"

static const char *path;
static atomic_int stop;

static void *(*make_in(void *h))(size_t)
{
	return (void *(*)(size_t))dlsym(h, "plugin_make");
}

static void (*drop_in(void *h))(void *)
{
	return (void (*)(void *))dlsym(h, "plugin_drop");
}

static void *cycle(void *arg)
{
	void *mine = malloc(100), *theirs = NULL;

	for (int i = 0; i < 100; i++) {
		void *h = dlopen(path, (i % 2 ? RTLD_NOW : RTLD_LAZY) | RTLD_LOCAL);

		CHECK(h);
		free(theirs);
		theirs = make_in(h)(500);
		CHECK(theirs);
		drop_in(h)(mine);
		mine = malloc(100 + (uintptr_t)arg);
		dlclose(h);
		exercise(50, (uintptr_t)arg);
	}
	free(mine);
	free(theirs);
	return NULL;
}

static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	/* The loader's lock is held here; the library must not need it to serve this. */
	exercise(5, (uintptr_t)arg);
	return 0;
}

static void *walk(void *arg)
{
	while (!stop)
		dl_iterate_phdr(on_object, arg);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t t[3], w;

	CHECK(argc > 1);
	path = argv[1];
	CHECK(pthread_create(&w, NULL, walk, NULL) == 0);
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(pthread_create(&t[i], NULL, cycle, (void *)i) == 0);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	stop = 1;
	pthread_join(w, NULL);
	printf("cycles done\n");
	return 0;
}
