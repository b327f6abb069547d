/* SPDX-License-Identifier: MIT */
/* A write into freed blocks wrecks the free list; the next allocations must notice instead of returning garbage. */
#include "abuse.h"

int main(void)
{
	enum { N = 64 };
	void *p[N];

	for (int i = 0; i < N; i++)
		p[i] = hide(malloc(48));
	for (int i = 0; i < N; i++)
		free(p[i]);
	/* Any message must name the heap slot it met; all carry the same upper digits. */
	printf("pointer 0x\n");
	fflush(stdout);
	for (int i = 0; i < N; i++)
		memset(hide(p[i]), 0x41, 48);
	for (int i = 0; i < N; i++) {
		p[i] = hide(malloc(48));
		if (p[i])
			memset(p[i], 1, 48);
	}
	return after();
}
