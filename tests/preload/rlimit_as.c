/* SPDX-License-Identifier: MIT */
/* A small RLIMIT_AS: the program starts, works, meets ENOMEM decently, and goes on after freeing. */
#include <pthread.h>
#include <sys/resource.h>

#include "check.h"

enum { BLOCK = 256 << 10, MOST = 4096 };

static void *work(void *arg)
{
	exercise(2000, (uintptr_t)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	static void *p[MOST];
	struct rlimit limit;
	rlim_t mib = 96;
	int n;

	if (argc < 2) {
		limit.rlim_cur = limit.rlim_max = mib << 20;
		CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
		execl("/proc/self/exe", argv[0], "limited", (char *)NULL);
		return 1;
	}
	exercise(5000, 1);
	for (int round = 0; round < 3; round++) {
		errno = 0;
		for (n = 0; n < MOST && (p[n] = malloc(BLOCK)); n++)
			memset(p[n], 1, BLOCK);
		CHECK(n < MOST && errno == ENOMEM);
		/* Small blocks may still fit or not, but nothing may crash. */
		for (int i = 0; i < 100000; i++) {
			void *q = malloc(100);

			if (!q)
				break;
			if (i < 1000)
				free(q);
		}
		printf("refused decently\n");
		while (n > 0)
			free(p[--n]);
		exercise(3000, (uint64_t)round);
		if (round == 0) {
			pthread_attr_t attr;
			pthread_t t;

			pthread_attr_init(&attr);
			pthread_attr_setstacksize(&attr, 128 << 10);
			for (uintptr_t i = 0; i < 20; i++)
				if (pthread_create(&t, &attr, work, (void *)i) == 0)
					pthread_join(t, NULL);
		}
	}
	return 0;
}
