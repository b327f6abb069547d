/* SPDX-License-Identifier: MIT */
/* A program that execs itself many times keeps its pid and its preload, and leaves nothing behind. */
#include "check.h"

int main(int argc, char **argv)
{
	int left = argc > 1 ? atoi(argv[1]) : 12;
	char text[16];

	exercise(2000, (uint64_t)left);
	for (int k = 0; k < 20; k++)
		free(memset(malloc(1 << 20), 1, 1 << 20));
	if (left == 0) {
		printf("end of the chain\n");
		return 0;
	}
	snprintf(text, sizeof(text), "%d", left - 1);
	execl("/proc/self/exe", argv[0], text, (char *)NULL);
	return 1;
}
