/* SPDX-License-Identifier: MIT */
/* A child that leaves by _exit or by exec leaves no more behind than one that leaves by exit. */
#include "check.h"

int main(void)
{
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			exercise(3000, (uint64_t)i);
			/* past any threshold at which a segment becomes a file */
			for (int k = 0; k < 40; k++)
				free(memset(malloc(1 << 20), 1, 1 << 20));
			if (i % 2)
				_exit(4);
			execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
			_exit(5);
		}
		reap(pid, 4);
	}
	printf("30 children\n");
	return 0;
}
