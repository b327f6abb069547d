/* SPDX-License-Identifier: MIT */
/* Under a small RLIMIT_AS, address space that was freed in one shape must serve another. */
#include <sys/resource.h>

#include "check.h"

enum { MOST = 40 << 10 };

int main(int argc, char **argv)
{
	static void *p[MOST];
	struct rlimit limit = { 64 << 20, 64 << 20 };

	if (argc < 2) {
		CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
		execl("/proc/self/exe", argv[0], "limited", (char *)NULL);
		return 1;
	}
	for (int round = 0; round < 3; round++) {
		void *q = malloc(20 << 20);

		CHECK(q);
		memset(q, 1, 20 << 20);
		free(q);
		q = malloc(33 << 20);
		CHECK(q);
		memset(q, 1, 33 << 20);
		free(q);
		for (int i = 0; i < MOST; i++) {
			p[i] = malloc(700);
			CHECK(p[i]);
			memset(p[i], 1, 700);
		}
		for (int i = 0; i < MOST; i++)
			free(p[i]);
		for (size_t n = 1 << 20; n <= (size_t)16 << 20; n *= 2) {
			q = malloc(n);
			CHECK(q);
			free(q);
		}
	}
	printf("space is used again in other shapes\n");
	return 0;
}
