/* SPDX-License-Identifier: MIT */
/* A pointer that no allocation can have. */
#include "abuse.h"

int main(void)
{
	char *p = hide(malloc(256));

	announce(p + 3);
	free(hide(p + 3));
	free(p);
	return after();
}
