/* SPDX-License-Identifier: MIT */
/* worker.c - the program that the shell tests here run: allocates enough to have a segment; `wait` makes it stay. */
#include "check.h"

int main(int argc, char **argv)
{
	void *p[32];

	exercise(20000, 1);
	/* Short commands have no segment; this one lives long enough. */
	usleep(200000);
	exercise(1000, 2);
	for (int i = 0; i < 32; i++) {
		p[i] = malloc(1 << 20);
		CHECK(p[i]);
		memset(p[i], i, 1 << 20);
	}
	for (int i = 0; i < 300 && argc > 1 && strcmp(argv[1], "wait") == 0; i++) {
		usleep(100000);
		exercise(100, (uint64_t)i);
	}
	for (int i = 0; i < 32; i++)
		free(p[i]);
	printf("worked\n");
	return 0;
}
