/* SPDX-License-Identifier: MIT */
/* The block is above the size classes. */
#include "abuse.h"

int main(void)
{
	void *p = hide(malloc(3 << 20));

	announce(p);
	free(p);
	free(hide(p));
	return after();
}
