/* SPDX-License-Identifier: MIT */
/* A pointer to static data was never allocated. */
#include "abuse.h"

int main(void)
{
	static char data[4096] __attribute__((aligned(4096)));

	announce(data);
	free(hide(data));
	return after();
}
