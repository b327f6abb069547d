/* SPDX-License-Identifier: MIT */
/* A pointer into the middle of a small block. */
#include "abuse.h"

int main(void)
{
	char *p = hide(malloc(256));

	announce(p + 64);
	free(hide(p + 64));
	free(p);
	return after();
}
