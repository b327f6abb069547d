/* SPDX-License-Identifier: MIT */
/* The second free comes after many other frees and allocations of other sizes. */
#include "abuse.h"

int main(void)
{
	void *p[100], *other[100];

	for (int i = 0; i < 100; i++)
		p[i] = hide(malloc(48));
	announce(p[50]);
	for (int i = 0; i < 100; i++)
		free(p[i]);
	for (size_t i = 0; i < 100; i++)
		other[i] = hide(malloc(200 + i));
	for (int i = 0; i < 100; i++)
		free(other[i]);
	free(hide(p[50]));
	return after();
}
