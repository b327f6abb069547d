/* SPDX-License-Identifier: MIT */
/* A pointer to the stack was never allocated. */
#include "abuse.h"

int main(void)
{
	char local[64];

	announce(local);
	free(hide(local + 0));
	return after();
}
