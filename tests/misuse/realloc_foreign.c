/* SPDX-License-Identifier: MIT */
/* realloc of a pointer that was never allocated. */
#include "abuse.h"

int main(void)
{
	static char data[64] __attribute__((aligned(16)));
	void *p;

	announce(data);
	p = realloc(hide(data), 1000);
	if (p && p != data)
		free(p);
	return after();
}
