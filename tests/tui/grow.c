/* SPDX-License-Identifier: MIT */
/* A process that grows by some MiB a second from one function, for live.sh; ends by itself after half a minute. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *grow_forever(size_t bytes)
{
	char *p = malloc(bytes);

	if (p)
		memset(p, 1, bytes);
	/* keeps the call from becoming a jump, which would hide this function from the stack */
	__asm__ volatile("" : "+r"(p));
	return p;
}

int main(void)
{
	for (int i = 0; i < 600; i++) {
		for (int k = 0; k < 1000; k++)
			if (!grow_forever(400))
				return 1;
		usleep(50000);
	}
	return 0;
}
