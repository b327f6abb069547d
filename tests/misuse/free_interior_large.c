/* SPDX-License-Identifier: MIT */
/* A page-aligned pointer into the middle of a large block. */
#include "abuse.h"

int main(void)
{
	char *p = hide(malloc(2 << 20));

	announce(p + (1 << 20));
	free(hide(p + (1 << 20)));
	free(p);
	return after();
}
