/* SPDX-License-Identifier: MIT */
/* The block had a mapping of its own that is gone by the second free. */
#include "abuse.h"

int main(void)
{
	void *p = hide(malloc((size_t)200 << 20));

	announce(p);
	free(p);
	free(hide(p));
	return after();
}
